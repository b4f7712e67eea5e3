//! One round of load: wrk asks for scripts of random nodes over 64 connections.

use std::{
    fs,
    io::{BufWriter, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{
    names::Key,
    process::{self, Usage},
};

/// Where the load goes, and how a node is named in the path.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) before: &'static str,
    pub(super) key: Key,
    pub(super) after: &'static str,
    /// The processes to account for, each with all it started.
    pub(super) processes: Vec<(&'static str, u32)>,
    /// The database server behind them, if it is a process of its own.
    pub(super) database: Option<u32>,
}

impl Target {
    pub(super) fn path(&self, index: u32) -> String {
        format!("{}{}{}", self.before, self.key.of(index), self.after)
    }
}

pub(super) struct Load {
    folder: PathBuf,
    nodes: u32,
    time: Duration,
}

/// What one server did in one round.
pub(super) struct Round {
    pub(super) requests: f64,
    pub(super) requests_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    /// What each process used; the processor time is for one request, in microseconds.
    pub(super) processes: Vec<(&'static str, Usage)>,
    /// The same of the database server; nothing where there is none.
    pub(super) database: Usage,
    /// How much of the machine was taken by programs that are neither the server nor wrk.
    pub(super) others_percent: f64,
    /// Answers whose status said that something is wrong.
    pub(super) refused: f64,
    /// Connections that failed, and answers that never came.
    pub(super) broken: f64,
}

impl Round {
    /// Of all processes together, for one request, without the database server's.
    pub(super) fn cpu_micros(&self) -> f64 {
        self.processes
            .iter()
            .map(|(_, it)| it.cpu_seconds)
            .sum::<f64>()
            * 1e6
    }

    pub(super) fn database_cpu_micros(&self) -> f64 {
        self.database.cpu_seconds * 1e6
    }

    pub(super) fn rss_mib(&self) -> f64 {
        self.processes.iter().map(|(_, it)| it.rss_mib).sum()
    }

    pub(super) fn pss_mib(&self) -> f64 {
        self.processes.iter().map(|(_, it)| it.pss_mib).sum()
    }

    pub(super) fn failed(&self) -> f64 {
        self.refused + self.broken
    }

    pub(super) fn json(&self) -> Value {
        let usage = |it: &Usage| {
            json!({
                "cpu_micros_per_request": it.cpu_seconds * 1e6,
                "rss_mib": it.rss_mib,
                "pss_mib": it.pss_mib,
            })
        };
        let processes: serde_json::Map<String, Value> = self
            .processes
            .iter()
            .map(|(name, it)| ((*name).to_owned(), usage(it)))
            .collect();
        json!({
            "requests": self.requests,
            "requests_per_second": self.requests_per_second,
            "p50_ms": self.p50_ms,
            "p99_ms": self.p99_ms,
            "p999_ms": self.p999_ms,
            "processes": processes,
            "database": usage(&self.database),
            "others_percent": self.others_percent,
            "non_2xx": self.refused,
            "socket_errors": self.broken,
        })
    }
}

impl Load {
    /// Load on the first `nodes` nodes, for `time` in each round. Its files are in `folder`.
    pub(super) fn new(folder: &Path, nodes: u32, time: Duration) -> Result<Self> {
        fs::create_dir_all(folder).context("cannot create a folder")?;
        fs::write(folder.join("boot.lua"), include_str!("boot.lua"))
            .context("cannot write the load script")?;
        Ok(Self {
            folder: folder.to_owned(),
            nodes,
            time,
        })
    }

    /// Warms the server up for a second, then measures.
    pub(super) fn run(&self, target: &Target) -> Result<Round> {
        let (names, width) = self.names(target.key)?;
        let wrk = |time| self.wrk(target, &names, width, time);
        wrk(Duration::from_secs(1))?;
        let machine_before = process::machine()?;
        let before = usages(target)?;
        let database = |pid: Option<u32>| pid.map_or(Ok(Usage::default()), process::usage);
        let database_before = database(target.database)?;
        let result = wrk(self.time)?;
        let after = usages(target)?;
        let database_after = database(target.database)?;
        let machine = process::machine()?;
        let number = |name: &str| {
            result
                .get(name)
                .and_then(Value::as_f64)
                .with_context(|| format!("wrk gave no {name}"))
        };
        let requests = number("requests")?;
        if requests < 1.0 {
            bail!("{} answered nothing", target.address);
        }
        let per_request = |before: Usage, after: Usage| Usage {
            cpu_seconds: (after.cpu_seconds - before.cpu_seconds) / requests,
            ..after
        };
        let processes: Vec<_> = before
            .iter()
            .zip(after)
            .map(|((name, before), (_, after))| (*name, per_request(*before, after)))
            .collect();
        let database = per_request(database_before, database_after);
        let served: f64 = processes.iter().map(|(_, it)| it.cpu_seconds).sum::<f64>() * requests;
        let wrk = machine.ended_children - machine_before.ended_children;
        let busy = machine.busy - machine_before.busy;
        let total = machine.total - machine_before.total;
        let others = busy - served - database.cpu_seconds * requests - wrk;
        Ok(Round {
            requests,
            requests_per_second: requests / (number("micros")? / 1e6),
            p50_ms: number("p50")? / 1e3,
            p99_ms: number("p99")? / 1e3,
            p999_ms: number("p999")? / 1e3,
            processes,
            database,
            others_percent: (others / total * 100.0).max(0.0),
            refused: number("refused")?,
            broken: number("broken")?,
        })
    }

    /// The file with all names of a kind, and how long its lines are.
    fn names(&self, key: Key) -> Result<(PathBuf, usize)> {
        let kind = match key {
            Key::Address => "addresses",
            Key::FileName => "files",
            Key::Uuid => "uuids",
        };
        let path = self.folder.join(format!("{kind}-{}", self.nodes));
        if !path.exists() {
            let file = fs::File::create(&path).context("cannot write names")?;
            let mut out = BufWriter::new(file);
            for index in 0..self.nodes {
                writeln!(out, "{}", key.of(index)).context("cannot write names")?;
            }
            out.flush().context("cannot write names")?;
        }
        Ok((path, key.of(0).len() + 1))
    }

    fn wrk(&self, target: &Target, names: &Path, width: usize, time: Duration) -> Result<Value> {
        let mut child = Command::new("wrk")
            .args(["--threads", "2", "--connections", "64", "--timeout", "5s"])
            .arg(format!("--duration={}s", time.as_secs()))
            .arg("--script")
            .arg(self.folder.join("boot.lua"))
            .arg(format!("http://{}", target.address))
            .args(["--", target.before, target.after])
            .arg(names)
            .arg(width.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run wrk")?;
        let limit = time + Duration::from_secs(30);
        let start = Instant::now();
        // wrk prints a screenful at its end, which the pipe holds until it is read.
        let status = loop {
            if let Some(status) = child.try_wait().context("cannot wait for wrk")? {
                break status;
            }
            if start.elapsed() > limit {
                let _ = child.kill();
                let _ = child.wait();
                bail!("wrk did not end within {} s", limit.as_secs());
            }
            thread::sleep(Duration::from_millis(20));
        };
        let mut text = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout
                .read_to_string(&mut text)
                .context("cannot read what wrk printed")?;
        }
        text.lines()
            .find_map(|line| line.strip_prefix("RESULT "))
            .and_then(|line| serde_json::from_str(line).ok())
            .with_context(|| format!("wrk ended with {status} and without a result:\n{text}"))
    }
}

pub(super) fn usages(target: &Target) -> Result<Vec<(&'static str, Usage)>> {
    let one = |(name, pid): &(&'static str, u32)| Ok((*name, process::usage(*pid)?));
    target.processes.iter().map(one).collect()
}
