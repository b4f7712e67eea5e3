//! A database of its own for each unit test of this crate.

use std::time::Duration;

use tempfile::TempDir;

use super::{Db, Settings};

/// An empty database in a folder that goes with the second value.
pub(crate) async fn scratch() -> (Db, TempDir) {
    let folder = TempDir::new().unwrap();
    (open(&folder).await, folder)
}

/// One more handle on the database in `folder`.
pub(crate) async fn open(folder: &TempDir) -> Db {
    let settings = Settings {
        path: folder.path().join("ironpxe.sqlite"),
        heartbeat_timeout: Duration::from_mins(1),
    };
    Db::open(&settings).await.unwrap()
}
