//! `cargo xtask bench`: what ironpxe costs, beside nginx sending the same bytes from disk.
//!
//! Each part measures one thing and is a module; `docs/performance.md` says how, and what the
//! figures mean. All of it stays on the loopback address. What comes out is printed as Markdown,
//! and written with every round's figures to `target/bench`.

mod api;
mod boot;
mod client;
mod contestants;
mod figures;
mod growth;
mod http;
mod ironpxe;
mod load;
mod names;
mod nginx;
mod process;
mod running;
mod store;

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Map, Value, json};

use crate::{
    packages, postgres,
    shell::{self, step},
};
use boot::Outcome;
use contestants::{Kind, Stage};
use load::Load;

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
    if args.boot || !args.growth {
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
    report.finish()
}

fn boot_requests(args: &BenchArgs, ironpxe: &Path, nginx: &Path) -> Result<Outcome> {
    use clap::ValueEnum;
    let kinds = match args.only.as_slice() {
        [] => Kind::value_variants(),
        some => some,
    };
    let scratch = tempfile::tempdir().context("cannot create a scratch folder")?;
    let stage = Stage {
        ironpxe,
        nginx,
        folder: scratch.path(),
        nodes: args.nodes,
        cores: None,
    };
    let title = format!("{} contestants with {} nodes", kinds.len(), args.nodes);
    let field = step(&title, || stage.start(kinds))?;
    let time = Duration::from_secs(args.seconds);
    let load = Load::new(&scratch.path().join("load"), args.nodes, time)?;
    let title = format!("{} rounds of {} s for each", args.rounds, args.seconds);
    step(&title, || boot::run(&field, &load, args.rounds, args.nodes))
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
        let folder = shell::target().join("bench");
        fs::create_dir_all(&folder).context("cannot create the results folder")?;
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
