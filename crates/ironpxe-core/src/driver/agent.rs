//! Which operations an agent in the ramdisk carries out, and the agent's credentials.
//!
//! Cleaning, servicing, inspection and rescue each have one of these kinds of worker; the
//! implementation's name determines it.
//!
//! The agent authenticates with a token. Its data is kept in the node's `driver_internal_info`
//! under Ironic's names.

use serde_json::Value;

use crate::error::Fault;
use crate::interface::InterfaceKind;
use crate::node::Node;

/// What carries out an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// The agent or an installer: the machine boots its ramdisk, and the node waits for it.
    Agent,
    /// Nothing: the operation completes immediately (`fake`, `noop`).
    Noop,
    /// It is not supported for this node (`no-inspect`, `no-rescue`).
    Unsupported,
}

impl OperationKind {
    /// The worker of the node's inspect or rescue interface.
    pub fn of(node: &Node, kind: InterfaceKind) -> Self {
        match node.interface(kind) {
            "agent" => Self::Agent,
            "fake" => Self::Noop,
            _ => Self::Unsupported,
        }
    }
}

/// The fault for a node whose interface of this kind does not support the operation.
pub fn unsupported(node: &Node, kind: InterfaceKind) -> Fault {
    Fault::UnsupportedDriverExtension {
        driver: node.driver.clone(),
        extension: kind.name().to_owned(),
    }
}

/// The key of the agent token in `driver_internal_info`; masked in the API by its name.
const TOKEN: &str = "agent_secret_token";
/// Set if the agent gets the token without requesting it.
const PREGENERATED: &str = "agent_secret_token_pregenerated";
/// The agent's callback URL.
const URL: &str = "agent_url";

/// Generates a new token for an agent that gets it without requesting it, and drops the data of an
/// earlier agent.
///
/// Source: Ironic's conductor (`add_secret_token`).
pub fn pregenerate_token(node: &mut Node, token: String) {
    forget(node);
    let info = &mut node.driver_internal_info;
    for key in LAST_SEEN {
        info.remove(key);
    }
    info.insert(TOKEN.to_owned(), Value::String(token));
    info.insert(PREGENERATED.to_owned(), Value::Bool(true));
}

/// The agent token of the node.
pub fn token(node: &Node) -> Option<&str> {
    node.driver_internal_info
        .get(TOKEN)
        .and_then(|token| token.as_str())
        .filter(|token| !token.is_empty())
}

/// Whether `offered` is the node's agent token, compared in constant time.
pub fn is_token_valid(node: &Node, offered: &str) -> bool {
    let Some(token) = token(node) else {
        return false;
    };
    let differences = token
        .bytes()
        .zip(offered.bytes())
        .fold(0, |found, (ours, theirs)| found | (ours ^ theirs));
    token.len() == offered.len() && std::hint::black_box(differences) == 0
}

/// The agent's callback URL, if it sent one.
pub fn url(node: &Node) -> Option<&str> {
    node.driver_internal_info
        .get(URL)
        .and_then(|url| url.as_str())
}

/// Stores the agent's callback URL.
pub fn set_url(node: &mut Node, url: &str) {
    let url = Value::String(url.to_owned());
    node.driver_internal_info.insert(URL.to_owned(), url);
}

/// When the agent or installer sent its last heartbeat since the machine last booted it.
pub fn last_heartbeat(node: &Node) -> Option<&str> {
    node.driver_internal_info
        .get("agent_last_heartbeat")
        .and_then(Value::as_str)
}

/// Stores a value of the agent's last heartbeat under one of [`LAST_SEEN`].
pub fn note(node: &mut Node, key: &'static str, text: &str) {
    let text = Value::String(text.to_owned());
    node.driver_internal_info.insert(key.to_owned(), text);
}

/// The values of the last heartbeat in `driver_internal_info`. Not secret, and kept for diagnosis
/// after the task.
pub const LAST_SEEN: [&str; 4] = [
    "agent_last_heartbeat",
    "agent_status",
    "agent_status_message",
    "agent_version",
];

/// Drops the agent's token and URL.
///
/// Source: Ironic's conductor (`wipe_token_and_url`).
pub fn forget(node: &mut Node) {
    for key in [TOKEN, PREGENERATED, URL] {
        node.driver_internal_info.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use crate::id::NodeUuid;

    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_the_current_agent_token_is_valid() {
        let mut node = Node::enroll(
            NodeUuid(Uuid::from_u128(1)),
            "fake-hardware",
            OffsetDateTime::UNIX_EPOCH,
        );
        assert!(!is_token_valid(&node, ""));
        pregenerate_token(&mut node, "abcd".to_owned());
        for wrong in ["", "abc", "abcde", "abce", "bbcd", "ABCD"] {
            assert!(!is_token_valid(&node, wrong), "{wrong}");
        }
        assert!(is_token_valid(&node, "abcd"));
        forget(&mut node);
        assert!(!is_token_valid(&node, "abcd"));
        assert!(!is_token_valid(&node, ""));
        assert!(node.driver_internal_info.is_empty());
        pregenerate_token(&mut node, String::new());
        assert!(!is_token_valid(&node, ""));
    }
}
