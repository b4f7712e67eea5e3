//! `cargo xtask test`: everything that must hold before a change is accepted.
//!
//! The tests come last and in one `cargo test`, so that its summary ends the output. A failure
//! does not stop it: the whole picture is worth the minutes.

use std::process::ExitCode;

use anyhow::{Context, Result};
use ironpxe_testkit::mariadb;
use ironpxe_testkit::payload::linux::Linux;

use crate::{
    dhcp_servers, galera, ipxe, packages, postgres, previous,
    shell::{self, step},
    tools, venv,
};

/// What the tests run besides our own code: a machine with real iPXE in its network card, UEFI for
/// it, an iSCSI target, a DHCP server with networks for it and loaders, the program by which installers report, the
/// assembler and linker that prove the toy kernels and boot sectors to be what their sources say, the database that an
/// Ironic has its nodes in (those packages of MariaDB start no server), and what makes and tries ironpxe's own packages.
const PACKAGES: &[&str] = &[
    "mariadb-server-core",
    "mariadb-client-core",
    "qemu-system-x86",
    "ovmf",
    "tgt",
    "curl",
    "binutils",
    "dnsmasq-base",
    "iproute2",
    "ipxe",
    "debhelper",
    "dpkg-dev",
    "help2man",
    "ca-certificates",
    "systemd-container",
    "skopeo",
    "umoci",
    "runc",
];

/// What the long tests run besides: a minimal Debian.
const PACKAGES_OF_FULL: &[&str] = &["mmdebstrap"];

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct TestArgs {
    /// Also run the long tests, those marked `#[ignore]`: more than 15 s each, most of them a
    /// machine that waits as it would beside a person.
    #[arg(long)]
    full: bool,
    /// Only get what the tests need, for a `cargo test` by hand.
    #[arg(long)]
    prepare: bool,
}

/// Runs the checks, then the tests; the tests' own verdict is the exit status.
pub(crate) fn run(args: &TestArgs) -> Result<ExitCode> {
    step("packages", || packages::ensure(PACKAGES))?;
    if args.full {
        step("packages of the long tests", || {
            packages::ensure(PACKAGES_OF_FULL)
        })?;
        step("Galera", galera::ensure)?;
    }
    let postgres = step("PostgreSQL", postgres::ensure)?;
    let mariadb = mariadb::program()?;
    let mariadb = mariadb.parent().context("MariaDB is in no folder")?;
    let venv = step("OpenStack clients", venv::ensure)?;
    let ironic = args
        .full
        .then(|| step("Ironic", venv::ensure_ironic))
        .transpose()?;
    let previous = if args.full {
        step(
            "the release before, for a rolling upgrade",
            previous::ensure,
        )?
    } else {
        None
    };
    let openstack = args
        .full
        .then(|| step("OpenStack services", venv::ensure_openstack))
        .transpose()?;
    step("Linux for the machines", || Linux::ensure().map(drop))?;
    step("the current iPXE for the machines", ipxe::ensure)?;
    step("DHCP servers", dhcp_servers::ensure)?;
    let cargo_deny = step("cargo-deny", tools::ensure_cargo_deny)?;
    if args.prepare {
        return Ok(ExitCode::SUCCESS);
    }
    step("formatting", || {
        shell::run(shell::cargo().args(["fmt", "--all", "--check"]))
    })?;
    step("clippy", || {
        for arguments in [
            &["--workspace"][..],
            &[
                "--manifest-path",
                "bench/Cargo.toml",
                "--target-dir",
                "target",
            ],
        ] {
            let mut clippy = shell::cargo();
            clippy.arg("clippy").args(arguments);
            clippy.args(["--all-targets", "--locked", "--quiet"]);
            shell::run(clippy.args(["--", "-D", "warnings"]))?;
        }
        Ok(())
    })?;
    step("dependencies: licences, bans, sources", || {
        tools::deny(&cargo_deny)
    })?;
    step("documentation", || {
        shell::run(
            shell::cargo()
                .args([
                    "doc",
                    "--workspace",
                    "--no-deps",
                    "--document-private-items",
                    "--locked",
                    "--quiet",
                ])
                .env(
                    "RUSTDOCFLAGS",
                    "-D warnings -A rustdoc::private_intra_doc_links",
                ),
        )
    })?;

    println!("==> tests");
    let mut tests = shell::cargo();
    tests
        .args(["test", "--workspace", "--locked", "--no-fail-fast"])
        .env("IRONPXE_TEST_VENV", venv)
        .env("IRONPXE_TEST_POSTGRES", postgres)
        .env("IRONPXE_TEST_MARIADB", mariadb);
    if let Some(previous) = previous {
        tests.env("IRONPXE_TEST_PREVIOUS", previous);
    }
    if let Some(ironic) = ironic {
        tests.env("IRONPXE_TEST_IRONIC_VENV", ironic);
        tests.args(["--", "--include-ignored"]);
    }
    if let Some(openstack) = openstack {
        tests.env("IRONPXE_TEST_OPENSTACK_VENV", openstack);
    }
    let status = tests.status().context("cannot run cargo test")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
