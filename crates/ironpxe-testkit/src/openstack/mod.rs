//! The services of OpenStack that ironpxe asks.
//!
//! [`Keystone`], [`Glance`], [`Swift`] and [`Neutron`] are the real ones, at the versions of
//! `xtask/requirements-openstack.txt`, each in a folder and on ports of its own. They take seconds
//! to start and an environment that `cargo xtask test --full` makes, so they are for long tests.
//! [`faulty`] is a fake that starts immediately and misbehaves on request.

pub mod faulty;
mod glance;
mod keystone;
mod neutron;
mod program;
mod swift;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

pub use self::glance::Glance;
pub use self::keystone::{Keystone, SERVICE_PASSWORD};
pub use self::neutron::Neutron;
pub use self::swift::Swift;

/// Where the environment is; else it is where xtask makes it.
const VENV_VARIABLE: &str = "IRONPXE_TEST_OPENSTACK_VENV";

/// The environment with the services.
pub fn venv() -> Result<PathBuf> {
    let venv = std::env::var_os(VENV_VARIABLE).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv-openstack"),
        PathBuf::from,
    );
    ensure!(
        venv.join("bin/waitress-serve").exists(),
        "the services of OpenStack are not in {}: run `cargo xtask test --full`, which installs \
         them",
        venv.display()
    );
    Ok(venv)
}
