//! Detects commits to a `PostgreSQL` database by the snapshot of a query.
//!
//! A snapshot is `xmin:xmax:xip`: all transactions below `xmin` have ended, none from `xmax` on
//! has, and of those in between only the ones in `xip` have not. Equal snapshots see the same data:
//! a transaction that commits either had an id below `xmax` and leaves `xip`, or it moves `xmax`.
//! 64-bit ids do not recur. A subtransaction becomes visible with its transaction, whose id is in
//! `xip`. A commit is in all snapshots taken after its `COMMIT` returned.
//!
//! This holds for one run of one server that is not a standby (whose snapshots lack `xip`). After a
//! crash, ids whose log was lost may be assigned again, and another server has its own ids. Both
//! events close every connection. So a version combines a snapshot with the number of connections
//! made: if none was made between two snapshots, the second one used a connection that existed at
//! the first, and so did the server.
//!
//! Sources: `PostgreSQL`'s `procarray.c` (`GetSnapshotData`, `ProcArrayEndTransaction`), `xid8funcs.c`
//! (`pg_current_snapshot`), `xact.c` (`RecordTransactionCommit`), `postmaster.c` (`HandleChildCrash`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{CommitVersion, Seen};

/// The snapshot of a statement as an expression; NULL on a standby. (With the function name that
/// version 12 also has.) A subquery, so that it is evaluated once for all rows.
pub(in crate::db) const SNAPSHOT: &str =
    "(SELECT CASE WHEN NOT pg_is_in_recovery() THEN txid_current_snapshot()::text END)";

/// Recent snapshots of a database.
#[derive(Debug, Default)]
pub(in crate::db) struct Snapshots {
    seen: Mutex<Seen<(Generation, Box<str>)>>,
    connections: AtomicU64,
}

/// The number of connections made so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) struct Generation(u64);

impl Snapshots {
    /// Counts a new connection, before anything is sent over it.
    pub(in crate::db) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    /// The current generation. For a statement whose rows are cached, read it before sending; for
    /// one that validates them, after the response.
    pub(in crate::db) fn generation(&self) -> Generation {
        Generation(self.connections.load(Ordering::SeqCst))
    }

    /// The version of a snapshot.
    pub(in crate::db) fn version(&self, generation: Generation, snapshot: &str) -> CommitVersion {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.give((generation, snapshot.into()))
    }
}
