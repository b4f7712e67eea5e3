//! `cargo xtask bench`: what ironpxe costs, beside nginx sending the same bytes from disk.
//!
//! Each part measures one thing and is a module; `docs/performance.md` says how, and what the
//! figures mean. All of it stays on the loopback address. What comes out is printed as Markdown,
//! and written with every round's figures to `target/bench`.

mod api;
mod boot;
mod client;
mod contestants;
mod expected;
mod figures;
mod growth;
mod http;
mod ironpxe;
mod load;
mod names;
mod nginx;
mod operators;
mod overload;
mod pace;
mod plot;
mod process;
mod rising;
mod running;
mod store;
mod storm;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Map, Value, json};

use crate::{
    packages, postgres,
    shell::{self, step},
};
use boot::Outcome;
use clap::ValueEnum as _;
use contestants::{Field, Kind, Stage};
use figures::Table;
use load::Load;
use nginx::Nginx;
use pace::Halves;
use storm::Storm;

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
}

impl BenchArgs {
    /// The contestants that were chosen, or else `usual`.
    fn kinds(&self, usual: &[Kind]) -> Vec<Kind> {
        match self.only.as_slice() {
            [] => usual.to_vec(),
            some => some.to_vec(),
        }
    }

    fn anything_else(&self) -> bool {
        self.growth || self.storm || self.overload || self.rising
    }
}

/// Builds, fills, measures, reports.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    let nginx = step("nginx, wrk, SQLite's shell and PostgreSQL", || {
        packages::ensure(&["wrk", "sqlite3"])?;
        postgres::ensure()?;
        packages::unpack("nginx", "usr/sbin/nginx")
    })?;
    let binary = step("building ironpxe", ironpxe::build)?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot open many files")?;

    let mut report = Report::new(&binary, &nginx);
    if args.boot || !args.anything_else() {
        report.add(
            "boot",
            "Boot requests",
            &boot_requests(args, &binary, &nginx)?,
        )?;
    }
    if args.growth {
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
    if args.rising {
        let title = "Latency under rising load";
        let (outcome, drawing) = step(title, || {
            let (halves, time) = (Halves::new()?, Duration::from_secs(args.seconds));
            with_field(args, &binary, &nginx, COMPARED, &halves, |field| {
                rising::run(field, &halves, args.nodes, time)
            })
        })?;
        report.add("rising", title, &outcome)?;
        fs::write(results()?.join("latency.svg"), drawing).context("cannot write the drawing")?;
    }
    if args.overload {
        let outcome = step("four times too much", || {
            let (halves, time) = (Halves::new()?, Duration::from_secs(args.seconds));
            with_field(args, &binary, &nginx, COMPARED, &halves, |field| {
                overload::run(field, &halves, args.nodes, time)
            })
        })?;
        report.add("overload", "Overload", &outcome)?;
    }
    if args.storm {
        let outcome = step("the storm", || storms(args, &binary, &nginx))?;
        report.add("storm", "A boot storm", &outcome)?;
    }
    report.finish()
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
        cores: Some(&halves.servers),
    };
    work(&stage.start(&args.kinds(usual))?)
}

fn storms(args: &BenchArgs, ironpxe: &Path, nginx: &Path) -> Result<Outcome> {
    let scratch = tempfile::tempdir().context("cannot create a scratch folder")?;
    let folder = scratch.path();
    let files = folder.join("kernels");
    fs::create_dir_all(&files).context("cannot create a folder")?;
    fs::write(files.join("kernel"), vec![0x5a; storm::KERNEL_BYTES])
        .context("cannot write a kernel")?;
    let images = Nginx::start(nginx, &folder.join("images"), &files, false, None)?;
    let stage = Stage {
        ironpxe,
        nginx,
        folder,
        nodes: args.machines,
        cores: None,
    };
    let mut kinds = args.kinds(&[Kind::Embedded, Kind::Postgres]);
    // The others are the same servers, or none that operators could change.
    kinds.retain(|it| it.is_a_server());
    let mut table = Table::new(storm::HEADINGS);
    let mut all = Map::new();
    let mut wrong = Vec::new();
    // One after the other: each has its own nodes, which are changed.
    for kind in kinds {
        let folder = folder.join(kind.key());
        let stage = Stage {
            folder: &folder,
            ..stage
        };
        let field = stage.start(&[kind])?;
        let contestant = field.all.first().context("nobody to ask")?;
        let storm = Storm {
            contestant,
            images: images.address,
            machines: args.machines,
            changes_per_second: args.changes_per_second,
        };
        let weather = storm.run()?;
        table.row(weather.cells(kind.title()));
        all.insert(kind.key().to_owned(), weather.json());
        wrong.extend(weather.wrong);
    }
    let mut markdown = format!(
        "{} machines, 1000 at a time; boot.ipxe, script and a kernel of 1 MiB each; {} changes a \
         second\n\n{}",
        args.machines,
        args.changes_per_second,
        table.into_text()
    );
    for why in wrong.iter().take(5) {
        markdown += &format!("\nWrong: {why}\n");
    }
    Ok(Outcome {
        markdown,
        json: Value::Object(all),
    })
}

fn boot_requests(args: &BenchArgs, ironpxe: &Path, nginx: &Path) -> Result<Outcome> {
    let kinds = args.kinds(Kind::value_variants());
    let scratch = tempfile::tempdir().context("cannot create a scratch folder")?;
    let stage = Stage {
        ironpxe,
        nginx,
        folder: scratch.path(),
        nodes: args.nodes,
        cores: None,
    };
    let title = format!("{} contestants with {} nodes", kinds.len(), args.nodes);
    let field = step(&title, || stage.start(&kinds))?;
    let time = Duration::from_secs(args.seconds);
    let load = Load::new(&scratch.path().join("load"), args.nodes, time)?;
    let title = format!("{} rounds of {} s for each", args.rounds, args.seconds);
    step(&title, || boot::run(&field, &load, args.rounds, args.nodes))
}

/// The folder for what comes out.
fn results() -> Result<PathBuf> {
    let folder = shell::target().join("bench");
    fs::create_dir_all(&folder).context("cannot create the results folder")?;
    Ok(folder)
}

/// What has been measured so far. Each part is printed and written when it is there, so that a
/// long run that is broken off leaves what it had.
struct Report {
    markdown: String,
    json: Map<String, Value>,
}

impl Report {
    fn new(ironpxe: &Path, nginx: &Path) -> Self {
        let version = ironpxe::version;
        let versions = json!({
            "ironpxe": version(ironpxe, "--version"),
            "nginx": version(nginx, "-v"),
            "wrk": version(Path::new("wrk"), "-v"),
            "sqlite3": version(Path::new("sqlite3"), "--version"),
            "postgres": ironpxe_testkit::postgres::binaries()
                .map_or_else(|_| "none".to_owned(), |it| version(&it.join("postgres"), "--version")),
            "rustc": version(Path::new("rustc"), "--version"),
        });
        let machine = figures::machine();
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        let list = |value: &Value| {
            let entries = value.as_object().into_iter().flatten();
            let entries = entries.map(|(name, value)| format!("{name}: {}", text(value)));
            entries.collect::<Vec<_>>().join("; ")
        };
        let markdown = format!(
            "Machine: {}\n\nVersions: {}\n",
            list(&machine),
            list(&versions)
        );
        let mut json = Map::new();
        json.insert("machine".to_owned(), machine);
        json.insert("versions".to_owned(), versions);
        Self { markdown, json }
    }

    fn add(&mut self, key: &str, title: &str, outcome: &Outcome) -> Result<()> {
        println!("\n{}", outcome.markdown);
        self.markdown += &format!("\n## {title}\n\n{}", outcome.markdown);
        self.json.insert(key.to_owned(), outcome.json.clone());
        self.write()
    }

    fn write(&self) -> Result<()> {
        let folder = results()?;
        let text = serde_json::to_string_pretty(&self.json).context("cannot write the results")?;
        fs::write(folder.join("report.json"), text).context("cannot write the results")?;
        fs::write(folder.join("report.md"), &self.markdown).context("cannot write the results")
    }

    fn finish(&self) -> Result<()> {
        self.write()?;
        println!("All figures: target/bench/report.md and target/bench/report.json");
        Ok(())
    }
}
