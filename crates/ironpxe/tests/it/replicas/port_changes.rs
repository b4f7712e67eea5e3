//! A port added, an address moved, a node deleted and its address reused: right at once,
//! everywhere.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use serde_json::{Value, json};

use super::fixture::{ReplicasFixture, active_node, boot_path, on_each_site};

const ROUNDS: usize = 5;

#[test]
fn port_changes_apply_immediately_on_every_replica() -> Result<()> {
    on_each_site(check_site)
}

fn check_site(site: &ReplicasFixture) -> Result<()> {
    let clients = site.clients()?;
    let first = clients.first().context("no replica")?;
    let mut node = active_node(first, "52:54:00:00:03:01")?;
    for (round, operator) in (0..ROUNDS).zip(clients.iter().cycle()) {
        let new = format!("52:54:00:00:04:{round:02x}");
        let moved = format!("52:54:00:00:05:{round:02x}");
        everywhere(&clients, &new, "no port has the address")?;

        let port = operator.create_port(&node, &new)?;
        everywhere(&clients, &new, &node)?;

        let port = port
            .get("uuid")
            .and_then(Value::as_str)
            .context("no UUID")?;
        // The address of a node in use may only be changed in maintenance.
        let maintenance = format!("/v1/nodes/{node}/maintenance");
        let set = operator.put(&maintenance, &json!({}))?;
        ensure!(set.status == 202, "{}: {}", set.status, set.text);
        let patch = json!([{"op": "replace", "path": "/address", "value": moved}]);
        operator
            .patch(&format!("/v1/ports/{port}"), &patch)?
            .expect_status(200)?;
        let cleared = operator.delete(&maintenance)?;
        ensure!(
            cleared.status == 202,
            "{}: {}",
            cleared.status,
            cleared.text
        );
        everywhere(&clients, &new, "no port has the address")?;
        everywhere(&clients, &moved, &node)?;

        // The node is deleted, and another one gets its address.
        operator.walk(&node, &[("deleted", "available"), ("manage", "manageable")])?;
        let gone = operator.delete(&format!("/v1/nodes/{node}"))?;
        ensure!(gone.status == 204, "{}: {}", gone.status, gone.text);
        everywhere(&clients, &moved, "no port has the address")?;
        node = active_node(operator, &moved)?;
        everywhere(&clients, &moved, &node)?;
    }
    Ok(())
}

/// What every replica tells a machine with this address.
fn everywhere(clients: &[Ironic], mac: &str, part: &str) -> Result<()> {
    for client in clients {
        let answer = client.get_as_firmware(&boot_path(mac))?;
        ensure!(
            answer.status == 200 && answer.text.contains(part),
            "{mac}: no {part:?} in {}",
            answer.text
        );
    }
    Ok(())
}
