//! Detects commits to another program's `SQLite` database without a query, whatever its journal
//! mode.
//!
//! A file with a rollback journal has a change counter in its first page, which every commit
//! increments. It is written before the commit takes effect (which is when the journal is deleted),
//! and no commit begins to write the file while a reader holds its lock. So:
//!
//! * rows that were read in a transaction at whose end the counter had a value are those of the
//!   commit with that value, and
//! * as long as the counter still has it, nothing was committed since.
//!
//! An interrupted commit may leave the counter of a commit that never took effect. It is rolled back
//! before anyone can read, and no rows were ever read at that value.
//!
//! In WAL mode, see [`WalIndex`].
//!
//! Sources: `SQLite`'s `fileformat2.html` §1.3 (file change counter, file format version numbers) and
//! `lockingv3.html` §5 (writing to a database file).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use super::{CommitVersion, Seen, WalIndex};

/// The part of the file's header that is read.
const HEADER: usize = 28;

/// The versions of a database file. It stays open until [`Self::close`].
#[derive(Debug)]
pub(crate) struct FileVersions {
    path: PathBuf,
    file: Arc<File>,
    identity: FileIdentity,
    seen: Mutex<Seen<Key>>,
}

/// Identifies a file: its device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FileIdentity(u64, u64);

impl FileIdentity {
    fn of(about: &std::fs::Metadata) -> Self {
        Self(about.dev(), about.ino())
    }
}

/// What changes with each commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// With the file's length and the time of its last change: a backup that is copied over the file
    /// brings an older counter back.
    ChangeCounter {
        counter: [u8; 4],
        length: u64,
        changed: (i64, i64),
    },
    Wal(CommitVersion),
}

impl FileVersions {
    /// Of the database at `path`, which `SQLite` opens after this and closes before
    /// [`Self::close`].
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let (identity, file) = open(&path)?;
        Ok(Self {
            path,
            file,
            identity,
            seen: Mutex::default(),
        })
    }

    /// Closes the file, after `SQLite` has closed it in this process; not if it is in use again. The
    /// index of a file in WAL mode stays open.
    pub(crate) fn close(&self) {
        let mut files = files();
        let users = files.get(&self.identity).map(Arc::strong_count);
        // This one and the table.
        if users == Some(2) {
            files.remove(&self.identity);
        }
    }

    /// Which file is at `path` now.
    fn identity_of(path: &Path) -> io::Result<FileIdentity> {
        std::fs::metadata(path).map(|about| FileIdentity::of(&about))
    }

    /// Whether the file has not been replaced.
    pub(crate) fn is_at_its_path(&self) -> bool {
        Self::identity_of(&self.path).is_ok_and(|identity| identity == self.identity)
    }

    /// The current version; `None` if it is uncertain.
    pub(crate) fn current(&self) -> Option<CommitVersion> {
        if !self.is_at_its_path() {
            return None;
        }
        let key = self.key()?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Some(seen.give(key))
    }

    fn key(&self) -> Option<Key> {
        let mut header = [0; HEADER];
        self.file.read_exact_at(&mut header, 0).ok()?;
        match header {
            [.., 1, 1, _, _, _, _, a, b, c, d] => {
                let about = self.file.metadata().ok()?;
                Some(Key::ChangeCounter {
                    counter: [a, b, c, d],
                    length: about.len(),
                    changed: (about.ctime(), about.ctime_nsec()),
                })
            }
            [.., 2, 2, _, _, _, _, _, _, _, _] => {
                let index = WalIndex::of(&self.path)?;
                Some(Key::Wal(index.version()?))
            }
            _ => None,
        }
    }
}

/// The open files. Closing any descriptor of a file would release the locks that `SQLite` holds on it
/// in this process, so each is opened only once.
fn files() -> MutexGuard<'static, HashMap<FileIdentity, Arc<File>>> {
    static FILES: LazyLock<Mutex<HashMap<FileIdentity, Arc<File>>>> = LazyLock::new(Mutex::default);
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(path: &Path) -> io::Result<(FileIdentity, Arc<File>)> {
    let mut files = files();
    let identity = FileVersions::identity_of(path)?;
    if let Some(file) = files.get(&identity) {
        return Ok((identity, Arc::clone(file)));
    }
    let file = File::open(path)?;
    // The path may be another file by now.
    let identity = FileIdentity::of(&file.metadata()?);
    match files.entry(identity) {
        Entry::Vacant(place) => Ok((identity, Arc::clone(place.insert(Arc::new(file))))),
        Entry::Occupied(there) => {
            let there = Arc::clone(there.get());
            std::mem::forget(file);
            Ok((identity, there))
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
    use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

    use super::*;

    async fn open(path: &Path, journal: SqliteJournalMode) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true);
        options.journal_mode(journal).connect().await.unwrap()
    }

    async fn execute(connection: &mut SqliteConnection, text: &str) {
        let query = sqlx::query(AssertSqlSafe(text.to_owned()));
        query.execute(connection).await.unwrap();
    }

    #[tokio::test]
    async fn version_changes_with_each_commit_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        for journal in [
            SqliteJournalMode::Delete,
            SqliteJournalMode::Truncate,
            SqliteJournalMode::Persist,
            SqliteJournalMode::Memory,
            SqliteJournalMode::Wal,
        ] {
            let path = folder.path().join(format!("{journal:?}.sqlite"));
            let mut writer = open(&path, journal).await;
            execute(&mut writer, "CREATE TABLE t (a)").await;
            execute(&mut writer, "INSERT INTO t VALUES (0)").await;
            let versions = FileVersions::of(&path).unwrap();
            let mut last = versions.current();
            assert!(last.is_some(), "{journal:?}");
            for number in 1..20 {
                execute(&mut writer, "BEGIN IMMEDIATE").await;
                execute(&mut writer, &format!("UPDATE t SET a = {number}")).await;
                assert_eq!(versions.current(), last, "{journal:?}: not committed");
                execute(&mut writer, "COMMIT").await;
                let now = versions.current();
                assert!(now.is_some() && now != last, "{journal:?}: committed");
                assert_eq!(versions.current(), now, "{journal:?}");
                last = now;
            }
            execute(&mut writer, "BEGIN IMMEDIATE").await;
            execute(&mut writer, "UPDATE t SET a = -1").await;
            execute(&mut writer, "ROLLBACK").await;
            assert_eq!(versions.current(), last, "{journal:?}: rolled back");
            writer.close().await.unwrap();
        }
    }

    #[tokio::test]
    async fn replaced_file_has_no_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sqlite");
        let other = folder.path().join("b.sqlite");
        for path in [&path, &other] {
            let mut writer = open(path, SqliteJournalMode::Delete).await;
            execute(&mut writer, "CREATE TABLE t (a)").await;
            writer.close().await.unwrap();
        }
        let versions = FileVersions::of(&path).unwrap();
        assert!(versions.current().is_some());
        std::fs::rename(&other, &path).unwrap();
        assert!(!versions.is_at_its_path());
        assert_eq!(versions.current(), None);
    }
}
