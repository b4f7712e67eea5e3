//! Changes that meet: none is lost, and every handle sees them.

use ironpxe_core::error::Fault;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use serde_json::json;

use super::super::Db;
use super::super::testing::{TestDb, on_both};
use super::node;

on_both! {
    a_change_that_changes_nothing_or_is_refused_leaves_the_node_alone,
    of_many_changes_at_once_none_is_lost,
    a_row_that_changed_under_the_closure_is_read_again,
    every_handle_sees_every_commit_at_once,
}

async fn a_change_that_changes_nothing_or_is_refused_leaves_the_node_alone(site: TestDb) {
    let db = site.open().await;
    let node = node();
    db.node_create(&node).await.unwrap();
    let (same, ()) = db.node_change(node.uuid, |_| Ok(())).await.unwrap();
    assert_eq!(same, node);
    let refused = db
        .node_change(node.uuid, |node| {
            node.maintenance = true;
            Err::<(), _>(Fault::NotFound)
        })
        .await;
    assert_eq!(refused.unwrap_err(), Fault::NotFound);
    assert_eq!(db.node_get(node.uuid).await.unwrap(), Some(node));
}

/// Adds one to `extra.counter`.
pub(super) async fn count(db: &Db, uuid: NodeUuid) -> Result<(), Fault> {
    let add = |node: &mut Node| {
        let counter = node
            .extra
            .get("counter")
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0);
        node.extra.insert("counter".to_owned(), json!(counter + 1));
        Ok(())
    };
    db.node_change(uuid, add).await.map(|_| ())
}

async fn of_many_changes_at_once_none_is_lost(site: TestDb) {
    let db = site.open().await;
    let node = node();
    db.node_create(&node).await.unwrap();
    // As two processes of four tasks each would.
    let mut tasks = tokio::task::JoinSet::new();
    for handle in [db.clone(), site.open().await] {
        for _ in 0..4 {
            let (handle, uuid) = (handle.clone(), node.uuid);
            tasks.spawn(async move {
                for _ in 0..50 {
                    while let Err(fault) = count(&handle, uuid).await {
                        assert!(matches!(fault, Fault::Unavailable { .. }), "{fault:?}");
                    }
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let node = db.node_get(node.uuid).await.unwrap().unwrap();
    assert_eq!((&node.extra["counter"], node.revision), (&json!(400), 400));
}

async fn a_row_that_changed_under_the_closure_is_read_again(site: TestDb) {
    let db = site.open().await;
    let node = node();
    db.node_create(&node).await.unwrap();
    let mut seen = Vec::new();
    let (saved, ()) = db
        .node_change(node.uuid, |node| {
            seen.push(node.revision);
            if seen.len() == 1 {
                // Another change comes first, just this once.
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let runtime = tokio::runtime::Runtime::new().unwrap();
                        runtime.block_on(async {
                            count(&site.open().await, node.uuid).await.unwrap();
                        });
                    });
                });
            }
            node.maintenance = true;
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(seen, [0, 1]);
    assert_eq!(
        (&saved.extra["counter"], saved.maintenance),
        (&json!(1), true)
    );
}

async fn every_handle_sees_every_commit_at_once(site: TestDb) {
    let db = site.open().await;
    let other = site.open().await;
    for round in 0..50 {
        let (writer, reader) = if round % 2 == 0 {
            (&db, &other)
        } else {
            (&other, &db)
        };
        let node = node();
        writer.node_create(&node).await.unwrap();
        assert_eq!(
            reader.node_get(node.uuid).await.unwrap().as_ref(),
            Some(&node)
        );
        count(reader, node.uuid).await.unwrap();
        let seen = writer.node_get(node.uuid).await.unwrap().unwrap();
        assert_eq!(seen.extra["counter"], 1);
        writer.node_destroy(node.uuid, |_| Ok(())).await.unwrap();
        assert_eq!(reader.node_get(node.uuid).await.unwrap(), None);
    }
}
