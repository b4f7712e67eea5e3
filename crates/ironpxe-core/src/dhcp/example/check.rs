//! Rejects values that a DHCP server would refuse or truncate, or that no machine could boot with.

// Addresses alone do no I/O.
use core::net::{Ipv4Addr, Ipv6Addr};

use super::{DhcpServer, Facts, Network};
use crate::dhcp::{LONGEST_VALUE, file_name_problem};

/// Why no example can be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExampleError {
    /// A URL is too long for the server's option or field.
    #[error(
        "{place} takes at most {limit} bytes, but {url} has {}: use a shorter host name or an \
         address in --api-url (or [api]public_endpoint, [deploy]http_url)",
        .url.len()
    )]
    TooLong {
        /// The option or field.
        place: &'static str,
        /// Its limit, in bytes.
        limit: usize,
        /// The URL.
        url: String,
    },
    /// A value that the server would misinterpret.
    #[error("{what} {value:?} cannot be used: {problem}")]
    Unusable {
        /// The setting or argument.
        what: &'static str,
        /// Its value.
        value: String,
        /// Why it is unusable.
        problem: &'static str,
    },
    /// The server only takes the TFTP server's IPv4 address.
    #[error(
        "{server} needs the IPv4 address of the TFTP server, but it is {host:?}: set \
         [pxe]tftp_server to an address (IRONPXE_PXE__TFTP_SERVER=192.0.2.1)"
    )]
    TftpServer {
        /// The server.
        server: &'static str,
        /// The configured value.
        host: String,
    },
    /// The address range is invalid.
    #[error(
        "--first {first} and --last {last} must be addresses of hosts in {subnet}, the first \
         not after the last"
    )]
    Range {
        /// The first address.
        first: Ipv4Addr,
        /// The last one.
        last: Ipv4Addr,
        /// The network.
        subnet: super::Subnet,
    },
}

/// The longest `filename` of ISC dhcpd, in bytes: the field `file` of a DHCP packet is
/// NUL-terminated (RFC 2131).
const LONGEST_FILENAME: usize = 127;
/// The longest interface name, in bytes (Linux's `IFNAMSIZ` without the NUL).
const LONGEST_INTERFACE: usize = 15;

pub(super) fn check(server: DhcpServer, facts: &Facts<'_>) -> Result<(), ExampleError> {
    check_network(facts.network)?;
    for firmware in &facts.firmware {
        if let Some(problem) = file_name_problem(firmware.loader) {
            return Err(ExampleError::Unusable {
                what: "the loader ([pxe]ipxe_bootfile_name and the others)",
                value: firmware.loader.to_owned(),
                problem,
            });
        }
    }
    let (place, limit) = match server {
        DhcpServer::Isc => ("dhcpd's filename", LONGEST_FILENAME),
        DhcpServer::Dnsmasq => ("DHCP option 67 of dnsmasq", LONGEST_VALUE),
        DhcpServer::Kea => ("DHCP option 67 of Kea", LONGEST_VALUE),
        DhcpServer::Neutron => ("DHCP option 67 of Neutron's dnsmasq", LONGEST_VALUE),
    };
    let urls = facts.http.iter().map(|firmware| &firmware.loader);
    for (what, url) in [("the URL of boot scripts", &facts.script)]
        .into_iter()
        .chain(urls.map(|url| ("the URL of a loader", url)))
    {
        if let Some(problem) = url_problem(url) {
            return Err(ExampleError::Unusable {
                what,
                value: url.clone(),
                problem,
            });
        }
        if url.len() > limit {
            let url = url.clone();
            return Err(ExampleError::TooLong { place, limit, url });
        }
    }
    check_tftp_server(server, facts.tftp_server)
}

fn check_network(network: &Network) -> Result<(), ExampleError> {
    let Network {
        interface,
        subnet,
        first,
        last,
    } = network;
    let is_name = !interface.is_empty()
        && interface.len() <= LONGEST_INTERFACE
        && interface != "."
        && interface != ".."
        && interface
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if !is_name {
        return Err(ExampleError::Unusable {
            what: "--interface",
            value: interface.clone(),
            problem: "expected at most 15 letters, digits, - . and _",
        });
    }
    if first > last || !subnet.holds(*first) || !subnet.holds(*last) {
        return Err(ExampleError::Range {
            first: *first,
            last: *last,
            subnet: *subnet,
        });
    }
    Ok(())
}

/// dnsmasq also takes a name, which it resolves itself.
fn check_tftp_server(server: DhcpServer, host: &str) -> Result<(), ExampleError> {
    let needs_address = match server {
        DhcpServer::Isc => Some("dhcpd"),
        DhcpServer::Kea => Some("Kea"),
        DhcpServer::Dnsmasq | DhcpServer::Neutron => {
            host.parse::<Ipv6Addr>().is_ok().then_some("dnsmasq")
        }
    };
    match needs_address {
        Some(server) if host.parse::<Ipv4Addr>().is_err() => Err(ExampleError::TftpServer {
            server,
            host: host.to_owned(),
        }),
        _ => match file_name_problem(host) {
            Some(problem) => Err(ExampleError::Unusable {
                what: "[pxe]tftp_server",
                value: host.to_owned(),
                problem,
            }),
            None => Ok(()),
        },
    }
}

/// Why a server would misinterpret the URL.
fn url_problem(url: &str) -> Option<&'static str> {
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("only printable ASCII characters without spaces are allowed in a URL");
    }
    url.contains([',', '"', '\\'])
        .then_some("commas, quotation marks and \\ have a special meaning to DHCP servers")
}
