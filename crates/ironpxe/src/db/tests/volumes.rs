//! Volume connectors and targets.

use ironpxe_core::JsonMap;
use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, VolumeConnectorUuid, VolumeTargetUuid};
use ironpxe_core::node::Node;
use ironpxe_core::volume::{VolumeConnector, VolumeTarget, Volumes};
use serde_json::json;
use time::macros::datetime;

use super::super::testing::{TestDb, on_both};
use super::super::{Db, DbError, Duplicate, Page, SortDirection, upgrade};
use super::{count, map, node};
use crate::{clock, ident};

on_both! {
    a_connector_comes_back_as_it_was_stored_and_changed,
    a_target_comes_back_as_it_was_stored_and_changed,
    the_volumes_of_a_node_come_together_and_in_order,
    what_is_taken_is_named,
    what_is_not_there_is_said,
    both_nodes_of_a_move_may_object,
    a_node_that_changed_meanwhile_is_asked_again,
    lists_are_paged_sorted_and_of_one_node,
    a_database_from_before_volumes_gets_them,
}

fn connector(node: &Node, name: &str) -> VolumeConnector {
    VolumeConnector {
        uuid: VolumeConnectorUuid(ident::uuid()),
        node_uuid: node.uuid,
        kind: "iqn".to_owned(),
        connector_id: name.to_owned(),
        extra: JsonMap::new(),
        created_at: clock::now(),
        updated_at: None,
    }
}

fn target(node: &Node, boot_index: i64) -> VolumeTarget {
    VolumeTarget {
        uuid: VolumeTargetUuid(ident::uuid()),
        node_uuid: node.uuid,
        volume_type: "iscsi".to_owned(),
        boot_index,
        volume_id: format!("volume-{boot_index}"),
        properties: JsonMap::new(),
        extra: JsonMap::new(),
        created_at: clock::now(),
        updated_at: None,
    }
}

/// A database with two nodes.
async fn stand(site: &TestDb) -> (Db, Node, Node) {
    let db = site.open().await;
    let (one, two) = (node(), node());
    db.node_create(&one).await.unwrap();
    db.node_create(&two).await.unwrap();
    (db, one, two)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the database asks for a function of this form"
)]
fn anyone(_: &Node) -> Result<(), Fault> {
    Ok(())
}

async fn a_connector_comes_back_as_it_was_stored_and_changed(site: TestDb) {
    let (db, owner, other) = stand(&site).await;
    let bare = connector(&owner, "iqn.a");
    db.volume_create(&bare).await.unwrap();
    let stored = db.volume_get::<VolumeConnector>(bare.uuid).await.unwrap();
    assert_eq!(stored.as_ref(), Some(&bare));
    let full = VolumeConnector {
        kind: "mac".to_owned(),
        extra: map(json!({"rack": 4})),
        created_at: datetime!(2026-01-02 03:04:05 UTC),
        updated_at: Some(datetime!(2026-01-02 03:04:06.7 UTC)),
        ..connector(&other, "52:54:00:00:00:01")
    };
    db.volume_create(&full).await.unwrap();
    let stored = db.volume_get::<VolumeConnector>(full.uuid).await.unwrap();
    assert_eq!(stored.as_ref(), Some(&full));

    let gone_from = db
        .volume_destroy::<VolumeConnector>(full.uuid, anyone)
        .await
        .unwrap();
    assert_eq!(gone_from, other.uuid);
    let change = |connector: &mut VolumeConnector| {
        *connector = full.clone();
        Ok(())
    };
    let saved = db.volume_change(bare.uuid, anyone, change).await.unwrap();
    let expected = VolumeConnector {
        uuid: bare.uuid,
        created_at: bare.created_at,
        updated_at: saved.updated_at,
        ..full
    };
    assert_eq!(saved, expected);
    assert!(saved.updated_at >= Some(bare.created_at));
    let stored = db.volume_get::<VolumeConnector>(bare.uuid).await.unwrap();
    assert_eq!(stored, Some(saved));
}

async fn a_target_comes_back_as_it_was_stored_and_changed(site: TestDb) {
    let (db, owner, other) = stand(&site).await;
    let bare = target(&owner, 0);
    db.volume_create(&bare).await.unwrap();
    let stored = db.volume_get::<VolumeTarget>(bare.uuid).await.unwrap();
    assert_eq!(stored.as_ref(), Some(&bare));
    let full = VolumeTarget {
        volume_type: "fibre_channel".to_owned(),
        volume_id: "04452bed".to_owned(),
        properties: map(json!({"target_lun": 1, "auth_password": "secret"})),
        extra: map(json!({"rack": 4})),
        created_at: datetime!(2026-01-02 03:04:05 UTC),
        updated_at: Some(datetime!(2026-01-02 03:04:06.7 UTC)),
        ..target(&other, 7)
    };
    db.volume_create(&full).await.unwrap();
    let stored = db.volume_get::<VolumeTarget>(full.uuid).await.unwrap();
    assert_eq!(stored.as_ref(), Some(&full));

    let gone_from = db
        .volume_destroy::<VolumeTarget>(full.uuid, anyone)
        .await
        .unwrap();
    assert_eq!(gone_from, other.uuid);
    let change = |target: &mut VolumeTarget| {
        *target = full.clone();
        Ok(())
    };
    let saved = db.volume_change(bare.uuid, anyone, change).await.unwrap();
    let expected = VolumeTarget {
        uuid: bare.uuid,
        created_at: bare.created_at,
        updated_at: saved.updated_at,
        ..full
    };
    assert_eq!(saved, expected);
    let stored = db.volume_get::<VolumeTarget>(bare.uuid).await.unwrap();
    assert_eq!(stored.as_ref(), Some(&saved));
    // What changes nothing leaves no trace.
    let again: VolumeTarget = db
        .volume_change(bare.uuid, anyone, |_| Ok(()))
        .await
        .unwrap();
    assert_eq!(again, saved);
}

async fn the_volumes_of_a_node_come_together_and_in_order(site: TestDb) {
    let (db, owner, other) = stand(&site).await;
    let connectors = [connector(&owner, "iqn.b"), connector(&owner, "iqn.a")];
    for connector in &connectors {
        db.volume_create(connector).await.unwrap();
    }
    let full = VolumeTarget {
        properties: map(json!({"target_iqn": "iqn.t"})),
        extra: map(json!({"x": 1})),
        updated_at: Some(datetime!(2026-01-02 03:04:06 UTC)),
        ..target(&owner, 0)
    };
    let targets = [full, target(&owner, 2), target(&owner, 10)];
    for target in targets.iter().rev() {
        db.volume_create(target).await.unwrap();
    }
    db.volume_create(&connector(&other, "iqn.c")).await.unwrap();
    db.volume_create(&target(&other, 0)).await.unwrap();
    let expected = Volumes {
        connectors: connectors.to_vec(),
        targets: targets.to_vec(),
    };
    assert_eq!(db.node_volumes(owner.uuid).await.unwrap(), expected);
    let unknown = NodeUuid(ident::uuid());
    assert_eq!(db.node_volumes(unknown).await.unwrap(), Volumes::default());

    // They go with their node, and only with theirs.
    db.node_destroy(owner.uuid, anyone).await.unwrap();
    for table in ["volume_connectors", "volume_targets"] {
        assert_eq!(db.rows_of(table).await, 1, "{table}");
    }
}

async fn what_is_taken_is_named(site: TestDb) {
    let (db, one, two) = stand(&site).await;
    let (taken, index) = (connector(&one, "iqn.a"), target(&one, 0));
    db.volume_create(&taken).await.unwrap();
    db.volume_create(&index).await.unwrap();
    let duplicate = |result: Result<(), DbError>| match result {
        Err(DbError::Duplicate(duplicate)) => duplicate,
        other => panic!("{other:?}"),
    };
    let same = connector(&two, "iqn.a");
    assert_eq!(
        duplicate(db.volume_create(&same).await),
        Duplicate::VolumeConnector {
            kind: "iqn".to_owned(),
            connector_id: "iqn.a".to_owned()
        }
    );
    let same = VolumeConnector {
        uuid: taken.uuid,
        ..connector(&two, "iqn.b")
    };
    assert_eq!(
        duplicate(db.volume_create(&same).await),
        Duplicate::VolumeConnectorUuid(taken.uuid)
    );
    assert_eq!(
        duplicate(db.volume_create(&target(&one, 0)).await),
        Duplicate::VolumeBootIndex(0)
    );
    let same = VolumeTarget {
        uuid: index.uuid,
        ..target(&two, 0)
    };
    assert_eq!(
        duplicate(db.volume_create(&same).await),
        Duplicate::VolumeTargetUuid(index.uuid)
    );
    // Neither another kind of the same name, nor the index on another node.
    let other_kind = VolumeConnector {
        kind: "port".to_owned(),
        ..connector(&two, "iqn.a")
    };
    db.volume_create(&other_kind).await.unwrap();
    let moved = target(&two, 0);
    db.volume_create(&moved).await.unwrap();

    // The same when something is changed.
    let renamed = db
        .volume_change(
            other_kind.uuid,
            anyone,
            |connector: &mut VolumeConnector| {
                connector.kind = "iqn".to_owned();
                Ok(())
            },
        )
        .await;
    assert_eq!(
        renamed.unwrap_err(),
        Fault::VolumeConnectorExists {
            kind: "iqn".to_owned(),
            connector_id: "iqn.a".to_owned()
        }
    );
    let moved = db
        .volume_change(moved.uuid, anyone, |target: &mut VolumeTarget| {
            target.node_uuid = one.uuid;
            Ok(())
        })
        .await;
    assert_eq!(moved.unwrap_err(), Fault::VolumeBootIndexExists(0));
}

async fn what_is_not_there_is_said(site: TestDb) {
    let (db, owner, _) = stand(&site).await;
    let unknown = node();
    for error in [
        db.volume_create(&connector(&unknown, "iqn.a")).await,
        db.volume_create(&target(&unknown, 0)).await,
    ] {
        assert!(
            matches!(error, Err(DbError::NodeMissing(uuid)) if uuid == unknown.uuid),
            "{error:?}"
        );
    }
    let stored = target(&owner, 0);
    db.volume_create(&stored).await.unwrap();
    let moved = db
        .volume_change(stored.uuid, anyone, |target: &mut VolumeTarget| {
            target.node_uuid = unknown.uuid;
            Ok(())
        })
        .await;
    assert_eq!(
        moved.unwrap_err(),
        Fault::NodeNotFound(unknown.uuid.to_string())
    );

    let (connector, target) = (
        VolumeConnectorUuid(ident::uuid()),
        VolumeTargetUuid(ident::uuid()),
    );
    let missing = Fault::VolumeConnectorNotFound(connector.to_string());
    let changed = db.volume_change::<VolumeConnector>(connector, anyone, |_| Ok(()));
    assert_eq!(changed.await.unwrap_err(), missing);
    let destroyed = db.volume_destroy::<VolumeConnector>(connector, anyone);
    assert_eq!(destroyed.await.unwrap_err(), missing);
    let missing = Fault::VolumeTargetNotFound(target.to_string());
    let changed = db.volume_change::<VolumeTarget>(target, anyone, |_| Ok(()));
    assert_eq!(changed.await.unwrap_err(), missing);
    let destroyed = db.volume_destroy::<VolumeTarget>(target, anyone);
    assert_eq!(destroyed.await.unwrap_err(), missing);
}

async fn both_nodes_of_a_move_may_object(site: TestDb) {
    let (db, one, two) = stand(&site).await;
    let stored = target(&one, 0);
    db.volume_create(&stored).await.unwrap();
    for objector in [one.uuid, two.uuid] {
        let objects = |node: &Node| {
            if node.uuid == objector {
                return Err(Fault::NodeProtected(objector));
            }
            Ok(())
        };
        let moved = db
            .volume_change(stored.uuid, objects, |target: &mut VolumeTarget| {
                target.node_uuid = two.uuid;
                Ok(())
            })
            .await;
        assert_eq!(moved.unwrap_err(), Fault::NodeProtected(objector));
    }
    let refused = |_: &Node| Err(Fault::NodeProtected(one.uuid));
    let gone = db
        .volume_destroy::<VolumeTarget>(stored.uuid, refused)
        .await;
    assert_eq!(gone.unwrap_err(), Fault::NodeProtected(one.uuid));
    let kept = db.volume_get::<VolumeTarget>(stored.uuid).await.unwrap();
    assert_eq!(kept, Some(stored));
}

/// Between the look at the node and the change of its volume, another client changes the node.
async fn a_node_that_changed_meanwhile_is_asked_again(site: TestDb) {
    let (db, owner, _) = stand(&site).await;
    let (name, index) = (connector(&owner, "iqn.a"), target(&owner, 0));
    db.volume_create(&name).await.unwrap();
    db.volume_create(&index).await.unwrap();
    let seen = std::sync::Mutex::new(Vec::new());
    let looked = |node: &Node| {
        let mut seen = seen.lock().unwrap();
        seen.push(node.revision);
        if seen.len() % 2 == 1 {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Runtime::new().unwrap();
                    runtime
                        .block_on(async { count(&site.open().await, owner.uuid).await.unwrap() });
                });
            });
        }
        Ok(())
    };
    db.volume_change(name.uuid, looked, |connector: &mut VolumeConnector| {
        connector.connector_id = "iqn.b".to_owned();
        Ok(())
    })
    .await
    .unwrap();
    db.volume_change(index.uuid, looked, |target: &mut VolumeTarget| {
        target.boot_index = 1;
        Ok(())
    })
    .await
    .unwrap();
    db.volume_destroy::<VolumeConnector>(name.uuid, looked)
        .await
        .unwrap();
    db.volume_destroy::<VolumeTarget>(index.uuid, looked)
        .await
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 1, 1, 2, 2, 3, 3, 4]);
    assert_eq!(
        db.node_volumes(owner.uuid).await.unwrap(),
        Volumes::default()
    );
}

async fn lists_are_paged_sorted_and_of_one_node(site: TestDb) {
    let (db, one, two) = stand(&site).await;
    for index in 0..7_i64 {
        let owner = if index % 2 == 0 { &one } else { &two };
        db.volume_create(&connector(owner, &format!("iqn.{}", 9 - index)))
            .await
            .unwrap();
        db.volume_create(&target(owner, 9 - index)).await.unwrap();
    }
    for sort_dir in [SortDirection::Ascending, SortDirection::Descending] {
        let mut all: Vec<VolumeTarget> = Vec::new();
        loop {
            let page = Page {
                limit: Some(2),
                marker: all.last().map(|target| target.uuid),
                sort_key: Some("boot_index"),
                sort_dir,
            };
            let targets = db
                .volume_list::<VolumeTarget>(None, None, &page)
                .await
                .unwrap();
            if targets.is_empty() {
                break;
            }
            all.extend(targets);
        }
        let mut indexes: Vec<i64> = all.iter().map(|target| target.boot_index).collect();
        if sort_dir == SortDirection::Descending {
            indexes.reverse();
        }
        assert_eq!(indexes, [3, 4, 5, 6, 7, 8, 9]);
    }
    let first = Page::default();
    let of_one = db
        .volume_list::<VolumeConnector>(None, Some(one.uuid), &first)
        .await;
    let of_one = of_one.unwrap();
    let names: Vec<_> = of_one.iter().map(|one| one.connector_id.as_str()).collect();
    assert_eq!(names, ["iqn.9", "iqn.7", "iqn.5", "iqn.3"]);
    let after = Page {
        marker: of_one.get(2).map(|connector| connector.uuid),
        ..Page::default()
    };
    let rest = db
        .volume_list::<VolumeConnector>(None, Some(one.uuid), &after)
        .await;
    assert_eq!(rest.unwrap().len(), 1);

    for key in [
        "id",
        "uuid",
        "type",
        "connector_id",
        "created_at",
        "updated_at",
    ] {
        let page = Page {
            sort_key: Some(key),
            ..Page::default()
        };
        let all = db
            .volume_list::<VolumeConnector>(None, None, &page)
            .await
            .unwrap();
        assert_eq!(all.len(), 7, "{key}");
    }
    for key in [
        "id",
        "uuid",
        "volume_type",
        "volume_id",
        "created_at",
        "updated_at",
    ] {
        let page = Page {
            sort_key: Some(key),
            ..Page::default()
        };
        let all = db
            .volume_list::<VolumeTarget>(None, None, &page)
            .await
            .unwrap();
        assert_eq!(all.len(), 7, "{key}");
    }
    let gone = Page {
        marker: Some(VolumeTargetUuid(ident::uuid())),
        ..Page::default()
    };
    let error = db
        .volume_list::<VolumeTarget>(None, None, &gone)
        .await
        .unwrap_err();
    assert!(
        matches!(error, DbError::VolumeTargetMissing(_)),
        "{error:?}"
    );
}

async fn a_database_from_before_volumes_gets_them(site: TestDb) {
    let (db, owner, _) = stand(&site).await;
    for undo in [
        "DROP TABLE volume_connectors",
        "DROP TABLE volume_targets",
        "DELETE FROM _sqlx_migrations WHERE version = 2",
    ] {
        db.sql(undo).await;
    }
    db.close().await;
    upgrade(&site.location()).await.unwrap();
    let db = site.open().await;
    assert_eq!(
        db.node_get(owner.uuid).await.unwrap().as_ref(),
        Some(&owner)
    );
    db.volume_create(&target(&owner, 0)).await.unwrap();
    assert_eq!(db.node_volumes(owner.uuid).await.unwrap().targets.len(), 1);
}
