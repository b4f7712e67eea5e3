//! Reading the database of another process: at rest, in use, left behind, of another release.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use ironpxe_core::id::NodeUuid;
use tempfile::TempDir;

use super::super::{Db, DbError};
use super::node;
use crate::db::schema;
use crate::db::testing::open;

const FILE: &str = "ironpxe.sqlite";

/// Every file of a folder: what is in it, and when it was changed.
fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let modified = entry.metadata().unwrap().modified().unwrap();
            let content = std::fs::read(entry.path()).unwrap();
            (
                entry.file_name().into_string().unwrap(),
                (content, modified),
            )
        })
        .collect()
}

async fn exists(db: &Db, uuid: NodeUuid) -> bool {
    db.node_get(uuid).await.unwrap().is_some()
}

/// A folder with a database that was closed well, and a node in it.
async fn at_rest() -> (TempDir, NodeUuid) {
    let folder = TempDir::new().unwrap();
    let db = open(&folder).await;
    let node = node();
    db.node_create(&node).await.unwrap();
    db.close().await;
    (folder, node.uuid)
}

#[tokio::test]
async fn reading_leaves_the_folder_of_a_stopped_service_unchanged() {
    use std::os::unix::fs::PermissionsExt;

    let (folder, uuid) = at_rest().await;
    let chmod = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path(), mode).unwrap();
    };
    // Even where nothing can be created.
    chmod(0o500);
    let modified = || folder.path().metadata().unwrap().modified().unwrap();
    let before = (files(folder.path()), modified());
    let path = folder.path().join(FILE);
    let look = async |db: &Db| {
        assert!(db.node_create(&node()).await.is_err(), "it was written");
        exists(db, uuid).await
    };
    assert!(Db::read_only(&path, look).await.unwrap());
    assert_eq!((files(folder.path()), modified()), before);
    assert_eq!(before.0.len(), 1);
    chmod(0o700);
}

#[tokio::test]
async fn latest_writes_of_a_running_service_are_read_without_touching_its_files() {
    let folder = TempDir::new().unwrap();
    let service = open(&folder).await;
    let path = folder.path().join(FILE);
    for _ in 0..3 {
        let node = node();
        service.node_create(&node).await.unwrap();
        let written = || {
            let mut files = files(folder.path());
            // Where readers say that they read.
            files.remove("ironpxe.sqlite-shm").unwrap();
            files
        };
        let before = written();
        let look = async |db: &Db| exists(db, node.uuid).await;
        assert!(Db::read_only(&path, look).await.unwrap());
        assert_eq!(written(), before);
    }
    service.node_create(&node()).await.unwrap();
    service.close().await;
    assert_eq!(files(folder.path()).len(), 1);
}

#[tokio::test]
async fn writes_in_the_log_of_a_killed_service_are_read() {
    let folder = TempDir::new().unwrap();
    let service = open(&folder).await;
    let node = node();
    service.node_create(&node).await.unwrap();
    let left = TempDir::new().unwrap();
    for name in [FILE, "ironpxe.sqlite-wal"] {
        std::fs::copy(folder.path().join(name), left.path().join(name)).unwrap();
    }
    let before = files(left.path());
    let look = async |db: &Db| exists(db, node.uuid).await;
    let path = left.path().join(FILE);
    assert!(Db::read_only(&path, look).await.unwrap());
    let after = files(left.path());
    for (name, file) in &before {
        assert_eq!(after.get(name), Some(file), "{name}");
    }
}

/// A service that starts while the file is read as one that cannot change.
#[tokio::test]
async fn read_during_a_service_start_is_repeated() {
    let (folder, _) = at_rest().await;
    let path = folder.path().join(FILE);
    let late = node();
    let looks = AtomicU32::new(0);
    let look = async |db: &Db| {
        let seen = exists(db, late.uuid).await;
        if looks.fetch_add(1, Ordering::Relaxed) == 0 {
            let service = open(&folder).await;
            service.node_create(&late).await.unwrap();
            service.close().await;
        }
        seen
    };
    assert!(Db::read_only(&path, look).await.unwrap());
    assert_eq!(looks.into_inner(), 2);
}

#[tokio::test]
async fn schema_of_another_release_is_refused() {
    let newest = schema::SQLITE.iter().map(|it| it.version).max().unwrap();
    for (change, advice) in [
        (
            format!("DELETE FROM _sqlx_migrations WHERE version = {newest}"),
            "ironpxe db upgrade",
        ),
        (
            format!(
                "INSERT INTO _sqlx_migrations SELECT 900, description, installed_on, success, \
                 checksum, execution_time FROM _sqlx_migrations WHERE version = {newest}"
            ),
            "upgrade ironpxe",
        ),
        (
            "DROP TABLE _sqlx_migrations".to_owned(),
            "ironpxe db upgrade",
        ),
    ] {
        let (folder, _) = at_rest().await;
        let db = open(&folder).await;
        db.sql(&change).await;
        db.close().await;
        let before = files(folder.path());
        let path = folder.path().join(FILE);
        let error = Db::read_only(&path, async |_| ()).await.unwrap_err();
        assert!(error.to_string().contains(advice), "{change}: {error}");
        assert_eq!(files(folder.path()), before);
    }
}

#[tokio::test]
async fn files_that_are_no_database_are_refused_and_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(FILE);
    let error = Db::read_only(&path, async |_| ()).await.unwrap_err();
    assert!(
        matches!(&error, DbError::NoDatabase(it) if *it == path),
        "{error:?}"
    );
    assert_eq!(files(folder.path()).len(), 0);
    std::fs::write(&path, "milk, eggs, butter; nothing a database would hold").unwrap();
    for path in [path.clone(), path.join("x"), folder.path().to_owned()] {
        let error = Db::read_only(&path, async |_| ()).await.unwrap_err();
        assert!(matches!(error, DbError::Open { .. }), "{error:?}");
        let name = path.to_str().unwrap();
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(files(folder.path()).len(), 1);
}
