//! Against a Neutron that has ports, and one that is in trouble.

mod real;

use ironpxe_core::dhcp::IpVersion;
use ironpxe_core::id::PortUuid;
use ironpxe_testkit::openstack::faulty::{Fault, FaultyCloud};
use serde_json::json;

use super::*;
use crate::clock;
use crate::dhcp::Dhcp;
use crate::openstack::{Settings, testing};

const ONE: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const TWO: &str = "aaaaaaaa-0000-4000-8000-000000000002";
const MAC: &str = "52:54:00:aa:00:01";

struct NeutronFixture {
    cloud: FaultyCloud,
    dhcp: Dhcp,
    node: Node,
}

impl NeutronFixture {
    fn new() -> Self {
        let cloud = FaultyCloud::start().unwrap();
        cloud.has_port(ONE, MAC, &["192.0.2.7"]);
        cloud.has_port(TWO, "52:54:00:aa:00:02", &["192.0.2.8", "2001:db8::8"]);
        let settings = Settings {
            retries: 1,
            ..testing::settings(testing::credential(&cloud))
        };
        let client = openstack::Neutron::new(&settings).unwrap();
        let node = Node::enroll(
            NodeUuid(crate::ident::uuid()),
            "fake-hardware",
            clock::now(),
        );
        Self {
            cloud,
            dhcp: Dhcp::Neutron(Neutron::new(client, Duration::ZERO)),
            node,
        }
    }

    fn port(&self, last: u8, info: &[(&str, &str)]) -> Port {
        port_of(&self.node, last, info)
    }

    fn tenants(&self) -> [Port; 2] {
        [
            self.port(1, &[("tenant_vif_port_id", ONE)]),
            self.port(2, &[("tenant_vif_port_id", TWO)]),
        ]
    }

    /// The options of a Neutron port, without their values.
    fn names(&self, vif: &str) -> Vec<(String, u64)> {
        let options = self.cloud.dhcp_options(vif).into_iter();
        options.map(|(name, _, version)| (name, version)).collect()
    }

    fn puts(&self) -> usize {
        let calls = self.cloud.calls().into_iter();
        calls.filter(|(method, _, _)| method == "PUT").count()
    }
}

/// A port of the node with the address that ends with `last`.
fn port_of(node: &Node, last: u8, info: &[(&str, &str)]) -> Port {
    let mac = format!("52:54:00:aa:00:{last:02x}").parse().unwrap();
    let uuid = PortUuid(crate::ident::uuid());
    let mut port = Port::new(uuid, node.uuid, mac, clock::now());
    for (key, value) in info {
        port.internal_info.insert((*key).to_owned(), json!(value));
    }
    port
}

fn option(name: &str, value: &str, ip_version: IpVersion) -> DhcpOption {
    DhcpOption {
        opt_name: name.to_owned(),
        opt_value: value.to_owned(),
        ip_version,
    }
}

fn options() -> Vec<DhcpOption> {
    vec![
        option("tag:!ipxe,67", "snponly.efi", IpVersion::V4),
        option("tag:ipxe,67", "http://h/script", IpVersion::V4),
        option("66", "192.0.2.1", IpVersion::V4),
        option("tag:ipxe6,59", "http://h/script", IpVersion::V6),
    ]
}

fn named(names: &[(&str, u64)]) -> Vec<(String, u64)> {
    let owned = |(name, version): &(&str, u64)| ((*name).to_owned(), *version);
    names.iter().map(owned).collect()
}

const FOR_V4: [(&str, u64); 3] = [("tag:!ipxe,67", 4), ("tag:ipxe,67", 4), ("66", 4)];

#[tokio::test]
async fn each_port_gets_the_options_of_its_ip_versions() {
    let site = NeutronFixture::new();
    site.dhcp
        .update(&site.node, &site.tenants(), &options())
        .await
        .unwrap();
    assert_eq!(site.names(ONE), named(&FOR_V4));
    let both = [&FOR_V4[..], &[("tag:ipxe6,59", 6)]].concat();
    assert_eq!(site.names(TWO), named(&both));
    let (_, value, _) = site.cloud.dhcp_options(ONE).remove(1);
    assert_eq!(value, "http://h/script");

    // What is there already is not sent again.
    let puts = site.puts();
    site.dhcp
        .update(&site.node, &site.tenants(), &options())
        .await
        .unwrap();
    assert_eq!(site.puts(), puts);
}

#[tokio::test]
async fn own_stale_options_are_deleted_and_foreign_ones_kept() {
    let site = NeutronFixture::new();
    let [one, two] = site.tenants();
    let ports = [one, two];
    site.dhcp
        .update(&site.node, &ports, &options())
        .await
        .unwrap();
    let Dhcp::Neutron(neutron) = &site.dhcp else {
        panic!("it is");
    };
    let others = ExtraDhcpOption {
        opt_name: "42".to_owned(),
        opt_value: Some("192.0.2.123".to_owned()),
        ip_version: 4,
    };
    neutron
        .client
        .set_extra_dhcp_opts(ONE, &[others])
        .await
        .unwrap();

    let http = [option("tag:ipxe,67", "http://h/other", IpVersion::V4)];
    site.dhcp.update(&site.node, &ports, &http).await.unwrap();
    assert_eq!(site.names(ONE), named(&[("42", 4), ("tag:ipxe,67", 4)]));
    site.dhcp.clear(&site.node, &ports).await.unwrap();
    assert_eq!(site.names(ONE), named(&[("42", 4)]));
    assert_eq!(site.names(TWO), []);
    let puts = site.puts();
    site.dhcp.clear(&site.node, &ports).await.unwrap();
    assert_eq!(site.puts(), puts);
}

#[tokio::test]
async fn port_without_pxe_gets_no_dhcp_options() {
    let site = NeutronFixture::new();
    let mut ports = site.tenants();
    site.dhcp
        .update(&site.node, &ports, &options())
        .await
        .unwrap();
    ports[1].pxe_enabled = false;
    site.dhcp
        .update(&site.node, &ports, &options())
        .await
        .unwrap();
    assert_eq!(site.names(ONE), named(&FOR_V4));
    assert_eq!(site.names(TWO), []);
}

#[tokio::test]
async fn temporary_network_comes_before_the_tenant_network() {
    let site = NeutronFixture::new();
    for key in VIFS {
        let ports = [site.port(1, &[("tenant_vif_port_id", TWO), (key, ONE)])];
        site.dhcp
            .update(&site.node, &ports, &options())
            .await
            .unwrap();
        assert_eq!(site.names(ONE), named(&FOR_V4), "{key}");
        site.dhcp.forget(site.node.uuid, &ports).await.unwrap();
        assert_eq!(site.names(ONE), [], "{key}");
    }
    assert_eq!(site.names(TWO), []);
}

#[tokio::test]
async fn node_without_any_vif_is_refused() {
    let site = NeutronFixture::new();
    let mut silent = site.port(2, &[("tenant_vif_port_id", TWO)]);
    silent.pxe_enabled = false;
    let ports = [site.port(1, &[]), silent];
    let error = site
        .dhcp
        .update(&site.node, &ports, &options())
        .await
        .unwrap_err();
    assert!(matches!(error, DhcpError::NoVif(_)), "{error}");
    assert!(
        error.to_string().contains("baremetal node vif attach"),
        "{error}"
    );
    assert!(site.cloud.calls().is_empty());
    site.dhcp
        .clear(&site.node, &[site.port(1, &[])])
        .await
        .unwrap();
}

#[tokio::test]
async fn update_of_one_port_is_sufficient() {
    let site = NeutronFixture::new();
    let lost = site.port(1, &[("tenant_vif_port_id", "nosuch")]);
    let [_, two] = site.tenants();
    let ports = [lost.clone(), two];
    site.dhcp
        .update(&site.node, &ports, &options())
        .await
        .unwrap();
    assert_eq!(site.names(TWO).len(), 4);
    let ports = [lost];
    let error = site
        .dhcp
        .update(&site.node, &ports, &options())
        .await
        .unwrap_err();
    let error = error.to_string();
    let port = ports[0].uuid.to_string();
    assert!(
        error.contains(&port) && error.contains("Port nosuch could not be found"),
        "{error}"
    );
    // There is nothing to take back.
    site.dhcp.clear(&site.node, &ports).await.unwrap();
}

#[tokio::test]
async fn port_without_a_fixed_address_is_refused() {
    let site = NeutronFixture::new();
    site.cloud.has_port(ONE, MAC, &[]);
    let ports = [site.port(1, &[("tenant_vif_port_id", ONE)])];
    let error = site
        .dhcp
        .update(&site.node, &ports, &options())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("has no address"), "{error}");
    assert_eq!(site.puts(), 0);
}

#[tokio::test]
async fn temporary_errors_are_retried_and_others_reported() {
    let site = NeutronFixture::new();
    let path = format!("/network/v2.0/ports/{ONE}");
    let ports = [site.port(1, &[("tenant_vif_port_id", ONE)])];
    site.cloud.order(&path, [Fault::Status(503, "")]);
    site.dhcp
        .update(&site.node, &ports, &options())
        .await
        .unwrap();
    site.cloud
        .order(&path, vec![Fault::Status(503, "in maintenance"); 4]);
    let error = site
        .dhcp
        .update(&site.node, &ports, &options())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("response status 503: in maintenance"),
        "{error}"
    );
    // An instance that is to go does not have to wait for that.
    site.dhcp.clear(&site.node, &ports).await.unwrap();
    assert_eq!(site.names(ONE), named(&FOR_V4));
}

#[test]
fn dhcp_setup_is_recorded_in_the_node() {
    let site = NeutronFixture::new();
    let mut node = site.node;
    assert!(!site.dhcp.has_options_for(&node));
    site.dhcp.note(&mut node);
    assert!(site.dhcp.has_options_for(&node));
    site.dhcp.note_cleared(&mut node);
    assert!(!site.dhcp.has_options_for(&node));
    assert!(node.driver_internal_info.is_empty());
}
