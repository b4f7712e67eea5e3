//! The database: the only shared state of all processes.
//!
//! Functions are named resource first: `node_get`, `port_list`. Nothing is decided here; rows are
//! stored, found, and never saved over a concurrent change. Each query's text is in its function,
//! the same for both databases; `statement.rs` binds the values and `store.rs` executes it.
//! `sqlite.rs` and `postgres.rs` have the specifics of each database, `schema.rs` the schema
//! versions, `*_row.rs` the mapping of rows, `list.rs` the paging. `boot_rows.rs` reads the data of
//! boots for many machines at once, `commit_version.rs` detects commits.

mod boot_rows;
mod child;
mod columns;
mod commit_version;
mod conductor;
mod error;
mod heartbeat_clock;
mod internal_info;
mod list;
mod node;
mod node_history;
mod node_list;
mod node_row;
mod open;
mod orphans;
mod port;
mod port_row;
mod postgres;
mod private;
mod read_only;
mod retry;
mod row;
mod schema;
mod secret;
mod sqlite;
mod statement;
mod store;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod volume_connector;
mod volume_target;
mod volumes;
mod waiting;
mod write_health;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub(crate) use self::boot_rows::{BootRows, MAX_MACHINES_PER_QUERY, Revisions};
pub(crate) use self::child::Child;
pub(crate) use self::commit_version::CommitVersion;
pub(crate) use self::commit_version::file_versions::FileVersions;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::commit_version::fuzzing::wal_index as fuzz_wal_index;
pub(crate) use self::conductor::Registration;
pub(crate) use self::error::{DbError, Duplicate};
use self::heartbeat_clock::HeartbeatClock;
pub(crate) use self::list::{Page, SortDirection};
pub(crate) use self::node_history::Excess;
pub(crate) use self::node_list::{NodeFilter, NodeParts};
pub(crate) use self::open::{Location, Settings, schema_status, upgrade};
pub(crate) use self::orphans::ReservedBy;
pub(crate) use self::port::PortFilter;
pub(crate) use self::postgres::Limits;
pub(crate) use self::private::{exposed_files, exposed_mode, protect_directory};
pub(crate) use self::schema::{Compatibility, Migration, SchemaStatus};
use self::store::Store;
pub(crate) use self::waiting::Waiting;
use self::write_health::WriteHealth;

/// The open database. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Db {
    store: Store,
    heartbeat_timeout: Duration,
    heartbeat_clock: Arc<HeartbeatClock>,
    /// The run of this process's conductor.
    own_run: Arc<OnceLock<String>>,
    write_health: Arc<WriteHealth>,
}
