//! `[database]`

use super::connection::Connection;
use super::section::section;

section! {
    /// Where everything is kept.
    ["database"] pub struct Database {
        /// The database: `sqlite:///path/to/file`, or
        /// `postgresql://user:password@host:port/database`. Not set: `ironpxe.sqlite` in
        /// `[DEFAULT]state_path`.
        pub connection: Option<Connection> = None;
        /// The most connections to a PostgreSQL server, of this process.
        pub max_pool_size: u32 = 8, in 1..=1000;
        /// The longest that one statement on a PostgreSQL server may take, in seconds, with the
        /// wait for a connection. Whoever asked then hears that the database is not available.
        pub statement_timeout: u32 = 4, in 1..=60;
    }
}
