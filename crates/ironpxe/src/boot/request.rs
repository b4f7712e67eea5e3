//! Boot requests: the only parser of URLs and arguments that request a script.

use ironpxe_core::JsonMap;
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::boot_token::BootToken;
use ironpxe_core::error::{Fault, Result};
use serde_json::Value;

use super::tokens::PresentedToken;

/// A request for a machine's script.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BootRequest<'r> {
    /// The hardware type in the URL of the vendor passthru method `ipxe_config`.
    pub(crate) driver: Option<&'r str>,
    /// The machine, or why the identification is invalid.
    pub(crate) machine: Result<BootIdent>,
    /// `?unknown=next`: the client tries one address of the machine after the other. If this service
    /// does not boot this one, the response is a script that exits, never 404.
    pub(crate) tries_next: bool,
    /// `?token=`: the proof that this service handed out the URL.
    pub(crate) token: PresentedToken,
}

/// The query of a request that tries one address after the other.
const TRIES_NEXT: &str = "unknown=next";

/// The target of a plain `GET`.
#[derive(Debug, PartialEq)]
pub(crate) enum BootTarget<'t> {
    /// The script of a machine.
    Script(BootRequest<'t>),
    /// Any other path, or a notation of a script's URL that only the router parses.
    Other,
}

impl<'r> BootRequest<'r> {
    /// `/v1/boot/<mac>/boot.ipxe` (ironic-specs `boot-config-api`), with the address in any
    /// notation.
    pub(crate) fn by_address(mac: &str) -> Self {
        Self {
            driver: None,
            machine: BootIdent::from_address("address", mac),
            tries_next: false,
            token: PresentedToken::Absent,
        }
    }

    /// As above with an unexpanded `${net0/mac}`, whose slash splits it into two segments; `None`
    /// if the segments are something else.
    pub(crate) fn by_unexpanded_mac(net: &str, mac: &str) -> Option<Self> {
        let text = format!("{net}/{mac}");
        BootIdent::is_unset(&text).then(|| Self::by_address(&text))
    }

    /// `/pxelinux.cfg/<file>`: the name under which Ironic links a node's script, the address with
    /// hyphens, with or without the hardware type `01-`. `None` for other files, of which PXELINUX
    /// tries several.
    pub(crate) fn by_file_name(file: &str) -> Option<Self> {
        if let Some(mac) = BootIdent::address_in_file_name(file) {
            return Some(Self {
                driver: None,
                machine: Ok(BootIdent::Address(mac)),
                tries_next: false,
                token: PresentedToken::Absent,
            });
        }
        let address = file.strip_prefix("01-").unwrap_or(file);
        BootIdent::is_unset(address).then(|| Self::by_address(address))
    }

    /// The vendor passthru method `ipxe_config` of a hardware type (ironic-specs
    /// `ipxe-dynamic-config`), with its arguments or why they are invalid.
    pub(crate) fn by_arguments(driver: &'r str, args: Result<JsonMap, Fault>) -> Self {
        let mut token = PresentedToken::Absent;
        let machine = args.and_then(|mut args| {
            token = match args.remove(BootToken::ARGUMENT) {
                None => PresentedToken::Absent,
                Some(Value::String(text)) => PresentedToken::parse(&text),
                Some(_) => PresentedToken::Malformed,
            };
            BootIdent::from_args(&args)
        });
        Self {
            driver: Some(driver),
            machine,
            tries_next: false,
            token,
        }
    }

    /// With what the query of the URL says, if it has one.
    pub(crate) fn with_query(self, query: Option<&str>) -> Self {
        let mut arguments = query.unwrap_or_default().split('&');
        Self {
            tries_next: arguments.any(|it| it == TRIES_NEXT),
            token: token_in(query),
            ..self
        }
    }
}

/// The token in the query of a URL.
pub(crate) fn token_in(query: Option<&str>) -> PresentedToken {
    let mut arguments = query.unwrap_or_default().split('&');
    let token = arguments.find_map(|it| it.strip_prefix(BootToken::ARGUMENT)?.strip_prefix('='));
    token.map_or(PresentedToken::Absent, PresentedToken::parse)
}

impl<'t> BootTarget<'t> {
    /// Parses the target of a request line; `None` if it is not a boot URL, or in a notation that
    /// only the router parses.
    pub(crate) fn parse(target: &'t str) -> Option<Self> {
        if let Some(rest) = target.strip_prefix("/v1/drivers/") {
            let (driver, call) = rest.split_once('/')?;
            let query = call.strip_prefix("vendor_passthru/ipxe_config")?;
            // A path that ends at `?` or `#`, an empty segment, or an invalid URI: the router and
            // the HTTP framework treat these differently from the split below.
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if driver.is_empty() || !driver.bytes().all(is_plain) {
                return None;
            }
            let (query, token) = with_token(query);
            let machine = query.strip_prefix('?').and_then(only_argument);
            return Some(match (Self::of(Some(driver), machine, false), token) {
                (Self::Script(request), Some(token)) => Self::Script(BootRequest {
                    token: PresentedToken::Token(token),
                    ..request
                }),
                (target, _) => target,
            });
        }
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let tries_next = query == Some(TRIES_NEXT);
        let is_plain = query.is_none() || tries_next;
        if let Some(rest) = path.strip_prefix("/v1/boot/") {
            let mac = rest.strip_suffix("/boot.ipxe").filter(|_| is_plain);
            let mac = mac.and_then(|mac| mac.parse().ok());
            return Some(Self::of(None, mac.map(BootIdent::Address), tries_next));
        }
        if let Some(file) = path.strip_prefix("/pxelinux.cfg/") {
            let mac = Some(file).filter(|_| is_plain);
            let mac = mac.and_then(BootIdent::address_in_file_name);
            return Some(Self::of(None, mac.map(BootIdent::Address), tries_next));
        }
        matches!(path, "/boot.ipxe" | "/autoexec.ipxe").then_some(Self::Other)
    }

    fn of(driver: Option<&'t str>, machine: Option<BootIdent>, tries_next: bool) -> Self {
        machine.map_or(Self::Other, |machine| {
            Self::Script(BootRequest {
                driver,
                machine: Ok(machine),
                tries_next,
                token: PresentedToken::Absent,
            })
        })
    }
}

/// Splits a query at its last argument, if that is a token: as in the URLs of DHCP options.
fn with_token(query: &str) -> (&str, Option<BootToken>) {
    let split = query.rsplit_once('&').and_then(|(query, last)| {
        let text = last.strip_prefix(BootToken::ARGUMENT)?.strip_prefix('=')?;
        Some((query, text.parse().ok()?))
    });
    split.map_or((query, None), |(query, token)| (query, Some(token)))
}

/// The machine in a query with one unescaped argument.
fn only_argument(query: &str) -> Option<BootIdent> {
    match query.split_once('=')? {
        ("port_address", mac) => mac.parse().ok().map(BootIdent::Address),
        ("node_uuid", uuid) => uuid.parse().ok().map(BootIdent::Node),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_urls_are_parsed_and_others_left_to_the_router() {
        let mac = BootIdent::Address("52:54:00:aa:00:01".parse().unwrap());
        let uuid = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
        let node = BootIdent::Node(uuid.parse().unwrap());
        let request = |driver, machine, tries_next| {
            Some(BootTarget::Script(BootRequest {
                driver,
                machine: Ok(machine),
                tries_next,
                token: PresentedToken::Absent,
            }))
        };
        let of = |driver, machine| request(driver, machine, false);
        let passthru = "/v1/drivers/redfish/vendor_passthru/ipxe_config";
        let by_node = format!("{passthru}?node_uuid={uuid}");
        let by_mac = format!("{passthru}?port_address=52:54:00:aa:00:01");
        let both = format!("{by_mac}&node_uuid={uuid}");
        let with_token = BootToken::EXAMPLE.on_url(&by_node);
        for (target, expected) in [
            (by_node.as_str(), of(Some("redfish"), node)),
            (&by_mac, of(Some("redfish"), mac)),
            ("/v1/boot/52-54-00-AA-00-01/boot.ipxe", of(None, mac)),
            ("/pxelinux.cfg/01-52-54-00-aa-00-01", of(None, mac)),
            (
                "/v1/boot/52-54-00-AA-00-01/boot.ipxe?unknown=next",
                request(None, mac, true),
            ),
            (
                "/pxelinux.cfg/52-54-00-aa-00-01?unknown=next",
                request(None, mac, true),
            ),
            (
                &with_token,
                Some(BootTarget::Script(BootRequest {
                    driver: Some("redfish"),
                    machine: Ok(node),
                    tries_next: false,
                    token: PresentedToken::Token(BootToken::EXAMPLE),
                })),
            ),
            (&format!("{by_node}&token=x"), Some(BootTarget::Other)),
            (&format!("{passthru}?token=x"), Some(BootTarget::Other)),
            (&format!("{with_token}&a"), Some(BootTarget::Other)),
            (
                "/v1/boot/52-54-00-AA-00-01/boot.ipxe?unknown=next&a=b",
                Some(BootTarget::Other),
            ),
            (
                "/v1/boot/52-54-00-AA-00-01/boot.ipxe?",
                Some(BootTarget::Other),
            ),
            (
                "/pxelinux.cfg/default?unknown=next",
                Some(BootTarget::Other),
            ),
            (passthru, Some(BootTarget::Other)),
            (&both, Some(BootTarget::Other)),
            (
                "/v1/boot/52-54-00-AA-00-01/boot.ipxe?a=b",
                Some(BootTarget::Other),
            ),
            ("/v1/boot/1be26c0b/ks.cfg", Some(BootTarget::Other)),
            ("/pxelinux.cfg/default", Some(BootTarget::Other)),
            ("/boot.ipxe", Some(BootTarget::Other)),
            ("/boot.ipxe?a", Some(BootTarget::Other)),
            (&by_mac.replace("redfish", "red%66ish"), None),
            (&by_mac.replace("redfish", "redfish#"), None),
            (&by_mac.replace("redfish", "redfish?x="), None),
            (&by_mac.replace("redfish", ""), None),
            (&by_mac.replace("redfish", "red{fish"), None),
            ("/v1/drivers/redfish/vendor_passthru/methods", None),
            ("/v1/drivers/redfish", None),
            ("/v1/nodes", None),
            ("//v1/boot/52-54-00-AA-00-01/boot.ipxe", None),
            ("/v1/images/a/b", None),
            ("http://h/boot.ipxe", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(BootTarget::parse(target), expected, "{target}");
        }
    }

    #[test]
    fn query_says_whether_the_client_tries_the_next_address() {
        let tries_next = |query| {
            let request = BootRequest::by_address("52:54:00:aa:00:01");
            request.with_query(query).tries_next
        };
        for query in ["unknown=next", "a=b&unknown=next", "unknown=next&"] {
            assert!(tries_next(Some(query)), "{query}");
        }
        for query in ["", "unknown", "unknown=", "unknown=nextx", "xunknown=next"] {
            assert!(!tries_next(Some(query)), "{query}");
        }
        assert!(!tries_next(None));
    }

    #[test]
    fn file_name_must_be_an_address_or_an_unset_setting() {
        let mac = BootIdent::Address("52:54:00:aa:00:01".parse().unwrap());
        let read = |file| BootRequest::by_file_name(file).map(|request| request.machine);
        assert_eq!(read("01-52-54-00-aa-00-01"), Some(Ok(mac)));
        assert_eq!(read("default"), None);
        assert_eq!(read("C0A80101"), None);
        for unset in ["", "01-", "01-${net0/mac:hexhyp}"] {
            assert!(matches!(read(unset), Some(Err(_))), "{unset}");
        }
        assert_eq!(BootRequest::by_unexpanded_mac("net0", "mac"), None);
        assert!(BootRequest::by_unexpanded_mac("${net0", "mac}").is_some());
    }
}
