//! Remote volumes as iPXE attaches them.
//!
//! Source: Ironic's `common/pxe_utils.py` (`get_volume_pxe_options`) for the properties and their
//! plural forms; RFC 4173 for the URI, where IPv6 addresses are in brackets.

use core::net::Ipv6Addr;
use std::fmt;

use serde_json::Value;

use super::fields::Fields;
use super::reference::authority_problem;
use super::refusal::Refusal;
use super::text;
use crate::volume::{VolumeTarget, Volumes};

/// The volumes of a machine that boots from the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeBoot {
    /// The machine's initiator IQN; if unset, iPXE generates one.
    pub initiator_iqn: Option<String>,
    /// The volumes, as drives 0x80, 0x81, …
    pub drives: Vec<SanDrive>,
}

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SanDrive {
    /// The paths to it, as URIs; more than one is multipath.
    pub uris: Vec<String>,
    /// The credentials, if it needs any.
    pub chap: Option<Chap>,
}

/// CHAP credentials (RFC 1994).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chap {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// A text that is hidden in `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for scripts.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

/// The volumes of a node; `boot` is the UUID of its boot volume.
pub(super) fn volume_boot(volumes: &Volumes, boot: &str) -> Result<VolumeBoot, Refusal> {
    let is_boot = |target: &&VolumeTarget| target.uuid.to_string().eq_ignore_ascii_case(boot);
    let first = volumes
        .targets
        .iter()
        .find(is_boot)
        .ok_or_else(|| Refusal::BadValue {
            field: "driver_internal_info.boot_from_volume".to_owned(),
            problem: format!("the node has no volume target {boot}"),
        })?;
    let others = volumes
        .targets
        .iter()
        .filter(|target| target.uuid != first.uuid);
    let drives = std::iter::once(first)
        .chain(others.filter(|target| is_iscsi(target)))
        .map(drive)
        .collect::<Result<Vec<_>, _>>()?;
    let iqn = volumes
        .connectors
        .iter()
        .find(|connector| connector.kind == "iqn");
    let initiator_iqn = iqn
        .map(|connector| {
            let field = format!("volume connector {}.connector_id", connector.uuid);
            one_word(&connector.connector_id, &field)
        })
        .transpose()?;
    Ok(VolumeBoot {
        initiator_iqn,
        drives,
    })
}

fn is_iscsi(target: &VolumeTarget) -> bool {
    target.volume_type.contains("iscsi")
}

fn drive(target: &VolumeTarget) -> Result<SanDrive, Refusal> {
    if !is_iscsi(target) {
        return Err(Refusal::BadValue {
            field: format!("volume target {}.volume_type", target.uuid),
            problem: format!(
                "iPXE cannot boot from {:?}; must be iscsi",
                target.volume_type
            ),
        });
    }
    let properties = Fields::target(target);
    let place = |key: &str| properties.name(key);
    let values = |key: &'static str| match list(properties, key)? {
        values if values.is_empty() => Err(Refusal::Missing { fields: place(key) }),
        values => Ok(values),
    };
    let (portals, iqns, luns) = (
        values("target_portal")?,
        values("target_iqn")?,
        values("target_lun")?,
    );
    let mut uris = Vec::new();
    for (index, portal) in portals.iter().enumerate() {
        // One IQN or LUN for each portal, or one for all.
        let of = |all: &[&Value]| {
            all.get(index)
                .or_else(|| all.first())
                .map(|it| (*it).clone())
        };
        let (host, port) = portal.as_str().and_then(portal_parts).ok_or_else(|| {
            bad(
                &place("target_portal"),
                "expected HOST or HOST:PORT, IPv6 in brackets",
            )
        })?;
        let iqn = of(&iqns)
            .and_then(|iqn| iqn.as_str().map(str::to_owned))
            .unwrap_or_default();
        let iqn = one_word(&iqn, &place("target_iqn"))?;
        let lun = of(&luns)
            .as_ref()
            .and_then(lun_number)
            .ok_or_else(|| bad(&place("target_lun"), "must be a number"))?;
        let host = one_word(&host, &place("target_portal"))?;
        uris.push(format!("iscsi:{host}::{port}:{lun:x}:{iqn}"));
    }
    Ok(SanDrive {
        uris,
        chap: chap(properties)?,
    })
}

fn chap(properties: Fields<'_>) -> Result<Option<Chap>, Refusal> {
    let text = |key: &str| properties.string(key);
    match (text("auth_username")?, text("auth_password")?) {
        (None, None) => Ok(None),
        (Some(username), Some(password)) => Ok(Some(Chap {
            username: username.to_owned(),
            password: Secret(password.to_owned()),
        })),
        (Some(_), None) => Err(Refusal::Missing {
            fields: properties.name("auth_password"),
        }),
        (None, Some(_)) => Err(Refusal::Missing {
            fields: properties.name("auth_username"),
        }),
    }
}

/// The values of `key`, or of its plural, which block storage services use for multipath.
fn list<'a>(properties: Fields<'a>, key: &str) -> Result<Vec<&'a Value>, Refusal> {
    let value = match properties.get(&format!("{key}s"))? {
        Some(value) => Some(value),
        None => properties.get(key)?,
    };
    Ok(match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(values)) => values.iter().collect(),
        Some(value) => vec![value],
    })
}

/// The host (an IPv6 address in brackets) and the port (empty for the default).
fn portal_parts(portal: &str) -> Option<(String, String)> {
    if portal.parse::<Ipv6Addr>().is_ok() {
        if could_end_with_a_port(portal) {
            return None;
        }
        return Some((format!("[{portal}]"), String::new()));
    }
    let (host, port) = match portal
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((address, rest)) => {
            address.parse::<Ipv6Addr>().ok()?;
            let port = match rest {
                "" => "",
                rest => rest.strip_prefix(':')?,
            };
            (format!("[{address}]"), port)
        }
        None if portal.contains('@') || authority_problem(portal).is_some() => return None,
        None => match portal.split_once(':') {
            Some((host, port)) => (host.to_owned(), port),
            None => (portal.to_owned(), ""),
        },
    };
    let port_is_number = port.is_empty() || port.parse::<u16>().is_ok();
    (!host.is_empty() && port_is_number).then(|| (host, port.to_owned()))
}

/// Whether an IPv6 address without brackets is ambiguous because it could be a shorter one with a
/// port, as in `fd00::1:3260`.
fn could_end_with_a_port(address: &str) -> bool {
    const DIGITS: usize = 4;
    address.rsplit_once(':').is_some_and(|(host, port)| {
        port.len() == DIGITS
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && host.parse::<Ipv6Addr>().is_ok()
    })
}

fn lun_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn one_word(text: &str, field: &str) -> Result<String, Refusal> {
    match text::word_problem(text) {
        Some(problem) => Err(bad(field, problem)),
        None if text.is_empty() => Err(bad(field, "is empty")),
        None => Ok(text.to_owned()),
    }
}

fn bad(field: &str, problem: &str) -> Refusal {
    Refusal::BadValue {
        field: field.to_owned(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portal_is_a_host_with_an_optional_port() {
        let parts = |portal| portal_parts(portal).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(parts("192.0.2.1:3260").unwrap(), "192.0.2.1 3260");
        assert_eq!(parts("san.example").unwrap(), "san.example ");
        assert_eq!(parts("[fd00::1]:3261").unwrap(), "[fd00::1] 3261");
        assert_eq!(parts("[fd00::1]").unwrap(), "[fd00::1] ");
        assert_eq!(parts("fd00::1").unwrap(), "[fd00::1] ");
        assert_eq!(parts("fd00::10:1").unwrap(), "[fd00::10:1] ");
        let full = "fd00:0:0:0:0:0:1:3260";
        assert_eq!(parts(full).unwrap(), format!("[{full}] "));
        for portal in [
            "",
            ":3260",
            "h:x",
            "h:99999",
            "[fd00::1]x",
            "[zz]:1",
            "a:b:c",
            "fd00::1:3260",
            "192.0.2.300:3260",
            "u@h:3260",
            "h/x:3260",
            "h:0",
        ] {
            assert!(portal_parts(portal).is_none(), "{portal}");
        }
    }

    #[test]
    fn chap_secret_is_not_in_the_debug_output() {
        assert_eq!(format!("{:?}", Secret("hush".into())), "******");
    }
}
