//! A site with several replicas, and what an operator and a machine do there.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::postgres::Postgres;
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Replicas that serve from one database.
pub(super) struct Site {
    servers: Vec<Server>,
    store: Store,
}

/// The database they share.
enum Store {
    /// A file in a folder.
    Sqlite(TempDir),
    /// A database of the server that all tests share.
    Postgres(&'static Postgres, String),
}

/// Runs a test on replicas that share a file, and on replicas that share a PostgreSQL database
/// where there is a server.
pub(super) fn on_each_database(count: usize, test: impl Fn(&Site) -> Result<()>) -> Result<()> {
    let file = Site::start(count, Store::Sqlite(tempfile::tempdir()?))?;
    test(&file).context("on SQLite")?;
    let Some(server) = Postgres::shared() else {
        return Ok(());
    };
    let name = server.create_database(None)?;
    let shared = Site::start(count, Store::Postgres(server, name.clone()))?;
    test(&shared).context("on PostgreSQL")?;
    drop(shared);
    server.drop_database(&name)
}

impl Site {
    /// Starts `count` replicas.
    fn start(count: usize, store: Store) -> Result<Self> {
        let binary = Path::new(env!("CARGO_BIN_EXE_ironpxe"));
        let options = match &store {
            Store::Sqlite(folder) => ServerOptions {
                state_dir: Some(folder.path().to_owned()),
                ..ServerOptions::default()
            },
            Store::Postgres(server, name) => {
                let url = server.url(name);
                let upgraded = Command::new(binary)
                    .args(["db", "upgrade"])
                    .env("IRONPXE_DATABASE__CONNECTION", &url)
                    .output()?;
                ensure!(upgraded.status.success(), "{upgraded:?}");
                ServerOptions::default().set("IRONPXE_DATABASE__CONNECTION", url)
            }
        };
        let servers = (1..=count)
            .map(|number| {
                let options = options
                    .clone()
                    .set("IRONPXE_DEFAULT__HOST", format!("replica-{number}"))
                    // What stands in front of them; without it, each names itself to ramdisks.
                    .set("IRONPXE_API__PUBLIC_ENDPOINT", "http://boot.example:6385");
                Server::start(binary, &options)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { servers, store })
    }

    /// A client for each replica.
    pub(super) fn clients(&self) -> Result<Vec<Ironic>> {
        self.servers
            .iter()
            .map(|server| Ironic::new(server.base_url()))
            .collect()
    }

    /// Puts every node into a provision state, behind the replicas' backs.
    pub(super) fn set_state(&self, state: &str) -> Result<()> {
        let folder = match &self.store {
            Store::Sqlite(folder) => folder,
            Store::Postgres(server, name) => {
                let sql = format!(
                    "UPDATE nodes SET provision_state = '{state}', revision = revision + 1"
                );
                return server.sql(name, &sql).map(drop);
            }
        };
        let file = folder.path().join("ironpxe.sqlite");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let options = sqlx::sqlite::SqliteConnectOptions::new()
                .filename(file)
                .busy_timeout(std::time::Duration::from_secs(10));
            let pool = sqlx::SqlitePool::connect_with(options).await?;
            sqlx::query("UPDATE nodes SET provision_state = $1, revision = revision + 1")
                .bind(state)
                .execute(&pool)
                .await?;
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
