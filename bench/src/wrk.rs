//! One round of load: wrk asks again and again over connections that stay open, mostly for scripts of
//! random nodes.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use crate::figures::{median, shown};
use crate::names::mac;
use crate::servers::Target;
use crate::usage::Usage;

/// What wrk has seen; `boot.lua` prints it.
#[derive(Deserialize)]
pub(crate) struct Summary {
    pub(crate) requests: f64,
    /// Of all answers, whether they were whole by the end or not.
    pub(crate) bytes: f64,
    pub(crate) seconds: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    /// Answers that were not 2xx, connections that failed, and answers that never came.
    pub(crate) failed: f64,
}

/// What one server did in one round.
pub(crate) struct Round {
    pub(crate) wrk: Summary,
    /// Processor time is for one request.
    pub(crate) server: Usage,
    /// The same of the database server; nothing where there is none.
    pub(crate) database: Usage,
}

/// A figure of a round: its heading, and its digits after the point.
type Figure = (&'static str, fn(&Round) -> f64, usize);
const FIGURES: [Figure; 8] = [
    ("requests per second", Round::per_second, 0),
    ("server CPU per request, µs", |it| it.server.cpu * 1e6, 1),
    ("database server CPU per request, µs", |it| it.database.cpu * 1e6, 1),
    ("latency p50, ms", |it| it.wrk.p50_ms, 2),
    ("latency p99, ms", |it| it.wrk.p99_ms, 2),
    ("latency p99.9, ms", |it| it.wrk.p999_ms, 2),
    ("memory (RSS), MiB", |it| it.server.rss, 1),
    ("memory (PSS), MiB", |it| it.server.pss, 1),
];

impl Round {
    /// What was done, and what the servers have used meanwhile.
    pub(crate) fn of(target: &Target, work: impl FnOnce() -> Result<Summary>) -> Result<Self> {
        let (server, database) = (target.usage()?, target.database_usage()?);
        let wrk = work()?;
        ensure!(wrk.requests >= 1.0, "{} answered nothing", target.address);
        let per_request = |before: Usage, after: Usage| {
            let cpu = (after.cpu - before.cpu) / wrk.requests;
            Usage { cpu, ..after }
        };
        let server = per_request(server, target.usage()?);
        let database = per_request(database, target.database_usage()?);
        Ok(Self { wrk, server, database })
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.wrk.requests / self.wrk.seconds
    }

    /// The medians of all rounds, as cells of a table, with their ratio to those of `baseline`.
    pub(crate) fn cells(rounds: &[Self], baseline: Option<&[Self]>) -> Vec<(&'static str, String)> {
        let cell = |(heading, figure, digits): Figure| {
            let value = median(rounds, figure);
            let base = baseline.map(|it| median(it, figure)).filter(|it| *it > 0.0);
            let ratio = base.map(|base| format!(" (×{:.2})", value / base));
            (heading, shown(value, digits) + &ratio.unwrap_or_default())
        };
        let failed = rounds.iter().map(|it| it.wrk.failed).sum();
        let mut cells = Vec::from(FIGURES.map(cell));
        cells.push(("failed requests, all rounds", shown(failed, 0)));
        cells
    }
}

/// Requests, and how long they are made in each round.
pub(crate) struct Load {
    /// Of wrk's script, and of the names that it reads.
    folder: TempDir,
    connections: u32,
    time: Duration,
}

impl Load {
    /// For scripts of the first `nodes` nodes.
    pub(crate) fn of_scripts(nodes: u32, time: Duration) -> Result<Self> {
        let names: String = (0..nodes).map(|node| mac(node) + "\n").collect();
        Self::new(&names, 64, time)
    }

    /// `names` are lines, all of one length, of which a random one comes into the path of each request.
    pub(crate) fn new(names: &str, connections: u32, time: Duration) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("boot.lua"), include_str!("boot.lua"))?;
        fs::write(folder.path().join("names"), names)?;
        Ok(Self { folder, connections, time })
    }

    /// Warms the server up for a second, then measures.
    pub(crate) fn run(&self, target: &Target) -> Result<Round> {
        self.wrk(target, Duration::from_secs(1))?;
        Round::of(target, || self.wrk(target, self.time))
    }

    fn wrk(&self, target: &Target, time: Duration) -> Result<Summary> {
        // It ends by itself unless something is wrong.
        let mut command = Command::new("timeout");
        command.arg((time.as_secs() + 30).to_string());
        command.args(["wrk", "--threads", "2", "--timeout", "5s"]);
        command.arg(format!("--connections={}", self.connections));
        command.arg(format!("--duration={}s", time.as_secs()));
        command.arg("--script").arg(self.folder.path().join("boot.lua"));
        command.arg(format!("http://{}", target.address));
        command.args(["--", &target.before, target.after]).arg(self.folder.path().join("names"));
        let output = command.stdin(Stdio::null()).output().context("cannot run wrk")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let summary = text.lines().find_map(|line| line.strip_prefix("RESULT "));
        let summary = summary.with_context(|| format!("wrk ended with {}:\n{text}", output.status));
        serde_json::from_str(summary?).context("wrk printed another result")
    }
}
