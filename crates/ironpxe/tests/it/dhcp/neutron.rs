//! A machine boots by what the service tells Neutron about it.
//!
//! Neutron is a server of ours; its DHCP agent is a dnsmasq that is set up as the agent sets up its
//! own, with the options of the port as the agent writes them into its files (`neutron/agent/linux/
//! dhcp.py`).

use std::fmt::Write;

use anyhow::{Result, ensure};
use ironpxe_testkit::lan::Lan;
use ironpxe_testkit::machine::Hardware;
use ironpxe_testkit::openstack::faulty::{CREDENTIAL, Fault, FaultyCloud};
use ironpxe_testkit::payload::toy;
use serde_json::json;

use super::fixture::ROUTER;
use super::{DhcpFixture, MAC, MACHINES, TIMEOUT};

const VIF: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const ADDRESS: &str = "10.77.0.77";

fn settings(cloud: &FaultyCloud) -> Vec<(&'static str, String)> {
    let (id, secret) = CREDENTIAL;
    vec![
        ("IRONPXE_DHCP__DHCP_PROVIDER", "neutron".to_owned()),
        (
            "IRONPXE_NEUTRON__AUTH_TYPE",
            "v3applicationcredential".to_owned(),
        ),
        ("IRONPXE_NEUTRON__AUTH_URL", cloud.url()),
        ("IRONPXE_NEUTRON__VALID_INTERFACES", "public".to_owned()),
        ("IRONPXE_NEUTRON__APPLICATION_CREDENTIAL_ID", id.to_owned()),
        (
            "IRONPXE_NEUTRON__APPLICATION_CREDENTIAL_SECRET",
            secret.to_owned(),
        ),
    ]
}

/// What the agent's dnsmasq is told.
fn agent(cloud: &FaultyCloud) -> Result<String> {
    let mut lines = format!(
        "dhcp-match=set:ipxe,175\ndhcp-userclass=set:ipxe6,iPXE\n\
         dhcp-range=10.77.0.64,10.77.0.127,255.255.255.0,1h\n\
         dhcp-host={MAC},{ADDRESS},set:port-{VIF}\n\
         # Or iPXE waits for a proxy.\n\
         dhcp-option-force=tag:ipxe,encap:175,176,1b\n{ROUTER}"
    );
    for (name, value, version) in cloud.dhcp_options(VIF) {
        let (tag, number) = match name.rsplit_once(',') {
            Some((tag, number)) => (format!(",{tag}"), number),
            None => (String::new(), name.as_str()),
        };
        let family = if version == 6 { "option6:" } else { "" };
        writeln!(
            lines,
            "dhcp-option=tag:port-{VIF}{tag},{family}{number},{value}"
        )?;
    }
    Ok(lines)
}

#[test]
fn machine_boots_by_the_options_of_its_neutron_port() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let cloud = FaultyCloud::start()?;
        cloud.has_port(VIF, MAC, &[ADDRESS]);
        let site = DhcpFixture::start(lan, toy::KERNEL, &settings(&cloud))?;
        let node = site.enrol("bios", "ipxe")?;
        let vifs = format!("/v1/nodes/{node}/vifs");
        site.ironic
            .post(&vifs, &json!({ "id": VIF }))?
            .expect_status(204)?;
        // Neutron restarts just now.
        let path = format!("/network/v2.0/ports/{VIF}");
        cloud.order(&path, [Fault::Status(503, ""), Fault::HangUp]);
        site.drive(&node, "manage", "manageable")?;
        site.drive(&node, "provide", "available")?;
        site.drive(&node, "active", "wait call-back")?;

        let dhcp = lan.dnsmasq(&agent(&cloud)?)?;
        let _permit = MACHINES.acquire();
        let mut machine = Hardware::on_lan(MAC, lan).power_on()?;
        site.boots_by(&machine, "node_uuid")?;
        machine.wait_until_off(TIMEOUT)?;
        let sent = dhcp
            .daemon
            .wait_for_log(&format!("?node_uuid={node}"), TIMEOUT)?;
        ensure!(sent.contains("/v1/drivers/fake-hardware/"), "{sent}");

        site.drive(&node, "deleted", "available")?;
        ensure!(
            cloud.dhcp_options(VIF).is_empty(),
            "{:?}",
            cloud.dhcp_options(VIF)
        );
        Ok(())
    })
}
