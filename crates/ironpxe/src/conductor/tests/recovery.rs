//! What a conductor does about the work of its predecessor.

use ironpxe_core::provision::{EventKind, Progress, Request};
use ironpxe_core::provision_state::{FsmEvent, ProvisionState};

use super::*;

#[tokio::test]
async fn abandoned_work_fails_and_waiting_nodes_keep_waiting() {
    let app = TestApp::new().await;
    let mut nodes = Vec::new();
    for state in ProvisionState::all() {
        let node = app.enrol("direct").await;
        let abandon = |node: &mut Node| {
            node.provision_state = state.into();
            node.reservation = Some(HOST.to_owned());
            Ok(())
        };
        app.db.node_change(node, abandon).await.unwrap();
        nodes.push((state, node));
    }
    let foreign = app.enrol("direct").await;
    let abandon = |node: &mut Node| {
        node.provision_state = ProvisionState::Deploying.into();
        node.reservation = Some("conductor-2".to_owned());
        Ok(())
    };
    app.db.node_change(foreign, abandon).await.unwrap();

    // The same name starts again, as after a crash.
    app.replica().start().await;

    for (state, uuid) in nodes {
        let node = app.db.node_get(uuid).await.unwrap().unwrap();
        assert_eq!(node.reservation, None, "{state}");
        if state.fails_when_abandoned() {
            let failed = state.on(FsmEvent::Fail).unwrap();
            assert_eq!(node.provision_state, failed.into(), "{state}");
            assert!(node.last_error.unwrap().contains(state.name()), "{state}");
        } else {
            assert_eq!(node.provision_state, state.into(), "{state}");
            assert_eq!(node.last_error, None, "{state}");
        }
    }
    let foreign = app.db.node_get(foreign).await.unwrap().unwrap();
    assert_eq!(foreign.reservation.as_deref(), Some("conductor-2"));
}

/// A conductor of another name on the same database.
async fn another(app: &TestApp, host: &str) -> LocalConductor {
    app.replica().host(host).start().await.conductor
}

async fn reserve(app: &TestApp, state: ProvisionState, host: &str) -> NodeUuid {
    let uuid = app.enrol("direct").await;
    let reserve = |node: &mut Node| {
        node.provision_state = state.into();
        node.reservation = Some(host.to_owned());
        Ok(())
    };
    app.db.node_change(uuid, reserve).await.unwrap();
    uuid
}

#[tokio::test]
async fn conductor_takes_its_name_back_after_the_other_process_ended() {
    let app = TestApp::new().await;
    let run = async || app.db.conductor_get(HOST).await.unwrap().unwrap().run_id;
    let own = run().await;
    let second = another(&app, HOST).await;
    assert_ne!(run().await, own);
    app.conductor.write_heartbeat().await;
    assert_ne!(run().await, own, "the second one lives");
    second.drain().await;
    second.release_own_nodes().await;
    app.conductor.write_heartbeat().await;
    let conductor = app.db.conductor_get(HOST).await.unwrap().unwrap();
    assert!(conductor.run_id == own && conductor.alive);
}

#[tokio::test]
async fn leaving_conductor_hands_over_unfinished_work() {
    let app = TestApp::new().await;
    let draining = another(&app, "conductor-2").await;
    let lost = reserve(&app, ProvisionState::Cleaning, "conductor-2").await;
    let waits = reserve(&app, ProvisionState::CleanWait, "conductor-2").await;
    let foreign = reserve(&app, ProvisionState::Cleaning, HOST).await;

    draining.drain().await;
    let conductor = app.db.conductor_get("conductor-2").await.unwrap().unwrap();
    assert!(!conductor.alive);
    // While it finishes what it has, no other conductor takes it away.
    let dead = crate::db::ReservedBy::SilentSince(app.db.silent_since());
    assert_eq!(app.db.node_list_reserved_by(dead).await.unwrap(), []);

    draining.release_own_nodes().await;
    let db = &app.db;
    let node = |uuid| async move { db.node_get(uuid).await.unwrap().unwrap() };
    assert_eq!(
        node(lost).await.provision_state,
        ProvisionState::CleanFailed.into()
    );
    assert_eq!(
        node(waits).await.provision_state,
        ProvisionState::CleanWait.into()
    );
    assert_eq!(node(waits).await.reservation, None);
    assert_eq!(node(foreign).await.reservation.as_deref(), Some(HOST));
}

#[tokio::test]
async fn result_of_released_work_is_refused_even_if_the_node_is_reserved_again() {
    let app = TestApp::new().await;
    let uuid = app.enrol("fake").await;
    let ctx = context();
    let verb = async |verb| {
        let args = ProvisionArgs::default();
        let request = Request {
            verb,
            args: &args,
            boot_volume: None,
        };
        let kind = EventKind::Verb(request);
        let accepted = app.conductor.advance(&ctx, uuid, clock::now(), kind);
        accepted.await.unwrap().node
    };
    let accepted = verb(Verb::Manage).await;
    // Meanwhile it was given up for dead, and has got the node again, for the same work.
    let gone = EventKind::ConductorGone;
    let given_up = app.conductor.advance(&ctx, uuid, clock::now(), gone);
    assert_eq!(given_up.await.unwrap().node.reservation, None);
    let again = verb(Verb::Manage).await;
    assert_eq!(again.reservation.as_deref(), Some(HOST));

    let report = async |accepted: &Node| {
        let kind = EventKind::Task {
            since: accepted.provision_updated_at,
            progress: Progress::Started,
        };
        let reported = app.conductor.advance(&ctx, uuid, clock::now(), kind);
        reported.await.map(|reported| reported.node.provision_state)
    };
    let refused = report(&accepted).await.unwrap_err().to_string();
    assert!(
        refused.contains("taken over") && refused.contains("verifying"),
        "{refused}"
    );
    assert_eq!(report(&again).await, Ok(ProvisionState::Manageable.into()));
}
