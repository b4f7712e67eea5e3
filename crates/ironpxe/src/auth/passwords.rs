//! HTTP basic authentication as in Ironic, of the API and of JSON-RPC: bcrypt entries in an htpasswd
//! file.
//!
//! bcrypt is slow by design, so results are cached until the user's line changes, which is noticed
//! within a second. Only one password is verified at a time, and the queue is limited
//! (`limits.rs`); cached results need no queue.
//!
//! Source: Ironic's `common/auth_basic.py`.

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

use super::AuthError;
use super::keyed_hash::{Digest, KeyedHash};
use super::limits::{Limits, Rates, VerificationPermit};
use crate::error_chain::error_chain;

/// A verification takes a third of a second of CPU time.
const RATES: Rates = Rates {
    max_waiting: 64,
    max_waiting_by_peer: 4,
    max_failures: 10,
    failure_expiry: Duration::from_secs(2),
};

/// How often the file is checked for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A user name and a password, hidden in `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BasicCredentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicCredentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl BasicCredentials {
    /// The value of the `Authorization` header.
    pub(crate) fn header(&self) -> HeaderValue {
        let pair = STANDARD.encode(format!("{}:{}", self.username, self.password));
        let mut value = HeaderValue::try_from(format!("Basic {pair}"))
            .unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}

/// A user name and a password of a request.
struct Attempt {
    username: Arc<str>,
    /// Any bytes: only bcrypt reads them.
    password: Vec<u8>,
}

impl Attempt {
    /// Parses an `Authorization` header. The error is Ironic's.
    fn parse(header: &HeaderValue) -> Result<Self, String> {
        let value = header.as_bytes().trim_ascii();
        let end = value.iter().position(u8::is_ascii_whitespace);
        let (scheme, pair) = end
            .and_then(|end| value.split_at_checked(end))
            .ok_or("Could not parse Authorization header")?;
        if !scheme.eq_ignore_ascii_case(b"basic") {
            let scheme: String = String::from_utf8_lossy(scheme).chars().take(100).collect();
            return Err(format!("Unsupported authorization type \"{scheme}\""));
        }
        let decoded = STANDARD.decode(pair.trim_ascii()).ok();
        decoded
            .and_then(|pair| {
                let colon = pair.iter().position(|it| *it == b':')?;
                let (username, password) = pair.split_at_checked(colon)?;
                Some(Self {
                    username: std::str::from_utf8(username).ok()?.into(),
                    password: password.get(1..)?.to_owned(),
                })
            })
            .ok_or_else(|| "Could not decode authorization token".to_owned())
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuthResult {
    /// Name and password of this user are valid.
    Accepted(Arc<str>),
    /// They are invalid or missing.
    Rejected,
    /// Unknown: too many passwords are queued, by this peer or in total, or this peer had too many
    /// failures.
    Busy {
        /// When to retry, in seconds.
        retry_after: u16,
    },
}

struct Shared {
    path: PathBuf,
    hash: KeyedHash,
    known: Mutex<UserCache>,
    /// The verifications in progress.
    verifications: Mutex<HashMap<Digest, Arc<OnceCell<bool>>>>,
    limits: Arc<Limits>,
    /// Held while a password is verified: one at a time.
    slot: Arc<Semaphore>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

struct UserCache {
    checked_at: Instant,
    file_version: FileVersion,
    /// The version that could not be read, and was logged.
    refused_version: Option<FileVersion>,
    /// The hash of each name.
    hashes: HashMap<String, String>,
    /// The results by the hash of the header's value.
    results: HashMap<Digest, CachedResult>,
}

/// The result of a verification.
struct CachedResult {
    username: Arc<str>,
    /// The hash it was compared with; `None` if the user does not exist.
    hash: Option<String>,
    valid: bool,
}

/// Changes with the file.
type FileVersion = Option<(SystemTime, u64)>;

/// The maximum number of cached results, for valid and invalid headers each.
const MAX_RESULTS: usize = 1024;

impl Users {
    /// Reads the file.
    pub(crate) fn read(path: &Path) -> Result<Self, UsersError> {
        let known = UserCache {
            checked_at: Instant::now(),
            file_version: file_version(path),
            refused_version: None,
            hashes: read(path)?,
            results: HashMap::new(),
        };
        Ok(Self(Arc::new(Shared {
            path: path.to_owned(),
            hash: KeyedHash::new(),
            known: Mutex::new(known),
            verifications: Mutex::default(),
            limits: Arc::new(Limits::new(RATES)),
            slot: Arc::new(Semaphore::new(1)),
        })))
    }

    /// Authenticates an `Authorization` header from `peer`.
    pub(crate) async fn authenticate(
        &self,
        header: Option<&HeaderValue>,
        peer: Option<IpAddr>,
    ) -> AuthResult {
        let Some(header) = header else {
            return AuthResult::Rejected;
        };
        let key = self.0.hash.of(0, header.as_bytes());
        if let Some(result) = self.cached_result(&key) {
            return result;
        }
        let Ok(attempt) = Attempt::parse(header) else {
            return AuthResult::Rejected;
        };
        let username = Arc::clone(&attempt.username);
        let (cell, permit) = match self.shared_verification(key, peer) {
            Ok(shared_verification) => shared_verification,
            Err(retry_after) => return AuthResult::Busy { retry_after },
        };
        let tried = cell
            .get_or_try_init(|| self.verify(key, attempt, permit, peer))
            .await;
        match tried {
            Ok(valid) => auth_result(*valid, &username),
            Err(retry_after) => AuthResult::Busy { retry_after },
        }
    }

    /// The user of a request of the API, or Ironic's response.
    pub(super) async fn user(
        &self,
        header: Option<&HeaderValue>,
        peer: Option<IpAddr>,
    ) -> Result<Arc<str>, AuthError> {
        let header = header.ok_or(AuthError::NoPassword)?;
        // Boxed, because it is much larger than the rest.
        match Box::pin(self.authenticate(Some(header), peer)).await {
            AuthResult::Accepted(user) => Ok(user),
            AuthResult::Rejected => Err(match Attempt::parse(header) {
                Ok(_) => AuthError::WrongPassword,
                Err(message) => AuthError::BadHeader(message),
            }),
            AuthResult::Busy { retry_after } => Err(AuthError::Busy { retry_after }),
        }
    }

    /// The verification of this header in progress, or a new one if the limits allow it.
    fn shared_verification(
        &self,
        key: Digest,
        peer: Option<IpAddr>,
    ) -> Result<(Arc<OnceCell<bool>>, Option<VerificationPermit>), u16> {
        let mut verifications = self
            .0
            .verifications
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Those without waiters.
        verifications.retain(|_, cell| Arc::strong_count(cell) > 1);
        if let Some(cell) = verifications.get(&key) {
            return Ok((Arc::clone(cell), None));
        }
        let permit = self.0.limits.acquire(peer, Instant::now())?;
        let cell = Arc::new(OnceCell::new());
        verifications.insert(key, Arc::clone(&cell));
        Ok((cell, Some(permit)))
    }

    async fn verify(
        &self,
        key: Digest,
        attempt: Attempt,
        permit: Option<VerificationPermit>,
        peer: Option<IpAddr>,
    ) -> Result<bool, u16> {
        // The request that started it may have been cancelled.
        let permit = match permit {
            Some(permit) => permit,
            None => self.0.limits.acquire(peer, Instant::now())?,
        };
        let Ok(slot) = Arc::clone(&self.0.slot).acquire_owned().await else {
            return Ok(false);
        };
        let users = self.clone();
        let tried = tokio::task::spawn_blocking(move || {
            // Held until it is done, even if the request is cancelled.
            let _slot = slot;
            users.verify_blocking(key, attempt, &permit, peer)
        });
        Ok(tried.await.unwrap_or(false))
    }

    /// Verifies a password, and caches the result.
    fn verify_blocking(
        &self,
        key: Digest,
        attempt: Attempt,
        permit: &VerificationPermit,
        peer: Option<IpAddr>,
    ) -> bool {
        let Attempt { username, password } = attempt;
        let (hash, dummy_hash) = {
            let known = self.lock();
            (known.hashes.get(&*username).cloned(), known.dummy_hash())
        };
        // An unknown name takes as long as a known one.
        let compared = bcrypt::verify(password, hash.as_deref().unwrap_or(&dummy_hash));
        let valid = compared.unwrap_or(false) && hash.is_some();
        if !valid {
            permit.record_failure();
            warn!(
                peer = peer.map(|peer| peer.to_string()),
                file = %self.0.path.display(),
                "request rejected: wrong user name or password"
            );
        }
        let result = CachedResult {
            username,
            hash,
            valid,
        };
        self.lock().insert(key, result);
        valid
    }

    /// The cached result of a header.
    fn cached_result(&self, key: &Digest) -> Option<AuthResult> {
        let mut known = self.lock();
        if known.checked_at.elapsed() >= CHECK_INTERVAL {
            self.reload_if_changed(&mut known);
        }
        let result = known.results.get(key);
        result.map(|result| auth_result(result.valid, &result.username))
    }

    /// Reloads the file if it changed. If that fails, the previous users are kept.
    fn reload_if_changed(&self, known: &mut UserCache) {
        known.checked_at = Instant::now();
        let file_version = file_version(&self.0.path);
        if file_version == known.file_version {
            return;
        }
        match read(&self.0.path) {
            Ok(hashes) => {
                known.hashes = hashes;
                known.forget_changed();
                known.file_version = file_version;
                known.refused_version = None;
            }
            Err(problem) => {
                // Once for each version, but it is tried again: the mode may change.
                if known.refused_version.replace(file_version) != Some(file_version) {
                    let problem = error_chain(&problem);
                    error!("reload failed; keeping the previous users: {problem}");
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, UserCache> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn auth_result(valid: bool, username: &Arc<str>) -> AuthResult {
    if valid {
        AuthResult::Accepted(Arc::clone(username))
    } else {
        AuthResult::Rejected
    }
}

impl UserCache {
    /// Caches a result, unless the file has changed meanwhile.
    fn insert(&mut self, key: Digest, result: CachedResult) {
        if self.hashes.get(&*result.username) != result.hash.as_ref() {
            return;
        }
        let alike = |other: &CachedResult| other.valid == result.valid;
        if self.results.values().filter(|it| alike(it)).count() >= MAX_RESULTS {
            // Invalid headers never evict valid ones.
            self.results.retain(|_, other| !alike(other));
        }
        self.results.insert(key, result);
    }

    /// Removes cached results of changed entries.
    fn forget_changed(&mut self) {
        let Self {
            hashes, results, ..
        } = self;
        results.retain(|_, result| hashes.get(&*result.username) == result.hash.as_ref());
    }

    /// A hash that matches no password, with the highest cost in the file.
    fn dummy_hash(&self) -> String {
        let costs = self.hashes.values().filter_map(|hash| hash.get(4..6));
        let usable = costs.filter_map(|cost| cost.parse::<u8>().ok().filter(|it| *it < 32));
        let cost = usable.max().unwrap_or(10);
        format!("$2b${cost:02}${DUMMY_HASH}")
    }
}

/// Salt and hash of [`UserCache::dummy_hash`].
const DUMMY_HASH: &str = "abcdefghijklmnopqrstuuVkZQ3Yx1bU8mJ0cW5rT7nL9pD2eH4gK";

/// Whether this is a hash that [`bcrypt::verify`] can read: `$2y$`, the cost, `$`, and 53 characters of
/// salt and hash.
fn is_bcrypt(hash: &str) -> bool {
    let rest = ["$2y$", "$2b$", "$2a$"]
        .iter()
        .find_map(|it| hash.strip_prefix(it));
    let parts = rest.and_then(|rest| rest.split_once('$'));
    parts.is_some_and(|(cost, rest)| {
        let is_base64 = |it: u8| it.is_ascii_alphanumeric() || it == b'.' || it == b'/';
        cost.len() == 2
            && cost
                .parse::<u8>()
                .is_ok_and(|cost| (4..=31).contains(&cost))
            && rest.len() == 53
            && rest.bytes().all(is_base64)
    })
}

fn file_version(path: &Path) -> FileVersion {
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
        let entry = line
            .split_once(':')
            .filter(|(name, hash)| !name.is_empty() && is_bcrypt(hash));
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
