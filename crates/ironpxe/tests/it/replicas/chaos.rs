//! Everything that can die is killed while machines boot, and no machine gets a wrong script.
//!
//! Three APIs, three conductors and one PostgreSQL; proxies between them inject network faults. An operator
//! goes on changing a node all the while, and no machine may see less than was acknowledged. What
//! each fault cost is printed as a table (`cargo test … chaos -- --nocapture`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::proxy::Mode;
use serde_json::json;

use super::cluster::Cluster;
use super::fleet::{Fleet, Machine, Report};
use super::register::Register;
use crate::app::eventually;

/// How many bytes a machine's kernel has.
pub(super) const KERNEL_SIZE: usize = 100_000;
/// How many APIs and conductors there are.
const REPLICAS: usize = 3;
/// How many machines ask at once.
const AT_ONCE: usize = 6;
/// How many scripts the fleet must get before and after a fault.
const ENOUGH: u64 = 50;

/// What is done to the site, and undone again.
type Fault = fn(&mut Cluster, &dyn Fn()) -> Result<()>;

/// What can break, and whether a machine may notice: it may not where another one of the same kind
/// is there to answer, and nothing that happens to conductors.
const FAULTS: &[(&str, bool, Fault)] = &[
    ("nothing", false, |_, lasts| {
        lasts();
        Ok(())
    }),
    ("kill -9 of an API, restart", false, |it, lasts| {
        it.kill_api(1)?;
        lasts();
        it.start_api(1)
    }),
    ("kill -9 of a conductor, restart", false, |it, lasts| {
        it.kill_conductor(0)?;
        lasts();
        it.start_conductor(0)
    }),
    (
        "kill -9 of two conductors of three, restart",
        false,
        |it, lasts| {
            it.kill_conductor(1)?;
            it.kill_conductor(2)?;
            lasts();
            it.start_conductor(1)?;
            it.start_conductor(2)
        },
    ),
    ("kill -9 of all conductors, restart", false, |it, lasts| {
        for number in 0..REPLICAS {
            it.kill_conductor(number)?;
        }
        lasts();
        (0..REPLICAS).try_for_each(|number| it.start_conductor(number))
    }),
    ("a conductor hangs (SIGSTOP)", false, |it, lasts| {
        it.conductor(1)?.pause()?;
        lasts();
        it.conductor(1)?.resume()
    }),
    ("an API hangs (SIGSTOP)", true, |it, lasts| {
        it.api(2)?.pause()?;
        lasts();
        it.api(2)?.resume()
    }),
    (
        "one conductor cut off from the APIs (silence)",
        false,
        |it, lasts| {
            it.set_conductor_proxy(2, Mode::Blackhole)?;
            lasts();
            it.set_conductor_proxy(2, Mode::Forward)
        },
    ),
    (
        "all conductors cut off from the APIs (silence)",
        false,
        |it, lasts| {
            it.set_conductor_proxies(Mode::Blackhole);
            lasts();
            it.set_conductor_proxies(Mode::Forward);
            Ok(())
        },
    ),
    (
        "all conductors cut off from the APIs (refused)",
        false,
        |it, lasts| {
            it.set_conductor_proxies(Mode::Reset);
            lasts();
            it.set_conductor_proxies(Mode::Forward);
            Ok(())
        },
    ),
    (
        "an API cut off from the database (silence)",
        true,
        |it, lasts| {
            it.set_database_proxy(Mode::Blackhole);
            lasts();
            it.set_database_proxy(Mode::Forward);
            Ok(())
        },
    ),
    (
        "an API cut off from the database (refused)",
        true,
        |it, lasts| {
            it.set_database_proxy(Mode::Reset);
            lasts();
            it.set_database_proxy(Mode::Forward);
            Ok(())
        },
    ),
    ("kill -9 of PostgreSQL, restart", true, |it, lasts| {
        it.postgres().kill()?;
        lasts();
        it.postgres().restart()
    }),
    ("PostgreSQL hangs (SIGSTOP)", true, |it, lasts| {
        it.postgres().pause()?;
        lasts();
        it.postgres().resume()
    }),
];

#[test]
fn no_machine_gets_a_wrong_script_during_short_faults() -> Result<()> {
    chaos(Duration::from_secs(2))
}

/// Longer than any time-out: machines that cannot be served get 503 with `Retry-After`.
#[test]
#[ignore = "cargo xtask test --full: four minutes of faults"]
fn no_machine_gets_a_wrong_script_during_long_faults() -> Result<()> {
    chaos(Duration::from_secs(12))
}

/// Does everything that can be done to a site, each for so long.
fn chaos(fault_lasts: Duration) -> Result<()> {
    let Some(mut cluster) = Cluster::start(REPLICAS)? else {
        return Ok(());
    };
    let images = ImageServer::start()?;
    images.serve("/kernel", vec![b'k'; KERNEL_SIZE]);
    let (node, machines) = enrol(&cluster.operator(0)?, &images.local_url("/kernel"))?;
    let changing = machines.iter().find_map(|it| it.register.as_ref());
    let changing = changing.context("nothing changes")?;
    let operators: Vec<Ironic> = (0..REPLICAS)
        .map(|api| cluster.operator(api))
        .collect::<Result<_>>()?;
    let turn = AtomicUsize::new(0);
    let change = || {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        if let Some(operator) = operators.iter().cycle().nth(turn % REPLICAS) {
            changing.write(operator, &node);
        }
        thread::sleep(Duration::from_millis(20));
    };

    let fleet = Fleet::new(&machines, cluster.apis());
    let mut report = Report::default();
    fleet.boot_while(AT_ONCE, change, |fleet| {
        for (what, _, fault) in FAULTS {
            fault(&mut cluster, &|| thread::sleep(fault_lasts)).context(*what)?;
            served(fleet, &cluster).context(*what)?;
            report.0.push((what, fleet.take_tally()));
        }
        Ok(())
    })?;

    eprintln!(
        "Each fault for {fault_lasts:?}:\n\n{report}\n{} changes were acknowledged.",
        changing.count()
    );
    for ((what, tally), (_, noticed, _)) in report.0.iter().zip(FAULTS) {
        ensure!(tally.wrong_count == 0, "{what}: {:#?}", tally.wrong);
        ensure!(
            *noticed || tally.ask_again + tally.nothing == 0,
            "{what}: a machine noticed\n{report}"
        );
    }
    ensure!(changing.count() > 50, "only {} changes", changing.count());
    Ok(())
}

/// Waits until the site is whole again, and has served some more.
fn served(fleet: &Fleet<'_>, cluster: &Cluster) -> Result<()> {
    eventually("the site has recovered", || Ok(cluster.is_whole()))?;
    enough(fleet)
}

/// Waits until the machines were served some more.
pub(super) fn enough(fleet: &Fleet<'_>) -> Result<()> {
    let before = fleet.right();
    eventually("the machines are served", || {
        Ok(fleet.right() >= before + ENOUGH)
    })
}

/// Machines that wait for their ramdisk, machines whose instance is a ramdisk, and machines
/// of nodes that are only available. Gives the node that may be changed, too.
pub(super) fn enrol(operator: &Ironic, kernel: &str) -> Result<(String, Vec<Machine>)> {
    let mut machines = Vec::new();
    let mut changing = None;
    for number in 0..4 {
        for (kind, deploy_interface, verbs, says) in [
            ("waits", "direct", 3, "wait call-back -> deploy ramdisk"),
            ("runs", "ramdisk", 3, "active -> instance ramdisk"),
            ("rests", "direct", 2, "available"),
        ] {
            let name = format!("{kind}-{number}");
            let node = json!({
                "driver": "fake-hardware",
                "name": name,
                "boot_interface": "ipxe",
                "deploy_interface": deploy_interface,
                "driver_info": {
                    "deploy_kernel": kernel,
                    "deploy_ramdisk": "http://images.example/r",
                    "kernel_append_params": "version=0",
                },
                "instance_info": if deploy_interface == "ramdisk" {
                    json!({"kernel": kernel, "ramdisk": "http://images.example/instance-r"})
                } else {
                    json!({"image_source": "http://images.example/i", "image_checksum": "x"})
                },
                "automated_clean": false,
            });
            let mac = format!("52:54:00:0c:{:02x}:{number:02x}", machines.len());
            let uuid = operator.enrol(&node, &mac)?;
            for verb in ["manage", "provide", "active"].iter().take(verbs) {
                operator.provision(&uuid, verb)?;
                operator.wait_unreserved(&uuid)?;
            }
            let changes = number == 0 && kind == "runs";
            if changes {
                changing = Some(uuid);
            }
            machines.push(Machine {
                mac,
                script: vec![name, says.to_owned()],
                has_kernel: kind != "rests",
                register: changes.then(Register::default),
            });
        }
    }
    Ok((changing.context("no node")?, machines))
}
