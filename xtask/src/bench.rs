//! `cargo xtask bench`: what ironpxe costs beside nginx, see `docs/performance.md`.
//!
//! Here is only what the measuring needs: programs, and executables. It is a workspace of its own,
//! `bench/`, which gets all arguments.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    packages, postgres,
    shell::{self, step},
    venv,
};

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct BenchArgs {
    /// What to measure, and how: `cargo xtask bench -- --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds, and measures.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    let given = |word: &str| {
        let mut arguments = args.arguments.iter();
        arguments.any(|it| it == word || it.starts_with(&format!("{word}=")))
    };
    let mut bench = shell::cargo();
    bench.args(["run", "--release", "--locked", "--quiet"]);
    bench.args(["--manifest-path", "bench/Cargo.toml", "--target-dir"]);
    bench.arg(shell::target()).arg("--");
    bench.args(args.arguments.iter().skip_while(|it| *it == "--"));
    if !given("--help") {
        let nginx = step("nginx, wrk, SQLite's shell and PostgreSQL", || {
            packages::ensure(&["wrk", "sqlite3"])?;
            postgres::ensure()?;
            packages::unpack("nginx", "usr/sbin/nginx")
        })?;
        bench.arg("--nginx").arg(nginx);
        bench.arg("--results").arg(shell::target().join("bench"));
        if given("--beside") {
            packages::ensure(&["mariadb-server-core", "mariadb-client-core"])?;
        }
        if given("ironic") || given("--beside") {
            let ironic = step("Ironic", venv::ensure_ironic)?;
            bench.arg("--ironic-venv").arg(ironic);
        }
        if !given("--ironpxe") {
            bench.arg("--ironpxe").arg(step("building ironpxe", build)?);
        }
    }
    shell::run(&mut bench)
}

/// Builds the release executable and returns where cargo put it.
fn build() -> Result<PathBuf> {
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--locked"]);
    cargo.args(["--package", "ironpxe", "--bin", "ironpxe"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let messages = shell::run_quiet(&mut cargo)?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .next_back()
        .context("cargo built no executable")
}
