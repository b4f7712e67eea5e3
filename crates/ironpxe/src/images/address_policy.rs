//! The addresses that images may be fetched from.
//!
//! A client that can set a node's image makes this service send a request and gets the response. To
//! prevent access to what only this host can reach (server-side request forgery), non-public
//! addresses are refused unless `[images]relay_allowed` has their network, and this service's own
//! addresses always. The check applies to the address that is connected to, never to a name:
//! `relay.rs` resolves a name once, and checks every redirect.
//!
//! Source: the IANA special-purpose address registries (RFC 6890 and its updates).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// The addresses of this service.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnService {
    /// The ports it listens on.
    pub ports: Vec<u16>,
    /// `[api]public_endpoint`, or its default.
    pub endpoint: Option<Url>,
}

/// The addresses that may be connected to.
#[derive(Debug, Clone)]
pub(super) struct AddressPolicy {
    pub(super) allowed: Vec<IpNet>,
    pub(super) own: OwnService,
}

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// Not public, and not in an allowed network.
    NotAllowed(IpAddr, &'static str),
    /// Not the address of a single host.
    Never(IpAddr, &'static str),
    /// This service's own address.
    OwnService(String),
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed(address, kind) => write!(
                f,
                "its server's address {address} is {kind} and not in [images]relay_allowed"
            ),
            Self::Never(address, kind) => {
                write!(
                    f,
                    "its server's address {address} is {kind} and cannot be a server's"
                )
            }
            Self::OwnService(place) => write!(f, "its server {place} is this service itself"),
        }
    }
}

impl AddressPolicy {
    /// Checks what can be known from a URL alone; this is final if its host is an address, in any
    /// notation.
    pub(super) fn judge_url(&self, url: &Url) -> Result<(), Forbidden> {
        if self.is_own_endpoint(url) {
            return Err(Forbidden::OwnService(url.authority_without_userinfo()));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        match literal(url) {
            Some(address) => self.judge(SocketAddr::new(address, port)),
            None => Ok(()),
        }
    }

    /// Checks an address before connecting to it.
    pub(super) fn judge(&self, address: SocketAddr) -> Result<(), Forbidden> {
        let ip = address.ip().to_canonical();
        match kind(ip) {
            Kind::Public => {}
            Kind::Never(words) => return Err(Forbidden::Never(ip, words)),
            Kind::Special(_) if self.allowed.iter().any(|network| network.contains(&ip)) => {}
            Kind::Special(words) => return Err(Forbidden::NotAllowed(ip, words)),
        }
        if self.own.ports.contains(&address.port()) && is_of_this_host(ip) {
            return Err(Forbidden::OwnService(address.to_string()));
        }
        Ok(())
    }

    fn is_own_endpoint(&self, url: &Url) -> bool {
        self.own.endpoint.as_ref().is_some_and(|own| {
            host_name(own) == host_name(url)
                && own.port_or_known_default() == url.port_or_known_default()
                // Outside this path, the same host may serve other files.
                && is_below(url.path(), own.path())
        })
    }
}

/// The host of a URL, without a trailing dot.
fn host_name(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    host.strip_suffix('.').unwrap_or(host)
}

/// Whether a path is `folder` or below it, as a server normalizes both: decoded, without empty
/// segments.
fn is_below(path: &str, folder: &str) -> bool {
    let mut path = segments(path);
    segments(folder).all(|segment| path.next() == Some(segment))
}

fn segments(path: &str) -> impl Iterator<Item = Vec<u8>> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).collect())
}

/// A URL's host and port for people.
trait Authority {
    fn authority_without_userinfo(&self) -> String;
}

impl Authority for Url {
    fn authority_without_userinfo(&self) -> String {
        let host = self.host_str().unwrap_or_default();
        match self.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

/// The address that is a URL's host. The parser accepts every notation (`2130706433`, `0x7f.1`,
/// `[::ffff:127.0.0.1]`), as the system's resolver would.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    host.parse().ok()
}

/// Whether this host has the address. (Traffic to an own address is sent from the same address.
/// Nothing is sent: connecting a datagram socket only selects its source address.)
fn is_of_this_host(ip: IpAddr) -> bool {
    if ip.is_loopback() {
        return true;
    }
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let from = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((ip, 9))?;
        socket.local_addr()
    };
    from().is_ok_and(|from| from.ip() == ip)
}

/// The scope of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Globally unique.
    Public,
    /// Depends on the network.
    Special(&'static str),
    /// Not the address of a host.
    Never(&'static str),
}

fn kind(ip: IpAddr) -> Kind {
    match ip {
        IpAddr::V4(ip) => kind_v4(ip),
        IpAddr::V6(ip) => kind_v6(ip),
    }
}

fn kind_v4(ip: Ipv4Addr) -> Kind {
    match ip.octets() {
        [0, 0, 0, 0] => Kind::Never("unspecified"),
        [255, 255, 255, 255] => Kind::Never("broadcast"),
        [224..=239, ..] => Kind::Never("multicast"),
        [0, ..] => Kind::Special("of \"this network\" (0.0.0.0/8)"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Kind::Special("private"),
        [100, 64..=127, ..] => Kind::Special("shared by carriers (100.64.0.0/10)"),
        [127, ..] => Kind::Special("loopback"),
        [169, 254, ..] => Kind::Special("link-local"),
        [192, 0, 0, _] | [192, 88, 99, _] => Kind::Special("reserved for protocols"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Kind::Special("for documentation"),
        [198, 18..=19, ..] => Kind::Special("for benchmarks"),
        [240..=255, ..] => Kind::Special("reserved"),
        _ => Kind::Public,
    }
}

fn kind_v6(ip: Ipv6Addr) -> Kind {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Never("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Special("loopback"),
        [0xff00..=0xffff, ..] => Kind::Never("multicast"),
        [0xfe80..=0xfebf, ..] => Kind::Special("link-local"),
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Kind::Special("private"),
        // These can embed any IPv4 address.
        [0, 0, 0, 0, 0, 0, ..] => Kind::Special("IPv4-compatible"),
        [0x64, 0xff9b, ..] => Kind::Special("of NAT64"),
        [0x2002, ..] => Kind::Special("of 6to4"),
        // Teredo, ORCHID and similar.
        [0x2001, 0..=0x1ff, ..] => Kind::Special("reserved for protocols"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Kind::Special("for documentation"),
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Special("reserved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allowed: &[&str]) -> AddressPolicy {
        AddressPolicy {
            allowed: allowed.iter().map(|it| it.parse().unwrap()).collect(),
            own: OwnService {
                ports: vec![6385],
                endpoint: Some(Url::parse("http://ironic.example/baremetal").unwrap()),
            },
        }
    }

    fn verdict(policy: &AddressPolicy, url: &str) -> String {
        match policy.judge_url(&Url::parse(url).unwrap()) {
            Ok(()) => "fetched".to_owned(),
            Err(forbidden) => forbidden.to_string(),
        }
    }

    #[test]
    fn verdict_for_every_address_form_matches_the_snapshot() {
        let hosts = [
            "8.8.8.8",
            "1.0.0.1",
            "172.32.0.1",
            "100.128.0.1",
            "[2606:4700::1111]",
            "0.0.0.0",
            "0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.254",
            "192.168.1.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "017700000001",
            "%31%32%37.0.0.1",
            "169.254.169.254",
            "2852039166",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:169.254.169.254]",
            "[::ffff:8.8.8.8]",
            "[::127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[64:ff9b:1::a00:1]",
            "[2002:7f00:1::]",
            "[2001:0:1::1]",
            "[2001:db8::1]",
            "[fc00::1]",
            "[fd12::1]",
            "[fe80::1]",
            "[febf::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[100::1]",
            "[5f00::1]",
        ];
        let policy = policy(&[]);
        let table: Vec<String> = hosts
            .iter()
            .map(|host| {
                format!(
                    "{host:26} {}",
                    verdict(&policy, &format!("http://{host}/k"))
                )
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn only_listed_networks_are_allowed() {
        let policy = policy(&["10.1.0.0/16", "127.0.0.2/32", "fd00::/8", "0.0.0.0/0"]);
        let fetched = |url: &str| verdict(&policy, url) == "fetched";
        assert!(fetched("http://10.1.2.3/k") && fetched("http://[::ffff:10.1.2.3]/k"));
        assert!(fetched("http://[fd00::1]/k") && !fetched("http://[fe80::1]/k"));
        assert!(fetched("http://127.0.0.2/k"));
        // An address of IPv4 that is behind a translator is not the one that was listed.
        assert!(!fetched("http://[64:ff9b::a01:203]/k"));
        for host in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "[ff02::1]"] {
            assert!(!fetched(&format!("http://{host}/k")), "{host}");
        }
    }

    #[test]
    fn service_never_fetches_from_itself() {
        let policy = policy(&["0.0.0.0/0", "::/0"]);
        for (url, own) in [
            ("http://127.0.0.1:6385/v1/nodes", true),
            ("http://127.0.0.9:6385/v1/nodes", true),
            ("http://[::1]:6385/", true),
            ("http://127.0.0.1:8080/k", false),
            ("http://192.0.2.7:6385/k", false),
            ("http://IRONIC.example/baremetal/v1/nodes", true),
            ("http://ironic.example:80/baremetal", true),
            ("http://ironic.example/x/../baremetal/v1", true),
            ("http://ironic.example./baremetal/v1", true),
            ("http://ironic.example/%62aremetal/v1", true),
            ("http://ironic.example//baremetal/v1", true),
            ("http://ironic.example/images/k", false),
            ("http://ironic.example/baremetal-images/k", false),
            ("http://ironic.example/", false),
            ("http://ironic.example:8080/baremetal", false),
        ] {
            let said = verdict(&policy, url);
            assert_eq!(said.contains("this service itself"), own, "{url}: {said}");
        }
    }
}
