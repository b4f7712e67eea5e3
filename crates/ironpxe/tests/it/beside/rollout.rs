//! The way in and back, as `docs/beside-ironic-rollout.md` describes it: on a real Ironic, with real
//! machines.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::imageserver::{Answer, ImageServer};
use ironpxe_testkit::ironic_server::{IronicOptions, IronicServer, Shares, venv};
use ironpxe_testkit::lan::{HOST, Lan};
use ironpxe_testkit::mariadb::Mariadb;
use serde_json::Value;

use super::site::{
    Boot, DIRECT, NETWORK_OF_RACK_2, NO_NODE, RACK_1, RACK_2, RACK_3, Site, UNCHANGED,
};
use crate::app::eventually;

#[test]
#[ignore = "cargo xtask test --full: a real Ironic, and a dozen boots"]
fn way_in_and_back_is_step_by_step() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let mut site = Site::start(lan)?;
        let client = site.ironic.client()?;
        for node in [RACK_1, RACK_2] {
            site.deploy(&client, node)?;
        }
        site.boot(RACK_1)?.is(Boot::Ironic)?;

        // The fallback script alone: Ironic's file wins where there is one.
        let fallback = format!("[pxe]\nipxe_fallback_script = http://{HOST}:6385/boot.ipxe\n");
        site.restart_ironic(&fallback)?;
        let ironpxe = site.ironpxe("")?;
        site.boot(RACK_1)?.is(Boot::Ironic)?;
        let file = site
            .ironic
            .http_root()
            .join("pxelinux.cfg/52-54-00-be-00-01");
        std::fs::remove_file(&file).context("cannot remove the file of rack-1")?;
        site.boot(RACK_1)?.is(Boot::Ironpxe)?;
        drop(ironpxe);
        // The conductor writes it with the next deployment.
        client.walk(RACK_1.name, &[("deleted", "available")])?;
        site.deploy_again(&client, RACK_1)?;
        ensure!(file.is_file());
        site.boot(RACK_1)?.is(Boot::Ironic)?;
        site.restart_ironic("[pxe]\nipxe_fallback_script =\n")?;

        // One machine.
        site.use_our_boot_script()?;
        let ironpxe = site.ironpxe("only_nodes = [\"rack-1\"]\n")?;
        site.boot(RACK_1)?.is(Boot::Ironpxe)?;
        site.boot(RACK_2)?.is(Boot::Ironic)?;
        drop(ironpxe);

        // One subnet.
        let ironpxe = site.ironpxe(&format!("only_networks = [\"{NETWORK_OF_RACK_2}\"]\n"))?;
        site.boot(RACK_1)?.is(Boot::Ironic)?;
        site.boot(RACK_2)?.is(Boot::Ironpxe)?;
        drop(ironpxe);

        // All.
        let ironpxe = site.ironpxe("")?;
        site.boot(RACK_1)?.is(Boot::Ironpxe)?;
        site.boot(RACK_2)?.is(Boot::Ironpxe)?;

        // Back: ironpxe is stopped, and then it is not asked any more.
        drop(ironpxe);
        site.boot(RACK_1)?.is(Boot::Ironic)?;
        site.restart_ironic("[pxe]\nipxe_boot_script = $pybasedir/drivers/modules/boot.ipxe\n")?;
        let console = site.boot(RACK_1)?.is(Boot::Ironic)?;
        ensure!(!console.contains("ironpxe"), "{console}");
        Ok(())
    })
}

#[test]
#[ignore = "cargo xtask test --full: a real Ironic, and machines that wait for a service in trouble"]
fn boot_script_for_ironic_falls_back_only_if_there_is_no_answer() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let mut site = Site::start(lan)?;
        site.use_our_boot_script()?;
        let client = site.ironic.client()?;
        site.deploy(&client, RACK_1)?;
        let disk = site.adopt(RACK_3)?;

        // Decided: a refusal and a local disk are answers, too.
        let ironpxe = site.ironpxe("on_refusal = \"refuse\"\n")?;
        site.boot(RACK_1)?.is(Boot::Ironpxe)?;
        let console = site.boot(RACK_3)?.is(Boot::Disk)?;
        // Not because the firmware went on to it.
        ensure!(console.contains(&disk), "{console}");
        ensure!(!console.contains("Ironic's own file"), "{console}");
        let console = site.boot(NO_NODE)?.is(Boot::Nothing)?;
        ensure!(console.contains("Neither ironpxe nor Ironic"), "{console}");
        client.walk(RACK_1.name, &[("deleted", "available")])?;
        let console = site.boot(RACK_1)?.is(Boot::Nothing)?;
        ensure!(!console.contains("Ironic's own file"), "{console}");
        site.deploy_again(&client, RACK_1)?;
        site.boot(RACK_1)?.is(Boot::Ironpxe)?;

        // Silent: it accepts connections, and says nothing.
        ironpxe.pause()?;
        site.boot(RACK_1)?.is(Boot::Ironic)?;
        ironpxe.resume()?;
        site.boot(RACK_1)?.is(Boot::Ironpxe)?;
        // Down.
        drop(ironpxe);
        site.boot(RACK_1)?.is(Boot::Ironic)?;
        // It asks to come back, for ever.
        let busy = ImageServer::start_at(format!("{HOST}:6385").parse()?)?;
        let path = format!("/v1/boot/{}/boot.ipxe", RACK_1.mac.replace(':', "-"));
        let later = Answer::status(503).header("Retry-After", "2");
        busy.fail_next(&path, usize::MAX, later);
        site.boot(RACK_1)?.is(Boot::Ironic)?;
        let asked = busy.requests_to(&path).len();
        ensure!(asked > 1, "it was asked {asked} times");
        Ok(())
    })
}

/// A conductor is dead for the others after some seconds, not after minutes.
const QUICK: &str = "[conductor]\nheartbeat_interval = 1\nheartbeat_timeout = 15\n\
                     sync_power_state_interval = 0\n[DEFAULT]\nhash_ring_reset_interval = 1\n";

#[test]
#[ignore = "cargo xtask test --full: two real Ironics on MariaDB, and a dozen boots"]
fn machine_boots_what_its_node_says_when_its_conductor_is_lost() -> Result<()> {
    Lan::run(&["dnsmasq", "mariadbd"], |lan| {
        let mariadb = Mariadb::start_on(lan)?;
        let database = mariadb.create_database()?;
        let options = IronicOptions {
            database: Some(mariadb.url(&database)),
            shares: Shares::First,
            settings: QUICK.to_owned(),
            ..IronicOptions::default()
        };
        let mut site = Site::start_with(lan, options.clone())?;
        site.use_our_boot_script()?;
        let client = site.ironic.client()?;
        for node in [RACK_1, UNCHANGED, DIRECT] {
            site.deploy(&client, node)?;
        }
        let source = format!(
            "source = \"mysql\"\nconnection = \"{}\"\n",
            mariadb.reader(&database)
        );
        let start = || site.ironpxe_on(&source, "on_refusal = \"refuse\"\n");
        let mut ironpxe = start()?;
        site.boot(UNCHANGED)?.is(Boot::Ironic)?;
        site.boot(RACK_1)?.is(Boot::Ironpxe)?;
        site.boot(DIRECT)?.is(Boot::Ironpxe)?;

        // ironpxe is killed. Whatever comes in its place knows as much.
        ironpxe.kill()?;
        site.boot(RACK_1)?.is(Boot::Ironic)?;
        site.boot(DIRECT)?.is(Boot::Nothing)?;
        drop(ironpxe);
        let ironpxe = start()?;
        site.boot(RACK_1)?.is(Boot::Ironpxe)?;
        site.boot(DIRECT)?.is(Boot::Ironpxe)?;

        // The conductor is killed; the web server beside it still has its files.
        site.ironic.kill()?;
        site.boot(UNCHANGED)?.is(Boot::Ironic)?;
        site.boot(RACK_1)?.is(Boot::Ironpxe)?;

        // Its nodes move to another conductor, and there an operator deletes the instances.
        let other = IronicServer::start(
            &venv()?,
            IronicOptions {
                lan: Some(lan.clone()),
                shares: Shares::Another,
                http_url: format!("http://{HOST}:8089"),
                ..options
            },
        )?;
        let client = other.client()?;
        for node in [RACK_1, UNCHANGED, DIRECT] {
            eventually("the node has moved to the other conductor", || {
                let conductor = client.node(node.name)?.get("conductor").cloned();
                Ok(conductor.as_ref().and_then(Value::as_str) == Some(&other.name()))
            })?;
            client.walk(node.name, &[("deleted", "available")])?;
        }
        // The file of the first conductor is still there, and boots an instance that is no more.
        site.boot(UNCHANGED)?.is(Boot::Ironic)?;
        for node in [RACK_1, DIRECT] {
            let console = site.boot(node)?.is(Boot::Nothing)?;
            ensure!(console.contains("available"), "{console}");
        }
        for node in [RACK_1, UNCHANGED, DIRECT] {
            site.deploy_again(&client, node)?;
        }
        site.boot(RACK_1)?.is(Boot::Ironpxe)?;

        // Now the web server is lost, too, whose address the DHCP server still names.
        site.web = None;
        site.boot(UNCHANGED)?.is(Boot::Nothing)?;
        site.boot(RACK_1)?.is(Boot::Nothing)?;
        site.boot(DIRECT)?.is(Boot::Ironpxe)?;
        drop(ironpxe);
        Ok(())
    })
}
