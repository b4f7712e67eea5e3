//! What a conductor does about the work of its predecessor.

use ironpxe_core::provision_state::ProvisionState;

use super::*;

#[tokio::test]
async fn abandoned_work_fails_and_waiting_nodes_wait_on() {
    let stand = Stand::new().await;
    let mut nodes = Vec::new();
    for state in ProvisionState::all() {
        let node = stand.enrol("direct").await;
        let abandon = |node: &mut Node| {
            node.provision_state = state.into();
            node.reservation = Some(HOST.to_owned());
            Ok(())
        };
        stand.db.node_change(node, abandon).await.unwrap();
        nodes.push((state, node));
    }
    let foreign = stand.enrol("direct").await;
    let abandon = |node: &mut Node| {
        node.provision_state = ProvisionState::Deploying.into();
        node.reservation = Some("conductor-2".to_owned());
        Ok(())
    };
    stand.db.node_change(foreign, abandon).await.unwrap();

    // The same name starts again, as after a crash.
    let db = crate::db::testing::open(&stand.folder).await;
    start(&db).await;

    for (state, uuid) in nodes {
        let node = stand.db.node_get(uuid).await.unwrap().unwrap();
        assert_eq!(node.reservation, None, "{state}");
        if state.fails_when_abandoned() {
            let failed = state
                .on(ironpxe_core::provision_state::Event::Fail)
                .unwrap();
            assert_eq!(node.provision_state, failed.into(), "{state}");
            assert!(node.last_error.unwrap().contains(state.name()), "{state}");
        } else {
            assert_eq!(node.provision_state, state.into(), "{state}");
            assert_eq!(node.last_error, None, "{state}");
        }
    }
    let foreign = stand.db.node_get(foreign).await.unwrap().unwrap();
    assert_eq!(foreign.reservation.as_deref(), Some("conductor-2"));
}
