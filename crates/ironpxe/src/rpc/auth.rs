//! HTTP basic authentication as in Ironic: bcrypt entries in an htpasswd file.
//!
//! bcrypt is slow by design, so results are cached until the user's line changes, which is noticed
//! within a second. Only one password is verified at a time, and the queue is limited
//! (`limits.rs`); cached results need no queue.
//!
//! Source: Ironic's `common/auth_basic.py`.

mod limits;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use tokio::sync::{OnceCell, Semaphore};
use tracing::{error, warn};

use self::limits::{Limits, Place};

/// How often the file is checked for changes.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A user name and a password, hidden in `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> HeaderValue {
        let pair = STANDARD.encode(format!("{}:{}", self.username, self.password));
        let mut value = HeaderValue::try_from(format!("Basic {pair}"))
            .unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }

    fn from_header(value: &HeaderValue) -> Option<Self> {
        let (scheme, pair) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(STANDARD.decode(pair.trim()).ok()?).ok()?;
        let (username, password) = pair.split_once(':')?;
        Some(Self {
            username: username.to_owned(),
            password: password.to_owned(),
        })
    }
}

/// Why the file of users is unusable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    /// It cannot be read.
    #[error("cannot read the users of {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A line of it is invalid.
    #[error(
        "{}, line {line}: expected NAME:HASH with a bcrypt hash ($2y$…), as `htpasswd -nbB NAME \
         PASSWORD` prints it", .path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
}

/// The users of an htpasswd file. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Users(Arc<Shared>);

/// The result of authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Name and password are valid.
    Admitted,
    /// They are invalid or missing.
    Refused,
    /// Unknown: too many passwords are queued, by this peer or in total, or this peer had too many
    /// failures.
    Busy {
        /// When to retry, in seconds.
        retry_after: u16,
    },
}

struct Shared {
    path: PathBuf,
    known: Mutex<Known>,
    /// The verifications in progress.
    tries: Mutex<HashMap<HeaderValue, Arc<OnceCell<bool>>>>,
    limits: Arc<Limits>,
    /// Held while a password is verified: one at a time.
    turn: Arc<Semaphore>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

struct Known {
    looked: Instant,
    stamp: Stamp,
    /// The hash of each name.
    hashes: HashMap<String, String>,
    /// The results by header value.
    judged: HashMap<HeaderValue, Judged>,
}

/// The result of a verification.
struct Judged {
    username: String,
    /// The hash it was compared with; `None` if the user does not exist.
    hash: Option<String>,
    right: bool,
}

/// Changes with the file.
type Stamp = Option<(SystemTime, u64)>;

/// The maximum number of cached results, for valid and invalid headers each.
const MAX_JUDGED: usize = 1024;

impl Users {
    /// Reads the file.
    pub(crate) fn read(path: &Path) -> Result<Self, UsersError> {
        let known = Known {
            looked: Instant::now(),
            stamp: stamp(path),
            hashes: read(path)?,
            judged: HashMap::new(),
        };
        Ok(Self(Arc::new(Shared {
            path: path.to_owned(),
            known: Mutex::new(known),
            tries: Mutex::default(),
            limits: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
        })))
    }

    /// Authenticates an `Authorization` header from `peer`.
    pub(crate) async fn admit(
        &self,
        header: Option<&HeaderValue>,
        peer: Option<IpAddr>,
    ) -> Admission {
        let Some(header) = header else {
            return Admission::Refused;
        };
        if let Some(right) = self.judged(header) {
            return admission(right);
        }
        let Some(credentials) = Credentials::from_header(header) else {
            return Admission::Refused;
        };
        let (cell, place) = match self.one_try(header, peer) {
            Ok(one_try) => one_try,
            Err(retry_after) => return Admission::Busy { retry_after },
        };
        let tried = cell
            .get_or_try_init(|| self.try_password(header.clone(), credentials, place, peer))
            .await;
        match tried {
            Ok(right) => admission(*right),
            Err(retry_after) => Admission::Busy { retry_after },
        }
    }

    /// The verification of this header in progress, or a new one if the limits allow it.
    fn one_try(
        &self,
        header: &HeaderValue,
        peer: Option<IpAddr>,
    ) -> Result<(Arc<OnceCell<bool>>, Option<Place>), u16> {
        let mut tries = self.0.tries.lock().unwrap_or_else(PoisonError::into_inner);
        // Those without waiters.
        tries.retain(|_, cell| Arc::strong_count(cell) > 1);
        if let Some(cell) = tries.get(header) {
            return Ok((Arc::clone(cell), None));
        }
        let place = self.0.limits.enter(peer, Instant::now())?;
        let cell = Arc::new(OnceCell::new());
        tries.insert(header.clone(), Arc::clone(&cell));
        Ok((cell, Some(place)))
    }

    async fn try_password(
        &self,
        header: HeaderValue,
        credentials: Credentials,
        place: Option<Place>,
        peer: Option<IpAddr>,
    ) -> Result<bool, u16> {
        // The request that started it may have been cancelled.
        let place = match place {
            Some(place) => place,
            None => self.0.limits.enter(peer, Instant::now())?,
        };
        let Ok(turn) = Arc::clone(&self.0.turn).acquire_owned().await else {
            return Ok(false);
        };
        let users = self.clone();
        let tried = tokio::task::spawn_blocking(move || {
            // Held until it is done, even if the request is cancelled.
            let _turn = turn;
            users.judge(header, credentials, &place, peer)
        });
        Ok(tried.await.unwrap_or(false))
    }

    /// Verifies a password, and caches the result.
    fn judge(
        &self,
        header: HeaderValue,
        credentials: Credentials,
        place: &Place,
        peer: Option<IpAddr>,
    ) -> bool {
        let Credentials { username, password } = credentials;
        let (hash, decoy) = {
            let known = self.lock();
            (known.hashes.get(&username).cloned(), known.decoy())
        };
        // An unknown name takes as long as a known one.
        let compared = bcrypt::verify(password, hash.as_deref().unwrap_or(&decoy));
        let right = compared.unwrap_or(false) && hash.is_some();
        if !right {
            place.failed();
            warn!(
                peer = peer.map(|peer| peer.to_string()),
                "JSON-RPC request rejected: wrong user name or password"
            );
        }
        let judged = Judged {
            username,
            hash,
            right,
        };
        self.lock().remember(header, judged);
        right
    }

    /// The cached result of a header.
    fn judged(&self, header: &HeaderValue) -> Option<bool> {
        let mut known = self.lock();
        if known.looked.elapsed() >= LOOK_AGAIN {
            self.look(&mut known);
        }
        known.judged.get(header).map(|judged| judged.right)
    }

    /// Reloads the file if it changed. If that fails, the previous users are kept.
    fn look(&self, known: &mut Known) {
        known.looked = Instant::now();
        let stamp = stamp(&self.0.path);
        if stamp == known.stamp {
            return;
        }
        match read(&self.0.path) {
            Ok(hashes) => {
                known.hashes = hashes;
                known.forget_changed();
                known.stamp = stamp;
            }
            Err(problem) => error!("reload failed; keeping the previous users: {problem}"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn admission(right: bool) -> Admission {
    if right {
        Admission::Admitted
    } else {
        Admission::Refused
    }
}

impl Known {
    /// Caches a result, unless the file has changed meanwhile.
    fn remember(&mut self, header: HeaderValue, judged: Judged) {
        if self.hashes.get(&judged.username) != judged.hash.as_ref() {
            return;
        }
        let alike = |other: &Judged| other.right == judged.right;
        if self.judged.values().filter(|it| alike(it)).count() >= MAX_JUDGED {
            // Invalid headers never evict valid ones.
            self.judged.retain(|_, other| !alike(other));
        }
        self.judged.insert(header, judged);
    }

    /// Removes cached results of changed entries.
    fn forget_changed(&mut self) {
        let Self { hashes, judged, .. } = self;
        judged.retain(|_, judged| hashes.get(&judged.username) == judged.hash.as_ref());
    }

    /// A hash that matches no password, with the highest cost in the file.
    fn decoy(&self) -> String {
        let costs = self.hashes.values().filter_map(|hash| hash.get(4..6));
        let usable = costs.filter_map(|cost| cost.parse::<u8>().ok().filter(|it| *it < 32));
        let cost = usable.max().unwrap_or(10);
        format!("$2b${cost:02}${DECOY}")
    }
}

/// Salt and hash of [`Known::decoy`].
const DECOY: &str = "abcdefghijklmnopqrstuuVkZQ3Yx1bU8mJ0cW5rT7nL9pD2eH4gK";

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &Path) -> Result<HashMap<String, String>, UsersError> {
    let text = std::fs::read_to_string(path).map_err(|source| UsersError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut hashes = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = line.split_once(':').filter(|(name, hash)| {
            let bcrypt = ["$2y$", "$2b$", "$2a$", "$2x$"];
            !name.is_empty() && hash.len() == 60 && bcrypt.iter().any(|it| hash.starts_with(it))
        });
        let Some((name, hash)) = entry else {
            return Err(UsersError::Line {
                path: path.to_owned(),
                line: index + 1,
            });
        };
        // The first entry of a name counts, as in Ironic.
        hashes
            .entry(name.to_owned())
            .or_insert_with(|| hash.to_owned());
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests;
