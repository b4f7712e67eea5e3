//! What went wrong with a node is in its history.

use ironpxe_core::node_history::NodeHistory;
use ironpxe_core::provision_state::ProvisionState;

use super::*;
use crate::db::Page;

async fn history(app: &TestApp, node: NodeUuid) -> Vec<NodeHistory> {
    let list = app.db.node_history_list(node, &Page::default()).await;
    list.unwrap()
}

async fn waiting(app: &TestApp, state: ProvisionState) -> NodeUuid {
    let uuid = app.enrol("direct").await;
    let wait = |node: &mut Node| {
        node.provision_state = state.into();
        node.target_provision_state = Some("active".to_owned());
        node.provision_updated_at = clock::now().checked_sub(time::Duration::HOUR);
        Ok(())
    };
    app.db.node_change(uuid, wait).await.unwrap();
    uuid
}

#[tokio::test]
async fn callback_timeout_is_recorded() {
    let app = TestApp::new().await;
    let uuid = waiting(&app, ProvisionState::DeployWait).await;
    app.conductor.fail_timed_out_nodes().await;
    let events = history(&app, uuid).await;
    let [event] = events.as_slice() else {
        panic!("{events:?}");
    };
    let node = app.db.node_get(uuid).await.unwrap().unwrap();
    assert_eq!(Some(&event.event), node.last_error.as_ref());
    assert_eq!(event.severity, "ERROR");
    assert_eq!(event.event_type, "deploying");
    assert_eq!(event.conductor.as_deref(), Some(HOST));
    assert_eq!(event.state.as_deref(), Some("wait call-back"));
    assert_eq!(event.target_provision_state.as_deref(), Some("active"));
    assert!(event.duration_seconds.unwrap() >= 3600, "{event:?}");
    // The change of the node counts once, and the event does not count.
    assert_eq!(node.revision, 2);
}

#[tokio::test]
async fn aborted_work_is_recorded() {
    let app = TestApp::new().await;
    for (state, severity, event_type) in [
        (ProvisionState::CleanWait, "ERROR", "cleaning"),
        (ProvisionState::InspectWait, "ERROR", "introspection"),
        (ProvisionState::RescueWait, "INFO", "rescue"),
        (ProvisionState::ServiceWait, "ERROR", "servicing"),
    ] {
        let uuid = waiting(&app, state).await;
        // The conductor looks for overdue waits by itself, too.
        let recent = |node: &mut Node| {
            node.provision_state = state.into();
            node.provision_updated_at = Some(clock::now());
            node.inspection_started_at = Some(clock::now());
            node.last_error = None;
            Ok(())
        };
        app.db.node_change(uuid, recent).await.unwrap();
        app.ask(uuid, "abort").await.unwrap();
        let events = history(&app, uuid).await;
        let event = events.last().unwrap();
        assert_eq!(event.severity, severity, "{state}");
        assert_eq!(event.event_type, event_type, "{state}");
        assert!(event.event.contains("aborted"), "{state}");
    }
}

#[tokio::test]
async fn success_records_no_error() {
    let app = TestApp::new().await;
    let uuid = app.enrol("direct").await;
    app.walk(uuid, &["manage", "provide"]).await;
    assert_eq!(history(&app, uuid).await, []);
}

#[tokio::test]
async fn abandoned_work_is_recorded() {
    let app = TestApp::new().await;
    let uuid = waiting(&app, ProvisionState::Cleaning).await;
    let reserve = |node: &mut Node| {
        node.reservation = Some(HOST.to_owned());
        Ok(())
    };
    app.db.node_change(uuid, reserve).await.unwrap();
    app.replica().start().await;
    let events = history(&app, uuid).await;
    let [event] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert!(event.event.contains("stopped while"), "{event:?}");
    assert_eq!(event.event_type, "cleaning");
}

#[tokio::test]
async fn history_settings_are_applied() {
    let app = TestApp::new().await;
    let uuid = waiting(&app, ProvisionState::DeployWait).await;
    app.conductor.fail_timed_out_nodes().await;
    assert_eq!(history(&app, uuid).await.len(), 1);

    let mut other = app.conductor.clone();
    let mut settings = (*other.settings).clone();
    settings.history = HistorySettings {
        record: false,
        max_entries: 0,
        minimum_days: 1,
        ..HistorySettings::default()
    };
    other.settings = Arc::new(settings.clone());
    other.purge_history().await;
    assert_eq!(history(&app, uuid).await.len(), 1, "it is of today");
    settings.history.minimum_days = 0;
    settings.history.cleanup_batch = 0;
    other.settings = Arc::new(settings.clone());
    other.purge_history().await;
    assert_eq!(history(&app, uuid).await.len(), 1, "nothing at a time");
    settings.history.cleanup_batch = 10;
    other.settings = Arc::new(settings);
    other.purge_history().await;
    assert_eq!(history(&app, uuid).await, []);

    let fail = |node: &mut Node| {
        node.last_error = Some("again".to_owned());
        Ok(())
    };
    other.change_node(uuid, fail).await.unwrap();
    assert_eq!(history(&app, uuid).await, []);
}
