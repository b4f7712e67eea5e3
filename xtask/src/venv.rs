//! The Python environments: one with the real clients of the API, and for the long tests one with
//! Ironic itself and one with the OpenStack services that it uses, each at exactly the versions that
//! its requirements file pins.
//!
//! An environment is created once and reused until the pins, the interpreter or its place change. The stamp
//! inside is written last, so an incomplete environment is created again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{packages, shell};

const CLIENTS: &str = include_str!("../requirements.txt");
const IRONIC: &str = include_str!("../requirements-ironic.txt");
const OPENSTACK: &str = include_str!("../requirements-openstack.txt");

/// Makes `target/venv` if it is not there yet, and returns its path.
pub(crate) fn ensure() -> Result<PathBuf> {
    make("venv", "requirements.txt", CLIENTS)
}

/// Makes `target/venv-ironic` if it is not there yet, and returns its path.
pub(crate) fn ensure_ironic() -> Result<PathBuf> {
    make("venv-ironic", "requirements-ironic.txt", IRONIC)
}

/// Makes `target/venv-openstack` if it is not there yet, and returns its path.
pub(crate) fn ensure_openstack() -> Result<PathBuf> {
    make("venv-openstack", "requirements-openstack.txt", OPENSTACK)
}

fn make(name: &str, file: &str, requirements: &str) -> Result<PathBuf> {
    let python = interpreter()?;
    let version = shell::run_quiet(Command::new(&python).arg("--version"))?;
    let folder = shell::target().join(name);
    // Its scripts name their interpreter, so a copy or a moved environment does not work.
    let stamp = format!(
        "{} {} {version}{requirements}",
        folder.display(),
        python.display()
    );

    let _turn = shell::lock(name)?;
    let stamp_file = folder.join("made-from");
    if fs::read_to_string(&stamp_file).is_ok_and(|made| made == stamp) {
        return Ok(folder);
    }
    println!("    making the Python environment");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("cannot remove the old Python environment")?;
    }
    shell::run_quiet(Command::new(&python).args(["-m", "venv"]).arg(&folder))?;
    shell::run_quiet(
        Command::new(folder.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--no-deps", "--requirement"])
            .arg(shell::root().join("xtask").join(file)),
    )?;
    fs::write(&stamp_file, stamp).context("cannot write the stamp")?;
    Ok(folder)
}

/// A Python that is new enough and can make environments.
///
/// The system's own comes first: a test that gives up its privileges can still run it, while a
/// Python in a home directory may be inaccessible.
fn interpreter() -> Result<PathBuf> {
    let system = Path::new("/usr/bin/python3");
    if new_enough(system) && !can_make_environments(system) {
        packages::ensure(&["python3-venv"])?;
    }
    let on_path = shell::find_program("python3");
    let usable = [Some(system.to_owned()), on_path]
        .into_iter()
        .flatten()
        .find(|python| new_enough(python) && can_make_environments(python));
    if let Some(python) = usable {
        return Ok(python);
    }
    packages::ensure(&["python3", "python3-venv"])?;
    if new_enough(system) && can_make_environments(system) {
        return Ok(system.to_owned());
    }
    bail!("the OpenStack clients need Python 3.11 or newer with its venv module; none was found")
}

fn new_enough(python: &Path) -> bool {
    succeeds(python, "import sys; sys.exit(sys.version_info < (3, 11))")
}

fn can_make_environments(python: &Path) -> bool {
    succeeds(python, "import ensurepip, venv")
}

fn succeeds(python: &Path, program: &str) -> bool {
    Command::new(python)
        .args(["-c", program])
        .output()
        .is_ok_and(|output| output.status.success())
}
