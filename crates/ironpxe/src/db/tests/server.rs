//! What only a server can do: keep others waiting, refuse a text, be gone.

use std::time::Duration;

use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, VolumeTargetUuid};
use ironpxe_core::node::Node;
use ironpxe_core::volume::VolumeTarget;
use ironpxe_testkit::postgres::Postgres;
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::testing::TestDb;
use super::super::{Db, DbError, Limits, Settings, upgrade};
use super::{full_node, node};
use crate::{clock, ident};

/// A change of a volume must have seen the node as it is when the change is saved, also if
/// another change of the node is under way meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_waits_for_a_concurrent_change_of_the_node() {
    let Some(site) = TestDb::postgres().await else {
        return;
    };
    let TestDb::Postgres(server, name) = &site else {
        panic!()
    };
    let db = site.open().await;
    let owner = node();
    db.node_create(&owner).await.unwrap();
    let target = VolumeTarget {
        uuid: VolumeTargetUuid(ident::uuid()),
        node_uuid: owner.uuid,
        volume_type: "iscsi".to_owned(),
        boot_index: 0,
        volume_id: "v".to_owned(),
        properties: ironpxe_core::JsonMap::new(),
        extra: ironpxe_core::JsonMap::new(),
        created_at: clock::now(),
        updated_at: None,
    };
    db.volume_create(&target).await.unwrap();

    let mut other = PgConnection::connect(&server.url(name)).await.unwrap();
    for destroy in [false, true] {
        let mut transaction = other.begin().await.unwrap();
        sqlx::query("UPDATE nodes SET revision = revision + 1")
            .execute(&mut *transaction)
            .await
            .unwrap();
        let handle = db.clone();
        let (seen, mut looked) = mpsc::unbounded_channel();
        let uuid = target.uuid;
        let mut change = JoinSet::new();
        change.spawn(async move {
            let look = |node: &Node| {
                seen.send(node.revision).unwrap();
                Ok(())
            };
            if destroy {
                handle
                    .volume_destroy::<VolumeTarget>(uuid, look)
                    .await
                    .unwrap();
                return;
            }
            let rename = |target: &mut VolumeTarget| {
                target.volume_id = "w".to_owned();
                Ok(())
            };
            handle.volume_change(uuid, look, rename).await.unwrap();
        });
        let before = looked.recv().await.unwrap();
        // Until it stands still there, which a change that does not wait would never do.
        let waits = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                     AND datname = current_database()";
        for tries in 0.. {
            assert!(tries < 1000, "it does not wait");
            if server.sql(name, waits).unwrap() == "1" {
                break;
            }
        }
        transaction.commit().await.unwrap();
        change.join_all().await;
        assert_eq!(looked.recv().await, Some(before + 1));
    }
    let volumes = db.node_volumes(owner.uuid).await.unwrap();
    assert_eq!(volumes.targets, []);
}

#[tokio::test]
async fn text_with_nul_is_a_client_error() {
    let Some(site) = TestDb::postgres().await else {
        return;
    };
    let db = site.open().await;
    let good = full_node();
    db.node_create(&good).await.unwrap();
    let bad = Node {
        description: Some("a\0b".to_owned()),
        ..node()
    };
    let error = db.node_create(&bad).await.unwrap_err();
    assert!(matches!(error, DbError::Unstorable { .. }), "{error:?}");
    let fault = db
        .node_change(good.uuid, |node| {
            node.owner = Some("a\0b".to_owned());
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(
        matches!(fault, Fault::InvalidParameterValue(_)),
        "{fault:?}"
    );
    // Inside JSON it can be.
    let value = serde_json::json!("a\0b");
    db.node_change(good.uuid, |node| {
        node.extra.insert("z".to_owned(), value.clone());
        Ok(())
    })
    .await
    .unwrap();
    let kept = db.node_get(good.uuid).await.unwrap().unwrap();
    assert_eq!(kept.extra.get("z"), Some(&value));
    // As it was written, in the order in which it was.
    let keys: Vec<&str> = kept.extra.keys().map(String::as_str).collect();
    assert_eq!(keys, ["z", "a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connection_is_reported_and_reestablished() {
    if Postgres::shared().is_none() {
        return;
    }
    // Its keeper ends it with this process.
    let server = Box::leak(Box::new(Postgres::start().unwrap()));
    let name = server.create_database(None).unwrap();
    let site = TestDb::Postgres(server, name);
    upgrade(&site.location()).await.unwrap();
    let settings = Settings {
        limits: Limits {
            max_pool_size: 4,
            statement_timeout: Duration::from_secs(1),
        },
        ..site.settings()
    };
    let db = Db::open(&settings).await.unwrap();
    let kept = full_node();
    db.node_create(&kept).await.unwrap();
    let unavailable = |result: Result<Option<Node>, DbError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, DbError::Unavailable { .. }), "{error:?}");
        let fault = Fault::from(error);
        assert!(matches!(fault, Fault::Unavailable { .. }), "{fault:?}");
    };

    // It hangs. Every one who asks is answered, and those who no longer wait take no connection
    // with them for good.
    server.pause().unwrap();
    for _ in 0..3 {
        for answer in ask(&db, kept.uuid, 6).await {
            unavailable(answer);
        }
    }
    let change = db.node_change(kept.uuid, |node| {
        node.maintenance = false;
        Ok(())
    });
    assert!(matches!(change.await, Err(Fault::Unavailable { .. })));
    server.resume().unwrap();
    is_found_again(&db, &kept).await;

    // It is killed, and comes back.
    server.kill().unwrap();
    unavailable(db.node_get(kept.uuid).await);
    server.restart().unwrap();
    is_found_again(&db, &kept).await;
    db.close().await;

    // A read with time left does not fail although every connection broke meanwhile.
    let db = site.open().await;
    ask(&db, kept.uuid, 8).await;
    server.kill().unwrap();
    server.restart().unwrap();
    for answer in ask(&db, kept.uuid, 8).await {
        assert_eq!(answer.unwrap().as_ref(), Some(&kept));
    }
}

/// After a while, without any change.
async fn is_found_again(db: &Db, kept: &Node) {
    let mut tries = 0;
    loop {
        tries += 1;
        match db.node_get(kept.uuid).await {
            Ok(found) => return assert_eq!(found.as_ref(), Some(kept)),
            Err(error) => assert!(tries < 20, "{error:?}"),
        }
    }
}

/// Asks so many times at once.
async fn ask(db: &Db, uuid: NodeUuid, times: usize) -> Vec<Result<Option<Node>, DbError>> {
    let mut tasks = JoinSet::new();
    for _ in 0..times {
        let db = db.clone();
        tasks.spawn(async move { db.node_get(uuid).await });
    }
    tasks.join_all().await
}
