//! VIFs, and a Neutron that is told which machine is behind them.

use ironpxe_testkit::openstack::faulty::FaultyCloud;

use super::*;
use crate::dhcp::Neutron;
use crate::openstack::{self, testing};
use crate::rpc::VifInfo;

const VIF: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const OTHER: &str = "aaaaaaaa-0000-4000-8000-000000000002";

async fn site() -> (TestApp, FaultyCloud) {
    let cloud = FaultyCloud::start().unwrap();
    cloud.has_port(VIF, "52:54:00:aa:00:01", &["192.0.2.7"]);
    let settings = testing::settings(testing::credential(&cloud));
    let client = openstack::Neutron::new(&settings).unwrap();
    let app = TestApp::builder().conductor(|settings| {
        settings.dhcp = Dhcp::Neutron(Neutron::new(client, Duration::ZERO));
        settings.dhcp_options.api_url = "http://192.0.2.1:6385".to_owned();
        settings.dhcp_options.tftp_server = "192.0.2.1".to_owned();
    });
    let app = app.start().await;
    (app, cloud)
}

impl TestApp {
    async fn attach(&self, node: NodeUuid, vif: &str) -> Result<()> {
        let vif = VifInfo {
            id: vif.to_owned(),
            port_uuid: None,
        };
        self.conductor.attach_vif(&context(), node, vif).await
    }

    async fn vifs(&self, node: NodeUuid) -> Vec<Option<String>> {
        let ports = self.db.node_ports(node).await.unwrap();
        let vif = |port: &Port| port.internal_info.get("tenant_vif_port_id").cloned();
        ports
            .iter()
            .map(|port| vif(port).map(|it| it.as_str().unwrap().to_owned()))
            .collect()
    }
}

fn script(cloud: &FaultyCloud) -> Option<String> {
    let options = cloud.dhcp_options(VIF).into_iter();
    let mut scripts = options.filter(|(name, _, _)| name == "tag:ipxe,67");
    scripts.next().map(|(_, value, _)| value)
}

#[tokio::test]
async fn neutron_port_has_dhcp_options_from_deployment_until_undeploy() {
    let (app, cloud) = site().await;
    let node = app.enrol("direct").await;
    app.walk(node, &["manage", "provide"]).await;
    assert_eq!(app.walk(node, &["active"]).await, ["deploy failed"]);
    let failed = app.settled(node).await.last_error.unwrap();
    assert!(failed.contains("baremetal node vif attach"), "{failed}");

    app.attach(node, VIF).await.unwrap();
    assert_eq!(app.walk(node, &["active"]).await, ["wait call-back"]);
    let script = script(&cloud).unwrap();
    assert!(
        script.ends_with(&format!("/ipxe_config?node_uuid={node}")),
        "{script}"
    );
    assert_eq!(app.walk(node, &["undeploy"]).await, ["available"]);
    assert_eq!(cloud.dhcp_options(VIF), []);
}

#[tokio::test]
async fn detached_vif_is_cleared_and_attached_vif_gets_dhcp_options() {
    let (app, cloud) = site().await;
    cloud.has_port(OTHER, "52:54:00:aa:00:01", &["192.0.2.8"]);
    let node = app.enrol("direct").await;
    app.attach(node, VIF).await.unwrap();
    assert_eq!(cloud.calls().len(), 0);
    app.walk(node, &["manage", "provide", "active"]).await;
    assert!(!cloud.dhcp_options(VIF).is_empty());
    app.conductor
        .detach_vif(&context(), node, VIF)
        .await
        .unwrap();
    assert_eq!(cloud.dhcp_options(VIF), []);
    app.attach(node, OTHER).await.unwrap();
    assert!(!cloud.dhcp_options(OTHER).is_empty());
}

#[tokio::test]
async fn vif_is_attached_to_the_first_free_pxe_port() {
    let (app, _cloud) = site().await;
    let node = app.enrol("direct").await;
    let first = app.db.node_ports(node).await.unwrap().remove(0);
    let mut second = Port::new(
        PortUuid(ident::uuid()),
        node,
        "52:54:00:aa:00:99".parse().unwrap(),
        clock::now(),
    );
    second.pxe_enabled = false;
    app.db.port_create(&second).await.unwrap();

    let named = VifInfo {
        id: VIF.to_owned(),
        port_uuid: Some(second.uuid),
    };
    app.conductor
        .attach_vif(&context(), node, named.clone())
        .await
        .unwrap();
    assert_eq!(app.vifs(node).await, [None, Some(VIF.to_owned())]);
    let again = app.attach(node, VIF).await;
    let there = Fault::VifAlreadyAttached {
        vif: VIF.to_owned(),
        port: second.uuid,
    };
    assert_eq!(again, Err(there));
    let taken = VifInfo {
        id: OTHER.to_owned(),
        ..named
    };
    let none = Err(Fault::NoFreePhysicalPorts(OTHER.to_owned()));
    assert_eq!(
        app.conductor.attach_vif(&context(), node, taken).await,
        none
    );

    let detach =
        |vif: &'static str| async { app.conductor.detach_vif(&context(), node, vif).await };
    detach(VIF).await.unwrap();
    let missing = Fault::VifNotAttached {
        vif: VIF.to_owned(),
        node,
    };
    assert_eq!(detach(VIF).await, Err(missing));
    app.attach(node, VIF).await.unwrap();
    app.attach(node, OTHER).await.unwrap();
    assert_eq!(
        app.vifs(node).await,
        [Some(VIF.to_owned()), Some(OTHER.to_owned())]
    );
    assert_eq!(
        app.attach(node, "third").await,
        Err(Fault::NoFreePhysicalPorts("third".to_owned()))
    );
    assert_eq!(app.db.node_ports(node).await.unwrap()[0].uuid, first.uuid);
}

#[tokio::test]
async fn vifs_of_a_reserved_node_cannot_be_changed() {
    let (app, _cloud) = site().await;
    let node = app.enrol("direct").await;
    app.attach(node, VIF).await.unwrap();
    let reserve = |node: &mut Node| {
        node.reservation = Some("another-host".to_owned());
        Ok(())
    };
    app.db.node_change(node, reserve).await.unwrap();
    for refused in [
        app.attach(node, OTHER).await,
        app.conductor.detach_vif(&context(), node, VIF).await,
    ] {
        assert!(
            matches!(refused, Err(Fault::NodeLocked { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(app.vifs(node).await, [Some(VIF.to_owned())]);
}

/// Each looks into all ports before it changes one.
#[tokio::test]
async fn one_of_two_simultaneous_attachments_of_a_vif_succeeds() {
    let (app, _cloud) = site().await;
    for round in 0..10 {
        let node = app.enrol("direct").await;
        let more = Port::new(
            PortUuid(ident::uuid()),
            node,
            ironpxe_core::mac::MacAddress::new([2, 0, 0, 0, 1, round]),
            clock::now(),
        );
        app.db.port_create(&more).await.unwrap();
        let ports = app.db.node_ports(node).await.unwrap();
        let ctx = context();
        let attach = |port: &Port| {
            let vif = VifInfo {
                id: OTHER.to_owned(),
                port_uuid: Some(port.uuid),
            };
            app.conductor.attach_vif(&ctx, node, vif)
        };
        let (one, other) = tokio::join!(attach(&ports[0]), attach(&ports[1]));
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        let plugged = app.vifs(node).await.into_iter().flatten();
        assert_eq!(plugged.collect::<Vec<_>>(), [OTHER]);
        let node = app.db.node_get(node).await.unwrap().unwrap();
        assert_eq!(node.reservation, None);
    }
}
