//! Conductors: who does the work.

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
    /// Its group; nodes of the same group are its work. Empty is the default group.
    pub conductor_group: String,
    /// The hardware types it has enabled.
    pub drivers: Vec<String>,
    /// What each of them offers.
    pub interfaces: Vec<Hardware>,
    /// Where it answers JSON-RPC, as `host:port`; empty when it serves only its own process.
    pub endpoint: String,
    /// Which of its runs this is; another one after each start.
    pub run_id: String,
    /// Whether it has not said that it goes.
    pub online: bool,
    /// Whether it is online, and has been heard of lately.
    pub alive: bool,
    /// When it first registered.
    pub created_at: OffsetDateTime,
    /// When it was last heard of.
    pub updated_at: Option<OffsetDateTime>,
}

impl Conductor {
    /// Whether nodes of this hardware type and conductor group are its work.
    ///
    /// Groups are compared without regard to case, as in Ironic.
    pub fn serves(&self, driver: &str, group: &str) -> bool {
        self.conductor_group.eq_ignore_ascii_case(group)
            && self.drivers.iter().any(|name| name == driver)
    }

    /// Its place among the conductors that could work on a node; the smallest is asked first.
    ///
    /// This is rendezvous hashing: every process comes to the same order without asking another
    /// one, and a conductor that comes or goes moves no node but its own.
    pub fn rank(&self, node: NodeUuid) -> [u8; 32] {
        let hash = Sha256::new()
            .chain_update(node.0.as_bytes())
            .chain_update(&self.hostname);
        hash.finalize().into()
    }
}

/// The name of the conductor that works on the node: the one that holds its reservation, or else
/// the living one that its next work is sent to. `None` if no living conductor has its hardware
/// type and is of its conductor group.
///
/// Source: the `conductor` field of Ironic's API, which is what its hash ring says.
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
    /// For each kind of interface: the default and all enabled implementations.
    pub interfaces: Vec<DriverInterfaces>,
}

/// The implementations of one kind of interface in a hardware type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverInterfaces {
    /// The kind.
    pub kind: InterfaceKind,
    /// What a new node gets.
    pub default: String,
    /// What a node may be given.
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
    fn a_node_is_the_work_of_a_living_conductor_with_its_driver_and_group() {
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
    fn nodes_are_shared_out_and_only_those_of_a_lost_conductor_move() {
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
