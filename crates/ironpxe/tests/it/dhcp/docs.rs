//! The examples in `docs/with-your-own-dhcp.md` are what the program prints.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::docs::Page;

#[test]
fn docs_show_the_printed_examples() -> Result<()> {
    let mut page = Page::open("with-your-own-dhcp.md")?;
    for server in ["dnsmasq", "isc", "kea", "neutron"] {
        let output = crate::app::command(&["dhcp", "example", server])
            .args(["--api-url", "http://192.0.2.1:6385"])
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout)?;
        page = page.section(server, &format!("```\n{said}```\n"))?;
    }
    page.check()
}

#[test]
fn missing_dhcp_values_are_printed_as_named_placeholders() -> Result<()> {
    const LONG: &str = "http://ironpxe.a-name-that-is-longer-than-it-needs-to-be.example:6385";
    let part = "a".repeat(63);
    let longest = format!("http://{part}.{part}.{part}.example.com:6385");
    let run = |args: &[&str]| {
        let mut command = crate::app::command(&["dhcp", "example"]);
        command.args(args).output()
    };
    for server in ["dnsmasq", "isc", "kea", "neutron"] {
        let said = String::from_utf8(run(&[server])?.stdout)?;
        ensure!(said.contains("http://IRONPXE:6385/v1/drivers/"), "{said}");
        // What stands for something is named as such.
        let named = said
            .find("PLACEHOLDERS, replace before use:")
            .context("no names")?;
        let used = said.find("/v1/drivers/").context("no URL")?;
        ensure!(named < used, "{said}");
        ensure!(
            said.contains("http://IRONPXE:6385 is a placeholder for the API's URL"),
            "{said}"
        );
        if matches!(server, "isc" | "kea") {
            ensure!(
                said.contains("192.0.2.1 is a placeholder for the TFTP server"),
                "{said}"
            );
        }
        let given = run(&[
            server,
            "--api-url",
            "http://192.0.2.1:6385",
            "--subnet",
            "10.0.0.0/24",
            "--interface",
            "eth0",
        ])?;
        let given = String::from_utf8(given.stdout)?;
        ensure!(
            !given.contains("PLACEHOLDER") && !given.contains("is a placeholder"),
            "{given}"
        );
    }
    for (args, complaint) in [
        (
            &["kea", "--subnet", "192.0.2.1/24"][..],
            "expected a subnet of unicast addresses like",
        ),
        (&["kea", "--first", "192.0.2.9"], "--last"),
        (&["bootp"], "dnsmasq, isc, kea, neutron"),
        (
            &["kea", "--api-url", "ironpxe"],
            "--api-url: [api]public_endpoint: \"ironpxe\" cannot be used",
        ),
        (
            &["kea", "--subnet", "0.0.0.0/0"],
            "expected a subnet of unicast addresses like",
        ),
        (
            &["isc", "--subnet", "10.0.0.0/33"],
            "expected a subnet of unicast addresses like",
        ),
        (
            &["kea", "--first", "10.0.0.9", "--last", "10.0.0.10"],
            "must be addresses of hosts in 192.0.2.0/24",
        ),
        (
            &["kea", "--first", "192.0.2.9", "--last", "192.0.2.8"],
            "the first not after the last",
        ),
        (&["kea", "--interface", "eth0 \"x"], "--interface"),
        (
            &["kea", "--api-url", "http://ironpxe.example.com:6385"],
            "set [pxe]tftp_server",
        ),
        (
            &["isc", "--api-url", "http://ironpxe.example.com:6385"],
            "set [pxe]tftp_server",
        ),
        (
            &["dnsmasq", "--api-url", "http://[2001:db8::1]:6385"],
            "set [pxe]tftp_server",
        ),
        (
            &["dnsmasq", "--api-url", "http://2001:db8::1:6385"],
            "needs brackets",
        ),
        (
            &["dnsmasq", "--api-url", "http://127.0.0.1:6385"],
            "is a loopback address",
        ),
        (
            &["dnsmasq", "--api-url", "http://0.0.0.0:6385"],
            "not the address of a host",
        ),
        (&["dnsmasq", "--api-url", "http://h/a,b"], "commas"),
        (
            &["dnsmasq", "--api-url", &longest],
            "DHCP option 67 of dnsmasq takes at most 255 bytes",
        ),
        (
            &["neutron", "--api-url", &longest],
            "takes at most 255 bytes",
        ),
        (
            &["isc", "--api-url", LONG],
            "dhcpd's filename takes at most 127 bytes, but http://ironpxe.a-name-that",
        ),
    ] {
        let output = run(args)?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(64), "{args:?}: {said}");
        ensure!(said.contains(complaint), "{args:?}: {said}");
    }
    ensure!(run(&["dnsmasq", "--api-url", LONG])?.status.success());
    Ok(())
}
