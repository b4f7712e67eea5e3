//! API and conductors as processes of their own, on one database: what machines and operators
//! notice when one of them goes, and what the others make of it.
#![expect(
    clippy::indexing_slicing,
    reason = "JSON values answer null for what they do not have"
)]

mod access;
mod failover;
mod images;
mod ironic;
mod takeover;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::{Value, json};

use crate::app::{self, TIMEOUT, eventually};
use crate::database::{Database, execute_in_file};

const PASSTHRU: &str = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";

/// One database, and the processes that share it.
struct RolesFixture {
    database: Database<'static>,
}

impl RolesFixture {
    /// A site on SQLite, for what has nothing to do with the database.
    fn new() -> Result<Self> {
        let database = Database::file()?;
        Ok(Self { database })
    }

    /// Runs a test at a site for each kind of database.
    fn for_each(test: impl Fn(&Self) -> Result<()>) -> Result<()> {
        Database::for_each(|database| test(&Self { database }))
    }

    /// One role, quick to notice that another one is gone.
    fn options(&self, role: &'static str, host: &str) -> ServerOptions {
        let options = self.database.options().role(role);
        options
            .set("IRONPXE_DEFAULT__HOST", host)
            .set("IRONPXE_CONDUCTOR__HEARTBEAT_INTERVAL", "1")
            .set("IRONPXE_CONDUCTOR__HEARTBEAT_TIMEOUT", "5")
            .set("IRONPXE_CONDUCTOR__CHECK_PROVISION_STATE_INTERVAL", "1")
            .set("IRONPXE_JSON_RPC__PING_TIMEOUT", "1")
            .set("IRONPXE_JSON_RPC__FIND_TIMEOUT", "20")
    }

    fn conductor(&self, host: &str) -> Result<Server> {
        app::start(&self.options("conductor", host))
    }

    fn api(&self) -> Result<(Server, Ironic)> {
        let api = app::start(&self.options("api", "api"))?;
        let client = Ironic::new(api.base_url())?;
        Ok((api, client))
    }
}

/// Stops a process where it stands, but not while it writes to a file: all others would wait for
/// it.
fn pause(site: &RolesFixture, server: &Server) -> Result<()> {
    let Some(file) = site.database.file_path() else {
        return server.pause();
    };
    eventually("it writes nothing while it is paused", || {
        server.pause()?;
        let idle = execute_in_file(&file, Duration::ZERO, "BEGIN IMMEDIATE; ROLLBACK").is_ok();
        if !idle {
            server.resume()?;
        }
        Ok(idle)
    })
}

/// Enrols a node with a port; gives its UUID and the port's address.
fn enrol(client: &Ironic, number: u8) -> Result<(String, String)> {
    let node = json!({
        "driver": "fake-hardware",
        "boot_interface": "ipxe",
        "deploy_interface": "direct",
        "automated_clean": false,
        "driver_info": {"deploy_kernel": "http://192.0.2.1/k", "deploy_ramdisk": "http://192.0.2.1/r"},
        "instance_info": {"image_source": "http://192.0.2.1/i", "image_checksum": "x"},
    });
    let mac = format!("52:54:00:00:00:{number:02x}");
    Ok((client.enrol(&node, &mac)?, mac))
}

/// A machine's request, by each of its URLs in turn; it must get its script.
fn boot(client: &Ironic, mac: &str, turn: usize) -> Result<()> {
    let path = match turn % 3 {
        0 => format!("/v1/boot/{mac}/boot.ipxe"),
        1 => format!("{PASSTHRU}?port_address={mac}"),
        _ => format!("/pxelinux.cfg/{}", mac.replace(':', "-")),
    };
    let answer = client.get_as_firmware(&path)?;
    ensure!(
        answer.status == 200 && answer.text.contains("wait call-back -> deploy ramdisk"),
        "{path}: {} {}",
        answer.status,
        answer.text
    );
    Ok(())
}

/// Boots machines without a pause while `act` runs, and checks every answer; gives how many there
/// were.
fn booting<T>(api: &Server, mac: &str, act: impl FnOnce() -> Result<T>) -> Result<(usize, T)> {
    const MACHINES: usize = 4;
    let over = AtomicBool::new(false);
    let machine = |number: usize| -> Result<usize> {
        let client = Ironic::new(api.base_url())?;
        let mut boots = 0;
        while !over.load(Ordering::Relaxed) {
            boot(&client, mac, number + boots)?;
            boots += 1;
        }
        Ok(boots)
    };
    thread::scope(|scope| {
        let machines: Vec<_> = (0..MACHINES)
            .map(|number| scope.spawn(move || machine(number)))
            .collect();
        let acted = act();
        over.store(true, Ordering::Relaxed);
        let mut boots = 0;
        for machine in machines {
            boots += machine.join().ok().context("a machine panicked")??;
        }
        Ok((boots, acted?))
    })
}

fn alive(client: &Ironic, host: &str) -> Result<bool> {
    let path = format!("/v1/conductors/{host}");
    let conductor = client.get(&path)?.expect_status(200)?;
    conductor["alive"]
        .as_bool()
        .context("neither alive nor dead")
}
