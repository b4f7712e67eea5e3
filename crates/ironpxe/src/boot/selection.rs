//! The machines of an existing Ironic that are booted from here: a site moves one machine, then a
//! network, then all.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::IpNet;
use ironpxe_core::node::Node;

/// The selected machines: those that match any of the lists, or all if there are none
/// (`[beside]only_nodes`, `only_conductor_groups`, `only_networks`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Nodes, by name or UUID.
    pub nodes: Vec<String>,
    /// Conductor groups; the empty one is that of nodes without a group.
    pub conductor_groups: Vec<String>,
    /// Networks of machines.
    pub networks: Vec<IpNet>,
}

impl Selection {
    /// Whether all machines are selected.
    fn is_all(&self) -> bool {
        self.nodes.is_empty() && self.conductor_groups.is_empty() && self.networks.is_empty()
    }

    /// Whether machines with this address are selected, whatever their node.
    pub(super) fn has_client(&self, address: Option<IpAddr>) -> bool {
        let in_one = |address: IpAddr| self.networks.iter().any(|it| it.contains(&address));
        self.is_all() || address.is_some_and(|address| in_one(address.to_canonical()))
    }

    /// Whether the machine of this node is selected, whatever its address.
    pub(super) fn has_node(&self, node: &Node) -> bool {
        let uuid = node.uuid.to_string();
        let is_named = |it: &String| Some(it) == node.name.as_ref() || *it == uuid;
        self.is_all()
            || self.nodes.iter().any(is_named)
            || self.conductor_groups.contains(&node.conductor_group)
    }

    /// Why the machine of this node is not booted from here, whatever its address; `None` if it is.
    pub(super) fn exclusion(&self, node: &Node) -> Option<Exclusion> {
        if self.has_node(node) {
            return None;
        }
        let lists = [
            ("only_nodes", &self.nodes),
            ("only_conductor_groups", &self.conductor_groups),
        ];
        let mut by_node = String::new();
        for (option, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            let and = if by_node.is_empty() { "" } else { " or " };
            // Writing to a string cannot fail.
            let _ = write!(by_node, "{and}[beside]{option} = {list:?}");
        }
        Some(if self.networks.is_empty() {
            Exclusion::Always(format!(
                "not booted by ironpxe: the node is not in {by_node}"
            ))
        } else {
            let mut text = format!("booted by ironpxe only from {}", self.only_networks());
            if !by_node.is_empty() {
                let _ = write!(text, ": the node is not in {by_node}");
            }
            Exclusion::OtherNetworks(text)
        })
    }

    /// What the unknown machines of this selection get; `response` is what those get that are not
    /// left to Ironic.
    pub(super) fn describe_unknown(&self, response: &str) -> String {
        if self.is_all() {
            return response.to_owned();
        }
        let left = "an unknown machine gets 404, to use its own file";
        if self.networks.is_empty() {
            return format!("{left}, as do all that [beside]only_* does not select");
        }
        format!("{left}, but from {}: {response}", self.only_networks())
    }

    fn only_networks(&self) -> String {
        let networks: Vec<String> = self.networks.iter().map(IpNet::to_string).collect();
        format!("addresses in [beside]only_networks = {networks:?}")
    }
}

/// Why a machine is left to Ironic, as a sentence with the options.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Exclusion {
    /// Whatever its address.
    Always(String),
    /// Unless its address is in a selected network.
    OtherNetworks(String),
}

#[cfg(test)]
mod tests {
    use ironpxe_core::id::NodeUuid;
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn machine_is_selected_by_any_of_the_lists() {
        let uuid: NodeUuid = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123".parse().unwrap();
        let mut node = Node::enroll(uuid, "redfish", OffsetDateTime::UNIX_EPOCH);
        node.name = Some("rack-1".to_owned());
        node.conductor_group = "east".to_owned();
        let client = |text: &str| text.parse().ok();
        let all = Selection::default();
        assert!(all.has_node(&node) && all.has_client(None));

        let none = Selection {
            nodes: vec!["rack-2".to_owned()],
            conductor_groups: vec![String::new()],
            networks: vec!["192.0.2.0/24".parse().unwrap()],
        };
        assert!(!none.has_node(&node) && !none.has_client(None));
        assert!(!none.has_client(client("192.0.3.1")));
        assert!(none.has_client(client("192.0.2.1")));
        assert!(
            none.has_client(client("::ffff:192.0.2.1")),
            "a dual-stack socket"
        );
        for (nodes, groups) in [("rack-1", "x"), (&uuid.to_string(), "x"), ("x", "east")] {
            let some = Selection {
                nodes: vec![nodes.to_owned()],
                conductor_groups: vec![groups.to_owned()],
                networks: Vec::new(),
            };
            assert!(some.has_node(&node), "{some:?}");
            assert!(!some.has_client(client("192.0.2.1")), "{some:?}");
        }
    }
}
