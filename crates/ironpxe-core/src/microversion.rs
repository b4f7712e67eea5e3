//! API microversions: which words of the API exist for a client.
//!
//! Source: Ironic's REST API version history and `api/controllers/v1/versions.py` (39.0).

use std::fmt;

/// A version 1.x of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microversion(u16);

/// Why a requested version cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionRefused {
    /// Not of the form `MAJOR.MINOR` or `latest`.
    #[error("Invalid value for X-OpenStack-Ironic-API-Version header")]
    Malformed,
    /// Another major version.
    #[error(
        "Mutually exclusive versions requested. Version {0} requested but not supported by this \
         service. The supported version range is: [{min}, {max}].",
        min = Microversion::MIN,
        max = Microversion::MAX
    )]
    OtherMajor(String),
    /// A minor version outside of the range.
    #[error(
        "Version {0} was requested but the minor version is not supported by this service. The \
         supported version range is: [{min}, {max}].",
        min = Microversion::MIN,
        max = Microversion::MAX
    )]
    OutOfRange(String),
}

impl Microversion {
    /// The oldest version served, and what a client gets that names none.
    pub const MIN: Self = Self(1);
    /// The newest version served.
    pub const MAX: Self = Self(115);

    /// Version 1.`minor`.
    pub const fn new(minor: u16) -> Self {
        Self(minor)
    }

    /// The `x` of 1.x.
    pub const fn minor(self) -> u16 {
        self.0
    }

    /// Reads the value of a version header. Empty means the oldest, `latest` the newest.
    pub fn negotiate(text: &str) -> Result<Self, VersionRefused> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::MIN);
        }
        if text.eq_ignore_ascii_case("latest") {
            return Ok(Self::MAX);
        }
        let (major, minor) = text.split_once('.').ok_or(VersionRefused::Malformed)?;
        let number = |digits: &str| -> Result<u16, VersionRefused> {
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(VersionRefused::Malformed);
            }
            // Anything too large to count is out of range, whatever it is exactly.
            Ok(digits.parse().unwrap_or(u16::MAX))
        };
        let (major, minor) = (number(major)?, number(minor)?);
        if major != 1 {
            return Err(VersionRefused::OtherMajor(text.to_owned()));
        }
        let version = Self(minor);
        if version < Self::MIN || version > Self::MAX {
            return Err(VersionRefused::OutOfRange(text.to_owned()));
        }
        Ok(version)
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

/// Node fields that came after 1.1, with the minor version that brought each.
pub const NODE_FIELDS: [(&str, u16); 46] = [
    ("driver_internal_info", 3),
    ("name", 5),
    ("inspection_finished_at", 6),
    ("inspection_started_at", 6),
    ("clean_step", 7),
    ("raid_config", 12),
    ("target_raid_config", 12),
    ("states", 14),
    ("network_interface", 20),
    ("resource_class", 21),
    ("portgroups", 24),
    ("boot_interface", 31),
    ("console_interface", 31),
    ("deploy_interface", 31),
    ("inspect_interface", 31),
    ("management_interface", 31),
    ("power_interface", 31),
    ("raid_interface", 31),
    ("vendor_interface", 31),
    ("volume", 32),
    ("storage_interface", 33),
    ("traits", 37),
    ("rescue_interface", 38),
    ("bios_interface", 40),
    ("fault", 42),
    ("deploy_step", 44),
    ("conductor_group", 46),
    ("automated_clean", 47),
    ("protected", 48),
    ("protected_reason", 48),
    ("conductor", 49),
    ("owner", 50),
    ("description", 51),
    ("allocation_uuid", 52),
    ("retired", 61),
    ("retired_reason", 61),
    ("lessee", 65),
    ("network_data", 66),
    ("boot_mode", 75),
    ("secure_boot", 75),
    ("shard", 82),
    ("parent_node", 83),
    ("firmware_interface", 86),
    ("service_step", 87),
    ("disable_power_off", 95),
    ("instance_name", 104),
];

/// As [`NODE_FIELDS`], for fields of a node that this service shows but never fills.
pub const NODE_FIELDS_ALWAYS_EMPTY: [(&str, u16); 1] = [("health", 109)];

/// Port fields that came after 1.1, with the minor version that brought each.
pub const PORT_FIELDS: [(&str, u16); 11] = [
    ("internal_info", 18),
    ("local_link_connection", 19),
    ("pxe_enabled", 19),
    ("portgroup_uuid", 24),
    ("physical_network", 34),
    ("is_smartnic", 53),
    ("name", 88),
    ("description", 97),
    ("vendor", 100),
    ("category", 101),
    ("available_for_dynamic_portgroup", 111),
];

/// The minor version that brought a field of a node; 1 for those that were always there.
pub fn node_field_since(field: &str) -> u16 {
    since(NODE_FIELDS.iter().chain(&NODE_FIELDS_ALWAYS_EMPTY), field)
}

/// The minor version that brought a field of a port; 1 for those that were always there.
pub fn port_field_since(field: &str) -> u16 {
    since(&PORT_FIELDS, field)
}

fn since<'a>(table: impl IntoIterator<Item = &'a (&'static str, u16)>, field: &str) -> u16 {
    table
        .into_iter()
        .find(|(name, _)| *name == field)
        .map_or(1, |(_, minor)| *minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_know_their_version() {
        assert_eq!(node_field_since("uuid"), 1);
        assert_eq!(node_field_since("shard"), 82);
        assert_eq!(node_field_since("health"), 109);
        assert_eq!(port_field_since("address"), 1);
        assert_eq!(port_field_since("name"), 88);
    }

    #[test]
    fn versions_are_negotiated_as_ironic_does() {
        let negotiate = Microversion::negotiate;
        assert_eq!(negotiate(""), Ok(Microversion::MIN));
        assert_eq!(negotiate("latest"), Ok(Microversion::MAX));
        assert_eq!(negotiate("1.50"), Ok(Microversion::new(50)));
        assert_eq!(negotiate("abc"), Err(VersionRefused::Malformed));
        assert_eq!(negotiate("1"), Err(VersionRefused::Malformed));
        assert_eq!(negotiate("1.+5"), Err(VersionRefused::Malformed));
        assert_eq!(
            negotiate("2.0"),
            Err(VersionRefused::OtherMajor("2.0".into()))
        );
        assert_eq!(
            negotiate("0.9"),
            Err(VersionRefused::OtherMajor("0.9".into()))
        );
        assert_eq!(
            negotiate("1.999"),
            Err(VersionRefused::OutOfRange("1.999".into()))
        );
        assert_eq!(
            negotiate("1.0"),
            Err(VersionRefused::OutOfRange("1.0".into()))
        );
        assert_eq!(
            negotiate("1.99999999"),
            Err(VersionRefused::OutOfRange("1.99999999".into()))
        );
    }
}
