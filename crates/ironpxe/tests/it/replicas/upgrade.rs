//! A rolling upgrade with two real releases: the one before the newest change of the tables, and
//! this one. Machines boot throughout.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::postgres::Postgres;
use ironpxe_testkit::server::{Server, ServerOptions};

use super::chaos::{KERNEL_SIZE, enough, enrol};
use super::fleet::{Fleet, Report};

/// The executable of the release before. `cargo xtask test --full` builds it from the project's
/// history.
const VARIABLE: &str = "IRONPXE_TEST_PREVIOUS";
const REPLICAS: usize = 3;

/// The executable before the newest migration, and this one.
struct Releases {
    old: PathBuf,
    new: PathBuf,
}

impl Releases {
    /// `None`, and a word about it, where there was no history to build the old one from.
    fn find() -> Option<Self> {
        let Some(old) = std::env::var_os(VARIABLE).map(PathBuf::from) else {
            eprintln!("!!! SKIPPED: {VARIABLE} names no executable");
            return None;
        };
        let new = PathBuf::from(env!("CARGO_BIN_EXE_ironpxe"));
        Some(Self { old, new })
    }
}

fn db(binary: &Path, verb: &str, url: &str) -> Result<String> {
    let output = Command::new(binary)
        .args(["db", verb])
        .env("IRONPXE_DATABASE__CONNECTION", url)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(output.status.success(), "db {verb}: {said}");
    Ok(said)
}

#[test]
#[ignore = "needs the release before, which `cargo xtask test --full` builds"]
fn rolling_upgrade_of_replicas_keeps_machines_booting() -> Result<()> {
    let Some(releases) = Releases::find() else {
        return Ok(());
    };
    let postgres = Postgres::shared().context("there is no PostgreSQL")?;
    let database = postgres.create_database(None)?;
    let url = postgres.url(&database);
    db(&releases.old, "upgrade", &url)?;

    let options = (0..REPLICAS)
        .map(|number| {
            let port = Server::free_port()?;
            Ok(ServerOptions::default()
                .listen(format!("127.0.0.1:{port}"))
                .database(&url)
                .set("IRONPXE_DEFAULT__HOST", format!("replica-{number}"))
                .set("IRONPXE_API__PUBLIC_ENDPOINT", "http://boot.example:6385"))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut servers = options
        .iter()
        .map(|options| Server::start(&releases.old, options))
        .collect::<Result<Vec<_>>>()?;
    let apis: Vec<String> = servers.iter().map(|it| it.base_url().to_owned()).collect();

    let images = ImageServer::start()?;
    images.serve("/kernel", vec![b'k'; KERNEL_SIZE]);
    let operators = apis
        .iter()
        .map(|api| Ironic::new(api))
        .collect::<Result<Vec<_>>>()?;
    let first = operators.first().context("no replica")?;
    let (node, machines) = enrol(first, &images.local_url("/kernel"))?;
    let changing = machines.iter().find_map(|it| it.register.as_ref());
    let changing = changing.context("nothing changes")?;
    let change = || {
        for operator in &operators {
            changing.write(operator, &node);
            std::thread::sleep(Duration::from_millis(20));
        }
    };

    let fleet = Fleet::new(&machines, apis.clone());
    let mut report = Report::default();
    fleet.boot_while(3, change, |fleet| {
        let mut done = |what| -> Result<()> {
            enough(fleet).context(what)?;
            report.0.push((what, fleet.take_tally()));
            Ok(())
        };
        done("the old release alone")?;
        let said = db(&releases.new, "upgrade", &url)?;
        ensure!(said.contains(": done"), "{said}");
        done("the old release on the new tables")?;
        let steps = ["one of three is new", "two of three are new", "all are new"];
        for ((server, options), what) in servers.iter_mut().zip(&options).zip(steps) {
            ensure!(server.terminate()?.success(), "it did not end well");
            *server = Server::start(&releases.new, options)?;
            done(what)?;
        }
        // And back, as long as nothing needs what only the new one knows.
        let (server, options) = servers.first_mut().zip(options.first()).context("none")?;
        ensure!(server.terminate()?.success(), "it did not end well");
        *server = Server::start(&releases.old, options)?;
        ensure!(!server.log_with("newer than this program").is_empty());
        done("one of three is old again")
    })?;

    eprintln!("{report}\n{} changes were acknowledged.", changing.count());
    for (what, tally) in &report.0 {
        ensure!(tally.wrong_count == 0, "{what}: {:#?}", tally.wrong);
        ensure!(
            tally.ask_again + tally.nothing == 0,
            "{what}: a machine noticed\n{report}"
        );
    }
    drop(servers);
    postgres.drop_database(&database)
}
