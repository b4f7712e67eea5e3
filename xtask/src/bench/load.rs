//! One round of load: wrk asks for scripts of random nodes over 64 connections.

use std::{
    io::Read,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{process, servers::Target};

pub(super) struct Load {
    pub(super) lua: PathBuf,
    pub(super) nodes: u32,
    pub(super) time: Duration,
}

/// What one server did in one round.
pub(super) struct Round {
    pub(super) requests: f64,
    pub(super) requests_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) cpu_micros: f64,
    /// Of the database server, per request; 0 where there is none.
    pub(super) database_cpu_micros: f64,
    pub(super) rss_mib: f64,
    /// How much of the machine was taken by programs that are neither the server nor wrk.
    pub(super) others_percent: f64,
    /// Answers whose status said that something is wrong.
    pub(super) refused: f64,
    /// Connections that failed, and answers that never came.
    pub(super) broken: f64,
}

impl Round {
    pub(super) fn json(&self) -> Value {
        json!({
            "requests": self.requests,
            "requests_per_second": self.requests_per_second,
            "p50_ms": self.p50_ms,
            "p99_ms": self.p99_ms,
            "cpu_micros_per_request": self.cpu_micros,
            "database_cpu_micros_per_request": self.database_cpu_micros,
            "rss_mib": self.rss_mib,
            "others_percent": self.others_percent,
            "non_2xx": self.refused,
            "socket_errors": self.broken,
        })
    }
}

impl Load {
    /// Warms the server up for a second, then measures.
    pub(super) fn run(&self, target: &Target) -> Result<Round> {
        self.wrk(target, Duration::from_secs(1))?;
        let machine_before = process::machine()?;
        let database: Vec<u32> = target.database.into_iter().collect();
        let before = process::usage(&target.pids)?;
        let database_before = process::usage(&database)?;
        let result = self.wrk(target, self.time)?;
        let after = process::usage(&target.pids)?;
        let database_after = process::usage(&database)?;
        let machine = process::machine()?;
        let server = after.cpu_seconds - before.cpu_seconds;
        let database = database_after.cpu_seconds - database_before.cpu_seconds;
        let wrk = machine.ended_children - machine_before.ended_children;
        let busy = machine.busy - machine_before.busy;
        let total = machine.total - machine_before.total;
        let number = |name: &str| {
            result
                .get(name)
                .and_then(Value::as_f64)
                .with_context(|| format!("wrk gave no {name}"))
        };
        let requests = number("requests")?;
        if requests < 1.0 {
            bail!("{} answered nothing", target.base);
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "memory sizes are far below 2^52"
        )]
        let rss_mib = after.rss_kib as f64 / 1024.0;
        Ok(Round {
            requests,
            requests_per_second: requests / (number("micros")? / 1e6),
            p50_ms: number("p50")? / 1e3,
            p99_ms: number("p99")? / 1e3,
            cpu_micros: server * 1e6 / requests,
            database_cpu_micros: database * 1e6 / requests,
            rss_mib,
            others_percent: ((busy - server - database - wrk) / total * 100.0).max(0.0),
            refused: number("refused")?,
            broken: number("broken")?,
        })
    }

    fn wrk(&self, target: &Target, time: Duration) -> Result<Value> {
        let mut child = Command::new("wrk")
            .args(["--threads", "2", "--connections", "64", "--timeout", "5s"])
            .arg(format!("--duration={}s", time.as_secs()))
            .arg("--script")
            .arg(&self.lua)
            .arg(&target.base)
            .args([
                "--",
                target.before_mac,
                target.separator,
                &self.nodes.to_string(),
            ])
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
