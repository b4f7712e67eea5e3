//! What ironpxe costs, beside nginx sending the same bytes from disk: `cargo xtask bench`.
//!
//! Each comparison is a module; `docs/performance.md` says how it is made, and what the figures mean. All
//! of it stays on the loopback address. Figures are ratios of what runs side by side, in turns.
#![expect(clippy::print_stdout, reason = "a command for a terminal; printing is what it does")]

mod beside;
mod boot;
mod changes;
mod client;
mod figures;
mod growth;
mod images;
mod ironic;
mod load;
mod names;
mod servers;
mod store;
mod storm;
mod usage;
mod variants;
mod wrk;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use variants::{Setup, Template, Variant};

/// A table of the report.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Comparison {
    /// Boot requests: how many, what they cost, memory, start-up
    Boot,
    /// The same as databases grow
    Growth,
    /// Latency as load rises to four times what can be answered
    Load,
    /// Machines that all boot while operators change nodes
    Storm,
    /// Images on their way to machines
    Images,
    /// What operators do: enrol, patch, change states
    Changes,
    /// The same calls, with real Ironic beside
    Ironic,
    #[value(skip)]
    Beside,
}

/// Measures ironpxe beside nginx; see docs/performance.md.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Bench {
    /// What to measure
    #[arg(value_enum, default_values = ["boot"])]
    comparisons: Vec<Comparison>,
    /// Instead, the boot scripts of the nodes of a real Ironic, from each source, compared with nginx
    /// that serves the files which Ironic wrote
    #[arg(long, conflicts_with = "comparisons")]
    beside: bool,
    /// A look at everything in seconds, not for figures: one round of 1 s, few nodes
    #[arg(long)]
    quick: bool,
    /// How long each server takes load in each round
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many rounds; the report has their medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// How many nodes, with one port each
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    nodes: u32,
    /// The variants, if not the usual ones
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Variant>,
    /// The numbers of nodes for `growth`
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000, 1_000_000])]
    sizes: Vec<u32>,
    /// How many machines boot in the storm
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1000..=60_000))]
    machines: u32,
    /// How many changes operators make a second meanwhile
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    changes_per_second: u32,
    /// Measure this executable, instead of building one
    #[arg(long, value_name = "FILE")]
    ironpxe: PathBuf,
    /// Measure these executables in the same run, too, each in one process with the SQLite store
    #[arg(long, value_name = "FILE")]
    compare: Vec<PathBuf>,
    /// nginx
    #[arg(long, value_name = "FILE", hide = true)]
    nginx: PathBuf,
    /// A Python environment with Ironic
    #[arg(long, value_name = "FOLDER", hide = true)]
    ironic_venv: Option<PathBuf>,
    /// Where the report goes
    #[arg(long, value_name = "FOLDER", hide = true)]
    results: PathBuf,
}

impl Bench {
    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The variants that were chosen, or else `usual`, or else all.
    fn variants(&self, usual: &[Variant]) -> Vec<Variant> {
        let lists = [self.only.as_slice(), usual, Variant::value_variants()];
        let mut variants = lists.into_iter().find(|it| !it.is_empty()).unwrap_or_default().to_vec();
        variants.sort_unstable();
        variants.dedup();
        variants
    }

    /// The same without nginx, of which usually not all take part.
    fn ironpxes(&self) -> Vec<Variant> {
        let mut variants = self.variants(&[Variant::Embedded, Variant::Postgres]);
        variants.retain(|it| it.is_ironpxe());
        variants
    }

    fn setup<'a>(&'a self, template: Template<'a>) -> Setup<'a> {
        Setup { bench: self, nodes: self.nodes, template, cores: None, settings: Vec::new() }
    }

    /// The Python environment with Ironic.
    fn venv(&self) -> Result<&Path> {
        self.ironic_venv.as_deref().context("no Ironic is installed")
    }

    fn measure(&self, comparison: Comparison) -> Result<(&'static str, String)> {
        Ok(match comparison {
            Comparison::Boot => ("Boot requests", boot::run(self)?),
            Comparison::Growth => ("More and more nodes", growth::run(self)?),
            Comparison::Load => ("Rising load and overload", load::run(self)?),
            Comparison::Storm => ("A boot storm", storm::run(self)?),
            Comparison::Images => ("Images", images::run(self)?),
            Comparison::Changes => ("What operators do", changes::run(self, None)?),
            Comparison::Ironic => ("What operators do", changes::run(self, Some(self.venv()?))?),
            Comparison::Beside => ("Beside Ironic", beside::run(self, self.venv()?)?),
        })
    }

    /// The machine, and the versions of all programs.
    fn about(&self) -> Result<String> {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find(|it| it.starts_with("model name")).unwrap_or_default();
        let mut text = format!("* {} processors; {cpu}\n", std::thread::available_parallelism()?);
        let postgres = ironpxe_testkit::postgres::binaries()?.join("postgres");
        for program in [&self.ironpxe, &self.nginx, &postgres] {
            // nginx writes to standard error.
            let output = Command::new(program).arg("-V").output()?;
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            writeln!(text, "* {}", said.lines().next().unwrap_or("unknown").trim())?;
        }
        Ok(text)
    }
}

fn main() -> Result<()> {
    let mut bench = Bench::parse();
    if bench.quick {
        (bench.seconds, bench.rounds, bench.nodes) = (1, 1, 1000);
        (bench.machines, bench.sizes) = (1000, vec![1000, 2000]);
    }
    if bench.beside {
        bench.comparisons = vec![Comparison::Beside];
    }
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot open many files")?;
    fs::create_dir_all(&bench.results).context("cannot create the folder for results")?;
    let mut report = bench.about()?;
    for comparison in &bench.comparisons {
        let (title, text) = bench.measure(*comparison)?;
        println!("\n## {title}\n\n{text}");
        write!(report, "\n## {title}\n\n{text}")?;
        // After each, so that a long run that is broken off leaves what it had.
        fs::write(bench.results.join("report.md"), &report).context("cannot write the report")?;
    }
    Ok(())
}
