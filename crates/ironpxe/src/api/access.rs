//! Whether the caller may do what the request asks for.
//!
//! As in Ironic, the policy is only asked about callers with a token of Keystone. Everybody else who
//! gets here may do everything, but does not see secrets either.

use ironpxe_core::node::Node;
use ironpxe_core::policy::{Rule, STEP_PREFIX, Scope, Target};
use serde_json::Value;

use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::auth::Caller;

/// The projects of a node, as rules ask about them.
pub(super) fn of_node(node: &Node) -> Target<'_> {
    Target::node(node.owner.as_deref(), node.lessee.as_deref())
}

/// Which rows of a list the caller sees. Only the policy makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Visible {
    project: Option<String>,
}

impl Visible {
    /// The project to which the rows belong, as owner or as lessee; all rows if unset.
    pub(super) fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Whether what belongs to this node is in the list.
    pub(super) fn includes(&self, node: &Node) -> bool {
        self.project.as_ref().is_none_or(|project| {
            [&node.owner, &node.lessee]
                .into_iter()
                .any(|other| other.as_ref() == Some(project))
        })
    }
}

impl Call {
    /// Whether the caller may do what the rule is about to this target.
    pub(super) fn may(&self, rule: Rule, target: &Target<'_>) -> bool {
        match &self.caller {
            Caller::Unrestricted { .. } => true,
            Caller::Keystone(credentials) => self.policy.allows(rule, credentials, target),
            // Credentials are not read on public routes.
            Caller::Public => false,
        }
    }

    /// Whether a rule lets the caller see secrets; without tokens, nobody does.
    pub(super) fn sees_secrets(&self, rule: Rule, target: &Target<'_>) -> bool {
        matches!(self.caller, Caller::Keystone(_)) && self.may(rule, target)
    }

    /// Whether no rule restricts the caller.
    pub(super) const fn is_unrestricted(&self) -> bool {
        matches!(self.caller, Caller::Unrestricted { .. })
    }

    /// Refuses the request with 403 unless the rule allows it.
    pub(super) fn authorize(&self, rule: Rule, target: &Target<'_>) -> Result<()> {
        if self.may(rule, target) {
            self.audit.allowed(rule);
            return Ok(());
        }
        self.audit.refused(rule);
        Err(denied(rule))
    }

    /// As [`Call::authorize`], about a node or what belongs to it.
    pub(super) fn authorize_node(&self, rule: Rule, node: &Node) -> Result<()> {
        self.authorize(rule, &of_node(node))
    }

    /// Refuses the request with 403 if the policy file has a rule for a step of it that does not
    /// allow the caller to have it executed on the node.
    pub(super) fn authorize_steps(&self, steps: &[Value], node: &Node) -> Result<()> {
        let Caller::Keystone(credentials) = &self.caller else {
            return Ok(());
        };
        for step in steps {
            let member = |name| step.get(name).and_then(Value::as_str).unwrap_or_default();
            let step = format!("{}.{}", member("interface"), member("step"));
            if !self.policy.allows_step(&step, credentials, &of_node(node)) {
                self.audit.refused(Rule::NodeSetProvisionState);
                return Err(denied_by(&format!("{STEP_PREFIX}{step}")));
            }
        }
        Ok(())
    }

    /// Which rows of a list the caller sees: all by the rule `all`, those of the own project by
    /// `own`. `project` is the one that the request asks for; others than the own need `all`.
    ///
    /// Source: Ironic's `check_list_policy`.
    pub(super) fn list(&self, all: Rule, own: Rule, project: Option<&str>) -> Result<Visible> {
        let project = project.map(str::to_owned);
        if self.may(all, &Target::NONE) {
            return Ok(Visible { project });
        }
        let Some(caller_project) = self.project() else {
            return Err(denied(all));
        };
        if project.is_some_and(|project| project != caller_project) {
            return Err(denied(all));
        }
        self.authorize(own, &Target::NONE)?;
        Ok(Visible {
            project: Some(caller_project.to_owned()),
        })
    }

    /// Whether the token is for the system.
    pub(super) fn is_for_system(&self) -> bool {
        matches!(&self.caller, Caller::Keystone(it) if it.scope() == Scope::System)
    }

    /// The project of the token, if it is for one.
    pub(super) fn project(&self) -> Option<&str> {
        match &self.caller {
            Caller::Keystone(credentials) => credentials.project_id.as_deref(),
            Caller::Unrestricted { .. } | Caller::Public => None,
        }
    }
}

/// The refusal, in Ironic's words. A wrong scope gets the same, instead of Ironic's status 500.
fn denied(rule: Rule) -> ApiError {
    denied_by(rule.name())
}

fn denied_by(rule: &str) -> ApiError {
    ApiError::Forbidden(format!(
        "Access was denied to the following resource: {rule}"
    ))
}

#[cfg(test)]
mod tests;
