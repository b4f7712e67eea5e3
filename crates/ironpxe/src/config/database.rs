//! `[database]`

use super::section::section;
use super::values::Connection;

section! {
    /// Where everything is kept.
    ["database"] pub struct Database {
        /// The database: so far only `sqlite:///path/to/file`. Not set: `ironpxe.sqlite` in
        /// `[DEFAULT]state_path`.
        pub connection: Option<Connection> = None;
    }
}
