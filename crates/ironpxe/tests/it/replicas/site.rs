//! A site with several replicas, and what an operator and a machine do there.

use std::path::Path;

use anyhow::{Context, Result};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Replicas that serve from one database.
pub(super) struct Site {
    servers: Vec<Server>,
    state: TempDir,
}

impl Site {
    /// Starts `count` replicas.
    pub(super) fn start(count: usize) -> Result<Self> {
        let binary = Path::new(env!("CARGO_BIN_EXE_ironpxe"));
        let state = tempfile::tempdir()?;
        let servers = (1..=count)
            .map(|number| {
                let options = ServerOptions {
                    state_dir: Some(state.path().to_owned()),
                    ..ServerOptions::default()
                }
                .set("IRONPXE_DEFAULT__HOST", format!("replica-{number}"))
                // What stands in front of them; without it, each names itself to ramdisks.
                .set("IRONPXE_API__PUBLIC_ENDPOINT", "http://boot.example:6385");
                Server::start(binary, &options)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { servers, state })
    }

    /// A client for each replica.
    pub(super) fn clients(&self) -> Result<Vec<Ironic>> {
        self.servers
            .iter()
            .map(|server| Ironic::new(server.base_url()))
            .collect()
    }

    /// Changes the database behind the replicas' backs.
    pub(super) fn sql(&self, statement: &'static str, values: &[&str]) -> Result<()> {
        let file = self.state.path().join("ironpxe.sqlite");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let options = sqlx::sqlite::SqliteConnectOptions::new()
                .filename(file)
                .busy_timeout(std::time::Duration::from_secs(10));
            let pool = sqlx::SqlitePool::connect_with(options).await?;
            let mut query = sqlx::query(statement);
            for value in values {
                query = query.bind((*value).to_owned());
            }
            query.execute(&pool).await?;
            pool.close().await;
            Ok(())
        })
    }
}

/// A node whose instance is a ramdisk, active; gives its UUID.
pub(super) fn active_node(client: &Ironic, mac: &str) -> Result<String> {
    let node = client.create_node(&json!({
        "driver": "fake-hardware",
        "name": format!("bm-{}", mac.replace(':', "")),
        "deploy_interface": "ramdisk",
        "driver_info": {
            "deploy_kernel": "http://images.example/k",
            "deploy_ramdisk": "http://images.example/r",
            "rescue_kernel": "http://images.example/rescue-k",
            "rescue_ramdisk": "http://images.example/rescue-r",
            "kernel_append_params": "version=0",
        },
        "instance_info": {
            "kernel": "http://images.example/instance-k",
            "ramdisk": "http://images.example/instance-r",
        },
        "automated_clean": false,
    }))?;
    let uuid = node.get("uuid").and_then(Value::as_str);
    let uuid = uuid.context("a node without UUID")?.to_owned();
    client.create_port(&uuid, mac)?;
    let soon = std::time::Duration::from_secs(20);
    for (verb, state) in [
        ("manage", "manageable"),
        ("provide", "available"),
        ("active", "active"),
    ] {
        client.provision(&uuid, verb)?;
        client.wait_state(&uuid, state, soon)?;
    }
    Ok(uuid)
}

/// The URL by which a machine asks for its script.
pub(super) fn door(mac: &str) -> String {
    format!("/v1/boot/{mac}/boot.ipxe")
}

/// A script without the request's id, which is another one each time.
pub(super) fn without_request_id(script: &str) -> String {
    const ID: usize = "req-00000000-0000-0000-0000-000000000000".len();
    let mut rest = script;
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once("req-") {
        text.push_str(before);
        rest = after.get(ID - "req-".len()..).unwrap_or_default();
    }
    text + rest
}
