//! The Kubernetes manifests: against the schemas of Kubernetes releases in strict mode, in which a key that Kubernetes
//! does not have is an error, and their configuration as ironpxe reads it.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use super::program;
use crate::shell;

/// Releases of Kubernetes: an old one, one between, and the newest that the validator has.
const RELEASES: &[&str] = &["1.28", "1.34", "1.37"];

/// A program of the Python environment for tests.
fn tool(name: &str) -> Result<Option<PathBuf>> {
    let Some(venv) = std::env::var_os("IRONPXE_TEST_VENV") else {
        println!("skipped: no IRONPXE_TEST_VENV; `cargo xtask test` sets it");
        return Ok(None);
    };
    let path = PathBuf::from(venv).join("bin").join(name);
    ensure!(
        path.is_file(),
        "no {}: `cargo xtask test --prepare`",
        path.display()
    );
    Ok(Some(path))
}

fn manifests() -> PathBuf {
    shell::root().join("packaging/kubernetes/ironpxe.yaml")
}

#[test]
fn the_manifests_match_the_schemas() -> Result<()> {
    let Some(validator) = tool("kubernetes-validate")? else {
        return Ok(());
    };
    for release in RELEASES {
        shell::run_quiet(
            Command::new(&validator)
                .args(["--strict", "--kubernetes-version", release])
                .arg(manifests()),
        )?;
    }
    // It does find a key that is not one.
    let folder = tempfile::tempdir()?;
    let wrong = folder.path().join("wrong.yaml");
    let text = fs::read_to_string(manifests())?;
    ensure!(text.contains("readinessProbe:"));
    fs::write(&wrong, text.replace("readinessProbe:", "readynessProbe:"))?;
    let refused = Command::new(&validator)
        .arg("--strict")
        .arg(&wrong)
        .output()
        .context("cannot run kubernetes-validate")?;
    ensure!(!refused.status.success(), "a wrong key was not found");
    Ok(())
}

#[test]
fn the_configuration_in_the_manifests_is_good() -> Result<()> {
    const PRINT: &str = "import sys, yaml\n\
        for it in yaml.safe_load_all(open(sys.argv[1])):\n    \
        if it['kind'] == 'ConfigMap': print(it['data']['ironpxe.toml'])";
    let Some(python) = tool("python")? else {
        return Ok(());
    };
    let text = shell::run_quiet(Command::new(python).args(["-c", PRINT]).arg(manifests()))?;
    let folder = tempfile::tempdir()?;
    let secrets = "/run/secrets/ironpxe";
    ensure!(text.matches(secrets).count() == 2, "{text}");
    fs::write(folder.path().join("password"), "secret\n")?;
    fs::copy(
        "/etc/ssl/certs/ca-certificates.crt",
        folder.path().join("ca.crt"),
    )
    .context("the package ca-certificates is needed")?;
    let file = folder.path().join("ironpxe.toml");
    fs::write(
        &file,
        text.replace(secrets, &folder.path().to_string_lossy()),
    )?;
    shell::run_quiet(
        Command::new(program()?)
            .args(["config", "check", "--config"])
            .arg(&file)
            .env_clear(),
    )
    .map(drop)
}
