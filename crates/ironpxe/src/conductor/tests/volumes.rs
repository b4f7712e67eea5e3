//! Which volumes can be changed.

use ironpxe_core::JsonMap;
use ironpxe_core::id::{VolumeConnectorUuid, VolumeTargetUuid};
use ironpxe_core::patch::VolumeChange;
use ironpxe_core::power_state::PowerState;
use ironpxe_core::volume::{VolumeConnector, VolumeTarget};
use serde_json::json;

use super::*;

async fn set(app: &TestApp, node: NodeUuid, power: Option<PowerState>, reserved: bool) {
    let change = |node: &mut Node| {
        node.power_state = power;
        node.reservation = reserved.then(|| "another-host".to_owned());
        Ok(())
    };
    app.db.node_change(node, change).await.unwrap();
}

/// Changes and removes one of each; what happened to the four.
async fn outcomes(app: &TestApp, node: NodeUuid) -> Vec<Result<()>> {
    let (ctx, conductor) = (context(), &app.conductor);
    let connector = VolumeConnector {
        uuid: VolumeConnectorUuid(ident::uuid()),
        node_uuid: node,
        kind: "iqn".to_owned(),
        connector_id: ident::uuid().to_string(),
        extra: JsonMap::new(),
        created_at: clock::now(),
        updated_at: None,
    };
    let target = VolumeTarget {
        uuid: VolumeTargetUuid(ident::uuid()),
        node_uuid: node,
        volume_type: "iscsi".to_owned(),
        boot_index: i64::from(ident::uuid().as_fields().0),
        volume_id: "v".to_owned(),
        properties: JsonMap::new(),
        extra: JsonMap::new(),
        created_at: clock::now(),
        updated_at: None,
    };
    // Adding one is always possible.
    conductor
        .volume_connector_create(&ctx, connector.clone())
        .await
        .unwrap();
    conductor
        .volume_target_create(&ctx, target.clone())
        .await
        .unwrap();
    let patch: json_patch::Patch =
        serde_json::from_value(json!([{"op": "add", "path": "/extra/a", "value": 1}])).unwrap();
    let mut outcomes = Vec::new();
    let change = VolumeChange(patch.clone());
    let changed = conductor.volume_connector_update(&ctx, connector.uuid, change);
    outcomes.push(
        changed
            .await
            .map(|changed| assert_eq!(changed.extra.len(), 1)),
    );
    let change = VolumeChange(patch);
    let changed = conductor.volume_target_update(&ctx, target.uuid, change);
    outcomes.push(
        changed
            .await
            .map(|changed| assert_eq!(changed.extra.len(), 1)),
    );
    outcomes.push(
        conductor
            .volume_connector_destroy(&ctx, connector.uuid)
            .await,
    );
    outcomes.push(conductor.volume_target_destroy(&ctx, target.uuid).await);
    outcomes
}

#[tokio::test]
async fn volumes_can_be_changed_only_while_the_node_is_off_and_unreserved() {
    let app = TestApp::new().await;
    let node = app.enrol("direct").await;
    for power in [None, Some(PowerState::Off)] {
        set(&app, node, power, false).await;
        for outcome in outcomes(&app, node).await {
            assert_eq!(outcome, Ok(()), "{power:?}");
        }
    }
    let refused = |action: &str| {
        Err(Fault::InvalidStateRequested {
            action: action.to_owned(),
            node,
            state: "power on".to_owned(),
        })
    };
    let updates = ["volume connector update", "volume target update"].map(refused);
    let deletions = ["volume connector deletion", "volume target deletion"].map(refused);
    // A node that is only described may lose what it has.
    set(&app, node, Some(PowerState::On), false).await;
    let outcome = outcomes(&app, node).await;
    assert_eq!(outcome, [&updates[..], &[Ok(()), Ok(())]].concat());
    let provide = |node: &mut Node| {
        node.provision_state = ironpxe_core::provision_state::ProvisionState::Available.into();
        Ok(())
    };
    app.db.node_change(node, provide).await.unwrap();
    let outcome = outcomes(&app, node).await;
    assert_eq!(outcome, [updates, deletions].concat());
    set(&app, node, Some(PowerState::Off), true).await;
    for outcome in outcomes(&app, node).await {
        let host = "another-host".to_owned();
        assert_eq!(outcome, Err(Fault::NodeLocked { node, host }));
    }
}
