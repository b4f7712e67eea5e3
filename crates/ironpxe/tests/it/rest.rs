//! What real Ironic answered, asked again of ironpxe.
//!
//! `tests/oracle/rest/*.json` are recorded exchanges with Ironic 39. They are replayed here, in
//! the order in which they were recorded, against the real executable; every answer must be the
//! recorded one: status, headers, message and body. Where ours is another on purpose, or has not
//! been made yet, `differences.toml` says why. A difference that is not in the list fails this
//! test, and so does one that is in the list and is none.
#![expect(
    clippy::indexing_slicing,
    reason = "JSON values answer null for what they do not have"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::json;

mod bad_input;
mod differences;
mod drivers;
mod fixture;
mod heartbeat;
mod history;
mod limits;
mod microversions;
mod nodes;
mod normalize;
mod paths;
mod ports;
mod recording;
mod states;
mod unbootable_values;
mod vifs;
mod volumes;

use self::differences::Differences;
use self::normalize::Names;
use self::recording::{Client, Exchange};

/// The recorded conductor's name; ours is given the same.
const CONDUCTOR: &str = "lab-conductor-1";

/// The files in pieces, as the recording went through them.
const SCENARIO: [(&str, std::ops::RangeInclusive<usize>); 13] = [
    ("root.json", 0..=26),
    ("nodes.json", 0..=45),
    ("drivers.json", 0..=13),
    ("driver_passthru.json", 0..=29),
    ("node_passthru.json", 0..=9),
    ("nodes.json", 46..=51),
    ("ports.json", 0..=20),
    ("states.json", 0..=20),
    ("nodes.json", 52..=58),
    ("lookup.json", 0..=14),
    ("heartbeat.json", 0..=5),
    ("others.json", 0..=12),
    ("volume.json", 0..=3),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/rest")
}

fn server() -> Result<Server> {
    start(&options())
}

fn start(options: &ServerOptions) -> Result<Server> {
    crate::app::start(options)
}

fn options() -> ServerOptions {
    ServerOptions::default()
        .set("IRONPXE_DEFAULT__HOST", CONDUCTOR)
        .set(
            "IRONPXE_DEFAULT__ENABLED_HARDWARE_TYPES",
            "fake-hardware,manual-management",
        )
        .set(
            "IRONPXE_CONDUCTOR__RESCUE_KERNEL",
            "http://127.0.0.1/rescue.kernel",
        )
        .set(
            "IRONPXE_CONDUCTOR__RESCUE_RAMDISK",
            "http://127.0.0.1/rescue.initramfs",
        )
}

#[tokio::test]
async fn replay_matches_the_recorded_answers_of_ironic() -> Result<()> {
    println!("{}", replay(&server()?).await?);
    Ok(())
}

/// The same, with the conductor in a process of its own.
#[tokio::test]
async fn replay_matches_over_json_rpc() -> Result<()> {
    let state = tempfile::tempdir()?;
    let options = |role| options().state_dir(state.path()).role(role);
    let _conductor = start(&options("conductor"))?;
    println!("{}", replay(&start(&options("api"))?).await?);
    Ok(())
}

/// Asks everything again; gives how many answers were as recorded.
async fn replay(server: &Server) -> Result<String> {
    let client = Client::new(server.base_url())?;
    let differences = Differences::read(&folder().join("differences.toml"))?;
    let mut names = Names::new(server.base_url());
    let mut seen = BTreeMap::new();
    let mut wrong = Vec::new();
    let (mut same, mut different) = (0, 0);
    for (file, range) in SCENARIO {
        if differences.whole_file(file).is_some() {
            seen.insert(file, 0);
            continue;
        }
        let exchanges = Exchange::read(&folder().join(file))?;
        seen.insert(file, exchanges.len());
        for index in range {
            let exchange = exchanges
                .get(index)
                .with_context(|| format!("no {file} #{index}"))?;
            prepare(&client, file, index).await?;
            let answer = client.ask(&names.to_ours(exchange)).await?;
            names.learn(exchange, &answer);
            let found = names.compare(exchange, &answer);
            settle(&client, exchange).await?;
            let place = format!("{file} #{index} ({})", exchange.note);
            match (found.is_empty(), differences.why(file, index)) {
                (true, None) => same += 1,
                (false, Some(_)) => different += 1,
                (true, Some(why)) => wrong.push(format!(
                    "{place} is answered as recorded, but differences.toml has it: {why}"
                )),
                (false, None) => wrong.push(format!("{place}\n    {}", found.join("\n    "))),
            }
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} answers:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    differences.all_used(&folder(), &seen)?;
    Ok(format!(
        "{same} answers as recorded, {different} different for a reason"
    ))
}

/// What the recording did on the way without writing it down.
async fn prepare(client: &Client, file: &str, index: usize) -> Result<()> {
    let node = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    let volume_node = "cb5c8004-eb70-45ff-8c30-9940a9f47b8e";
    if (file, index) == ("nodes.json", 46) {
        let path = format!("/v1/nodes/{node}/maintenance");
        client
            .done("PUT", &path, &json!({ "reason": "lab" }), 202)
            .await?;
    }
    if (file, index) == ("ports.json", 0) {
        let port = json!({
            "uuid": "56ea0485-c79e-434e-af55-8ca4d3c3ecf9",
            "node_uuid": node,
            "address": "52:54:00:BB:00:01",
            "extra": { "x": 1 },
            "local_link_connection":
                { "switch_id": "00:11:22:33:44:55", "port_id": "p1", "switch_info": "s" },
            "physical_network": "net1",
        });
        client.done("POST", "/v1/ports", &port, 201).await?;
    }
    if (file, index) == ("others.json", 0) {
        // The node of the volumes.
        let node = json!({ "driver": "fake-hardware", "uuid": volume_node });
        client.done("POST", "/v1/nodes", &node, 201).await?;
    }
    if (file, index) == ("volume.json", 0) {
        let connector =
            json!({ "node_uuid": volume_node, "type": "iqn", "connector_id": "iqn.a:b" });
        client
            .done("POST", "/v1/volume/connectors", &connector, 201)
            .await?;
    }
    Ok(())
}

/// What was accepted is waited for, as the recording did.
async fn settle(client: &Client, exchange: &Exchange) -> Result<()> {
    if exchange.request.path.contains("/states/") && exchange.response.status == 202 {
        let node = exchange.request.path.split('/').nth(3).unwrap_or_default();
        client.wait_until_free(node).await?;
    }
    Ok(())
}
