//! The examples in `docs/with-your-own-dhcp.md` are what the program prints. Set `UPDATE_DOCS=1` to
//! write them anew.

use std::process::Command;

use anyhow::{Context, Result, ensure};

const PAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/with-your-own-dhcp.md"
);

#[test]
fn the_examples_are_what_the_program_prints() -> Result<()> {
    let page = std::fs::read_to_string(PAGE)?;
    let mut expected = page.clone();
    for server in ["dnsmasq", "isc", "kea", "neutron"] {
        let output = Command::new(env!("CARGO_BIN_EXE_ironpxe"))
            .env_clear()
            .env("HOME", "/nonexistent/home")
            .args(["dhcp", "example", server])
            .args(["--api-url", "http://192.0.2.1:6385"])
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout)?;
        let start = format!("<!-- generated: {server} -->\n");
        let (before, rest) = expected.split_once(&start).context("no place")?;
        let (_, after) = rest.split_once("<!-- end -->\n").context("no end")?;
        expected = format!("{before}{start}```\n{said}```\n<!-- end -->\n{after}");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, expected)?;
        return Ok(());
    }
    assert_eq!(
        page, expected,
        "run: UPDATE_DOCS=1 cargo test -p ironpxe --test it dhcp::docs"
    );
    Ok(())
}

#[test]
fn what_is_not_said_is_asked_for_by_its_place() -> Result<()> {
    const LONG: &str = "http://ironpxe.a-name-that-is-longer-than-it-needs-to-be.example:6385";
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ironpxe"));
        command.env_clear().env("HOME", "/nonexistent/home");
        command.args(["dhcp", "example"]).args(args).output()
    };
    let said = String::from_utf8(run(&["isc"])?.stdout)?;
    ensure!(said.contains("http://IRONPXE:6385/v1/drivers/"), "{said}");
    for (args, complaint) in [
        (
            &["kea", "--subnet", "192.0.2.1/24"][..],
            "expected a subnet like",
        ),
        (&["kea", "--first", "192.0.2.9"], "--last"),
        (&["bootp"], "dnsmasq, isc, kea, neutron"),
        (&["kea", "--api-url", "ironpxe"], "cannot be used"),
        (
            &["isc", "--api-url", LONG],
            "dhcpd's filename takes 127 bytes, and http://ironpxe.a-name-that",
        ),
    ] {
        let output = run(args)?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(64), "{args:?}: {said}");
        ensure!(said.contains(complaint), "{args:?}: {said}");
    }
    ensure!(run(&["kea", "--api-url", LONG])?.status.success());
    Ok(())
}
