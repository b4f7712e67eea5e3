//! Detects commits to a `SQLite` database without a query.
//!
//! In WAL mode, the file `-shm` beside the database begins with two copies of the WAL index header.
//! Every writer, in any process, updates it before its `COMMIT` returns, and every reader takes its
//! snapshot from it. So two equal headers mean that nothing was committed in between: each commit
//! extends the log (`mxFrame`) or restarts it with other salts (`aSalt`), and the checksum of the
//! last frame (`aFrameCksum`) covers the entire log. A checkpoint changes neither the content nor
//! the header.
//!
//! Conductors write heartbeats all the time, which do not affect boots. A writer can declare that
//! its own commit is irrelevant, so that the version stays unchanged ([`WalIndex::ignore_commit`]).
//!
//! Sources: `SQLite`'s `walformat.html` §2.1 and `wal.c` (`WalIndexHdr`, `walIndexTryHdr`,
//! `walIndexWriteHdr`, `walRestartHdr`).

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The length of one copy of the header.
const HEADER: usize = 48;
/// The part that the checksum covers.
const SUMMED: usize = 40;
/// The only format version of the index so far.
const FORMAT: u32 = 3_007_000;

/// The number of recent headers.
const RECENT: usize = 8;

/// A version of the database. Equal versions mean equal content, except for ignored commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommitVersion(u64);

#[cfg(test)]
impl CommitVersion {
    /// A version without a database.
    pub(crate) fn sample(number: u64) -> Self {
        Self(number)
    }
}

/// A valid header without its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header([u8; SUMMED]);

/// The WAL index of an open database.
#[derive(Debug, Clone, Copy)]
pub(super) struct WalIndex(&'static Watched);

/// A file and its recent headers.
#[derive(Debug)]
struct Watched {
    file: File,
    seen: RwLock<Seen>,
}

/// Recent headers or snapshots with their versions, newest first: some threads lag behind others.
#[derive(Debug)]
struct Seen<K = Header> {
    recent: VecDeque<(K, CommitVersion)>,
}

/// The number of versions assigned in this process, of all databases: versions are never reused.
static GIVEN: AtomicU64 = AtomicU64::new(0);

impl<K> Default for Seen<K> {
    fn default() -> Self {
        Self {
            recent: VecDeque::new(),
        }
    }
}

impl WalIndex {
    /// The index of the database at `path`, which this process has open and has read; `None` if its
    /// bytes may differ from those that `SQLite` shares.
    pub(super) fn of(path: &Path) -> Option<Self> {
        // On other systems a file and its memory mapping may differ.
        if !cfg!(target_os = "linux") {
            return None;
        }
        let mut name = path.canonicalize().ok()?.into_os_string();
        name.push("-shm");
        open_for_good(Path::new(&name)).ok().map(Self)
    }

    /// The current version; `None` if it is uncertain.
    pub(super) fn version(self) -> Option<CommitVersion> {
        let header = self.header()?;
        let known = self.0.seen().version_of(&header);
        Some(known.unwrap_or_else(|| self.0.seen_mut().give(header)))
    }

    /// The current header; `None` if it is uncertain.
    pub(super) fn header(self) -> Option<Header> {
        let mut copies = [0; 2 * HEADER];
        self.0.file.read_exact_at(&mut copies, 0).ok()?;
        // SQLite deletes the file when the last connection is closed; the next one creates a new
        // file.
        if self.0.file.metadata().ok()?.nlink() == 0 {
            return None;
        }
        header_of(&copies)
    }

    /// Keeps the version of `before` if there was a single commit since. Precondition: the caller
    /// held the write lock at `before`, and has committed a change of `rows` that is irrelevant for
    /// versions. If it changed no rows, it wrote nothing to the log, and the single commit would be
    /// another writer's.
    pub(super) fn ignore_commit(self, before: Header, rows: u64) {
        if rows == 0 {
            return;
        }
        let Some(after) = self.header().filter(|after| after.follows(before)) else {
            return;
        };
        self.0.seen_mut().ignore_commit(before, after);
    }
}

impl Watched {
    fn seen(&self) -> RwLockReadGuard<'_, Seen> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen_mut(&self) -> RwLockWriteGuard<'_, Seen> {
        self.seen.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: PartialEq> Seen<K> {
    fn version_of(&self, key: &K) -> Option<CommitVersion> {
        let known = self.recent.iter().find(|(of, _)| of == key);
        known.map(|(_, version)| *version)
    }

    /// The version of a new header, or of a recent one.
    fn give(&mut self, key: K) -> CommitVersion {
        self.version_of(&key).unwrap_or_else(|| {
            let version = CommitVersion(GIVEN.fetch_add(1, Ordering::Relaxed));
            self.note(key, version);
            version
        })
    }

    fn note(&mut self, key: K, version: CommitVersion) {
        self.recent.push_front((key, version));
        self.recent.truncate(RECENT);
    }
}

impl Seen {
    /// Assigns the version of `before` to the header `after`, even if it already has one.
    fn ignore_commit(&mut self, before: Header, after: Header) {
        if let Some(version) = self.version_of(&before) {
            self.recent.retain(|(of, _)| *of != after);
            self.note(after, version);
        }
    }
}

impl Header {
    /// Whether there was a single commit in between: each increments `iChange`.
    fn follows(self, before: Self) -> bool {
        let commits = |Self(bytes)| number(&bytes, 2).unwrap_or_default();
        commits(self) == commits(before).wrapping_add(1)
    }
}

/// Validates the header at the beginning of the index like `SQLite`.
fn header_of(copies: &[u8; 2 * HEADER]) -> Option<Header> {
    let (first, second) = copies.split_at(HEADER);
    let (summed, sum) = first.split_at_checked(SUMMED)?;
    let summed: [u8; SUMMED] = summed.try_into().ok()?;
    let word = |index| number(&summed, index);
    let initialized = summed.get(12) == Some(&1);
    // Without salts there is no log: nothing was committed since the index was created, and another
    // index would look the same.
    let salted = word(8) != Some(0) || word(9) != Some(0);
    let certain = first == second
        && word(0) == Some(FORMAT)
        && initialized
        && salted
        && checksum(&summed) == (number(sum, 0)?, number(sum, 1)?);
    certain.then_some(Header(summed))
}

/// A number in the index, in native byte order.
fn number(bytes: &[u8], index: usize) -> Option<u32> {
    let bytes = bytes.get(index * 4..index * 4 + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn checksum(bytes: &[u8; SUMMED]) -> (u32, u32) {
    let (mut one, mut other) = (0_u32, 0_u32);
    for index in (0..SUMMED / 4).step_by(2) {
        let word = |index| number(bytes, index).unwrap_or_default();
        one = one.wrapping_add(word(index)).wrapping_add(other);
        other = other.wrapping_add(word(index + 1)).wrapping_add(one);
    }
    (one, other)
}

/// Opens a file and never closes it: closing any descriptor of it would release the locks that
/// `SQLite` holds on it in this process. So each file is opened only once.
fn open_for_good(path: &Path) -> std::io::Result<&'static Watched> {
    type Opened = HashMap<(u64, u64), &'static Watched>;
    static OPENED: LazyLock<Mutex<Opened>> = LazyLock::new(Mutex::default);
    let about = std::fs::metadata(path)?;
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    match opened.entry((about.dev(), about.ino())) {
        Entry::Occupied(there) => Ok(there.get()),
        Entry::Vacant(place) => {
            let watched: &'static Watched = Box::leak(Box::new(Watched {
                file: File::open(path)?,
                seen: RwLock::default(),
            }));
            let about = watched.file.metadata()?;
            // The path may be another file by now.
            if (about.dev(), about.ino()) != *place.key() {
                return Err(std::io::ErrorKind::NotFound.into());
            }
            Ok(place.insert(watched))
        }
    }
}

pub(super) mod file_versions;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
pub(super) mod snapshots;
#[cfg(test)]
mod tests;
