//! The Kubernetes manifests, against the schemas of Kubernetes releases in strict mode: a key that
//! Kubernetes does not have is an error.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};

use crate::shell;

/// Releases that are maintained, and the oldest whose resources the manifests use.
const RELEASES: &[&str] = &["1.28", "1.34", "1.37"];

#[test]
fn the_manifests_match_the_schemas() -> Result<()> {
    let Some(venv) = std::env::var_os("IRONPXE_TEST_VENV") else {
        println!("skipped: no IRONPXE_TEST_VENV; `cargo xtask test` sets it");
        return Ok(());
    };
    let validator = std::path::Path::new(&venv).join("bin/kubernetes-validate");
    ensure!(
        validator.is_file(),
        "no {}: `cargo xtask test --prepare`",
        validator.display()
    );
    let folder = shell::root().join("packaging/kubernetes");
    for release in RELEASES {
        shell::run_quiet(
            Command::new(&validator)
                .args(["--strict", "--kubernetes-version", release])
                .arg(folder.join("ironpxe.yaml")),
        )?;
    }
    // It does find a key that is not one.
    let wrong = tempfile::tempdir()?;
    let wrong = wrong.path().join("wrong.yaml");
    let text = fs::read_to_string(folder.join("ironpxe.yaml"))?;
    ensure!(text.contains("readinessProbe:"));
    fs::write(&wrong, text.replace("readinessProbe:", "readynessProbe:"))?;
    let refused = Command::new(&validator)
        .args(["--strict"])
        .arg(&wrong)
        .output()
        .context("cannot run kubernetes-validate")?;
    ensure!(!refused.status.success(), "a wrong key was not found");
    Ok(())
}
