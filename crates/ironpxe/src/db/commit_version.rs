//! Whether anybody has committed anything since: `SQLite`'s own mark of that, read without asking
//! `SQLite`.
//!
//! In WAL mode the file `-shm` beside the database begins with the header of the WAL index, twice.
//! Whoever commits, in whatever process, writes it before its `COMMIT` returns, and whoever begins
//! to read takes its snapshot by it. So two equal headers mean that nothing was committed between
//! them: each commit makes the log longer (`mxFrame`) or begins it anew under other salts
//! (`aSalt`), and the checksum of the last frame (`aFrameCksum`) is one over all of the log.
//! Moving the log into the database (a checkpoint) changes no content, and not the header.
//!
//! Conductors write down that they live all the time, and no machine boots by that. So whoever
//! does can say of one commit that it changes nothing that matters: then the version stays what it was
//! ([`WalIndex::ignore_commit`]).
//!
//! Sources: `SQLite`'s `walformat.html` §2.1 and `wal.c` (`WalIndexHdr`, `walIndexTryHdr`,
//! `walIndexWriteHdr`, `walRestartHdr`).

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How long one copy of the header is.
const HEADER: usize = 48;
/// What the header's checksum is over.
const SUMMED: usize = 40;
/// The only format of the index there has ever been.
const FORMAT: u32 = 3_007_000;

/// How many headers are remembered.
const RECENT: usize = 8;

/// What the database was at one moment. Equal versions of one database mean that it is the same, but
/// for what was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitVersion(u64);

#[cfg(test)]
impl CommitVersion {
    /// One of no database.
    pub(crate) fn sample(number: u64) -> Self {
        Self(number)
    }
}

/// A header of the index that can be believed, without its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header([u8; SUMMED]);

/// The index of an open database's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct WalIndex(&'static Watched);

/// A file, and what was last seen in it.
#[derive(Debug)]
struct Watched {
    file: File,
    seen: RwLock<Seen>,
}

/// What was seen lately (headers, or snapshots), the last in front, and their versions. Some threads are
/// a little behind others.
#[derive(Debug)]
struct Seen<K = Header> {
    recent: VecDeque<(K, CommitVersion)>,
    /// How many versions were given. None is given twice.
    given: u64,
}

impl<K> Default for Seen<K> {
    fn default() -> Self {
        Self {
            recent: VecDeque::new(),
            given: 0,
        }
    }
}

impl WalIndex {
    /// The index beside the database at `path`, which this process has open and has read; `None`
    /// where its bytes cannot be trusted to be those that `SQLite` shares.
    pub(super) fn of(path: &Path) -> Option<Self> {
        // Elsewhere, a file that is read and its mapped memory need not be the same thing.
        if !cfg!(target_os = "linux") {
            return None;
        }
        let mut name = path.canonicalize().ok()?.into_os_string();
        name.push("-shm");
        open_for_good(Path::new(&name)).ok().map(Self)
    }

    /// What the database is now; `None` if that is not certain.
    pub(super) fn version(self) -> Option<CommitVersion> {
        let header = self.header()?;
        let known = self.0.seen().version_of(&header);
        Some(known.unwrap_or_else(|| self.0.seen_mut().give(header)))
    }

    /// What the index says now; `None` if that is not certain.
    pub(super) fn header(self) -> Option<Header> {
        let mut copies = [0; 2 * HEADER];
        self.0.file.read_exact_at(&mut copies, 0).ok()?;
        // SQLite removes the file when nobody has the database open any more. Whoever opens it
        // next writes another one.
        if self.0.file.metadata().ok()?.nlink() == 0 {
            return None;
        }
        header_of(&copies)
    }

    /// Leaves the version as it was at `before`, if there was a single commit since: then it was that of
    /// who calls this, who had the right to write at `before` already, and has committed a change of
    /// `rows` that matter to nobody who asks for versions. Where it has changed none, there is nothing of
    /// its own in the log, and the single commit would be another's.
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

    /// The version of what is new, or was a moment ago.
    fn give(&mut self, key: K) -> CommitVersion {
        self.version_of(&key).unwrap_or_else(|| {
            self.given += 1;
            let version = CommitVersion(self.given);
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
    /// Gives the header `after` the version of `before`, also if it has one already.
    fn ignore_commit(&mut self, before: Header, after: Header) {
        if let Some(version) = self.version_of(&before) {
            self.recent.retain(|(of, _)| *of != after);
            self.note(after, version);
        }
    }
}

impl Header {
    /// Whether there was a single commit in between: each counts one up (`iChange`).
    fn follows(self, before: Self) -> bool {
        let commits = |Self(bytes)| number(&bytes, 2).unwrap_or_default();
        commits(self) == commits(before).wrapping_add(1)
    }
}

/// The header in the first bytes of the index, by the same checks as `SQLite`'s.
fn header_of(copies: &[u8; 2 * HEADER]) -> Option<Header> {
    let (first, second) = copies.split_at(HEADER);
    let (summed, sum) = first.split_at_checked(SUMMED)?;
    let summed: [u8; SUMMED] = summed.try_into().ok()?;
    let word = |index| number(&summed, index);
    let initialized = summed.get(12) == Some(&1);
    // No log, no salts: nothing was committed since the index was made, and another index would
    // look the same.
    let salted = word(8) != Some(0) || word(9) != Some(0);
    let certain = first == second
        && word(0) == Some(FORMAT)
        && initialized
        && salted
        && checksum(&summed) == (number(sum, 0)?, number(sum, 1)?);
    certain.then_some(Header(summed))
}

/// A number of the index; they are in the order of bytes of the machine.
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

/// Opens a file that is never closed: closing any descriptor of it would give up the locks that
/// `SQLite` holds on it in this process. So no file is opened twice either.
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
            // Another one may stand there by now.
            if (about.dev(), about.ino()) != *place.key() {
                return Err(std::io::ErrorKind::NotFound.into());
            }
            Ok(place.insert(watched))
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
pub(super) mod snapshots;
#[cfg(test)]
mod tests;
