//! API microversions.
//!
//! Source: Ironic's REST API version history and `api/controllers/v1/versions.py` (39.0).

use std::fmt;

/// A version 1.x of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microversion(u16);

/// Why a requested version is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
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
    /// The oldest supported version, and the default for clients that request none.
    pub const MIN: Self = Self(1);
    /// The newest supported version.
    pub const MAX: Self = Self(115);

    /// Version 1.`minor`.
    pub const fn new(minor: u16) -> Self {
        Self(minor)
    }

    /// The minor number, `x` of 1.x.
    pub const fn minor(self) -> u16 {
        self.0
    }

    /// Parses the value of a version header. Empty means the oldest, `latest` the newest.
    pub fn negotiate(text: &str) -> Result<Self, VersionError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::MIN);
        }
        if text.eq_ignore_ascii_case("latest") {
            return Ok(Self::MAX);
        }
        let (major, minor) = text.split_once('.').ok_or(VersionError::Malformed)?;
        let number = |digits: &str| -> Result<u16, VersionError> {
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(VersionError::Malformed);
            }
            // A number that overflows is out of range anyway.
            Ok(digits.parse().unwrap_or(u16::MAX))
        };
        let (major, minor) = (number(major)?, number(minor)?);
        if major != 1 {
            return Err(VersionError::OtherMajor(text.to_owned()));
        }
        let version = Self(minor);
        if version < Self::MIN || version > Self::MAX {
            return Err(VersionError::OutOfRange(text.to_owned()));
        }
        Ok(version)
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_negotiated_like_in_ironic() {
        let negotiate = Microversion::negotiate;
        assert_eq!(negotiate(""), Ok(Microversion::MIN));
        assert_eq!(negotiate("latest"), Ok(Microversion::MAX));
        assert_eq!(negotiate("1.50"), Ok(Microversion::new(50)));
        assert_eq!(negotiate("abc"), Err(VersionError::Malformed));
        assert_eq!(negotiate("1"), Err(VersionError::Malformed));
        assert_eq!(negotiate("1.+5"), Err(VersionError::Malformed));
        assert_eq!(
            negotiate("2.0"),
            Err(VersionError::OtherMajor("2.0".into()))
        );
        assert_eq!(
            negotiate("0.9"),
            Err(VersionError::OtherMajor("0.9".into()))
        );
        assert_eq!(
            negotiate("1.999"),
            Err(VersionError::OutOfRange("1.999".into()))
        );
        assert_eq!(
            negotiate("1.0"),
            Err(VersionError::OutOfRange("1.0".into()))
        );
        assert_eq!(
            negotiate("1.99999999"),
            Err(VersionError::OutOfRange("1.99999999".into()))
        );
    }
}
