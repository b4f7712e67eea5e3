//! Equal versions mean equal contents, whichever process commits and whatever becomes of the log.

use std::collections::HashMap;
use std::os::unix::fs::FileExt;

use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use tempfile::TempDir;

use super::*;
use crate::db::statement::Statement;
use crate::db::store::Store;
use crate::db::testing::{open, scratch};
use crate::db::{Db, Registration};
use crate::{clock, ident};

/// A header as `SQLite` would write it, twice.
fn header(change: u32, frames: u32, salts: [u32; 2]) -> [u8; 2 * HEADER] {
    let words = [
        FORMAT, 0, change, 0, frames, 7, 0x1234, 0x5678, salts[0], salts[1],
    ];
    let mut summed: [u8; SUMMED] = words.map(u32::to_ne_bytes).concat().try_into().unwrap();
    summed[12] = 1;
    let (one, other) = checksum(&summed);
    let mut copy = summed.to_vec();
    copy.extend([one, other].map(u32::to_ne_bytes).concat());
    copy.repeat(2).try_into().unwrap()
}

#[test]
fn wal_index_header_is_accepted_only_if_sqlite_would() {
    let good = header(5, 9, [1, 2]);
    let read = header_of(&good);
    assert!(read.is_some());
    assert_ne!(header_of(&header(6, 9, [1, 2])), read);
    assert_ne!(header_of(&header(5, 10, [1, 2])), read);
    assert_ne!(header_of(&header(5, 9, [1, 3])), read);
    assert_eq!(header_of(&header(0, 0, [0, 0])), None, "no log yet");
    assert_eq!(header_of(&[0; 2 * HEADER]), None, "not initialized");
    for byte in 0..2 * HEADER {
        let mut torn = good;
        torn[byte] ^= 1;
        assert_eq!(header_of(&torn), None, "byte {byte} of one copy");
        let mut wrong = good;
        wrong[byte % HEADER] ^= 1;
        wrong[byte % HEADER + HEADER] ^= 1;
        assert_eq!(header_of(&wrong), None, "byte {byte} of both");
    }
    // Half of an old header, and half of a new one.
    let (old, new) = (header(5, 9, [1, 2]), header(6, 12, [1, 2]));
    for cut in 0..2 * HEADER {
        let mixed = [&old[..cut], &new[cut..]].concat().try_into().unwrap();
        let seen = header_of(&mixed);
        assert!(
            seen.is_none() || seen == header_of(&old) || seen == header_of(&new),
            "cut at {cut}"
        );
    }
}

/// What two handles on one file make of it.
struct Handles {
    all: [Db; 2],
    node: NodeUuid,
    /// What the database was when it had a version.
    known: HashMap<u64, i64>,
}

impl Handles {
    async fn new() -> (Self, TempDir) {
        let (one, folder) = scratch().await;
        let other = open(&folder).await;
        let node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
        one.node_create(&node).await.unwrap();
        let handles = Self {
            all: [one, other],
            node: node.uuid,
            known: HashMap::new(),
        };
        (handles, folder)
    }

    /// What changes the node.
    fn change(&self) -> String {
        format!(
            "UPDATE nodes SET revision = revision + 1 WHERE uuid = x'{}'",
            self.node.0.simple()
        )
    }

    async fn enter_conductor(&self) {
        let entry = Registration {
            hostname: "a",
            run_id: "run-1",
            group: "",
            drivers: &[],
            interfaces: &[],
            endpoint: "",
        };
        self.all[0].conductor_register(&entry).await.unwrap();
    }

    async fn revision(&self) -> i64 {
        let node = self.all[0].node_get(self.node).await.unwrap();
        node.unwrap().revision
    }

    /// The same content under the same version, on both handles.
    async fn check(&mut self, after: &str) {
        let before = self.all[0].commit_version();
        assert_eq!(before, self.all[1].commit_version(), "{after}");
        let revision = self.revision().await;
        assert_eq!(
            before,
            self.all[0].commit_version(),
            "reading, after {after}"
        );
        let CommitVersion(number) = before.unwrap_or_else(|| panic!("no version after {after}"));
        let known = *self.known.entry(number).or_insert(revision);
        assert_eq!(known, revision, "a version came back after {after}");
    }
}

#[tokio::test]
async fn commit_changes_the_version_and_a_read_does_not() {
    let (mut handles, _folder) = Handles::new().await;
    let change = handles.change();
    let mut last = handles.all[0].commit_version();
    // Every order of neighbours comes up.
    let mut random = 1_u32;
    for _ in 0..300 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let db = &handles.all[usize::from(random & 0x1000 != 0)];
        let done = match (random >> 16) % 9 {
            0 => "PRAGMA wal_checkpoint(PASSIVE)",
            1 => "PRAGMA wal_checkpoint(FULL)",
            2 => "PRAGMA wal_checkpoint(RESTART)",
            3 => "PRAGMA wal_checkpoint(TRUNCATE)",
            4 => "VACUUM",
            _ => change.as_str(),
        };
        db.sql(done).await;
        if done == change || done == "VACUUM" {
            assert_ne!(db.commit_version(), last, "after {done}");
        }
        handles.check(done).await;
        last = handles.all[0].commit_version();
    }
    assert!(handles.known.len() > 100);
}

#[tokio::test]
async fn uncommitted_changes_leave_the_version() {
    let (db, _folder) = scratch().await;
    db.sql("CREATE TABLE t (a INTEGER)").await;
    let before = db.commit_version();
    assert!(before.is_some());
    let mut writer = db.writer().await.unwrap();
    for (sql, same) in [
        ("BEGIN IMMEDIATE", true),
        ("INSERT INTO t VALUES (1)", true),
        ("ROLLBACK", true),
        ("BEGIN IMMEDIATE", true),
        ("INSERT INTO t VALUES (1)", true),
        ("COMMIT", false),
    ] {
        let statement = super::super::statement::Statement::new("tamper", sql);
        writer.execute(statement).await.unwrap();
        assert_eq!(db.commit_version() == before, same, "{sql}");
    }
}

/// A writer that was killed half-way through the header is what a broken first copy looks like.
/// The next reader rebuilds the index from the log.
#[tokio::test]
async fn half_written_header_has_no_version_until_sqlite_recovers_it() {
    let (db, folder) = scratch().await;
    db.sql("CREATE TABLE t (a INTEGER)").await;
    let before = db.commit_version();
    assert!(before.is_some());
    let path = folder.path().join("ironpxe.sqlite-shm");
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    // Not closed: that would give up this process's locks.
    let file = Box::leak(Box::new(file));
    file.write_all_at(&[0xff; 8], 8).unwrap();
    assert_eq!(db.commit_version(), None);
    assert_eq!(db.rows_of("t").await, 0);
    let recovered = db.commit_version();
    assert!(recovered.is_some());
    db.sql("INSERT INTO t VALUES (1)").await;
    let changed = db.commit_version();
    assert!(changed.is_some());
    assert!(changed != recovered && changed != before);
}

#[tokio::test]
async fn replaced_wal_index_has_no_version() {
    let (db, folder) = scratch().await;
    db.sql("CREATE TABLE t (a INTEGER)").await;
    assert!(db.commit_version().is_some());
    db.close().await;
    assert_eq!(db.commit_version(), None, "the file is gone");
    let again = open(&folder).await;
    again.sql("INSERT INTO t VALUES (1)").await;
    assert!(again.commit_version().is_some());
    assert_eq!(db.commit_version(), None);
}

#[tokio::test]
async fn read_only_handle_has_no_version() {
    let (db, folder) = scratch().await;
    let path = folder.path().join("ironpxe.sqlite");
    let look = async |db: &Db| db.commit_version();
    assert_eq!(Db::read_only(&path, look).await.unwrap(), None);
    db.close().await;
    assert_eq!(Db::read_only(&path, look).await.unwrap(), None);
}

impl Handles {
    /// Says of a commit that it does not matter, as [`Db::execute_without_version`] does.
    async fn touch(&self, db: usize) {
        let statement = Statement::new("touch", "UPDATE conductors SET online = NOT online");
        self.all[db]
            .execute_without_version(statement)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn ignored_commit_leaves_the_version() {
    let (mut handles, _folder) = Handles::new().await;
    handles.enter_conductor().await;
    let change = handles.change();
    handles.check("creation").await;
    for round in 0..40 {
        let (db, other) = (round % 2, round / 2 % 2);
        let before = handles.all[0].commit_version();
        handles.touch(db).await;
        assert_eq!(handles.all[other].commit_version(), before, "round {round}");
        if round % 5 == 0 {
            handles.all[db].sql("PRAGMA wal_checkpoint(TRUNCATE)").await;
        }
        handles.all[other].sql(&change).await;
        if round % 3 == 0 {
            // The version was not read since the change.
            handles.touch(db).await;
        }
        assert_ne!(handles.all[db].commit_version(), before, "round {round}");
        handles.check("a change").await;
    }
}

#[tokio::test]
async fn read_before_an_ignored_commit_is_repeated() {
    let (db, _folder) = scratch().await;
    db.sql("CREATE TABLE t (a INTEGER)").await;
    let Store::Sqlite(store) = &db.store else {
        panic!("not SQLite");
    };
    let index = store.index.unwrap();
    let mut last = db.commit_version().unwrap();
    for looked in [true, false, true, true, false] {
        let before = index.header().unwrap();
        db.sql("INSERT INTO t VALUES (1)").await;
        let meanwhile = looked.then(|| db.commit_version().unwrap());
        assert_ne!(meanwhile, Some(last));
        index.ignore_commit(before, 1);
        assert_eq!(db.commit_version(), Some(last));
        db.sql("INSERT INTO t VALUES (2)").await;
        let next = db.commit_version().unwrap();
        assert!(next != last && Some(next) != meanwhile);
        last = next;
    }
}

/// One thread may have read a header before the commit and ask for its version after it.
#[test]
fn version_survives_an_ignored_commit_read_meanwhile() {
    let headers = [1, 2, 3].map(|change| header_of(&header(change, change, [1, 2])).unwrap());
    let [old, passed_over, new] = headers;
    let mut seen = Seen::default();
    let version = seen.give(old);
    let meanwhile = seen.give(passed_over);
    assert_ne!(meanwhile, version);
    assert_eq!(seen.give(old), version);
    seen.ignore_commit(old, passed_over);
    assert_eq!(seen.version_of(&passed_over), Some(version));
    let next = seen.give(new);
    assert!(next != version && next != meanwhile);
    assert_eq!(seen.version_of(&old), Some(version));
    for change in 4..100 {
        seen.give(header_of(&header(change, change, [1, 2])).unwrap());
    }
    assert_eq!(seen.version_of(&old), None);
    let again = seen.give(old);
    assert!(![version, meanwhile, next].contains(&again));
}

/// A conductor whose row is another's by now changes nothing, and another process commits just then.
#[tokio::test]
async fn heartbeat_that_changes_nothing_ignores_no_commit() {
    let (handles, _folder) = Handles::new().await;
    let [one, other] = &handles.all;
    let Store::Sqlite(store) = &one.store else {
        panic!("not SQLite");
    };
    let index = store.index.unwrap();
    let version = one.commit_version();
    let before = index.header().unwrap();
    other.sql(&handles.change()).await;
    index.ignore_commit(before, 0);
    assert_ne!(one.commit_version(), version);
    let nothing = Statement::new("touch", "UPDATE conductors SET online = NOT online");
    assert_eq!(one.execute_without_version(nothing).await.unwrap(), 0);
}

/// Of two commits, one may matter.
#[tokio::test]
async fn commit_of_another_handle_is_not_ignored() {
    let (one, folder) = scratch().await;
    let other = open(&folder).await;
    one.sql("CREATE TABLE t (a INTEGER)").await;
    let Store::Sqlite(store) = &one.store else {
        panic!("not SQLite");
    };
    let index = store.index.unwrap();
    let version = one.commit_version();
    let before = index.header().unwrap();
    other.sql("INSERT INTO t VALUES (1)").await;
    one.sql("INSERT INTO t VALUES (2)").await;
    index.ignore_commit(before, 1);
    assert_ne!(one.commit_version(), version);
}
