//! Work that an agent in the ramdisk does, or that nothing does.
//!
//! Cleaning, servicing, inspection and rescue are all of one of these kinds; which one is said by
//! the name of the implementation.
//!
//! The agent proves who it is by a token; what is known of it stands in the node's
//! `driver_internal_info`, under Ironic's names.

use serde_json::Value;

use crate::error::Fault;
use crate::interface::InterfaceKind;
use crate::node::Node;

/// Who does a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worker {
    /// The agent, or an installer: the machine boots its ramdisk, and the node waits for it to call.
    Agent,
    /// Nobody: the work is declared done at once. The name of the implementation (`fake`,
    /// `noop`) says so.
    Nobody,
    /// It is not supported for this node (`no-inspect`, `no-rescue`).
    Unsupported,
}

impl Worker {
    /// Who does the work of the node's inspect or rescue interface.
    pub fn of(node: &Node, kind: InterfaceKind) -> Self {
        match node.interface(kind) {
            "agent" => Self::Agent,
            "fake" => Self::Nobody,
            _ => Self::Unsupported,
        }
    }
}

/// The node has no interface of this kind that can do anything.
pub fn unsupported(node: &Node, kind: InterfaceKind) -> Fault {
    Fault::UnsupportedDriverExtension {
        driver: node.driver.clone(),
        extension: kind.name().to_owned(),
    }
}

/// Where the agent's secret stands in `driver_internal_info`; hidden in the API by its name.
const TOKEN: &str = "agent_secret_token";
/// Says that the agent has the secret without having asked for it.
const PREGENERATED: &str = "agent_secret_token_pregenerated";
/// Where the agent is called back.
const URL: &str = "agent_url";

/// Gives the node a fresh secret, which an agent will be told by other means than by asking for
/// it, and forgets what was known of an earlier agent.
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

/// The secret by which the node's agent is recognized.
pub fn token(node: &Node) -> Option<&str> {
    node.driver_internal_info
        .get(TOKEN)
        .and_then(|token| token.as_str())
        .filter(|token| !token.is_empty())
}

/// Whether whoever says `offered` is the node's agent. How long it takes to tell says nothing
/// about the secret.
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

/// Where the agent is called back, if it said so.
pub fn url(node: &Node) -> Option<&str> {
    node.driver_internal_info
        .get(URL)
        .and_then(|url| url.as_str())
}

/// Notes where the agent is called back.
pub fn set_url(node: &mut Node, url: &str) {
    let url = Value::String(url.to_owned());
    node.driver_internal_info.insert(URL.to_owned(), url);
}

/// When the agent or installer called last, since the machine was last booted for one.
pub fn last_heartbeat(node: &Node) -> Option<&str> {
    node.driver_internal_info
        .get("agent_last_heartbeat")
        .and_then(Value::as_str)
}

/// Notes something of what the agent said last: one of [`LAST_SEEN`].
pub fn note(node: &mut Node, key: &'static str, text: &str) {
    let text = Value::String(text.to_owned());
    node.driver_internal_info.insert(key.to_owned(), text);
}

/// What an agent said last, in `driver_internal_info`. It is no secret, and stays for whoever
/// wants to know how the work went.
pub const LAST_SEEN: [&str; 4] = [
    "agent_last_heartbeat",
    "agent_status",
    "agent_status_message",
    "agent_version",
];

/// Whoever has the secret is no longer the node's agent.
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
    fn only_the_whole_secret_is_valid_and_only_while_there_is_one() {
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
