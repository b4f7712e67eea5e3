//! Every node in every state gets the same script from every replica, byte for byte.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use ironpxe_core::provision_state::ProvisionState;

use super::fixture::{ReplicasFixture, active_node, boot_path, on_each_site, without_request_id};

#[test]
fn every_replica_serves_the_same_script_in_every_state() -> Result<()> {
    on_each_site(check_site)
}

fn check_site(site: &ReplicasFixture) -> Result<()> {
    let clients = site.clients()?;
    let first = clients.first().context("no replica")?;
    let mac = "52:54:00:00:02:01";
    let node = active_node(first, mac)?;
    let by_node = format!("/v1/drivers/fake-hardware/vendor_passthru/ipxe_config?node_uuid={node}");
    let by_port =
        format!("/v1/drivers/fake-hardware/vendor_passthru/ipxe_config?port_address={mac}");

    let mut different = BTreeSet::new();
    for state in ProvisionState::all() {
        site.set_state(state.name())?;
        for path in [&boot_path(mac), &by_node, &by_port] {
            let mut scripts = BTreeSet::new();
            for client in &clients {
                let answer = client.get_as_firmware(path)?;
                ensure!(answer.status == 200, "{state}: {}", answer.text);
                ensure!(
                    answer.text.contains(state.name()),
                    "not of state {state}: {}",
                    answer.text
                );
                scripts.insert(without_request_id(&answer.text));
            }
            ensure!(scripts.len() == 1, "{state}, {path}: {scripts:#?}");
            different.extend(scripts);
        }
    }
    // Not one and the same text for all of them.
    ensure!(different.len() > 30, "{} scripts", different.len());
    site.all_worked()
}
