//! The clients that operators have today, unchanged, against a running `ironpxe`: the
//! `baremetal` command and a program on openstacksdk.
//!
//! Each test has a server of its own and looks at what the client printed. What they expect is
//! what the same commands print with Ironic 39. `cargo xtask test` installs the clients and says
//! in `IRONPXE_TEST_VENV` where they are.
#![expect(
    clippy::indexing_slicing,
    reason = "JSON values answer null for what they do not have"
)]

mod deployment;
mod inventory;
mod kickstart;
mod passwords;
mod sdk;
mod service;
mod volume;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::{Value, json};

/// No single command of a client may take longer.
const SECONDS: &str = "240";

/// An image that exists nowhere; what is tested here happens before it is fetched.
const IMAGE: &str = "http://192.0.2.1/images/disk.raw";

/// One server and the `baremetal` command that talks to it.
struct CliFixture {
    server: Server,
    venv: PathBuf,
}

impl CliFixture {
    fn start() -> Result<Self> {
        let server = crate::app::start(&ServerOptions::default())?;
        Ok(Self {
            server,
            venv: venv()?,
        })
    }

    /// Runs a program of the environment, and only with what it needs to know: a person's own
    /// cloud credentials and proxies must not reach it.
    fn run<S: AsRef<OsStr>>(&self, program: &str, args: &[S]) -> Result<Output> {
        Command::new("timeout")
            .args(["--kill-after=5", SECONDS])
            .arg(self.venv.join("bin").join(program))
            .args(args)
            .env_clear()
            .env("HOME", &self.venv)
            .env("LC_ALL", "C.UTF-8")
            .env("OS_AUTH_TYPE", "none")
            .env("OS_ENDPOINT", self.server.base_url())
            .output()
            .with_context(|| format!("cannot run {program}"))
    }

    /// A `baremetal` command that must succeed; what it printed.
    fn ok(&self, args: &[&str]) -> Result<String> {
        let output = self.run("baremetal", args)?;
        ensure!(
            output.status.success(),
            "`baremetal {}` ended with {}: {}",
            args.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A `baremetal` command whose output is read as JSON.
    fn json(&self, args: &[&str]) -> Result<Value> {
        let text = self.ok(&[args, &["-f", "json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("baremetal {}: {text}", args.join(" ")))
    }

    /// A `baremetal` command that must be refused; the words it gave to the person.
    ///
    /// By default the command asks again and again for ten seconds when the answer is 409.
    fn refused(&self, args: &[&str]) -> Result<String> {
        let output = self.run("baremetal", &[&["--max-retries", "0"], args].concat())?;
        let words = String::from_utf8(output.stderr)?;
        ensure!(
            output.status.code() == Some(1),
            "{}: {words}",
            output.status
        );
        Ok(words)
    }

    /// Some fields of a node.
    fn show(&self, node: &str, fields: &[&str]) -> Result<Value> {
        self.json(&[&["node", "show", node, "--fields"], fields].concat())
    }

    /// The names of the nodes that a `node list` with these arguments gives, in its order.
    fn names(&self, args: &[&str]) -> Result<Vec<String>> {
        let found = self.json(&[&["node", "list", "--fields", "name"], args].concat())?;
        let rows = found.as_array().context("a list is no list")?;
        Ok(rows
            .iter()
            .map(|row| row["name"].as_str().unwrap_or("None").to_owned())
            .collect())
    }

    /// Enrols a node with a port, as far as `available`; returns its UUID.
    fn available_node(&self, name: &str, mac: &str, deploy_interface: &str) -> Result<String> {
        let node = self.json(
            &[
                &[
                    "node",
                    "create",
                    "--driver",
                    "fake-hardware",
                    "--name",
                    name,
                ],
                &[
                    "--boot-interface",
                    "ipxe",
                    "--deploy-interface",
                    deploy_interface,
                    "--inspect-interface",
                    "agent",
                    "--rescue-interface",
                    "agent",
                    "--no-automated-clean",
                ][..],
                &[
                    "--driver-info",
                    "deploy_kernel=http://192.0.2.1/deploy/kernel",
                ],
                &[
                    "--driver-info",
                    "deploy_ramdisk=http://192.0.2.1/deploy/ramdisk",
                ],
                &[
                    "--property",
                    "cpu_arch=x86_64",
                    "--property",
                    "memory_mb=2048",
                ],
                &["--extra", "rack=7", "--resource-class", "baremetal"],
            ]
            .concat(),
        )?;
        let uuid = node["uuid"].as_str().context("a node without a uuid")?;
        assert_eq!(node["name"], name);
        assert_eq!(node["provision_state"], "enroll");
        assert_eq!(node["power_state"], Value::Null);
        assert_eq!(node["driver"], "fake-hardware");
        assert_eq!(node["automated_clean"], false);
        assert_eq!(node["deploy_interface"], deploy_interface);
        assert_eq!(
            node["properties"],
            json!({"cpu_arch": "x86_64", "memory_mb": 2048})
        );
        assert_eq!(node["extra"], json!({"rack": 7}));
        assert_eq!(node["resource_class"], "baremetal");
        assert_eq!(
            node["driver_info"]["deploy_kernel"],
            "http://192.0.2.1/deploy/kernel"
        );

        let port = self.json(&["port", "create", mac, "--node", uuid])?;
        assert_eq!(port["address"], mac.to_lowercase());
        assert_eq!(port["node_uuid"], uuid);
        assert_eq!(port["pxe_enabled"], true);

        self.ok(&["node", "manage", "--wait", "120", name])?;
        self.ok(&["node", "provide", "--wait", "120", name])?;
        Ok(uuid.to_owned())
    }

    /// Waits until a field of a node has this value. The client has no wait for these.
    fn wait_for(&self, node: &str, field: &str, wanted: &str) -> Result<()> {
        crate::app::eventually(&format!("{field} of {node} is {wanted}"), || {
            Ok(self.show(node, &[field])?[field] == wanted)
        })
    }

    /// What `node validate` says about one interface: the result and the reason.
    fn validated(&self, node: &str, interface: &str) -> Result<(bool, String)> {
        let rows = self.json(&["node", "validate", node])?;
        let row = rows
            .as_array()
            .and_then(|rows| rows.iter().find(|row| row["Interface"] == interface))
            .with_context(|| format!("{interface} was not validated: {rows}"))?;
        let reason = row["Reason"].as_str().unwrap_or_default().to_owned();
        Ok((row["Result"] == true, reason))
    }
}

/// Where the clients are installed.
fn venv() -> Result<PathBuf> {
    let venv = std::env::var_os("IRONPXE_TEST_VENV").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv"),
        PathBuf::from,
    );
    ensure!(
        venv.join("bin/baremetal").is_file() && venv.join("bin/ksvalidator").is_file(),
        "the Python clients are not in {}: run `cargo xtask test`, which installs them",
        venv.display()
    );
    Ok(venv)
}
