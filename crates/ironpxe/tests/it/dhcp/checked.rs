//! Whatever is given to `ironpxe dhcp example`, the server that the lines are for takes them, or
//! there are none: the servers' own checkers read what is printed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::lan;

/// Arguments, settings, and the servers that have lines for them (`d`nsmasq, `i`sc, `k`ea,
/// `n`eutron).
type Case = (
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
    &'static str,
);

const API: &[&str] = &["--api-url", "http://192.0.2.1:6385"];
const TFTP: (&str, &str) = ("IRONPXE_PXE__TFTP_SERVER", "192.0.2.9");
const HTTP: (&str, &str) = ("IRONPXE_DEPLOY__HTTP_URL", "http://192.0.2.1:8080");
const ARM: (&str, &str) = (
    "IRONPXE_PXE__IPXE_BOOTFILE_NAME_BY_ARCH",
    "{ aarch64 = 'snponly-arm64.efi' }",
);
const LONG_HOST: &str = "http://a-very-long-name-of-a-host-that-somebody-has-given-to-it.and-of-a-\
                         domain-that-is-no-shorter.example.com:6385";

const CASES: &[Case] = &[
    (&[], &[], "dikn"),
    (&[], &[HTTP, ARM], "dikn"),
    (API, &[], "dikn"),
    (API, &[HTTP], "dikn"),
    (API, &[HTTP, ARM], "dikn"),
    (API, &[ARM, TFTP], "dikn"),
    (&["--api-url", "http://192.0.2.1:6385/v1/"], &[], "dikn"),
    (&["--api-url", "https://192.0.2.1/baremetal/"], &[], "dikn"),
    (&["--api-url", "http://ironpxe.example.com:6385"], &[], "dn"),
    (
        &["--api-url", "http://ironpxe.example.com:6385"],
        &[TFTP],
        "dikn",
    ),
    (&["--api-url", "http://[2001:db8::1]:6385"], &[], ""),
    (&["--api-url", "http://[2001:db8::1]:6385"], &[TFTP], "dikn"),
    (&["--api-url", LONG_HOST], &[TFTP], "dkn"),
    (
        API,
        &[("IRONPXE_PXE__TFTP_SERVER", "tftp.example.com")],
        "dn",
    ),
    (API, &[("IRONPXE_PXE__TFTP_SERVER", "fd00::9")], ""),
    (
        API,
        &[(
            "IRONPXE_DEPLOY__HTTP_URL",
            "http://boot.example/images/for/machines/of/all/architectures/and/of/all/vendors/of\
             /this/house/and/of/the/next/but/one/or/two",
        )],
        "dkn",
    ),
    (API, &[("IRONPXE_DEPLOY__HTTP_URL", "http://h/a,b")], ""),
    (
        API,
        &[(
            "IRONPXE_PXE__UEFI_IPXE_BOOTFILE_NAME",
            "/efi/#1/{x};y'z.efi",
        )],
        "dikn",
    ),
    (API, &[("IRONPXE_PXE__IPXE_BOOTFILE_NAME", "tag:bios")], ""),
    (API, &[("IRONPXE_API__HOST_IP", "192.0.2.77")], "dikn"),
    (&[], &[("IRONPXE_API__HOST_IP", "192.0.2.77")], "dikn"),
    (&[], &[("IRONPXE_API__HOST_IP", "0.0.0.0")], ""),
    (
        &[
            "--subnet",
            "10.0.0.0/8",
            "--api-url",
            "http://10.0.0.1:6385",
        ],
        &[],
        "dikn",
    ),
    (
        &[
            "--subnet",
            "10.0.0.8/29",
            "--api-url",
            "http://10.0.0.9:6385",
        ],
        &[],
        "dikn",
    ),
    (
        &[
            "--subnet",
            "10.0.0.0/29",
            "--first",
            "10.0.0.1",
            "--last",
            "10.0.0.6",
        ],
        &[],
        "dikn",
    ),
    (
        &[
            "--subnet",
            "10.0.0.0/29",
            "--first",
            "10.0.0.0",
            "--last",
            "10.0.0.6",
        ],
        &[],
        "",
    ),
    (
        &[
            "--subnet",
            "10.0.0.0/29",
            "--first",
            "10.0.0.1",
            "--last",
            "10.0.0.7",
        ],
        &[],
        "",
    ),
    (&["--subnet", "10.0.0.0/30"], &[], ""),
    (&["--subnet", "0.0.0.0/0"], &[], ""),
    (&["--subnet", "10.0.0.0/33"], &[], ""),
    (&["--subnet", "10.0.0.0/-1"], &[], ""),
    (&["--subnet", "224.0.0.0/24"], &[], ""),
    (&["--subnet", "fd00::/64"], &[], ""),
    (&["--interface", "br-lan.100"], &[], "dikn"),
    (&["--interface", ""], &[], ""),
    (&["--interface", "eth0,eth1"], &[], ""),
    (&["--interface", "eth0\nconf-script=/x"], &[], ""),
    (&["--interface", "\"eth0"], &[], ""),
    (&["--interface", "an-interface-name"], &[], ""),
];

fn example(server: &str, (args, settings, _): &Case) -> Result<Output> {
    crate::app::command(&["dhcp", "example", server])
        .envs(settings.iter().copied())
        .args(*args)
        .output()
        .context("cannot run ironpxe")
}

/// The command that reads a configuration of a server and says whether it would take it.
fn checker(program: &str, file: &Path) -> Result<Command> {
    let mut command = lan::checker(program)?;
    match program {
        "dnsmasq" => command
            .arg("--test")
            .arg(format!("--conf-file={}", file.display())),
        "dhcpd" => command.args(["-t", "-4", "-cf"]).arg(file),
        _ => {
            let folder = file.parent().context("no folder")?;
            command
                .env("KEA_PIDFILE_DIR", folder)
                .env("KEA_LOCKFILE_DIR", folder)
                .arg("-t")
                .arg(file)
        }
    };
    Ok(command)
}

#[expect(clippy::print_stdout, reason = "it is the output of a test")]
fn takes_what_is_printed(server: &str, program: &str) -> Result<()> {
    let has_checker = lan::find_server(program).is_ok();
    if !has_checker {
        println!("only half of it: no {program} here; `cargo xtask test` gets it");
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("lines.conf");
    for case in CASES {
        let output = example(server, case)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let told = format!("{server} {case:?}: {said}");
        let letter = server.get(..1).context("no name")?;
        if !case.2.contains(letter) {
            ensure!(output.status.code() == Some(64), "{told}");
            ensure!(
                output.stdout.is_empty() && !said.contains("panicked"),
                "{told}"
            );
            continue;
        }
        ensure!(output.status.success(), "{told}");
        let lines = String::from_utf8(output.stdout)?;
        // An interface that every host has: Kea looks for it.
        let lines = lines.replace("[\"eth1\"]", "[\"lo\"]");
        fs::write(&file, lines.replace("[\"br-lan.100\"]", "[\"lo\"]"))?;
        if has_checker {
            let checked = checker(program, &file)?.output()?;
            let complaint = String::from_utf8_lossy(&checked.stderr);
            ensure!(checked.status.success(), "{told}{lines}{complaint}");
        }
    }
    Ok(())
}

#[test]
fn dnsmasq_accepts_its_printed_configuration() -> Result<()> {
    takes_what_is_printed("dnsmasq", "dnsmasq")
}

#[test]
fn dhcpd_accepts_its_printed_configuration() -> Result<()> {
    takes_what_is_printed("isc", "dhcpd")
}

#[test]
fn kea_accepts_its_printed_configuration() -> Result<()> {
    takes_what_is_printed("kea", "kea-dhcp4")
}

#[test]
fn dnsmasq_of_neutron_accepts_its_printed_configuration() -> Result<()> {
    takes_what_is_printed("neutron", "dnsmasq")
}

/// The checkers find what they are asked for: a checker that takes everything proves nothing.
#[test]
fn kea_checker_refuses_a_name_instead_of_an_address() -> Result<()> {
    if lan::find_server("kea-dhcp4").is_err() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("lines.conf");
    let lines = String::from_utf8(example("kea", &(API, &[], ""))?.stdout)?;
    let lines = lines.replace("[\"eth1\"]", "[\"lo\"]");
    for (lines, is_taken) in [
        (lines.clone(), true),
        (
            lines.replace(
                "\"next-server\": \"192.0.2.1\"",
                "\"next-server\": \"ironpxe\"",
            ),
            false,
        ),
    ] {
        fs::write(&file, lines)?;
        let checked = checker("kea-dhcp4", &file)?.output()?;
        ensure!(checked.status.success() == is_taken, "{checked:?}");
    }
    Ok(())
}
