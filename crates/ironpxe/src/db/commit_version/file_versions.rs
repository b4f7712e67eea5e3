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

use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{CommitVersion, Seen, WalIndex, Watched, open_for_good};

/// The part of the file's header that is read.
const HEADER: usize = 28;

/// The versions of a database file that this process has open.
#[derive(Debug)]
pub(crate) struct FileVersions {
    path: PathBuf,
    file: &'static Watched,
    identity: FileIdentity,
    seen: Mutex<Seen<Key>>,
}

/// Identifies a file: its device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity(u64, u64);

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
    /// Of the database at `path`, which this process has opened by `SQLite`.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let file = open_for_good(&path)?;
        Ok(Self {
            path,
            file,
            identity: FileIdentity::of(&file.file.metadata()?),
            seen: Mutex::default(),
        })
    }

    /// Which file is at `path` now.
    pub(crate) fn identity_of(path: &Path) -> io::Result<FileIdentity> {
        std::fs::metadata(path).map(|about| FileIdentity::of(&about))
    }

    /// Which file this is.
    pub(crate) fn identity(&self) -> FileIdentity {
        self.identity
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
        self.file.file.read_exact_at(&mut header, 0).ok()?;
        match header {
            [.., 1, 1, _, _, _, _, a, b, c, d] => {
                let about = self.file.file.metadata().ok()?;
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
