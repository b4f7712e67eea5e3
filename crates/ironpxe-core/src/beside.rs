//! Machines of another Ironic, from what its database ([`sql`]) or its API ([`rest`]) gives to what
//! the boot decision takes.
//!
//! Both sources give the same [`IronicMachine`], whose decision, script and explanation are made by
//! the code that makes those of this service's own nodes. Pure: who asks, how often, and what is
//! done about a [`Problem`] is not here.
//!
//! A record that cannot be used, for example because its JSON is broken, is a machine that boots
//! nothing, with the reason ([`IronicMachine::unusable`]); an answer that says nothing about the
//! machine is a [`Problem`].
//!
//! Values that an API has masked are kept as they are. A decision that depends on one is a
//! [`Refusal::Masked`]; `boot/fields.rs` says why none can get into a script.
//!
//! Times are not read: nothing that is booted depends on them.
//!
//! Source: Ironic's `db/sqlalchemy/models.py` and `api/controllers/v1/`, 17.0 to 39.0.

mod ironic_file;
mod problem;
mod record;
pub mod rest;
pub mod sql;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use ironic_file::{Difference, FileProblem, IronicFile, ScriptBoot, Topic, differences};
pub use problem::Problem;

use crate::boot::{KickstartServer, Machine, Refusal};
use crate::driver::boot::BootInterface;
use crate::node::Node;
use crate::port::Port;
use crate::volume::Volumes;

/// A machine of another Ironic.
#[derive(Debug, Clone, PartialEq)]
pub struct IronicMachine {
    /// Its node.
    pub node: Node,
    /// The conductor that manages it: in the database the one that prepared its boot, in the API the
    /// one that would prepare the next.
    pub conductor: Option<String>,
    /// The port with the requested address.
    pub port: Option<Port>,
    /// Its volumes; `None` if it does not boot from one.
    pub volumes: Option<Volumes>,
    /// Why its record cannot be used. The other fields are then only as complete as the record.
    pub unusable: Option<Refusal>,
}

impl IronicMachine {
    /// A machine with this record.
    ///
    /// Ironic keeps no iPXE script of a node whose `boot_interface` is neither `ipxe` nor
    /// `http-ipxe`, so such a machine boots nothing here either.
    pub fn new(
        node: Node,
        conductor: Option<String>,
        port: Option<Port>,
        volumes: Option<Volumes>,
    ) -> Self {
        let mut machine = Self {
            node,
            conductor,
            port,
            volumes,
            unusable: None,
        };
        if !machine.boots_by_ipxe() {
            machine.unusable = Some(Refusal::BadValue {
                field: "boot_interface".to_owned(),
                problem: "Ironic boots this node otherwise than by iPXE".to_owned(),
            });
        }
        machine
    }

    /// Whether Ironic boots its node by iPXE.
    pub(crate) fn boots_by_ipxe(&self) -> bool {
        BootInterface::of(&self.node).transport().is_some()
    }

    /// A machine whose record cannot be used: of the node, only what identifies it is known.
    pub fn unusable(node: Node, refusal: Refusal) -> Self {
        Self {
            node,
            conductor: None,
            port: None,
            volumes: None,
            unusable: Some(refusal),
        }
    }

    /// What the decision takes. `http_urls` are the URLs of the conductors' web servers
    /// (`[deploy]http_url`) by their host names: installers get their kickstart there, because it has
    /// the node's agent token.
    pub fn machine<'a>(&'a self, http_urls: &'a BTreeMap<String, String>) -> Machine<'a> {
        let conductor = self.conductor.as_deref();
        let http_url = conductor.and_then(|name| http_urls.get(name));
        Machine {
            port: self.port.as_ref(),
            volumes: self.volumes.as_ref(),
            kickstart: KickstartServer::Conductor {
                name: conductor,
                http_url: http_url.map(String::as_str),
            },
            unusable: self.unusable.as_ref(),
            ..Machine::of(&self.node)
        }
    }
}
