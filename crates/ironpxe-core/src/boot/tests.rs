//! The decision on every state, against real Ironic's scripts, and with hostile values.

mod decision;
mod docs;
mod enumeration;
mod explain;
mod firmware;
mod hostile;
mod ipxe;
mod kickstart;
mod machines;
mod nic_loop;
mod oracle;
mod pinned;
mod refusals;
mod samples;
mod scripts;
mod templates;

use serde_json::json;
use time::OffsetDateTime;

pub(crate) use super::samples::node;
use super::samples::{REQUEST, port, refusals, volumes};
use super::*;
use crate::JsonMap;
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::port::Port;
use crate::provision_state::ProvisionState;

pub(crate) fn map(value: serde_json::Value) -> JsonMap {
    match value {
        serde_json::Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

/// An unknown machine is chained to this URL.
fn chain(url: &str) -> UnknownAction {
    UnknownAction::Chain(ImageUrl::parse(url).unwrap())
}

/// An unknown machine boots from its disk.
fn local() -> UnknownAction {
    UnknownAction::LocalDisk(BootSettings::default().local_boot)
}

pub(super) fn plan(node: &Node) -> BootPlan {
    decide(Machine::of(node), &BootSettings::default(), REQUEST)
}

pub(super) fn script(node: &Node, port: Option<&Port>, settings: &BootSettings) -> String {
    let machine = Machine {
        port,
        ..Machine::of(node)
    };
    let plan = decide(machine, settings, REQUEST);
    let scripts = Scripts::new(settings.downloads).unwrap();
    scripts
        .render(
            &ResolvedPlan::direct(plan),
            RenderContext {
                machine,
                request_id: REQUEST,
            },
        )
        .unwrap()
}
