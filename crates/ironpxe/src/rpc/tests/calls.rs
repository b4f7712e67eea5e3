//! Every call does over the wire what it does in the same process.

use ironpxe_core::error::Fault;
use ironpxe_core::id::{VolumeConnectorUuid, VolumeTargetUuid};
use serde::de::DeserializeOwned;

use super::*;

fn parsed<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn changes_reach_the_database() {
    let site = RpcFixture::new().await;
    let (remote, ctx) = (site.remote(), &context());
    let mut node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
    node.automated_clean = Some(false);
    let node = remote.node_create(ctx, node).await.unwrap();
    assert_eq!(site.db.node_get(node.uuid).await.unwrap().unwrap(), node);

    let patch = json!([{"op": "add", "path": "/name", "value": "bm-1"}]);
    let change = NodeChange::Patch(parsed(patch));
    let node = remote
        .node_update(ctx, node.uuid, change, false)
        .await
        .unwrap();
    assert_eq!(node.name.as_deref(), Some("bm-1"));
    assert_eq!(site.db.node_get(node.uuid).await.unwrap().unwrap(), node);

    let port = Port::new(
        PortUuid(ident::uuid()),
        node.uuid,
        MAC.parse().unwrap(),
        clock::now(),
    );
    let port = remote.port_create(ctx, port).await.unwrap();
    let patch = json!([{"op": "replace", "path": "/pxe_enabled", "value": false}]);
    let change = PortChange(parsed(patch));
    let port = remote.port_update(ctx, port.uuid, change).await.unwrap();
    assert!(!port.pxe_enabled);
    remote.port_destroy(ctx, port.uuid).await.unwrap();
    let gone = remote.port_destroy(ctx, port.uuid).await.unwrap_err();
    assert_eq!(gone, Fault::PortNotFound(port.uuid.to_string()));

    let verb = |verb, word: &str| {
        let target = word.to_owned();
        let args = ProvisionArgs {
            target,
            ..ProvisionArgs::default()
        };
        remote.provision(ctx, node.uuid, verb, args)
    };
    verb(Verb::Manage, "manage").await.unwrap();
    let state = site.app.settled(node.uuid).await.provision_state;
    assert_eq!(state, ProvisionState::Manageable.into());
    let refused = verb(Verb::Deploy, "active").await.unwrap_err();
    assert!(matches!(refused, Fault::InvalidStateRequested { action, .. } if action == "active"));

    remote
        .change_power_state(ctx, node.uuid, PowerTarget::Reboot, Some(5))
        .await
        .unwrap();
    remote
        .boot_device_set(ctx, node.uuid, BootDevice::Cdrom, true)
        .await
        .unwrap();
    let set = remote.boot_device_get(ctx, node.uuid).await.unwrap();
    assert_eq!(set, (Some(BootDevice::Cdrom), Some(true)));

    remote.node_destroy(ctx, node.uuid).await.unwrap();
    assert_eq!(site.db.node_get(node.uuid).await.unwrap(), None);
    let gone = remote.node_destroy(ctx, node.uuid).await.unwrap_err();
    assert_eq!(gone, Fault::NodeNotFound(node.uuid.to_string()));
}

#[tokio::test]
async fn volumes_reach_the_database() {
    let site = RpcFixture::new().await;
    let (remote, ctx) = (site.remote(), &context());
    let node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
    let node_uuid = remote.node_create(ctx, node).await.unwrap().uuid;
    remote
        .change_power_state(ctx, node_uuid, PowerTarget::Off, None)
        .await
        .unwrap();
    let now = clock::now();
    let connector = VolumeConnector {
        uuid: VolumeConnectorUuid(ident::uuid()),
        node_uuid,
        kind: "iqn".to_owned(),
        connector_id: "iqn.a:b".to_owned(),
        extra: JsonMap::new(),
        created_at: now,
        updated_at: None,
    };
    let made = remote.volume_connector_create(ctx, connector.clone()).await;
    assert_eq!(made.unwrap(), connector);
    let patch = json!([{"op": "add", "path": "/extra/a", "value": 1}]);
    let change = VolumeChange(parsed(patch.clone()));
    let changed = remote.volume_connector_update(ctx, connector.uuid, change);
    assert_eq!(changed.await.unwrap().extra["a"], json!(1));
    let target = VolumeTarget {
        uuid: VolumeTargetUuid(ident::uuid()),
        node_uuid,
        volume_type: "iscsi".to_owned(),
        boot_index: 0,
        volume_id: "v".to_owned(),
        properties: JsonMap::new(),
        extra: JsonMap::new(),
        created_at: now,
        updated_at: None,
    };
    let made = remote.volume_target_create(ctx, target.clone()).await;
    assert_eq!(made.unwrap(), target);
    let change = VolumeChange(parsed(patch));
    let changed = remote.volume_target_update(ctx, target.uuid, change);
    assert_eq!(changed.await.unwrap().extra["a"], json!(1));
    let volumes = site.db.node_volumes(node_uuid).await.unwrap();
    assert_eq!((volumes.connectors.len(), volumes.targets.len()), (1, 1));
    remote
        .volume_connector_destroy(ctx, connector.uuid)
        .await
        .unwrap();
    remote
        .volume_target_destroy(ctx, target.uuid)
        .await
        .unwrap();
    let volumes = site.db.node_volumes(node_uuid).await.unwrap();
    assert_eq!((volumes.connectors.len(), volumes.targets.len()), (0, 0));
}

#[tokio::test]
async fn reads_have_the_same_results() {
    let site = RpcFixture::new().await;
    let node = site.waiting_node().await;
    let (local, remote, ctx) = (&site.local, &site.remote(), &context());
    macro_rules! same {
        ($call:ident($($arg:expr),*)) => {{
            let near = local.$call(ctx $(, $arg)*).await;
            let far = remote.$call(ctx $(, $arg)*).await;
            assert!(near == far, "{} differs", stringify!($call));
            far
        }};
    }
    assert!(same!(drivers()).unwrap()[0].hosts == ["conductor-1"]);
    assert!(same!(driver_properties("fake-hardware")).is_ok());
    assert!(same!(driver_properties("nosuch")).is_err());
    assert!(same!(driver_vendor_passthru_methods("fake-hardware")).is_ok());
    assert!(same!(driver_vendor_passthru_methods("nosuch")).is_err());
    assert!(same!(node_vendor_passthru_methods(node)).is_ok());
    assert!(same!(node_validate(node)).is_ok());
    assert!(same!(boot_device_get(node)).is_ok());
    assert!(same!(boot_device_supported(node)).is_ok());

    let call = ("fake-hardware", "ipxe_config", HttpMethod::Get);
    let info = || parsed::<JsonMap>(json!({ "port_address": MAC }));
    let by_node = || parsed::<JsonMap>(json!({ "node_uuid": node }));
    for reply in [
        same!(driver_vendor_passthru(call.0, call.1, call.2, info())),
        same!(driver_vendor_passthru(call.0, call.1, call.2, by_node())),
    ] {
        let reply = reply.unwrap();
        let script = reply.value.as_str().unwrap();
        assert!(script.starts_with("#!ipxe\n"), "{script}");
        assert!(script.contains(&ctx.request_id), "{script}");
        assert_eq!((reply.is_async, reply.attach), (false, true));
    }
    for wrong in [
        json!({ "port_address": "52:54:00:aa:00:09" }),
        json!({ "port_address": "zz" }),
        json!({}),
    ] {
        let wrong = || parsed::<JsonMap>(wrong.clone());
        assert!(same!(driver_vendor_passthru(call.0, call.1, call.2, wrong())).is_err());
    }
    assert!(same!(driver_vendor_passthru("nosuch", call.1, call.2, info())).is_err());
    assert!(
        same!(driver_vendor_passthru(
            call.0,
            call.1,
            HttpMethod::Put,
            info()
        ))
        .is_err()
    );
    let info = || parsed::<JsonMap>(json!({ "bar": "meow" }));
    let reply = same!(node_vendor_passthru(
        node,
        "third_method_sync",
        HttpMethod::Post,
        info()
    ));
    assert_eq!(reply.unwrap().value, json!(true));
    assert!(
        same!(node_vendor_passthru(
            node,
            "nosuch",
            HttpMethod::Post,
            info()
        ))
        .is_err()
    );
}
