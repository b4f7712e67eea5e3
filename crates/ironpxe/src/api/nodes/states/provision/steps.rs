//! Validation of clean, deploy and service steps.
//!
//! Source: Ironic's `_STEPS_SCHEMA`, `DEPLOY_STEP_SCHEMA` and the checks around them.

use ironpxe_core::field::repr::repr;
use ironpxe_core::node::Node;
use ironpxe_core::policy::Rule;
use ironpxe_core::provision::{Argument, Verb};
use serde_json::Value;

use super::not_taken;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::lazy_args::{LazyArgs, LazyList};
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

/// The maximum number of steps in a request.
const MAX_STEPS: usize = 256;

/// The unparsed step lists of a request.
pub(super) struct StepLists<'a> {
    clean: LazyList<'a>,
    deploy: LazyList<'a>,
    service: LazyList<'a>,
}

impl<'a> StepLists<'a> {
    /// The lists that were sent.
    pub(super) fn read(sent: &'a LazyArgs) -> Result<Self> {
        Ok(Self {
            deploy: sent.list(Argument::DeploySteps.name())?,
            clean: sent.list(Argument::CleanSteps.name())?,
            service: sent.list(Argument::ServiceSteps.name())?,
        })
    }

    /// Checks the rules for the lists that were given.
    pub(super) fn authorize(&self, call: &Call, node: &Node) -> Result<()> {
        if self.clean.count > 0 {
            call.authorize_node(Rule::NodeSetProvisionStateCleanSteps, node)?;
        }
        if self.service.count > 0 {
            call.authorize_node(Rule::NodeSetProvisionStateServiceSteps, node)?;
        }
        Ok(())
    }

    /// Checks that each list belongs to the verb, and that the required one is present.
    pub(super) fn check(&self, call: &Call, verb: Verb) -> Result<()> {
        let lists = [
            (Argument::CleanSteps, self.clean.count),
            (Argument::DeploySteps, self.deploy.count),
            (Argument::ServiceSteps, self.service.count),
        ];
        for (argument, _) in lists.into_iter().filter(|(_, count)| *count > 0) {
            call.requires_version(argument.since())?;
            if verb.takes(argument).is_none() {
                return Err(not_taken(argument));
            }
        }
        for (argument, _) in lists.into_iter().filter(|(_, count)| *count == 0) {
            if argument.is_required() && verb.takes(argument).is_some() {
                return Err(ApiError::invalid(format!(
                    "\"{}\" is required when setting target provision state to {}",
                    argument.name(),
                    verb.name()
                )));
            }
        }
        Ok(())
    }

    /// Parses and validates the steps.
    pub(super) fn parse_into(&self, wanted: &mut ProvisionArgs) -> Result<()> {
        let parse = |list: LazyList<'_>, form: StepSchema| {
            let steps = list.items(MAX_STEPS)?;
            for step in &steps {
                form.check(step).map_err(|problem| {
                    ApiError::invalid(format!("Invalid {}: {problem}", list.name))
                })?;
            }
            Ok::<_, ApiError>(steps)
        };
        wanted.clean_steps = parse(self.clean, USER)?;
        wanted.service_steps = parse(self.service, USER)?;
        wanted.deploy_steps = parse(self.deploy, DEPLOY)?;
        Ok(())
    }
}

/// The members of a step.
#[derive(Clone, Copy)]
struct StepSchema {
    required: &'static [&'static str],
    known: &'static [&'static str],
}

const USER: StepSchema = StepSchema {
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

const DEPLOY: StepSchema = StepSchema {
    required: &["interface", "step", "args", "priority"],
    known: &["interface", "step", "args", "priority"],
};

impl StepSchema {
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
    fn step_with_missing_or_extra_members_is_refused() {
        let fits = |form: StepSchema, step: Value| form.check(&step).is_ok();
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
