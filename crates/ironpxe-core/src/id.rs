//! Typed identifiers, so that a node's UUID cannot be used as a port's.
//!
//! Parsing accepts any case; printing always gives the canonical lower-case hyphenated form that
//! Ironic stores.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text was not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a UUID")]
pub struct ParseUuidError(pub String);

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseUuidError;

            fn from_str(text: &str) -> Result<Self, ParseUuidError> {
                parse_canonical(text).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

uuid_newtype!(
    /// Identifies a node for its whole life.
    NodeUuid
);
uuid_newtype!(
    /// Identifies a port.
    PortUuid
);
uuid_newtype!(
    /// Identifies a volume connector.
    VolumeConnectorUuid
);
uuid_newtype!(
    /// Identifies a volume target.
    VolumeTargetUuid
);

uuid_newtype!(
    /// Identifies an entry of a node's history.
    NodeHistoryUuid
);

/// Accepts only the 36-character hyphenated form, in any case: no client of this API sends the
/// braced, URN and bare forms that the `uuid` crate also reads.
fn parse_canonical(text: &str) -> Result<Uuid, ParseUuidError> {
    match Uuid::parse_str(text) {
        Ok(uuid) if text.len() == 36 => Ok(uuid),
        _ => Err(ParseUuidError(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_of_any_case_is_read_and_written_in_lower_case() {
        let node: NodeUuid = "AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE".parse().unwrap();
        assert_eq!(node.to_string(), "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
    }

    #[test]
    fn other_uuid_forms_are_refused() {
        for text in [
            "",
            "xyz",
            "aaaaaaaabbbb4ccc8dddeeeeeeeeeeee",
            "{aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeee}",
        ] {
            assert!(text.parse::<NodeUuid>().is_err(), "{text}");
        }
    }
}
