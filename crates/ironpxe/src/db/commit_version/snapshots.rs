//! The same for `PostgreSQL`, which has to be asked: what a statement's snapshot shows.
//!
//! A snapshot is written as `xmin:xmax:xip`: everything below `xmin` has ended, nothing from `xmax` on has,
//! and in between only those in `xip` have not. Two equal ones show the same: whoever commits has an id that
//! was below `xmax`, and then it leaves `xip`; or it was not, and then `xmax` moves beyond it. Ids of 64 bits do
//! not come again. A subtransaction shows nothing before its transaction does, whose id is in `xip`. A commit
//! is in all snapshots that are taken after its `COMMIT` has returned.
//!
//! That holds for one run of one server that is not a standby (whose snapshots are written without `xip`).
//! After a crash, ids whose log was lost may be given again, and another server gives its own. Both end every
//! connection. So a version is one of a snapshot and of how many connections were made: if none was made
//! between two looks, the second came over a connection that lived at the first, and so did the server.
//!
//! Sources: `PostgreSQL`'s `procarray.c` (`GetSnapshotData`, `ProcArrayEndTransaction`), `xid8funcs.c`
//! (`pg_current_snapshot`), `xact.c` (`RecordTransactionCommit`), `postmaster.c` (`HandleChildCrash`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{CommitVersion, Seen};

/// The snapshot of a statement, as an expression; NULL on a standby. (By the name that version 12 has, too.)
/// A query of its own, so that it is evaluated once for all rows.
pub(in crate::db) const SNAPSHOT: &str =
    "(SELECT CASE WHEN NOT pg_is_in_recovery() THEN txid_current_snapshot()::text END)";

/// The snapshots of a database that were seen lately.
#[derive(Debug, Default)]
pub(in crate::db) struct Snapshots {
    seen: Mutex<Seen<(Generation, Box<str>)>>,
    connections: AtomicU64,
}

/// How many connections had been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) struct Generation(u64);

impl Snapshots {
    /// Notes a connection that was made, before anything is sent over it.
    pub(in crate::db) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    /// Now. Of a statement whose rows are kept, before it is sent; of one that proves them, after it is
    /// answered.
    pub(in crate::db) fn generation(&self) -> Generation {
        Generation(self.connections.load(Ordering::SeqCst))
    }

    /// The version of a snapshot.
    pub(in crate::db) fn version(&self, generation: Generation, snapshot: &str) -> CommitVersion {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.give((generation, snapshot.into()))
    }
}
