//! `[database]`

use super::connection::Connection;
use super::section::section;

section! {
    /// The database.
    ["database"] pub struct Database {
        /// The database: `sqlite:///path/to/file`, or
        /// `postgresql://user:password@host:port/database`. Not set: `ironpxe.sqlite` in
        /// `[DEFAULT]state_path`.
        pub connection: Option<Connection> = None;
        /// The maximum number of connections of this process to a PostgreSQL server.
        pub max_pool_size: u32 = 8, in 1..=1000;
        /// The timeout for a statement on a PostgreSQL server, in seconds, including the wait for a
        /// connection. Requests that exceed it fail because the database is not available.
        pub statement_timeout: u32 = 4, in 1..=60;
    }
}
