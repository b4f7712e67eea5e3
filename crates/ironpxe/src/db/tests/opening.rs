//! Opening, closing, and files that are not what they should be.

use std::collections::BTreeSet;

use ironpxe_core::error::Fault;

use super::super::testing::{TestDb, open};
use super::super::{Db, Location, Settings};
use super::{full_node, node};

#[tokio::test]
async fn file_is_private_and_keeps_its_content() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("new/state/ironpxe.sqlite");
    let settings = Settings {
        location: Location::Sqlite(path.clone()),
        ..TestDb::sqlite().settings()
    };
    let db = Db::open(&settings).await.unwrap();
    let full = full_node();
    db.node_create(&full).await.unwrap();
    let modes: BTreeSet<_> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o777)
        .collect();
    assert_eq!(modes, BTreeSet::from([0o600]));
    db.close().await;
    // Closed for good: the write-ahead log has gone into the file.
    assert_eq!(
        std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1
    );
    let db = Db::open(&settings).await.unwrap();
    assert_eq!(db.node_get(full.uuid).await.unwrap(), Some(full));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_opens_of_a_new_file_all_succeed() {
    for _ in 0..10 {
        let folder = std::sync::Arc::new(tempfile::TempDir::new().unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let folder = std::sync::Arc::clone(&folder);
            tasks.spawn(async move {
                let node = node();
                open(&folder).await.node_create(&node).await.unwrap();
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }
}

#[tokio::test]
async fn file_that_is_no_database_is_refused_and_named() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("notes.txt");
    let settings = Settings {
        location: Location::Sqlite(path.clone()),
        ..TestDb::sqlite().settings()
    };
    std::fs::write(&path, "milk, eggs, butter; nothing a database would hold").unwrap();
    let error = Db::open(&settings).await.unwrap_err();
    assert!(
        Fault::from(error)
            .to_string()
            .contains("file is not a database")
    );
    let settings = Settings {
        location: Location::Sqlite(path.join("x")),
        ..settings
    };
    let error = Db::open(&settings).await.unwrap_err();
    assert!(error.to_string().contains("notes.txt/x"), "{error}");
}
