//! `cargo xtask bench`: what ironpxe costs, beside nginx sending the same bytes from disk.
//!
//! Each part measures one thing and is a module; `docs/performance.md` says how, and what the
//! figures mean. All of it stays on the loopback address. What comes out is printed as Markdown,
//! and written with every round's figures to `target/bench`.

mod api;
mod boot;
mod changes;
mod client;
mod connection;
mod contestants;
mod expected;
mod figures;
mod growth;
mod http;
mod images;
mod ironpxe;
mod load;
mod names;
mod nginx;
mod operators;
mod overload;
mod pace;
mod plot;
mod process;
mod real_ironic;
mod report;
mod rising;
mod running;
mod store;
mod storm;
mod weather;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{packages, postgres, shell::step};
use api::Template;
use boot::Outcome;
use changes::Service;
use clap::ValueEnum as _;
use contestants::{Field, Kind, Stage};
use load::Load;
use pace::Halves;
use real_ironic::RealIronic;
use report::Report;

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct BenchArgs {
    /// How long each server takes load in each round.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many rounds; the report holds their medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// How many nodes, with one port each.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    nodes: u32,
    /// The contestants for boot requests; all, if not given.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Boot requests per second, and what they cost. This is measured if nothing else is asked for.
    #[arg(long)]
    boot: bool,
    /// How script latency, memory and start-up grow with the number of nodes.
    #[arg(long)]
    growth: bool,
    /// The numbers of nodes for `--growth`.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000, 1_000_000])]
    sizes: Vec<u32>,
    /// Thousands of machines that boot at once while operators change nodes.
    #[arg(long)]
    storm: bool,
    /// How many machines boot in the storm.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    machines: u32,
    /// How many changes operators make a second meanwhile.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    changes_per_second: u32,
    /// Four times as many requests as can be answered.
    #[arg(long)]
    overload: bool,
    /// Latency under rising load, with a drawing.
    #[arg(long)]
    rising: bool,
    /// What operators do: enrolling, patching, changing states.
    #[arg(long)]
    changes: bool,
    /// The same calls to real Ironic; implies `--changes`. Installs it from its packages.
    #[arg(long)]
    with_ironic: bool,
    /// Images on their way to machines, from a file and from another server.
    #[arg(long)]
    images: bool,
    /// Measure this executable, instead of building one.
    #[arg(long, value_name = "FILE")]
    ironpxe: Option<PathBuf>,
    /// Everything, but for real Ironic.
    #[arg(long)]
    all: bool,
}

impl BenchArgs {
    /// The contestants that were chosen, or else `usual`.
    fn kinds(&self, usual: &[Kind]) -> Vec<Kind> {
        match self.only.as_slice() {
            [] => usual.to_vec(),
            some => some.to_vec(),
        }
    }

    fn changes(&self) -> bool {
        self.changes || self.with_ironic || self.all
    }

    fn anything_else(&self) -> bool {
        self.growth || self.storm || self.overload || self.rising || self.images || self.changes()
    }
}

/// Builds, fills, measures, reports.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    let nginx = step("nginx, wrk, SQLite's shell and PostgreSQL", || {
        packages::ensure(&["wrk", "sqlite3"])?;
        postgres::ensure()?;
        packages::unpack("nginx", "usr/sbin/nginx")
    })?;
    let binary = match &args.ironpxe {
        Some(binary) => fs::canonicalize(binary).context("no such executable")?,
        None => step("building ironpxe", ironpxe::build)?,
    };
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot open many files")?;

    let mut report = Report::new(&binary, &nginx);
    if args.boot || args.all || !args.anything_else() {
        report.add(
            "boot",
            "Boot requests",
            &boot_requests(args, &binary, &nginx)?,
        )?;
    }
    if args.growth || args.all {
        let growth = growth::Growth {
            ironpxe: &binary,
            nginx: &nginx,
            sizes: &args.sizes,
            time: Duration::from_secs(args.seconds),
            rounds: args.rounds,
        };
        let outcome = step("growing databases", || growth.run())?;
        report.add("growth", "More and more nodes", &outcome)?;
    }
    if args.rising || args.all {
        let title = "Latency under rising load";
        let (outcome, drawing) = step(title, || {
            let (halves, time) = (Halves::new()?, Duration::from_secs(args.seconds));
            with_field(args, &binary, &nginx, COMPARED, &halves, |field| {
                rising::run(field, &halves, args.nodes, time)
            })
        })?;
        report.add("rising", title, &outcome)?;
        fs::write(report::results()?.join("latency.svg"), drawing)
            .context("cannot write the drawing")?;
    }
    if args.overload || args.all {
        let outcome = step("four times too much", || {
            let (halves, time) = (Halves::new()?, Duration::from_secs(args.seconds));
            with_field(args, &binary, &nginx, COMPARED, &halves, |field| {
                overload::run(field, &halves, args.nodes, time)
            })
        })?;
        report.add("overload", "Overload", &outcome)?;
    }
    if args.storm || args.all {
        let (outcome, wrong) = step("the storm", || {
            storm::run(&storm::Plan {
                ironpxe: &binary,
                nginx: &nginx,
                kinds: args.kinds(&[Kind::Embedded, Kind::Postgres]),
                machines: args.machines,
                changes_per_second: args.changes_per_second,
            })
        })?;
        report.add("storm", "A boot storm", &outcome)?;
        ensure!(wrong == 0, "{wrong} scripts were wrong");
    }
    if args.images || args.all {
        let plan = images::Plan {
            ironpxe: &binary,
            nginx: &nginx,
            time: Duration::from_secs(args.seconds),
            rounds: args.rounds,
        };
        let outcome = step("images", || images::run(&plan))?;
        report.add("images", "Images", &outcome)?;
    }
    if args.changes() {
        let outcome = step("operators' calls", || changes(args, &binary, &nginx))?;
        report.add("changes", "What operators do", &outcome)?;
    }
    report.finish()
}

fn changes(args: &BenchArgs, ironpxe: &Path, nginx: &Path) -> Result<Outcome> {
    let scratch = tempfile::tempdir().context("cannot create a scratch folder")?;
    let stage = Stage {
        ironpxe,
        nginx,
        folder: scratch.path(),
        nodes: 1,
        template: Template::Deploying,
        environment: &[],
        cores: None,
    };
    let mut kinds = args.kinds(&[Kind::Embedded, Kind::Postgres]);
    kinds.retain(|it| it.is_a_server());
    let field = stage.start(&kinds)?;
    let mut services: Vec<Service> = field.all.iter().map(Service::of).collect();
    let ironic = args
        .with_ironic
        .then(|| RealIronic::start(&scratch.path().join("ironic")));
    if let Some(ironic) = &ironic.transpose()? {
        services.push(ironic.service.clone());
        return changes::run(&services, Duration::from_secs(args.seconds));
    }
    changes::run(&services, Duration::from_secs(args.seconds))
}

/// Whose latency and overload are of interest, unless others are chosen.
const COMPARED: &[Kind] = &[Kind::Nginx, Kind::Embedded, Kind::Postgres];

/// Starts contestants on their half of the processors.
fn with_field<T>(
    args: &BenchArgs,
    ironpxe: &Path,
    nginx: &Path,
    usual: &[Kind],
    halves: &Halves,
    work: impl FnOnce(&Field) -> Result<T>,
) -> Result<T> {
    let scratch = tempfile::tempdir().context("cannot create a scratch folder")?;
    let stage = Stage {
        ironpxe,
        nginx,
        folder: scratch.path(),
        nodes: args.nodes,
        template: Template::Deploying,
        environment: &[],
        cores: Some(&halves.servers),
    };
    work(&stage.start(&args.kinds(usual))?)
}

fn boot_requests(args: &BenchArgs, ironpxe: &Path, nginx: &Path) -> Result<Outcome> {
    let kinds = args.kinds(Kind::value_variants());
    let scratch = tempfile::tempdir().context("cannot create a scratch folder")?;
    let stage = Stage {
        ironpxe,
        nginx,
        folder: scratch.path(),
        nodes: args.nodes,
        template: Template::Deploying,
        environment: &[],
        cores: None,
    };
    let title = format!("{} contestants with {} nodes", kinds.len(), args.nodes);
    let field = step(&title, || stage.start(&kinds))?;
    let time = Duration::from_secs(args.seconds);
    let load = Load::new(&scratch.path().join("load"), args.nodes, time)?;
    let title = format!("{} rounds of {} s for each", args.rounds, args.seconds);
    step(&title, || boot::run(&field, &load, args.rounds, args.nodes))
}
