//! Overrides for a preview: properties that the machine does not have, or not yet.

use std::fmt;

use super::explain::Reason;

use super::firmware::Firmware;
use crate::node::Node;
use crate::provision_state::ProvisionState;

/// The overrides; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// The provision state of the node.
    pub state: Option<ProvisionState>,
    /// The machine's architecture (`properties.cpu_arch`).
    pub arch: Option<CpuArch>,
    /// The machine's firmware. It changes no script: see [`Firmware`].
    pub firmware: Option<Firmware>,
}

/// An architecture, as spelled in `properties.cpu_arch` and the `…_by_arch` settings: `x86_64`,
/// `aarch64`, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuArch(String);

/// The text is not an architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an architecture such as x86_64: 1 to 64 letters, digits, \"_\", \"-\" and \".\"")]
pub struct ParseArchError;

impl CpuArch {
    /// Accepts any text that can be an architecture; there is no fixed list.
    pub fn parse(word: &str) -> Result<Self, ParseArchError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if word.is_empty() || word.len() > 64 || !word.chars().all(fits) {
            return Err(ParseArchError);
        }
        Ok(Self(word.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CpuArch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Overrides {
    /// Applies the overrides to a node, and returns what was changed.
    pub fn apply(&self, node: &mut Node) -> Vec<Reason> {
        const ARCH: &str = "cpu_arch";
        let mut reasons = Vec::new();
        if let Some(state) = self.state {
            reasons.push(Reason {
                topic: "state",
                text: format!(
                    "the node is in \"{}\"; overridden with \"{state}\"",
                    node.provision_state
                ),
            });
            node.provision_state = state.into();
        }
        if let Some(CpuArch(arch)) = &self.arch {
            let is = match node.properties.get(ARCH) {
                None | Some(serde_json::Value::Null) => "not set".to_owned(),
                Some(value) => value.to_string(),
            };
            reasons.push(Reason {
                topic: "arch",
                text: format!("properties.{ARCH} is {is}; overridden with \"{arch}\""),
            });
            node.properties.insert(ARCH.to_owned(), arch.clone().into());
        }
        reasons
    }
}
