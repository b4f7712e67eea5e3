//! Nodes whose ramdisk does not call back.

use ironpxe_core::power_state::PowerState;
use ironpxe_core::provision_state::ProvisionState;

use super::*;

/// An hour: twice the default limit.
const LONG: time::Duration = time::Duration::HOUR;

/// A node that has been in `state` for `time`, as `set` changes it; as it was saved.
///
/// It is so from one statement on: the conductor looks for such nodes by itself, too.
async fn waiting(
    app: &TestApp,
    state: ProvisionState,
    time: time::Duration,
    set: impl Fn(&mut Node) + Send + Sync,
) -> Node {
    let uuid = app.enrol("direct").await;
    let wait = |node: &mut Node| {
        let since = clock::now().checked_sub(time);
        node.provision_state = state.into();
        node.target_provision_state = state.target().map(|state| state.name().to_owned());
        node.provision_updated_at = since;
        node.inspection_started_at = since;
        node.power_state = Some(PowerState::On);
        ironpxe_core::driver::agent::pregenerate_token(node, "secret".to_owned());
        set(node);
        Ok(())
    };
    app.db.node_change(uuid, wait).await.unwrap().0
}

fn as_it_is(_: &mut Node) {}

async fn node(app: &TestApp, uuid: NodeUuid) -> Node {
    app.db.node_get(uuid).await.unwrap().unwrap()
}

#[tokio::test]
async fn callback_timeouts_have_the_states_and_messages_of_ironic() {
    use ProvisionState as S;
    let app = TestApp::new().await;
    for (state, failed, target, words) in [
        (
            S::DeployWait,
            S::DeployFailed,
            "active",
            "Timeout reached while waiting for callback for node NODE",
        ),
        (
            S::CleanWait,
            S::CleanFailed,
            "available",
            "Timeout reached while cleaning the node. Please check if the ramdisk responsible for \
             the cleaning is running on the node. Failed on step {}.",
        ),
        (
            S::InspectWait,
            S::InspectFailed,
            "manageable",
            "Timeout reached while inspecting the node. Please check if the ramdisk responsible \
             for the inspection is running on the node.",
        ),
        (
            S::RescueWait,
            S::RescueFailed,
            "rescue",
            "Timeout reached while waiting for rescue ramdisk callback for node",
        ),
        (
            S::ServiceWait,
            S::ServiceFailed,
            "active",
            "Timeout reached while servicing the node. Please check if the ramdisk responsible \
             for the servicing is running on the node. Failed on step {}.",
        ),
    ] {
        let uuid = waiting(&app, state, LONG, as_it_is).await.uuid;
        app.conductor.fail_timed_out_nodes().await;
        let ended = node(&app, uuid).await;
        assert_eq!(ended.provision_state, failed.into(), "{state}");
        assert_eq!(ended.target_provision_state.as_deref(), Some(target));
        let words = words.replace("NODE", &uuid.to_string());
        assert_eq!(ended.last_error.as_deref(), Some(words.as_str()));
        let on = state == S::DeployWait;
        assert_eq!(ended.power_state == Some(PowerState::On), on, "{state}");
        assert!(!ended.maintenance && ended.fault.is_none(), "{state}");
        assert_eq!(ironpxe_core::driver::agent::token(&ended), None, "{state}");
    }
}

#[tokio::test]
async fn other_states_do_not_time_out() {
    let app = TestApp::new().await;
    let now = time::Duration::ZERO;
    let clean_wait = ProvisionState::CleanWait;
    let mut kept = vec![waiting(&app, clean_wait, now, as_it_is).await];
    for state in ProvisionState::all() {
        let name = state.name();
        if !(name.ends_with(" wait") || name == "wait call-back") {
            kept.push(waiting(&app, state, LONG, as_it_is).await);
        }
    }
    let reserve = |node: &mut Node| node.reservation = Some("conductor-2".to_owned());
    kept.push(waiting(&app, clean_wait, LONG, reserve).await);
    let maintain = |node: &mut Node| node.maintenance = true;
    let maintained = waiting(&app, clean_wait, LONG, maintain).await;
    kept.push(maintained.clone());

    app.conductor.fail_timed_out_nodes().await;
    for before in kept {
        assert_eq!(node(&app, before.uuid).await, before);
    }

    // Who leaves maintenance is not forgotten.
    let release = |node: &mut Node| {
        node.maintenance = false;
        Ok(())
    };
    app.db.node_change(maintained.uuid, release).await.unwrap();
    app.conductor.fail_timed_out_nodes().await;
    let ended = node(&app, maintained.uuid).await;
    assert_eq!(ended.provision_state, ProvisionState::CleanFailed.into());
}

/// An inspection's wait counts from the beginning of the inspection, as in Ironic.
#[tokio::test]
async fn inspection_timeout_counts_from_its_start() {
    let app = TestApp::new().await;
    let state = ProvisionState::InspectWait;
    let now = |node: &mut Node| node.inspection_started_at = Some(clock::now());
    let kept = waiting(&app, state, LONG, now).await;
    let later = |node: &mut Node| node.provision_updated_at = Some(clock::now());
    let ended = waiting(&app, state, LONG, later).await.uuid;
    let unknown = |node: &mut Node| node.inspection_started_at = None;
    let without = waiting(&app, state, LONG, unknown).await.uuid;
    app.conductor.fail_timed_out_nodes().await;
    assert_eq!(node(&app, kept.uuid).await, kept);
    for uuid in [ended, without] {
        let failed = ProvisionState::InspectFailed.into();
        assert_eq!(node(&app, uuid).await.provision_state, failed);
    }
}

/// Between the search and its end, the installer calls, a verb reserves it, or it moves on.
#[tokio::test]
async fn node_changed_after_the_query_does_not_time_out() {
    let app = TestApp::new().await;
    let state = ProvisionState::DeployWait;
    let option = "deploy_callback_timeout";
    let changes: [fn(&mut Node); 4] = [
        |node| node.provision_updated_at = Some(clock::now()),
        |node| node.reservation = Some("conductor-2".to_owned()),
        |node| node.maintenance = true,
        |node| node.provision_state = ProvisionState::Active.into(),
    ];
    for change in changes {
        let node_then = waiting(&app, state, LONG, change).await;
        let uuid = node_then.uuid;
        app.conductor
            .fail_if_timed_out(uuid, clock::now(), option)
            .await;
        assert_eq!(node(&app, uuid).await, node_then);
    }
}

/// A heartbeat of an agent moves nothing, so that it does not put off the end either; but the
/// message does not say that the machine has not called.
#[tokio::test]
async fn timeout_message_has_the_time_of_the_last_heartbeat() {
    let app = TestApp::new().await;
    let call = |node: &mut Node| {
        ironpxe_core::driver::agent::note(
            node,
            "agent_last_heartbeat",
            "2026-02-03T04:05:06.000000",
        );
    };
    let state = ProvisionState::CleanWait;
    let uuid = waiting(&app, state, LONG, call).await.uuid;
    app.conductor.fail_timed_out_nodes().await;
    let words = node(&app, uuid).await.last_error.unwrap();
    assert!(
        words.starts_with("Timeout reached while cleaning")
            && words.contains("Failed on step {}. The last heartbeat from the machine was at 2026"),
        "{words}"
    );
}

#[tokio::test]
async fn timeout_of_zero_disables_it() {
    let none = Duration::ZERO;
    let limits = CallbackTimeouts {
        deploy: none,
        clean: none,
        inspect: none,
        rescue: none,
        service: none,
    };
    let app = TestApp::builder()
        .conductor(|settings| settings.callback_timeouts = limits)
        .start()
        .await;
    let mut nodes = Vec::new();
    for state in ProvisionState::all().filter(|state| state.name().contains("wait")) {
        nodes.push(waiting(&app, state, LONG, as_it_is).await);
    }
    assert_eq!(nodes.len(), 5);
    app.conductor.fail_timed_out_nodes().await;
    for before in nodes {
        assert_eq!(node(&app, before.uuid).await, before);
    }
}

#[tokio::test]
async fn manual_cleaning_timeout_targets_manageable_and_an_interrupted_step_sets_a_fault() {
    let app = TestApp::new().await;
    let erase = |node: &mut Node| {
        node.target_provision_state = Some("manageable".to_owned());
        node.clean_step
            .insert("step".to_owned(), json!("erase_devices"));
    };
    let uuid = waiting(&app, ProvisionState::CleanWait, LONG, erase)
        .await
        .uuid;
    app.conductor.fail_timed_out_nodes().await;
    let ended = node(&app, uuid).await;
    assert_eq!(ended.target_provision_state.as_deref(), Some("manageable"));
    assert!(ended.maintenance && ended.clean_step.is_empty());
    assert_eq!(ended.fault.as_deref(), Some("clean failure"));
    assert_eq!(ended.maintenance_reason, ended.last_error);
    let words = ended.last_error.unwrap();
    assert!(
        words.ends_with("Failed on step {'step': 'erase_devices'}."),
        "{words}"
    );
    // What it is doing to its disks may go on.
    assert_eq!(ended.power_state, Some(PowerState::On));
}

/// Two conductors find the same nodes; each node is saved once.
#[tokio::test]
async fn timeout_is_handled_by_exactly_one_conductor() {
    let app = TestApp::new().await;
    let other = app.replica().host("conductor-2").start().await.conductor;
    let mut nodes = Vec::new();
    for _ in 0..20 {
        nodes.push(waiting(&app, ProvisionState::CleanWait, LONG, as_it_is).await);
    }
    tokio::join!(
        app.conductor.fail_timed_out_nodes(),
        other.fail_timed_out_nodes()
    );
    for before in nodes {
        let ended = node(&app, before.uuid).await;
        assert_eq!(ended.provision_state, ProvisionState::CleanFailed.into());
        assert_eq!(ended.revision, before.revision + 1);
    }
}
