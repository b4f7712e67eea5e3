//! What a preview supposes of a machine that is not so, or not yet.

use std::fmt;

use super::explain::Reason;
use serde::{Deserialize, Serialize};

use super::firmware::Firmware;
use crate::node::Node;
use crate::provision_state::ProvisionState;

/// What is supposed. The default supposes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AsIf {
    /// That the node is in this provision state.
    pub state: Option<ProvisionState>,
    /// That the machine has this architecture (`properties.cpu_arch`).
    pub arch: Option<CpuArch>,
    /// That the machine has this firmware. It changes no script: see [`Firmware`].
    pub firmware: Option<Firmware>,
}

/// An architecture, as `properties.cpu_arch` and the `…_by_arch` settings spell it: `x86_64`,
/// `aarch64`, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuArch(String);

/// A text that names no architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an architecture such as x86_64: 1 to 64 letters, digits, \"_\", \"-\" and \".\"")]
pub struct BadArch;

impl CpuArch {
    /// Takes a word that can be an architecture. Which ones there are is not known here.
    pub fn parse(word: &str) -> Result<Self, BadArch> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if word.is_empty() || word.len() > 64 || !word.chars().all(fits) {
            return Err(BadArch);
        }
        Ok(Self(word.to_owned()))
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CpuArch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsIf {
    /// Changes a node into what is supposed, and says what was changed.
    pub fn apply(&self, node: &mut Node) -> Vec<Reason> {
        const ARCH: &str = "cpu_arch";
        let mut reasons = Vec::new();
        if let Some(state) = self.state {
            reasons.push(Reason {
                topic: "state",
                text: format!(
                    "the node is in \"{}\"; this is as if it were in \"{state}\"",
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
                text: format!("properties.{ARCH} is {is}; this is as if it were \"{arch}\""),
            });
            node.properties.insert(ARCH.to_owned(), arch.clone().into());
        }
        reasons
    }
}
