//! Steps: what cleaning, deploying and servicing shall do, in an operator's words.
//!
//! Source: Ironic's `_STEPS_SCHEMA`, `DEPLOY_STEP_SCHEMA` and the checks around them.

use ironpxe_core::patch::repr::repr;
use ironpxe_core::provision_state::Verb;
use serde_json::Value;

use crate::api::error::{ApiError, Result};
use crate::api::request::Call;
use crate::rpc::ProvisionArgs;

/// The interfaces that have steps.
const INTERFACES: [&str; 7] = [
    "vendor",
    "power",
    "management",
    "firmware",
    "deploy",
    "bios",
    "raid",
];

/// Whether each list of steps belongs to the verb, is there if it must be, and is well-formed.
pub(super) fn check(call: &Call, verb: Verb, wanted: &ProvisionArgs) -> Result<()> {
    only_for(
        &wanted.clean_steps,
        verb == Verb::Clean,
        "clean_steps",
        "clean",
    )?;
    if !wanted.deploy_steps.is_empty() {
        call.need(69)?;
        let deploys = matches!(verb, Verb::Deploy | Verb::Rebuild);
        only_for(
            &wanted.deploy_steps,
            deploys,
            "deploy_steps",
            "active or rebuild",
        )?;
    }
    only_for(
        &wanted.service_steps,
        verb == Verb::Service,
        "service_steps",
        "service",
    )?;
    if verb == Verb::Clean {
        needed(&wanted.clean_steps, "clean_steps", "clean")?;
    }
    if verb == Verb::Service {
        needed(&wanted.service_steps, "service_steps", "service")?;
    }
    let lists = [
        ("clean_steps", &wanted.clean_steps, USER),
        ("service_steps", &wanted.service_steps, USER),
        ("deploy_steps", &wanted.deploy_steps, DEPLOY),
    ];
    for (name, steps, form) in lists {
        for step in steps {
            form.check(step)
                .map_err(|problem| ApiError::invalid(format!("Invalid {name}: {problem}")))?;
        }
    }
    Ok(())
}

fn only_for(steps: &[Value], fits: bool, name: &str, targets: &str) -> Result<()> {
    if steps.is_empty() || fits {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "\"{name}\" is only valid when setting target provision state to {targets}"
    )))
}

fn needed(steps: &[Value], name: &str, target: &str) -> Result<()> {
    if !steps.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "\"{name}\" is required when setting target provision state to {target}"
    )))
}

/// Which members a step has.
#[derive(Clone, Copy)]
struct Form {
    required: &'static [&'static str],
    known: &'static [&'static str],
}

const USER: Form = Form {
    required: &["interface", "step"],
    known: &[
        "interface",
        "step",
        "args",
        "order",
        "execute_on_child_nodes",
        "limit_child_node_execution",
    ],
};

const DEPLOY: Form = Form {
    required: &["interface", "step", "args", "priority"],
    known: &["interface", "step", "args", "priority"],
};

impl Form {
    fn check(self, step: &Value) -> std::result::Result<(), String> {
        let Value::Object(fields) = step else {
            return Err(format!("{} is not of type 'object'", repr(step)));
        };
        if let Some(missing) = self
            .required
            .iter()
            .find(|name| !fields.contains_key(**name))
        {
            return Err(format!("'{missing}' is a required property"));
        }
        for (name, value) in fields {
            let fits = match name.as_str() {
                _ if !self.known.contains(&name.as_str()) => {
                    return Err(format!(
                        "Additional properties are not allowed ('{name}' was unexpected)"
                    ));
                }
                "interface" => value
                    .as_str()
                    .is_some_and(|name| INTERFACES.contains(&name)),
                "step" => value.as_str().is_some_and(|name| !name.is_empty()),
                "args" => value.is_object(),
                "priority" | "order" => is_priority(value),
                "execute_on_child_nodes" => value.is_boolean(),
                _ => value.is_array(),
            };
            if !fits {
                return Err(format!("{} is not valid for '{name}'", repr(value)));
            }
        }
        Ok(())
    }
}

fn is_priority(value: &Value) -> bool {
    value.as_u64().is_some()
        || value
            .as_str()
            .is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_have_what_they_need_and_nothing_else() {
        let fits = |form: Form, step: Value| form.check(&step).is_ok();
        assert!(fits(
            USER,
            json!({"interface": "deploy", "step": "erase", "args": {"a": 1}})
        ));
        assert!(!fits(USER, json!({"interface": "nope", "step": "erase"})));
        assert!(!fits(USER, json!({"interface": "deploy"})));
        assert!(!fits(USER, json!({"interface": "deploy", "step": ""})));
        assert!(!fits(
            USER,
            json!({"interface": "deploy", "step": "x", "zzz": 1})
        ));
        assert!(!fits(USER, json!("erase")));
        let step = |priority: Value| json!({"interface": "raid", "step": "x", "args": {}, "priority": priority});
        assert!(fits(DEPLOY, step(json!(10))) && fits(DEPLOY, step(json!("10"))));
        assert!(!fits(DEPLOY, step(json!(-1))) && !fits(DEPLOY, step(json!("x"))));
    }
}
