//! Settings that identify a host: URLs of services, and the TFTP server.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ironpxe_core::boot::ImageUrl;
use ironpxe_core::mask::mask_text;
use serde::{Deserialize, Serialize};

/// The URL of a service: `http://` or `https://`, without a trailing slash and without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Endpoint(pub String);

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(written: String) -> Result<Self, Self::Error> {
        let refused = |problem: &dyn fmt::Display| {
            format!("{:?} cannot be used: {problem}", mask_text(&written))
        };
        // It is used in boot scripts, so the rules for image URLs apply.
        let url = ImageUrl::parse(&written).map_err(|problem| refused(&problem))?;
        if url.as_str().contains(['?', '#']) {
            return Err(refused(&"paths are appended to it"));
        }
        if authority(url.as_str()).contains('@') {
            return Err(refused(
                &"credentials in this URL are not used and would be shown; remove them",
            ));
        }
        let url = url.as_str().trim_end_matches('/');
        Ok(Self(url.to_owned()))
    }
}

impl Endpoint {
    /// Why no machine can reach this URL; `None` if it is usable.
    fn unreachable(&self) -> Option<&'static str> {
        match ip(host_of(&self.0)) {
            Some(ip) if is_of_no_host(ip) => {
                Some("this is not the address of a host; use one that machines can reach")
            }
            _ => None,
        }
    }
}

/// The URL of this service for clients and machines. A trailing `/v1`, as `OS_ENDPOINT` often has,
/// is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct PublicEndpoint(pub String);

impl TryFrom<String> for PublicEndpoint {
    type Error = String;

    fn try_from(written: String) -> Result<Self, Self::Error> {
        let Endpoint(mut url) = Endpoint::try_from(written)?;
        // A host may be called v1.
        while let Some(rest) = url.strip_suffix("/v1").filter(|it| it.contains("://")) {
            url.truncate(rest.trim_end_matches('/').len());
        }
        let endpoint = Endpoint(url);
        match endpoint.unreachable() {
            Some(problem) => Err(format!("{:?} cannot be used: {problem}", endpoint.0)),
            None => Ok(Self(endpoint.0)),
        }
    }
}

impl PublicEndpoint {
    /// Whether the host is a loopback address.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = host_of(&self.0);
        ip(host).is_some_and(|ip| ip.is_loopback())
            || host.eq_ignore_ascii_case("localhost")
            || host.to_ascii_lowercase().ends_with(".localhost")
    }
}

/// A host: an address (IPv6 without brackets) or a name, without scheme and port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Host(pub String);

impl TryFrom<String> for Host {
    type Error = String;

    fn try_from(written: String) -> Result<Self, Self::Error> {
        let text = written.trim_ascii();
        let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let host = bare.unwrap_or(text);
        let refused = |problem: &str| Err(format!("{text:?} cannot be used: {problem}"));
        match ip(host) {
            Some(ip) if is_of_no_host(ip) => return refused("this is not the address of a host"),
            Some(_) => return Ok(Self(host.to_owned())),
            None => {}
        }
        // Valid as the host of a URL.
        let is_name = bare.is_none() && !host.contains([':', '/', '@', '?', '#']);
        if !is_name || ImageUrl::parse(&format!("http://{host}")).is_err() {
            return refused("expected an address or a name, without scheme and port");
        }
        Ok(Self(host.to_owned()))
    }
}

/// The authority of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The host in a URL, without the brackets of an IPv6 address.
pub(super) fn host_of(url: &str) -> &str {
    let authority = authority(url);
    let server = authority.rsplit_once('@').map_or(authority, |(_, it)| it);
    let host = match server.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => server.split(':').next(),
    };
    host.unwrap_or_default()
}

fn ip(host: &str) -> Option<IpAddr> {
    host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Addresses that mean "any", "this network" or several hosts (RFC 1122, section 3.2.1.3; RFC 4291).
pub(super) fn is_of_no_host(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, ..] = ip.octets();
            first == 0 || ip.is_multicast() || ip == Ipv4Addr::BROADCAST
        }
        IpAddr::V6(ip) => ip == Ipv6Addr::UNSPECIFIED || ip.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Result<String, String> {
        Endpoint::try_from(url.to_owned()).map(|it| it.0)
    }

    fn public(url: &str) -> Result<String, String> {
        PublicEndpoint::try_from(url.to_owned()).map(|it| it.0)
    }

    #[test]
    fn endpoint_must_be_a_url_to_which_paths_can_be_appended() {
        for (written, url) in [
            ("http://h:1/", "http://h:1"),
            ("http://h//", "http://h"),
            ("https://h/baremetal/", "https://h/baremetal"),
            ("http://[2001:db8::139]:6180", "http://[2001:db8::139]:6180"),
            ("http://h:6385\n", "http://h:6385"),
            ("http://h/v3", "http://h/v3"),
        ] {
            assert_eq!(endpoint(written).as_deref(), Ok(url), "{written:?}");
        }
        for (written, says) in [
            ("http://2001:db8::139:6180", "needs brackets"),
            ("http://h?x=1", "appended"),
            ("http://h#x", "appended"),
            ("http://h:port", "from 1 to 65535"),
            ("http://h:0", "from 1 to 65535"),
            ("h:6385", "http://"),
            ("http://u:hush@h:6385", "\"http://******@h:6385\""),
            ("http://u:hush@h", "remove them"),
            ("http://u:hu/sh@h", "\"http://******@h\""),
            ("http://hush@h", "\"http://******@h\""),
        ] {
            let said = endpoint(written).unwrap_err();
            assert!(said.contains(says), "{written}: {said}");
            assert!(!said.contains("hush") && !said.contains("sh@"), "{said}");
        }
    }

    #[test]
    fn public_endpoint_must_name_a_host() {
        for (written, url) in [
            ("http://h:6385/v1", "http://h:6385"),
            ("http://h:6385/v1/", "http://h:6385"),
            ("http://h/baremetal/v1", "http://h/baremetal"),
            ("http://h/v1/v1", "http://h"),
            ("http://v1", "http://v1"),
            ("http://h/xv1", "http://h/xv1"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ] {
            assert_eq!(public(written).as_deref(), Ok(url), "{written:?}");
        }
        for written in [
            "http://0.0.0.0:6385",
            "http://0.1.2.3",
            "http://[::]:6385",
            "http://[::ffff:0.0.0.0]",
            "http://255.255.255.255",
            "http://224.0.0.1",
            "http://[ff02::1]",
        ] {
            let said = public(written).unwrap_err();
            assert!(
                said.contains("not the address of a host"),
                "{written}: {said}"
            );
        }
        let is_loopback = |url: &str| PublicEndpoint(url.to_owned()).is_loopback();
        for url in [
            "http://127.1.2.3:1",
            "http://[::1]",
            "http://localhost:1/x",
            "http://LOCALHOST",
            "http://a.localhost",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "http://192.0.2.1",
            "http://localhost.example",
            "http://[fd00::1]",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn host_must_be_an_address_or_a_name_without_more() {
        let host = |text: &str| Host::try_from(text.to_owned()).map(|it| it.0);
        for (written, name) in [
            ("192.0.2.1", "192.0.2.1"),
            ("tftp.example", "tftp.example"),
            ("fd00::1", "fd00::1"),
            ("[fd00::1]", "fd00::1"),
            ("tftp\n", "tftp"),
        ] {
            assert_eq!(host(written).as_deref(), Ok(name), "{written:?}");
        }
        for written in [
            "",
            "tftp://h",
            "h:69",
            "192.0.2.1:69",
            "192.0.2.300",
            "a b",
            "a,b",
            "0.0.0.0",
            "::",
            "[h]",
            "u@h",
            "\u{fc}",
        ] {
            let said = host(written).unwrap_err();
            assert!(said.contains("cannot be used"), "{written}: {said}");
        }
    }
}
