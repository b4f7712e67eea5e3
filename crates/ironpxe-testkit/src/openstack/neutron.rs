//! A real Neutron server without agents: it stores changes, but nothing applies them.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::keystone::{Keystone, text};
use super::program::{Program, listen, run};
use crate::http;

/// Makes the tables from what Neutron's own code says of them: its migrations do not run on SQLite.
const TABLES: &str = "
import sys, sqlalchemy
from neutron.db.migration.models import head
head.get_metadata().create_all(sqlalchemy.create_engine(sys.argv[1]))
";

/// A running Neutron. Dropping it ends it and removes what it kept.
#[derive(Debug)]
pub struct Neutron {
    /// Without a version.
    pub url: String,
    client: Client,
    _program: Program,
    _folder: TempDir,
}

impl Neutron {
    /// Starts one with an empty database, and adds it to the catalog.
    pub fn start(venv: &Path, keystone: &Keystone) -> Result<Self> {
        let folder = TempDir::with_prefix("ironpxe-neutron-")?;
        let at = folder.path();
        let (listener, port) = listen()?;
        let url = format!("http://127.0.0.1:{port}");
        let here = at.display();
        for name in ["state", "lock"] {
            fs::create_dir(at.join(name)).context("cannot create a folder")?;
        }
        let paste = fs::read_to_string(venv.join("etc/neutron/api-paste.ini"));
        let paste = paste.context("there is no api-paste.ini of Neutron")?;
        fs::write(at.join("api-paste.ini"), paste).context("cannot write a configuration")?;
        let database = format!("sqlite:///{here}/neutron.db");
        let authtoken = keystone.authtoken();
        fs::write(
            at.join("neutron.conf"),
            format!(
                "[DEFAULT]\ncore_plugin = ml2\nservice_plugins =\nauth_strategy = keystone\n\
                 transport_url = fake:/\napi_paste_config = {here}/api-paste.ini\n\
                 state_path = {here}/state\nrpc_workers = 0\nrpc_response_timeout = 2\n\
                 notify_nova_on_port_status_changes = false\n\
                 notify_nova_on_port_data_changes = false\n\
                 dhcp_agent_notification = false\nuse_stderr = true\n\
                 [oslo_messaging_notifications]\ndriver = noop\n\
                 [oslo_concurrency]\nlock_path = {here}/lock\n\
                 [database]\nconnection = {database}\n\
                 [ml2]\ntype_drivers = flat,vlan,local\ntenant_network_types = local\n\
                 mechanism_drivers = logger\nextension_drivers = port_security\n\
                 [ml2_type_flat]\nflat_networks = *\n\
                 [keystone_authtoken]\ntoken_cache_time = -1\n{authtoken}"
            ),
        )
        .context("cannot write a configuration")?;
        run(
            &venv.join("bin/python"),
            at,
            &["-c".as_ref(), TABLES.as_ref(), database.as_ref()],
        )?;
        let environment = [
            ("OS_NEUTRON_CONFIG_DIR", at.as_os_str()),
            ("OS_NEUTRON_CONFIG_FILES", OsStr::new("neutron.conf")),
        ];
        let mut program = Program::serve(venv, at, "neutron.wsgi.api", listener, &environment)?;
        program.wait_for(&url)?;
        keystone.add_service("network", "neutron", &url)?;
        Ok(Self {
            url,
            client: http::client().build()?,
            _program: program,
            _folder: folder,
        })
    }

    /// Asks as a user of the project `service`: `/networks`, with a body.
    pub fn ask(
        &self,
        keystone: &Keystone,
        user: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Value> {
        let mut request = self
            .client
            .request(method, format!("{}/v2.0{path}", self.url))
            .header("X-Auth-Token", keystone.token(user)?);
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().context("Neutron does not answer")?;
        let status = answer.status();
        let said = answer.text().context("Neutron's answer does not end")?;
        ensure!(
            status.is_success(),
            "Neutron answered {status} to {path}: {said}"
        );
        if said.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&said).context("Neutron does not answer JSON")
    }

    /// Makes a flat network with a subnet for IPv4 and one for IPv6, and gives its UUID.
    pub fn add_network(&self, keystone: &Keystone, user: &str) -> Result<String> {
        let post = |path: &str, body: Value| self.ask(keystone, user, Method::POST, path, &body);
        let network = post(
            "/networks",
            json!({ "network": {
                "name": "provisioning", "shared": true,
                "provider:network_type": "flat", "provider:physical_network": "physnet1",
            } }),
        )?;
        let network = text(&network, "/network/id")?;
        for subnet in [
            json!({ "ip_version": 4, "cidr": "192.0.2.0/24" }),
            json!({
                "ip_version": 6, "cidr": "2001:db8::/64",
                "ipv6_address_mode": "dhcpv6-stateful", "ipv6_ra_mode": "dhcpv6-stateful",
            }),
        ] {
            let mut subnet = subnet;
            if let Some(subnet) = subnet.as_object_mut() {
                subnet.insert("network_id".to_owned(), json!(network));
            }
            post("/subnets", json!({ "subnet": subnet }))?;
        }
        Ok(network)
    }

    /// Makes a port for a machine's card, and gives its UUID.
    pub fn add_port(
        &self,
        keystone: &Keystone,
        user: &str,
        network: &str,
        mac: &str,
    ) -> Result<String> {
        let port = json!({ "port": {
            "network_id": network, "mac_address": mac, "admin_state_up": true,
            "device_owner": "baremetal:none", "binding:vnic_type": "baremetal",
        } });
        let made = self.ask(keystone, user, Method::POST, "/ports", &port)?;
        text(&made, "/port/id")
    }

    /// A port as it is now.
    pub fn port(&self, keystone: &Keystone, user: &str, id: &str) -> Result<Value> {
        let path = format!("/ports/{id}");
        let mut answer = self.ask(keystone, user, Method::GET, &path, &Value::Null)?;
        answer
            .pointer_mut("/port")
            .map(Value::take)
            .with_context(|| format!("Neutron gave no port: {answer}"))
    }
}
