//! `cargo xtask bench`: what a boot answer costs, beside nginx sending the same bytes from disk.
//!
//! ironpxe gets thousands of nodes through its own API, each waiting for its deploy ramdisk.
//! What it answers for each MAC address becomes a file for nginx: the way static boot
//! configuration is served today. Then both take the same load in turns. All of it stays on the
//! loopback address. [`report`] says what came out.

mod load;
mod nodes;
mod process;
mod report;
mod servers;

use std::{fs, time::Duration};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    packages,
    shell::{self, step},
};
use load::Load;
use report::Contestant;
use servers::{Ironpxe, Nginx};

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
}

/// How many answers of the two servers are compared before anything is measured.
const SAMPLE: u32 = 100;

/// Builds, fills, measures, reports.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    let nginx_program = step("nginx and wrk", || {
        packages::ensure(&["wrk"])?;
        packages::unpack("nginx", "usr/sbin/nginx")
    })?;
    let binary = step("building ironpxe", servers::build)?;
    let scratch = tempfile::tempdir().context("cannot create a scratch folder")?;
    let ironpxe = Ironpxe::start(&binary, &scratch.path().join("ironpxe"))?;

    let title = format!("enrolling and deploying {} nodes", args.nodes);
    let timings = step(&title, || nodes::populate(&ironpxe.url, args.nodes))?;

    let nginx_folder = scratch.path().join("nginx");
    let script_bytes = step("writing what ironpxe answers for nginx", || {
        nodes::write_scripts(&ironpxe.url, args.nodes, &nginx_folder.join("files"))
    })?;
    let nginx = Nginx::start(&nginx_program, &nginx_folder)?;
    step("comparing the answers of both", || {
        compare(&ironpxe, &nginx, args.nodes)
    })?;

    let lua = scratch.path().join("boot.lua");
    fs::write(&lua, include_str!("bench/boot.lua")).context("cannot write the load script")?;
    let time = Duration::from_secs(args.seconds);
    let load = Load {
        lua,
        nodes: args.nodes,
        time,
    };
    let title = format!(
        "{} rounds of {} s for each server",
        args.rounds, args.seconds
    );
    let mut all = [
        (
            nginx.target(),
            Contestant {
                name: "nginx, static files",
                key: "nginx",
                rounds: Vec::new(),
            },
        ),
        (
            ironpxe.target(),
            Contestant {
                name: "ironpxe",
                key: "ironpxe",
                rounds: Vec::new(),
            },
        ),
    ];
    step(&title, || {
        for _ in 0..args.rounds {
            for (target, contestant) in &mut all {
                contestant.rounds.push(load.run(target)?);
            }
            // Who goes first alternates, so that a slow phase of the machine hits everybody.
            all.reverse();
        }
        Ok(())
    })?;
    let (mut baseline, mut contestants) = (None, Vec::new());
    for (_, contestant) in all {
        match contestant.key {
            "nginx" => baseline = Some(contestant),
            _ => contestants.push(contestant),
        }
    }

    let report = report::Report {
        nodes: args.nodes,
        script_bytes,
        timings,
        versions: servers::versions(&binary, &nginx_program),
        baseline: baseline.context("nothing to compare with")?,
        contestants,
    };
    println!("\n{}", report.markdown());
    let folder = shell::target().join("bench");
    fs::create_dir_all(&folder).context("cannot create the results folder")?;
    let text = serde_json::to_string_pretty(&report.json()).context("cannot write the results")?;
    fs::write(folder.join("boot.json"), text).context("cannot write the results")?;
    println!("All figures: target/bench/boot.json");
    Ok(())
}

/// Both servers must give the same script, up to the identifier that each request gets.
fn compare(ironpxe: &Ironpxe, nginx: &Nginx, nodes: u32) -> Result<()> {
    let client = nodes::client()?;
    let step = (nodes / SAMPLE).max(1);
    for index in (0..nodes).step_by(usize::try_from(step)?) {
        let ours = nodes::script(&client, &ironpxe.target().url(index))?;
        let theirs = nodes::script(&client, &nginx.target().url(index))?;
        ensure!(
            ours.starts_with(b"#!ipxe"),
            "the answer for node {index} is no iPXE script"
        );
        if without_request_id(&ours) != without_request_id(&theirs) {
            bail!(
                "the answers for node {index} differ:\n{}\n---\n{}",
                String::from_utf8_lossy(&ours),
                String::from_utf8_lossy(&theirs)
            );
        }
    }
    Ok(())
}

/// A script with every `req-<uuid>` taken out.
fn without_request_id(script: &[u8]) -> Vec<u8> {
    const PREFIX: &[u8] = b"req-";
    const UUID_LENGTH: usize = 36;
    let mut kept = Vec::with_capacity(script.len());
    let mut rest = script;
    while let Some((&first, after)) = rest.split_first() {
        if rest.starts_with(PREFIX) {
            rest = rest.get(PREFIX.len() + UUID_LENGTH..).unwrap_or_default();
        } else {
            kept.push(first);
            rest = after;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::without_request_id;

    #[test]
    fn only_the_request_identifier_is_taken_out() {
        let script = b"echo req-0a1b2c3d-0000-4000-8000-0123456789ab, node req\n";
        assert_eq!(without_request_id(script), b"echo , node req\n");
        assert_eq!(without_request_id(b"cut req-12"), b"cut ");
    }
}
