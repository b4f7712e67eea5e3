//! Conductors, and which of them manages a node.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::id::NodeUuid;
use crate::interface::InterfaceKind;
use crate::node::Node;

/// A conductor as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conductor {
    /// The name it registered under (`[DEFAULT]host`).
    pub hostname: String,
    /// Its conductor group: it manages the nodes of this group. Empty is the default group.
    pub conductor_group: String,
    /// The hardware types it has enabled.
    pub drivers: Vec<String>,
    /// The interfaces of each hardware type.
    pub interfaces: Vec<Hardware>,
    /// Its JSON-RPC endpoint as `host:port`; empty if it serves only its own process.
    pub endpoint: String,
    /// Identifies one run of the process; a new one after each start.
    pub run_id: String,
    /// Whether it is registered: it has not announced that it is stopping.
    pub online: bool,
    /// Whether it is online and its last heartbeat is recent.
    pub alive: bool,
    /// When it first registered.
    pub created_at: OffsetDateTime,
    /// Its last heartbeat.
    pub updated_at: Option<OffsetDateTime>,
}

impl Conductor {
    /// Whether it manages nodes of this hardware type and conductor group.
    ///
    /// Groups are compared without regard to case, as in Ironic.
    pub fn serves(&self, driver: &str, group: &str) -> bool {
        self.conductor_group.eq_ignore_ascii_case(group)
            && self.drivers.iter().any(|name| name == driver)
    }

    /// Its rank among the conductors that can manage the node; the lowest is tried first.
    ///
    /// Rendezvous hashing: every process computes the same order independently, and a conductor
    /// that joins or leaves only moves its own nodes.
    pub fn rank(&self, node: NodeUuid) -> [u8; 32] {
        let hash = Sha256::new()
            .chain_update(node.0.as_bytes())
            .chain_update(&self.hostname);
        hash.finalize().into()
    }
}

/// The name of the conductor that manages the node: the holder of its reservation, or else the live
/// conductor that its next task is sent to. `None` if no live conductor has its hardware type and
/// conductor group.
///
/// Source: the `conductor` field of Ironic's API, taken from its hash ring.
pub fn conductor_of<'a>(conductors: &'a [Conductor], node: &'a Node) -> Option<&'a str> {
    if let Some(holder) = &node.reservation {
        return Some(holder);
    }
    conductors
        .iter()
        .filter(|it| it.alive && it.serves(&node.driver, &node.conductor_group))
        .min_by_key(|it| it.rank(node.uuid))
        .map(|it| it.hostname.as_str())
}

/// A hardware type that a conductor has enabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// The hardware type's name.
    pub name: String,
    /// The default and the enabled implementations of each kind of interface.
    pub interfaces: Vec<DriverInterfaces>,
}

/// The implementations of one kind of interface in a hardware type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverInterfaces {
    /// The kind.
    pub kind: InterfaceKind,
    /// The default for new nodes.
    pub default: String,
    /// All enabled implementations.
    pub enabled: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Node;

    fn conductor(hostname: &str, group: &str, drivers: &[&str]) -> Conductor {
        Conductor {
            hostname: hostname.to_owned(),
            conductor_group: group.to_owned(),
            drivers: drivers.iter().map(ToString::to_string).collect(),
            interfaces: Vec::new(),
            endpoint: String::new(),
            run_id: String::new(),
            online: true,
            alive: true,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: None,
        }
    }

    fn node(number: u128, driver: &str, group: &str) -> Node {
        let uuid = NodeUuid(uuid::Uuid::from_u128(number));
        Node {
            conductor_group: group.to_owned(),
            ..Node::enroll(uuid, driver, OffsetDateTime::UNIX_EPOCH)
        }
    }

    #[test]
    fn node_maps_to_a_live_conductor_with_its_driver_and_group() {
        let mut all = [
            conductor("a", "", &["ipmi"]),
            conductor("b", "Rack1", &["ipmi", "redfish"]),
        ];
        assert_eq!(conductor_of(&all, &node(1, "ipmi", "")), Some("a"));
        assert_eq!(conductor_of(&all, &node(1, "ipmi", "rack1")), Some("b"));
        assert_eq!(conductor_of(&all, &node(1, "redfish", "")), None);
        all[0].alive = false;
        let mut node = node(1, "ipmi", "");
        assert_eq!(conductor_of(&all, &node), None);
        node.reservation = Some("elsewhere".to_owned());
        assert_eq!(conductor_of(&all, &node), Some("elsewhere"), "who holds it");
    }

    #[test]
    fn nodes_are_distributed_and_only_those_of_a_dead_conductor_move() {
        let mut all = ["a", "b", "c"].map(|name| conductor(name, "", &["ipmi"]));
        let nodes: Vec<Node> = (0..300).map(|number| node(number, "ipmi", "")).collect();
        let of = |all: &[Conductor]| -> Vec<String> {
            let of = |node| conductor_of(all, node).unwrap().to_owned();
            nodes.iter().map(of).collect()
        };
        let before = of(&all);
        for name in ["a", "b", "c"] {
            let share = before.iter().filter(|it| *it == name).count();
            assert!((60..=140).contains(&share), "{name} has {share} of 300");
        }
        all[1].alive = false;
        for (before, after) in before.iter().zip(of(&all)) {
            assert!(after != "b" && (*before == after || before == "b"));
        }
        all.reverse();
        all[1].alive = true;
        assert_eq!(of(&all), before, "the order of the list does not matter");
    }
}
