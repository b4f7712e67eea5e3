//! One round of load: wrk asks for scripts of random nodes over 64 connections that stay open.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::names::mac;
use crate::servers::Target;
use crate::usage::Usage;

/// What one server did in one round.
pub(crate) struct Round {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    /// Processor time is for one request.
    pub(crate) server: Usage,
    /// The same of the database server; nothing where there is none.
    pub(crate) database: Usage,
    /// Answers that were not 2xx, connections that failed, and answers that never came.
    pub(crate) failed: f64,
}

/// Load on the first `nodes` nodes.
pub(crate) struct Load {
    folder: PathBuf,
    time: Duration,
    /// The processors that wrk gets, as `taskset` takes them; all, if not given.
    cores: Option<String>,
}

impl Load {
    /// `time` for each round. Its files are in `folder`.
    pub(crate) fn new(
        folder: &Path,
        nodes: u32,
        time: Duration,
        cores: Option<&str>,
    ) -> Result<Self> {
        fs::create_dir_all(folder).context("cannot create a folder")?;
        fs::write(folder.join("boot.lua"), include_str!("boot.lua"))
            .context("cannot write the script")?;
        let names: String = (0..nodes).map(|node| mac(node) + "\n").collect();
        fs::write(folder.join("names"), names).context("cannot write names")?;
        Ok(Self { folder: folder.to_owned(), time, cores: cores.map(str::to_owned) })
    }

    /// Warms the server up for a second, then measures.
    pub(crate) fn run(&self, target: &Target) -> Result<Round> {
        self.wrk(target, Duration::from_secs(1))?;
        let (before, database) = (target.usage()?, target.database_usage()?);
        let result = self.wrk(target, self.time)?;
        let (after, database_after) = (target.usage()?, target.database_usage()?);
        let figure = |name: &str| {
            let value = result.get(name).and_then(Value::as_f64);
            value.with_context(|| format!("wrk gave no {name}"))
        };
        let requests = figure("requests")?;
        ensure!(requests >= 1.0, "{} answered nothing", target.address);
        let per_request = |before: Usage, after: Usage| {
            let cpu = (after.cpu - before.cpu) / requests;
            Usage { cpu, ..after }
        };
        Ok(Round {
            per_second: requests / (figure("micros")? / 1e6),
            p50_ms: figure("p50")? / 1e3,
            p99_ms: figure("p99")? / 1e3,
            p999_ms: figure("p999")? / 1e3,
            server: per_request(before, after),
            database: per_request(database, database_after),
            failed: figure("refused")? + figure("broken")?,
        })
    }

    fn wrk(&self, target: &Target, time: Duration) -> Result<Value> {
        // It ends by itself unless something is wrong.
        let mut command = Command::new("timeout");
        command.arg((time.as_secs() + 30).to_string());
        if let Some(cores) = &self.cores {
            command.args(["taskset", "--cpu-list", cores]);
        }
        command.args(["wrk", "--threads", "2", "--connections", "64", "--timeout", "5s"]);
        command.arg(format!("--duration={}s", time.as_secs()));
        command.arg("--script").arg(self.folder.join("boot.lua"));
        command.arg(format!("http://{}", target.address));
        command.args(["--", target.before, target.after]).arg(self.folder.join("names"));
        let output = command.stdin(Stdio::null()).output().context("cannot run wrk")?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines()
            .find_map(|line| serde_json::from_str(line.strip_prefix("RESULT ")?).ok())
            .with_context(|| {
                format!("wrk ended with {} and without a result:\n{text}", output.status)
            })
    }
}
