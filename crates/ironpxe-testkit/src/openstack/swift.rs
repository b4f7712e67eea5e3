//! A real Swift with one disk, one copy of everything, and Keystone's users.

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::keystone::Keystone;
use super::program::{Program, run};
use crate::http;
use crate::server::Server;

/// How often to try other ports if the free ones were taken meanwhile.
const PORTS_TO_TRY: usize = 3;
const STORES: [&str; 3] = ["object", "container", "account"];

/// A running Swift. Dropping it ends it and removes what it kept.
#[derive(Debug)]
pub struct Swift {
    /// Scheme, host and port.
    pub url: String,
    _programs: Vec<Program>,
    _folder: TempDir,
}

impl Swift {
    /// Starts one, and adds it to the catalog.
    pub fn start(venv: &Path, keystone: &Keystone) -> Result<Self> {
        let mut tries = 0;
        let swift = loop {
            tries += 1;
            match Self::start_once(venv, keystone) {
                Err(_) if tries < PORTS_TO_TRY => {}
                result => break result?,
            }
        };
        let account = format!("{}/v1/AUTH_$(project_id)s", swift.url);
        keystone.add_service("object-store", "swift", &account)?;
        Ok(swift)
    }

    /// Gives the account of the project `service` a key for temporary URLs.
    pub fn set_temp_url_key(&self, keystone: &Keystone, user: &str, key: &str) -> Result<()> {
        let account = format!("{}/v1/AUTH_{}", self.url, keystone.project_id);
        let answer = http::client()
            .build()?
            .post(account)
            .header("X-Auth-Token", keystone.token(user)?)
            .header("X-Account-Meta-Temp-URL-Key", key)
            .send()
            .context("Swift does not answer")?;
        let status = answer.status();
        ensure!(status.is_success(), "Swift does not take the key: {status}");
        Ok(())
    }

    fn start_once(venv: &Path, keystone: &Keystone) -> Result<Self> {
        let folder = TempDir::with_prefix("ironpxe-swift-")?;
        let at = folder.path();
        fs::create_dir_all(at.join("disks/d1")).context("cannot create a folder")?;
        let write = |name: &str, text: &str| {
            fs::write(at.join(name), text).context("cannot write a configuration")
        };
        write(
            "swift.conf",
            "[swift-hash]\nswift_hash_path_prefix = test\nswift_hash_path_suffix = test\n\
             [storage-policy:0]\nname = gold\ndefault = yes\n",
        )?;
        let mut servers = Vec::new();
        for store in STORES {
            let port = Server::free_port()?;
            let builder = at.join(format!("{store}.builder"));
            let ring = |args: &[&str]| {
                let args: Vec<&OsStr> = std::iter::once(builder.as_os_str())
                    .chain(args.iter().map(OsStr::new))
                    .collect();
                run(&venv.join("bin/swift-ring-builder"), at, &args)
            };
            ring(&["create", "4", "1", "0"])?;
            ring(&["add", &format!("r1z1-127.0.0.1:{port}/d1"), "1"])?;
            ring(&["rebalance"])?;
            let mut text = general(at, port);
            write!(
                text,
                "[pipeline:main]\npipeline = {store}-server\n\
                 [app:{store}-server]\nuse = egg:swift#{store}\n"
            )?;
            write(&format!("{store}.conf"), &text)?;
            servers.push((store, port));
        }
        let port = Server::free_port()?;
        write("proxy.conf", &(general(at, port) + &proxy(keystone)))?;
        servers.push(("proxy", port));

        let locks = [("SWIFT_LOCK_DIR", at.as_os_str())];
        let mut programs = Vec::new();
        for (name, port) in servers {
            let program = venv.join(format!("bin/swift-{name}-server"));
            let config = at.join(format!("{name}.conf"));
            let mut program = Program::run(&program, at, &[config.as_os_str()], &locks)?;
            program.wait_for(&format!("http://127.0.0.1:{port}/healthcheck"))?;
            programs.push(program);
        }
        Ok(Self {
            url: format!("http://127.0.0.1:{port}"),
            _programs: programs,
            _folder: folder,
        })
    }
}

fn general(at: &Path, port: u16) -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    let user = user.ok().flatten().map(|it| it.name).unwrap_or_default();
    let here = at.display();
    format!(
        "[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\nworkers = 0\nuser = {user}\n\
         swift_dir = {here}\ndevices = {here}/disks\nmount_check = false\n\
         fallocate_reserve = 0\ndisable_fallocate = true\nlog_address = /dev/null\n"
    )
}

fn proxy(keystone: &Keystone) -> String {
    let mut text = String::from(
        "[pipeline:main]\npipeline = catch_errors gatekeeper healthcheck proxy-logging \
         listing_formats tempurl authtoken keystoneauth copy slo dlo proxy-logging proxy-server\n\
         [app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n\
         allow_account_management = true\n\
         [filter:proxy-logging]\nuse = egg:swift#proxy_logging\n\
         [filter:authtoken]\npaste.filter_factory = keystonemiddleware.auth_token:filter_factory\n\
         delay_auth_decision = true\ninclude_service_catalog = False\n",
    );
    text += &keystone.authtoken();
    text += "[filter:keystoneauth]\nuse = egg:swift#keystoneauth\n\
             operator_roles = admin, member\nreseller_prefix = AUTH\n";
    for filter in [
        "catch_errors",
        "gatekeeper",
        "healthcheck",
        "listing_formats",
        "tempurl",
        "copy",
        "slo",
        "dlo",
    ] {
        // Writing to a string cannot fail.
        let _ = write!(text, "[filter:{filter}]\nuse = egg:swift#{filter}\n");
    }
    text
}
