//! The messages that pages of `docs/` quote are those of the sources.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// A page, the source file of a message, and the constant part of the message.
const QUOTED: &[(&str, &str, &str)] = &[
    (
        "with-neutron.md",
        "dhcp/mod.rs",
        "has no port with pxe_enabled and a Neutron VIF",
    ),
    (
        "with-neutron.md",
        "dhcp/mod.rs",
        "cannot set DHCP options in Neutron: ",
    ),
    (
        "with-neutron.md",
        "dhcp/neutron.rs",
        "cannot set DHCP options for the port in Neutron",
    ),
    (
        "with-neutron.md",
        "dhcp/neutron.rs",
        "the Neutron port has a different address, ",
    ),
    (
        "with-neutron.md",
        "dhcp/neutron.rs",
        "the Neutron port has no address (fixed_ips) of the options' IP versions",
    ),
    (
        "with-neutron.md",
        "dhcp/neutron.rs",
        "cannot remove DHCP options from Neutron",
    ),
    (
        "with-neutron.md",
        "conductor/dhcp_renewal.rs",
        "cannot renew the boot token in the DHCP options",
    ),
    (
        "boot-tokens.md",
        "conductor/dhcp_renewal.rs",
        "cannot renew the boot token in the DHCP options",
    ),
    (
        "images.md",
        "images/address_policy.rs",
        " and not in [images]relay_allowed",
    ),
    ("images.md", "images/relay.rs", "its server responds with "),
    (
        "images.md",
        "images/stream.rs",
        ": it is corrupt, and the machine did not get all of it",
    ),
    ("images.md", "images/file.rs", " does not exist"),
];

fn read(path: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// Fails if one of the texts has none of the page's messages.
fn all_known<'t>(page: &str, texts: impl Iterator<Item = &'t str>) -> Result<()> {
    let mut count = 0;
    for text in texts {
        let known = |(of, _, message): &(&str, &str, &str)| *of == page && text.contains(message);
        ensure!(
            QUOTED.iter().any(known),
            "{page} quotes an unknown message: {text}"
        );
        count += 1;
    }
    ensure!(count > 3, "{page} quotes only {count} messages");
    Ok(())
}

#[test]
fn messages_quoted_in_the_docs_are_in_the_sources() -> Result<()> {
    for (page, source, message) in QUOTED {
        ensure!(
            read(&format!("../../docs/{page}"))?.contains(message),
            "{page}: {message}"
        );
        ensure!(
            read(&format!("src/{source}"))?.contains(message),
            "{source}: {message}"
        );
    }
    let images = read("../../docs/images.md")?;
    all_known(
        "images.md",
        images.lines().filter(|line| line.starts_with("WARN ")),
    )?;
    let neutron = read("../../docs/with-neutron.md")?;
    let (_, rest) = neutron
        .split_once("\n## When something is wrong\n")
        .context("no section")?;
    let (table, _) = rest.split_once("\n## ").context("no next section")?;
    all_known("with-neutron.md", table.split('"').skip(1).step_by(2))
}
