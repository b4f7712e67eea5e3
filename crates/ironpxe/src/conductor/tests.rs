//! Provision verbs on a real database: the resulting states, the refusals, what survives a restart.

mod boot_tokens;
mod callback_timeouts;
mod history;
mod installer;
mod network_boot;
mod provision;
mod recovery;
mod vifs;
mod volumes;

use std::time::Duration;

use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::provision::Verb;
use serde_json::json;

use super::*;
use crate::api::testing::{HOST, TestApp};
use crate::rpc::{Conductor, Context, ProvisionArgs};
use crate::{clock, ident};

pub(super) fn context() -> Context {
    Context {
        request_id: ident::request_id(),
    }
}

impl TestApp {
    /// What the machine is given to boot by.
    pub(super) async fn script(&self, ident: BootIdent) -> Result<String> {
        let context = context();
        self.conductor.boot.script(&context.request_id, ident).await
    }

    /// Enrols a node with a port and with all it needs, but for automated cleaning.
    pub(super) async fn enrol(&self, deploy_interface: &str) -> NodeUuid {
        let mut node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
        for (kind, name) in [
            (InterfaceKind::Boot, "ipxe"),
            (InterfaceKind::Deploy, deploy_interface),
            (InterfaceKind::Inspect, "agent"),
            (InterfaceKind::Rescue, "agent"),
        ] {
            node.interfaces.set(kind, name);
        }
        node.automated_clean = Some(false);
        for key in [
            "deploy_kernel",
            "deploy_ramdisk",
            "rescue_kernel",
            "rescue_ramdisk",
        ] {
            node.driver_info
                .insert(key.into(), json!(format!("http://h/{key}")));
        }
        for key in ["image_source", "kernel", "ramdisk", "stage2"] {
            node.instance_info
                .insert(key.into(), json!(format!("http://h/{key}")));
        }
        let node = self.conductor.node_create(&context(), node).await.unwrap();
        let octets = ident::uuid()
            .as_bytes()
            .first_chunk::<6>()
            .copied()
            .unwrap();
        let address = ironpxe_core::mac::MacAddress::new(octets);
        let port = Port::new(PortUuid(ident::uuid()), node.uuid, address, clock::now());
        self.conductor.port_create(&context(), port).await.unwrap();
        node.uuid
    }

    pub(super) async fn ask(&self, node: NodeUuid, word: &str) -> Result<()> {
        let (verb, _) = Verb::from_word(word).unwrap();
        let args = ProvisionArgs {
            target: word.to_owned(),
            rescue_password: (verb == Verb::Rescue).then(|| "secret".to_owned()),
            ..ProvisionArgs::default()
        };
        self.conductor.provision(&context(), node, verb, args).await
    }

    /// Asks for each verb in turn; gives the state after each.
    pub(super) async fn walk(&self, uuid: NodeUuid, words: &[&str]) -> Vec<String> {
        let mut states = Vec::new();
        for word in words {
            self.ask(uuid, word)
                .await
                .unwrap_or_else(|fault| panic!("{word}: {fault}"));
            states.push(self.settled(uuid).await.provision_state.name().to_owned());
        }
        states
    }
}
