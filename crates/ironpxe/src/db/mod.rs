//! The database: the only truth, and the only way replicas meet.
//!
//! Names go resource first: `node_get`, `port_list`. Nothing here decides; it stores, finds and
//! refuses to save over what somebody else has changed meanwhile. The text of each query stands
//! beside its function; [`open`](Db::open) says how the file is used, `*_row.rs` how rows become
//! values, `list.rs` how lists are paged.

mod abandoned;
mod conductor;
mod error;
mod list;
mod node;
mod node_list;
mod node_row;
mod open;
mod port;
mod port_row;
mod read_only;
mod row;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod volume_connector;
mod volume_row;
mod volume_target;
mod volumes;

use std::time::Duration;

use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePool;

pub use self::abandoned::Holder;
pub use self::conductor::Registration;
pub use self::error::{DbError, Duplicate};
pub use self::list::{Page, SortDirection};
pub use self::node_list::NodeFilter;
pub use self::open::Settings;
pub use self::port::PortFilter;

/// How often a change is tried before its caller is told to come back. Only other processes can
/// be in the way: the changes of this one queue up for the one connection that writes.
const ATTEMPTS: u32 = 16;

/// The open database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Db {
    writer: SqlitePool,
    readers: SqlitePool,
    heartbeat_timeout: Duration,
}

impl Db {
    /// The connection that writes, alone until it is dropped.
    async fn write(&self) -> Result<PoolConnection<Sqlite>, DbError> {
        self.writer
            .acquire()
            .await
            .map_err(|error| DbError::from_sqlx("wait for the connection that writes", error))
    }
}
