//! The history of nodes.

use ironpxe_core::id::NodeHistoryUuid;
use ironpxe_core::node_history::{NodeHistory, Severity};
use time::Duration;

use super::*;
use crate::db::{Db, Excess, Page, SortDirection};

on_both! {
    an_event_is_stored_with_the_change_and_goes_with_the_node,
    a_change_that_is_not_saved_leaves_no_event,
    the_history_comes_in_pages,
    what_is_too_much_is_deleted_oldest_first,
    deleting_history_is_no_change_of_what_boots,
}

fn event(node: &Node, text: &str) -> NodeHistory {
    NodeHistory {
        conductor: Some("conductor-1".to_owned()),
        user: Some("user-1".to_owned()),
        project: Some("project-1".to_owned()),
        state: Some("deploying".to_owned()),
        target_provision_state: Some("active".to_owned()),
        duration_seconds: Some(7),
        ..NodeHistory::new(
            NodeHistoryUuid(ident::uuid()),
            node.uuid,
            clock::now(),
            Severity::Error,
            "deploying",
            text,
        )
    }
}

async fn record(db: &Db, entry: &NodeHistory) -> Node {
    let change = |node: &mut Node| {
        node.last_error = Some(entry.event.clone());
        Ok(())
    };
    let uuid = entry.node_uuid;
    let changed = db.node_change_recorded(uuid, change, |_, _| Some(entry.clone()));
    changed.await.unwrap().0
}

async fn list(db: &Db, node: &Node) -> Vec<NodeHistory> {
    let list = db.node_history_list(node.uuid, &Page::default()).await;
    list.unwrap()
}

async fn an_event_is_stored_with_the_change_and_goes_with_the_node(site: TestDb) {
    let db = site.open().await;
    let (one, two) = (node(), node());
    for node in [&one, &two] {
        db.node_create(node).await.unwrap();
    }
    let entry = event(&one, "--password hush failed");
    assert_eq!(entry.event, "--password ****** failed");
    let changed = record(&db, &entry).await;
    assert_eq!(changed.revision, one.revision + 1);
    assert_eq!(list(&db, &one).await, std::slice::from_ref(&entry));
    assert_eq!(list(&db, &two).await, []);
    let found = db.node_history_get(one.uuid, entry.uuid).await.unwrap();
    assert_eq!(found, Some(entry.clone()));
    let of_other = db.node_history_get(two.uuid, entry.uuid).await.unwrap();
    assert_eq!(of_other, None);

    db.node_destroy(one.uuid, |_| Ok(())).await.unwrap();
    assert_eq!(db.rows_of("node_history").await, 0);
}

async fn a_change_that_is_not_saved_leaves_no_event(site: TestDb) {
    let db = site.open().await;
    let (one, two) = (full_node(), node());
    for node in [&one, &two] {
        db.node_create(node).await.unwrap();
    }
    // The name is taken: the statement fails.
    let take = |node: &mut Node| {
        node.name = one.name.clone();
        Ok(())
    };
    let entry = event(&two, "never");
    let refused = db.node_change_recorded(two.uuid, take, |_, _| Some(entry.clone()));
    assert!(matches!(refused.await, Err(Fault::DuplicateName(_))));
    // The event cannot be stored: neither is the node.
    let fail = |node: &mut Node| {
        node.last_error = Some("never".to_owned());
        Ok(())
    };
    let lost = NodeHistory {
        node_uuid: NodeUuid(ident::uuid()),
        ..entry.clone()
    };
    let refused = db.node_change_recorded(two.uuid, fail, |_, _| Some(lost.clone()));
    refused.await.unwrap_err();
    assert_eq!(db.node_get(two.uuid).await.unwrap().unwrap(), two);
    // Another change is saved between reading and saving: the event of the second try is stored alone.
    if matches!(site, TestDb::Postgres(..)) {
        let other = site.open().await;
        let mut tries = 0;
        let change = |node: &mut Node| {
            tries += 1;
            if tries == 1 {
                tokio::task::block_in_place(|| {
                    let runtime = tokio::runtime::Handle::current();
                    runtime.block_on(count(&other, two.uuid)).unwrap();
                });
            }
            node.last_error = Some(format!("try {tries}"));
            Ok(())
        };
        let of_try = |_: &Node, after: &Node| {
            let text = after.last_error.as_deref().unwrap();
            Some(event(&two, text))
        };
        let changed = db.node_change_recorded(two.uuid, change, of_try).await;
        assert_eq!(changed.unwrap().0.revision, 2);
        let [only] = list(&db, &two).await.try_into().unwrap();
        assert_eq!(only.event, "try 2");
    } else {
        assert_eq!(db.rows_of("node_history").await, 0);
    }
    // And the connections can be used as before.
    let entry = event(&one, "then");
    record(&db, &entry).await;
    assert_eq!(list(&db, &one).await, [entry]);
}

async fn the_history_comes_in_pages(site: TestDb) {
    let db = site.open().await;
    let one = node();
    db.node_create(&one).await.unwrap();
    let mut entries = Vec::new();
    for text in ["b", "c", "a"] {
        let entry = event(&one, text);
        record(&db, &entry).await;
        entries.push(entry);
    }
    let texts = async |page: &Page<NodeHistoryUuid>| -> String {
        let list = db.node_history_list(one.uuid, page).await.unwrap();
        list.into_iter().map(|entry| entry.event).collect()
    };
    let mut page = Page {
        sort_key: Some("created_at"),
        limit: Some(2),
        ..Page::default()
    };
    assert_eq!(texts(&page).await, "bc");
    page.marker = Some(entries[1].uuid);
    assert_eq!(texts(&page).await, "a");
    page.marker = None;
    page.sort_dir = SortDirection::Descending;
    assert_eq!(texts(&page).await, "ac");
    for key in [
        "uuid",
        "severity",
        "event_type",
        "conductor",
        "user",
        "project",
        "state",
        "target_provision_state",
        "duration_seconds",
    ] {
        page.sort_key = Some(key);
        assert_eq!(texts(&page).await.len(), 2, "{key}");
    }
    page.sort_key = Some("event");
    assert_eq!(texts(&page).await, "cb");
    page.marker = Some(NodeHistoryUuid(ident::uuid()));
    let gone = db.node_history_list(one.uuid, &page).await;
    assert!(matches!(gone, Err(DbError::NodeHistoryMissing(_))));
}

async fn what_is_too_much_is_deleted_oldest_first(site: TestDb) {
    let db = site.open().await;
    let nodes = [node(), node()];
    for node in &nodes {
        db.node_create(node).await.unwrap();
    }
    for day in (1..=5).rev() {
        for node in &nodes {
            let mut entry = event(node, &day.to_string());
            entry.created_at = clock::now() - Duration::days(day);
            record(&db, &entry).await;
        }
    }
    let left = async || {
        let mut left = Vec::new();
        for node in &nodes {
            let list = list(&db, node).await.into_iter();
            left.push(list.map(|entry| entry.event).collect::<String>());
        }
        left
    };
    // Of those that are three days old or older, each node keeps two.
    let excess = Excess {
        before: clock::now() - Duration::hours(60),
        max_entries: 2,
        batch: 100,
    };
    assert_eq!(db.node_history_purge(&excess).await.unwrap(), 2);
    assert_eq!(left().await, ["4321", "4321"]);
    assert_eq!(db.node_history_purge(&excess).await.unwrap(), 0);
    let excess = Excess {
        before: clock::now(),
        max_entries: 1,
        batch: 3,
    };
    assert_eq!(db.node_history_purge(&excess).await.unwrap(), 3);
    assert_eq!(left().await, ["21", "321"]);
    assert_eq!(db.node_history_purge(&excess).await.unwrap(), 3);
    assert_eq!(left().await, ["1", "1"]);
}

async fn deleting_history_is_no_change_of_what_boots(site: TestDb) {
    let db = site.open().await;
    let one = node();
    db.node_create(&one).await.unwrap();
    let changed = record(&db, &event(&one, "x")).await;
    let version = db.commit_version();
    assert_eq!(version.is_some(), matches!(site, TestDb::Sqlite(_)));
    let excess = Excess {
        before: clock::now() + Duration::DAY,
        max_entries: 0,
        batch: 100,
    };
    assert_eq!(db.node_history_purge(&excess).await.unwrap(), 1);
    assert_eq!(db.commit_version(), version);
    assert_eq!(db.node_get(one.uuid).await.unwrap(), Some(changed));
}
