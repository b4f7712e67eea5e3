//! A site with several replicas, and what an operator and a machine do there.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::postgres::Postgres;
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::json;

use crate::database::Database;

/// How many there are of each.
const REPLICAS: usize = 3;

/// Replicas that serve from one database.
pub(super) struct ReplicasFixture {
    /// Those that are asked.
    apis: Vec<Server>,
    /// Conductors of their own, where the APIs are not conductors themselves.
    conductors: Vec<Server>,
    database: Database<'static>,
}

/// Runs a test on three replicas that share a file, on three that share a PostgreSQL database, and
/// on three APIs with three conductors that share one.
pub(super) fn on_each_site(test: impl Fn(&ReplicasFixture) -> Result<()>) -> Result<()> {
    Database::for_each(|database| test(&ReplicasFixture::all_in_one(database)?))?;
    let Some(server) = Postgres::shared() else {
        return Ok(());
    };
    test(&ReplicasFixture::apart(Database::on(server)?)?)
        .context("APIs and conductors apart, on PostgreSQL")
}

impl ReplicasFixture {
    /// Starts replicas that are everything.
    fn all_in_one(database: Database<'static>) -> Result<Self> {
        let apis = start(None, "replica", &database)?;
        Ok(Self {
            apis,
            conductors: Vec::new(),
            database,
        })
    }

    /// Starts as many APIs as conductors.
    fn apart(database: Database<'static>) -> Result<Self> {
        let conductors = start(Some("conductor"), "conductor", &database)?;
        let apis = start(Some("api"), "api", &database)?;
        Ok(Self {
            apis,
            conductors,
            database,
        })
    }

    /// A client for each replica that can be asked.
    pub(super) fn clients(&self) -> Result<Vec<Ironic>> {
        self.apis
            .iter()
            .map(|server| Ironic::new(server.base_url()))
            .collect()
    }

    /// Sees that every API had its share of the boots, and that no conductor was asked.
    pub(super) fn all_worked(&self) -> Result<()> {
        for api in &self.apis {
            api.wait_for_log("machine boots", crate::app::TIMEOUT)?;
        }
        for conductor in &self.conductors {
            let asked = conductor.log_with("machine boots");
            ensure!(asked.is_empty(), "a conductor was asked: {asked:?}");
        }
        Ok(())
    }

    /// Puts every node into a provision state, behind the replicas' backs.
    pub(super) fn set_state(&self, state: &str) -> Result<()> {
        self.database.execute(&format!(
            "UPDATE nodes SET provision_state = '{state}', revision = revision + 1"
        ))
    }
}

fn start(role: Option<&'static str>, name: &str, database: &Database<'_>) -> Result<Vec<Server>> {
    (1..=REPLICAS)
        .map(|number| {
            let options = ServerOptions {
                role,
                ..database.options()
            }
            .set("IRONPXE_DEFAULT__HOST", format!("{name}-{number}"))
            // What stands in front of them; without it, each names itself to ramdisks.
            .set("IRONPXE_API__PUBLIC_ENDPOINT", "http://boot.example:6385");
            crate::app::start(&options)
        })
        .collect()
}

/// A node whose instance is a ramdisk, active; gives its UUID.
pub(super) fn active_node(client: &Ironic, mac: &str) -> Result<String> {
    let node = json!({
        "driver": "fake-hardware",
        "name": format!("bm-{}", mac.replace(':', "")),
        "boot_interface": "ipxe",
        "deploy_interface": "ramdisk",
        "rescue_interface": "agent",
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
    });
    let uuid = client.enrol(&node, mac)?;
    let steps = [
        ("manage", "manageable"),
        ("provide", "available"),
        ("active", "active"),
    ];
    client.walk(&uuid, &steps)?;
    Ok(uuid)
}

/// The URL by which a machine asks for its script.
pub(super) fn boot_path(mac: &str) -> String {
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
