//! Clean and service steps of `fake` interfaces; each completes immediately.
//!
//! An agent's steps are only known once it runs. The steps of other interfaces are known in
//! advance, so that an unknown step is rejected instead of reported as done.
//!
//! Source: Ironic's `drivers/modules/fake.py`; the messages are from `conductor/steps.py`.

use serde_json::Value;

use crate::field::repr::repr;
use crate::interface::InterfaceKind;
use crate::node::Node;

/// The kind of task that a step belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Manual cleaning.
    Clean,
    /// Servicing.
    Service,
}

impl StepKind {
    /// The verb's name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Service => "service",
        }
    }

    /// The key of the requested steps in `driver_internal_info`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Clean => "clean_steps",
            Self::Service => "service_steps",
        }
    }
}

/// A step of a `fake` interface.
struct Step {
    interface: InterfaceKind,
    name: &'static str,
    /// Its only and required argument, with Ironic's description.
    argument: Option<(&'static str, &'static str)>,
    flows: &'static [StepKind],
}

#[rustfmt::skip]
const STEPS: [Step; 6] = {
    use InterfaceKind as I;
    const CLEAN: &[StepKind] = &[StepKind::Clean];
    [
        Step { interface: I::Bios, name: "apply_configuration", flows: CLEAN, argument: Some(("settings",
            "List of BIOS settings, each item needs to contain a dictionary with name/value pairs")) },
        Step { interface: I::Bios, name: "factory_reset", flows: CLEAN, argument: None },
        Step { interface: I::Bios, name: "cache_bios_settings", flows: CLEAN, argument: None },
        Step { interface: I::Firmware, name: "update", flows: CLEAN, argument: Some(("settings",
            "List of Firmware components, each item needs to contain a dictionary with name/value pairs")) },
        Step { interface: I::Vendor, name: "log_passthrough", flows: &[StepKind::Clean, StepKind::Service], argument: None },
        Step { interface: I::Vendor, name: "trigger_servicewait", flows: &[StepKind::Service], argument: None },
    ]
};

/// Steps of the conductor itself, available on every node.
const RESERVED: [&str; 5] = ["power_on", "power_off", "reboot", "hold", "wait"];

/// Why the node cannot execute its requested steps; `None` if it can.
pub fn refusal(node: &Node, flow: StepKind) -> Option<String> {
    let wanted = node
        .driver_internal_info
        .get(flow.key())
        .and_then(Value::as_array)?;
    let problems: Vec<String> = wanted
        .iter()
        .filter_map(|step| problem(node, flow, step))
        .collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

fn problem(node: &Node, flow: StepKind, wanted: &Value) -> Option<String> {
    let text = |name: &str| wanted.get(name).and_then(Value::as_str).unwrap_or_default();
    let elsewhere = wanted
        .get("execute_on_child_nodes")
        .and_then(Value::as_bool);
    if elsewhere == Some(true) || RESERVED.contains(&text("step")) {
        return None;
    }
    let kind = flow.name();
    let shown = repr(wanted);
    let found = STEPS.iter().find(|step| {
        step.name == text("step")
            && step.interface.name() == text("interface")
            && step.flows.contains(&flow)
            && node.interface(step.interface) == "fake"
    });
    let Some(step) = found else {
        return Some(format!("node does not support this {kind} step: {shown}"));
    };
    let given = wanted.get("args").and_then(Value::as_object);
    let unexpected: Vec<&str> = given
        .into_iter()
        .flat_map(|given| given.keys())
        .map(String::as_str)
        .filter(|name| step.argument.is_none_or(|(known, _)| known != *name))
        .collect();
    if !unexpected.is_empty() {
        return Some(format!(
            "{kind} step {shown} has these unexpected arguments: {}",
            unexpected.join(", ")
        ));
    }
    let (name, description) = step.argument?;
    if given.is_some_and(|given| given.contains_key(name)) {
        return None;
    }
    Some(format!(
        "{kind} step {shown} is missing these required arguments: {name} ({description})"
    ))
}

#[cfg(test)]
mod tests {
    use crate::id::NodeUuid;
    use serde_json::json;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    fn refused(flow: StepKind, steps: Value) -> Option<String> {
        let mut node = Node::enroll(
            NodeUuid(Uuid::from_u128(1)),
            "fake-hardware",
            OffsetDateTime::UNIX_EPOCH,
        );
        for &kind in InterfaceKind::ALL {
            node.interfaces.set(kind, "fake");
        }
        node.interfaces.set(InterfaceKind::Firmware, "no-firmware");
        node.driver_internal_info
            .insert(flow.key().to_owned(), steps);
        refusal(&node, flow)
    }

    #[test]
    fn supported_step_of_fake_interfaces_is_accepted() {
        let settings = json!([{"name": "a", "value": "b"}]);
        for (flow, steps) in [
            (StepKind::Clean, json!([])),
            (
                StepKind::Clean,
                json!([{"interface": "bios", "step": "factory_reset"}]),
            ),
            (
                StepKind::Clean,
                json!([{"interface": "bios", "step": "apply_configuration",
                        "args": {"settings": settings}}]),
            ),
            (
                StepKind::Clean,
                json!([{"interface": "power", "step": "reboot"}]),
            ),
            (
                StepKind::Service,
                json!([{"interface": "vendor", "step": "log_passthrough"}]),
            ),
        ] {
            assert_eq!(refused(flow, steps.clone()), None, "{steps}");
        }
    }

    #[test]
    fn unsupported_step_is_refused_with_the_message_of_ironic() {
        for (flow, steps, words) in [
            (
                StepKind::Clean,
                json!([{"interface": "deploy", "step": "no_such_step"}]),
                "node does not support this clean step: {'interface': 'deploy', 'step': \
                 'no_such_step'}",
            ),
            // The node has another firmware interface.
            (
                StepKind::Clean,
                json!([{"interface": "firmware", "step": "update", "args": {"settings": []}}]),
                "node does not support this clean step: ",
            ),
            // It is a step of cleaning.
            (
                StepKind::Service,
                json!([{"interface": "bios", "step": "factory_reset"}]),
                "node does not support this service step: ",
            ),
            (
                StepKind::Clean,
                json!([{"interface": "bios", "step": "factory_reset", "args": {"x": 1}}]),
                "has these unexpected arguments: x",
            ),
            (
                StepKind::Clean,
                json!([{"interface": "bios", "step": "apply_configuration"}]),
                "is missing these required arguments: settings (List of BIOS settings",
            ),
        ] {
            let said = refused(flow, steps.clone()).unwrap_or_default();
            assert!(said.contains(words), "{steps}: {said}");
        }
    }
}
