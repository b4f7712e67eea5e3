//! The operator, one call at a time: for what is prepared, not for what is measured.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{client, http, store::TEMPLATE};

/// No change of state may take longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A call that must succeed, and its answer.
pub(super) fn call(
    to: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Value> {
    let (status, text) = attempt(to, method, path, body)?;
    if !(200..300).contains(&status) {
        bail!("{method} {path} was answered by {status}: {text}");
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).with_context(|| format!("{method} {path}: {text}"))
}

fn attempt(
    to: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, String)> {
    let body = body.map(Value::to_string);
    let bytes = http::request(method, path, body.as_deref());
    let mut result = None;
    client::fetch_all(
        to,
        1,
        1,
        |_| bytes.clone(),
        |_, answer| {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            result = Some((answer.status, text));
            Ok(())
        },
    )
    .with_context(|| format!("{method} {path}"))?;
    result.context("no answer")
}

/// What the machines of the nodes boot.
#[derive(Clone, Copy)]
pub(super) enum Template {
    /// The deploy ramdisk, which they wait for.
    Deploying,
    /// The same, but the deploy ramdisk is the one of the configuration.
    Bare,
    /// Their instance, which is a ramdisk. These nodes can be changed all the time.
    Running,
}

/// A node as it is enrolled.
pub(super) fn node(name: &str, template: Template) -> Value {
    let (deploy_interface, instance_info) = match template {
        Template::Deploying | Template::Bare => (
            "direct",
            json!({
                "image_source": "http://192.0.2.1/images/disk.raw",
                "image_disk_format": "raw",
                "image_os_hash_algo": "sha256",
                "image_os_hash_value": "0".repeat(64),
            }),
        ),
        Template::Running => (
            "ramdisk",
            json!({
                "kernel": "http://192.0.2.1/instance/kernel",
                "ramdisk": "http://192.0.2.1/instance/ramdisk",
            }),
        ),
    };
    let driver_info = match template {
        Template::Bare => json!({}),
        Template::Deploying | Template::Running => json!({
            "deploy_kernel": "http://192.0.2.1/deploy/kernel",
            "deploy_ramdisk": "http://192.0.2.1/deploy/ramdisk",
        }),
    };
    json!({
        "name": name,
        "driver": "fake-hardware",
        "boot_interface": "ipxe",
        "deploy_interface": deploy_interface,
        "automated_clean": false,
        "driver_info": driver_info,
        "instance_info": instance_info,
        "properties": { "cpu_arch": "x86_64" },
    })
}

/// Makes the node that the others are copies of, and brings it to where its machine boots.
pub(super) fn make_template(to: SocketAddr, template: Template) -> Result<()> {
    let node = call(to, "POST", "/v1/nodes", Some(&node(TEMPLATE, template)))?;
    let uuid = uuid(&node)?;
    let port = json!({ "node_uuid": uuid, "address": "06:00:00:00:00:01" });
    call(to, "POST", "/v1/ports", Some(&port))?;
    provision(to, &uuid, "manage", "manageable")?;
    provision(to, &uuid, "provide", "available")?;
    let booted = match template {
        Template::Deploying | Template::Bare => "wait call-back",
        Template::Running => "active",
    };
    provision(to, &uuid, "active", booted)
}

pub(super) fn uuid(resource: &Value) -> Result<String> {
    let uuid = resource.get("uuid").and_then(Value::as_str);
    uuid.map(str::to_owned).context("the answer has no uuid")
}

/// Asks for a change of state and waits until it has happened.
fn provision(to: SocketAddr, uuid: &str, verb: &str, wanted: &str) -> Result<()> {
    let path = format!("/v1/nodes/{uuid}/states/provision");
    call(to, "PUT", &path, Some(&json!({ "target": verb })))?;
    let path = format!("/v1/nodes/{uuid}?fields=provision_state,last_error,reservation");
    let start = Instant::now();
    loop {
        let node = call(to, "GET", &path, None)?;
        if is_settled(&node, wanted) {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            bail!("`{verb}` did not lead to `{wanted}`: {node}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whether the node is in this state, and nobody works on it.
pub(super) fn is_settled(node: &Value, wanted: &str) -> bool {
    let state = node.get("provision_state").and_then(Value::as_str);
    state == Some(wanted) && node.get("reservation").is_none_or(Value::is_null)
}
