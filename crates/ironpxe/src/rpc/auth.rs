//! HTTP basic authentication, as Ironic has it: bcrypt entries in an htpasswd file.
//!
//! bcrypt is slow on purpose, so what it has approved once is remembered until the file changes,
//! which is noticed within a second. Only one password is tried at a time, whoever sends how many;
//! those that are remembered wait for none of them.
//!
//! Source: Ironic's `common/auth_basic.py`.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use tracing::error;

/// How often the file is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A name and a password. They are not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub username: String,
    /// The secret.
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
    /// The value of `Authorization`.
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

/// What is wrong with the file of users.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It cannot be read.
    #[error("cannot read the users of {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line of it cannot be used.
    #[error(
        "{}, line {line}: expected NAME:HASH with a bcrypt hash ($2y$…), as `htpasswd -nbB NAME \
         PASSWORD` prints it", .path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// The users of an htpasswd file. Clones are the same.
#[derive(Debug, Clone)]
pub struct Users(Arc<Shared>);

struct Shared {
    path: PathBuf,
    known: Mutex<Known>,
    /// Held while a password is tried.
    trying: tokio::sync::Mutex<()>,
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
    /// Name → hash.
    hashes: HashMap<String, String>,
    /// Headers that were right.
    proven: HashSet<HeaderValue>,
}

/// What changes with the file.
type Stamp = Option<(SystemTime, u64)>;

impl Users {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        let known = Known {
            looked: Instant::now(),
            stamp: stamp(path),
            hashes: read(path)?,
            proven: HashSet::new(),
        };
        Ok(Self(Arc::new(Shared {
            path: path.to_owned(),
            known: Mutex::new(known),
            trying: tokio::sync::Mutex::default(),
        })))
    }

    /// Whether this value of `Authorization` is right.
    pub(super) async fn admit(&self, header: Option<&HeaderValue>) -> bool {
        let Some(header) = header else {
            return false;
        };
        let Some(credentials) = Credentials::from_header(header) else {
            return false;
        };
        if self.proven(header) {
            return true;
        }
        let Some((hash, _)) = self.hash(&credentials.username) else {
            return false;
        };
        drop(hash);
        let _trying = self.0.trying.lock().await;
        if self.proven(header) {
            return true;
        }
        let Some((hash, stamp)) = self.hash(&credentials.username) else {
            return false;
        };
        let password = credentials.password;
        let tried =
            tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false));
        let right = tried.await.unwrap_or(false);
        let mut known = self.lock();
        if right && known.stamp == stamp {
            known.proven.insert(header.clone());
        }
        right
    }

    fn proven(&self, header: &HeaderValue) -> bool {
        let mut known = self.lock();
        if known.looked.elapsed() >= LOOK_AGAIN {
            self.look(&mut known);
        }
        known.proven.contains(header)
    }

    fn hash(&self, username: &str) -> Option<(String, Stamp)> {
        let known = self.lock();
        let hash = known.hashes.get(username)?;
        Some((hash.clone(), known.stamp))
    }

    /// Reads the file again if it is another one. What cannot be read lets nobody new in and
    /// nobody out.
    fn look(&self, known: &mut Known) {
        known.looked = Instant::now();
        let stamp = stamp(&self.0.path);
        if stamp == known.stamp {
            return;
        }
        match read(&self.0.path) {
            Ok(hashes) => {
                known.hashes = hashes;
                known.proven.clear();
                known.stamp = stamp;
            }
            Err(problem) => error!("the users of before are kept: {problem}"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        // The first of a name counts, as in Ironic.
        hashes
            .entry(name.to_owned())
            .or_insert_with(|| hash.to_owned());
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: u32 = 4;

    fn file(entries: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        write(&path, entries);
        (folder, path)
    }

    fn write(path: &Path, entries: &[(&str, &str)]) {
        let lines: Vec<String> = entries
            .iter()
            .map(|(name, password)| format!("{name}:{}", bcrypt::hash(password, COST).unwrap()))
            .collect();
        std::fs::write(path, lines.join("\n")).unwrap();
    }

    fn header(username: &str, password: &str) -> HeaderValue {
        let credentials = Credentials {
            username: username.to_owned(),
            password: password.to_owned(),
        };
        credentials.header()
    }

    #[tokio::test]
    async fn who_knows_the_password_is_let_in_again_and_again() {
        let (_folder, path) = file(&[("api", "s3cret:with colon"), ("other", "x")]);
        let users = Users::read(&path).unwrap();
        let right = header("api", "s3cret:with colon");
        for _ in 0..3 {
            assert!(users.admit(Some(&right)).await);
        }
        for wrong in [
            header("api", "s3cret"),
            header("api", "x"),
            header("nobody", "x"),
            header("", ""),
            HeaderValue::from_static("Basic"),
            HeaderValue::from_static("Basic !!!"),
            HeaderValue::from_static("Bearer YXBpOng="),
            HeaderValue::from_bytes(b"Basic \xff").unwrap(),
        ] {
            assert!(!users.admit(Some(&wrong)).await, "{wrong:?}");
        }
        assert!(!users.admit(None).await);
    }

    #[tokio::test]
    async fn a_changed_file_counts() {
        let (_folder, path) = file(&[("api", "old")]);
        let users = Users::read(&path).unwrap();
        assert!(users.admit(Some(&header("api", "old"))).await);
        write(&path, &[("api", "newer"), ("second", "x")]);
        let overdue = Instant::now().checked_sub(LOOK_AGAIN).unwrap();
        users.lock().looked = overdue;
        assert!(!users.admit(Some(&header("api", "old"))).await);
        assert!(users.admit(Some(&header("api", "newer"))).await);
        // A broken file changes nothing.
        std::fs::write(&path, "nonsense").unwrap();
        users.lock().looked = overdue;
        assert!(users.admit(Some(&header("api", "newer"))).await);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let (_folder, path) = file(&[]);
        std::fs::write(&path, "# users\n\nplain:password\n").unwrap();
        let error = Users::read(&path).unwrap_err().to_string();
        assert!(
            error.contains("line 3") && error.contains("htpasswd -nbB"),
            "{error}"
        );
        std::fs::remove_file(&path).unwrap();
        let error = Users::read(&path).unwrap_err().to_string();
        assert!(error.contains("cannot read the users"), "{error}");
    }

    #[test]
    fn a_password_is_not_printed() {
        let credentials = Credentials {
            username: "api".to_owned(),
            password: "s3cret".to_owned(),
        };
        let shown = format!("{credentials:?} {:?}", credentials.header());
        assert!(
            shown.contains("api") && !shown.contains("s3cret"),
            "{shown}"
        );
        assert!(!shown.contains("YXBpO"), "{shown}");
    }
}
