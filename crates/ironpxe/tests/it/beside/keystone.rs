//! The API of a real Ironic with a real Keystone: who may read all nodes, and who is refused.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::ironic_server::{self, IronicOptions, IronicServer};
use ironpxe_testkit::openstack::{self, Keystone, SERVICE_PASSWORD};
use ironpxe_testkit::payload::toy;
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::{Value, json};

use crate::app;

const ACTIVE: &str = "52:54:00:be:00:01";
const AVAILABLE: &str = "52:54:00:be:00:02";
const OWNED: &str = "52:54:00:be:00:03";
const UNKNOWN: &str = "52:54:00:be:00:04";

struct Site {
    keystone: Keystone,
    ironic: IronicServer,
    _images: ImageServer,
    folder: tempfile::TempDir,
}

impl Site {
    fn start() -> Result<Self> {
        let keystone = Keystone::start(&openstack::venv()?)?;
        let ironic = IronicServer::start(
            &ironic_server::venv()?,
            IronicOptions {
                settings: keystone.ironic_settings(),
                token: Some(keystone.system_token()?),
                ..IronicOptions::default()
            },
        )?;
        keystone.add_service("baremetal", "ironic", &ironic.url())?;
        let images = ImageServer::start()?;
        images.serve("/kernel", toy::KERNEL);
        images.serve("/ramdisk", &*toy::ramdisk(1000));
        let client = ironic.client()?;
        let node = |name: &str, owner: Option<&str>| {
            json!({
                "name": name,
                "owner": owner,
                "driver": "fake-hardware",
                "deploy_interface": "ramdisk",
                "instance_info": {
                    "kernel": images.local_url("/kernel"),
                    "ramdisk": images.local_url("/ramdisk"),
                },
            })
        };
        let available = [("manage", "manageable"), ("provide", "available")];
        for (name, owner, mac) in [
            ("rack-1", None, ACTIVE),
            ("rack-2", None, AVAILABLE),
            ("rack-3", Some(keystone.project_id.as_str()), OWNED),
        ] {
            let uuid = client.enrol(&node(name, owner), mac)?;
            client.walk(&uuid, &available)?;
            if mac != AVAILABLE {
                client.walk(&uuid, &[("active", "active")])?;
            }
        }
        Ok(Self {
            keystone,
            ironic,
            _images: images,
            folder: tempfile::tempdir()?,
        })
    }

    fn config(&self, name: &str, source: &str) -> Result<std::path::PathBuf> {
        let file = self.folder.path().join(format!("{name}.toml"));
        let text = format!(
            "[beside]\n{source}api_url = \"{}\"\nironic_conf = [\"{}\"]\non_refusal = \"refuse\"\n",
            self.ironic.url(),
            self.ironic.configuration().display(),
        );
        std::fs::write(&file, text)?;
        Ok(file)
    }

    /// The API as this user of Keystone, in this scope.
    fn rest(&self, user: &str, scope: &str) -> Result<std::path::PathBuf> {
        let source = format!(
            "source = \"rest\"\nauth_type = \"password\"\nauth_url = \"{}\"\n\
             username = \"{user}\"\nuser_domain_name = \"Default\"\npassword = \"{SERVICE_PASSWORD}\"\n\
             {scope}\n",
            self.keystone.url
        );
        self.config(user, &source)
    }
}

const SYSTEM: &str = "system_scope = \"all\"";
const PROJECT: &str = "project_name = \"service\"\nproject_domain_name = \"Default\"";

fn start(config: &Path) -> Result<(Server, Ironic)> {
    let server = app::start(&ServerOptions::default().config(config))?;
    let client = Ironic::new(server.base_url())?;
    Ok((server, client))
}

/// What a machine gets, without what differs at every request.
fn boot(client: &Ironic, mac: &str) -> Result<(u16, String)> {
    let reply = client.get_as_firmware(&format!("/v1/boot/{mac}/boot.ipxe"))?;
    let words = reply.text.split_inclusive([' ', '\n']);
    let text = words.filter(|word| !word.contains("req-")).collect();
    Ok((reply.status, text))
}

fn check(config: &Path) -> Result<(Option<i32>, Value)> {
    let Output {
        status,
        stdout,
        stderr,
    } = app::command(&["beside", "check", "--json", "--config"])
        .arg(config)
        .output()?;
    let said = String::from_utf8_lossy(&stderr).into_owned();
    let report = serde_json::from_slice(&stdout).context(said)?;
    Ok((status.code(), report))
}

/// Level and text of the finding about `subject`.
fn finding(report: &Value, subject: &str) -> Result<(String, String)> {
    let mut all = report["findings"].as_array().into_iter().flatten();
    let found = all.find(|it| it["subject"] == subject);
    let found = found.with_context(|| format!("nothing about {subject}: {report}"))?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Ok((text("level"), text("text")))
}

#[test]
#[ignore = "cargo xtask test --full: a real Ironic and a real Keystone"]
fn reader_of_the_system_boots_all_nodes_and_others_are_refused() -> Result<()> {
    let site = Site::start()?;
    site.keystone.add_user("reader", "reader", true)?;
    site.keystone.add_user("of-project", "reader", false)?;
    site.keystone.add_user("admin-of-project", "admin", false)?;

    // All nodes, as from the database.
    let database = site.ironic.database_file();
    let sqlite = format!(
        "source = \"sqlite\"\nconnection = \"sqlite:///{}\"\n",
        database.display()
    );
    let (_from_sqlite, expected) = start(&site.config("sqlite", &sqlite)?)?;
    let reader = site.rest("reader", SYSTEM)?;
    let (_from_rest, client) = start(&reader)?;
    for (mac, part) in [
        (ACTIVE, "\nkernel "),
        (OWNED, "\nkernel "),
        (AVAILABLE, "available"),
    ] {
        let (theirs, ours) = (boot(&client, mac)?, boot(&expected, mac)?);
        ensure!(theirs == ours, "{mac}: {theirs:#?} {ours:#?}");
        ensure!(theirs.0 == 200 && theirs.1.contains(part), "{theirs:?}");
    }
    let (theirs, ours) = (boot(&client, UNKNOWN)?, boot(&expected, UNKNOWN)?);
    ensure!(theirs == ours && theirs.0 == 404, "{theirs:?} {ours:?}");
    let (_, report) = check(&reader)?;
    ensure!(finding(&report, "boot query")?.0 == "OK", "{report}");
    ensure!(
        finding(&report, "nodes")? == ("OK".to_owned(), "3 nodes, 0 without a port".to_owned()),
        "{report}"
    );

    // Ironic answers these, too: with an empty list, or one of what they own.
    for user in ["of-project", "admin-of-project"] {
        let config = site.rest(user, PROJECT)?;
        let said = app::start_refused(&ServerOptions::default().config(&config))?;
        let why = "give the account the role reader in the scope system";
        ensure!(said.contains(why), "{user}: {said}");
        ensure!(!said.contains(SERVICE_PASSWORD), "{said}");
        let (code, report) = check(&config)?;
        let (level, text) = finding(&report, "boot query")?;
        ensure!(code == Some(1) && level == "ERROR", "{user}: {report}");
        ensure!(
            text.contains(why) && text.contains("403"),
            "{user}: {report}"
        );
        ensure!(report["machines"] == json!([]), "{user}: {report}");
    }

    // Keystone does not accept the first token any more.
    site.keystone.revoke_tokens_of("reader")?;
    let again = boot(&client, ACTIVE)?;
    ensure!(again.0 == 200, "a new token was not fetched: {again:?}");
    Ok(())
}
