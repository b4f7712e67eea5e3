//! Who may do what: Ironic's rules, in the language of oslo.policy.
//!
//! A [`Rule`] has a [`Check`] (its default, or the one of a policy file), which is evaluated on the
//! [`Credentials`] of who asks and the [`Target`] that is asked about. The token must also have one
//! of the scopes of the rule, whatever the check says.
//!
//! # Nulls
//!
//! oslo.policy compares texts, and a null is the text `None` to it: `project_id:%(node.owner)s` holds
//! for a system-scoped token (which has no project) and a node without owner. Here **a null of a
//! credential or of the target equals nothing**, not even another null: nobody owns an unowned node.
//! Only `None` in so many words (`system_scope:None`, `None:%(node.owner)s`) means a null, and only
//! that: no project can be given the name `None` to pass for one.
//!
//! In the recorded matrix of 24 personas this changes what a system-scoped *manager* (`sg`) may do to
//! **unowned** nodes and what belongs to them, in these operations: see the test `matrix`.

mod check;
mod credentials;
mod parse;
mod rule;
mod target;
#[cfg(test)]
mod tests;

pub use check::{Check, Left, Part, Reference, Template};
pub use credentials::{Credentials, Scope};
pub use parse::CheckError;
pub use rule::Rule;
pub use target::Target;

use check::Context;
use credentials::Value;

/// The rules that are in force.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The checks of all rules, by `Rule as usize`, then those that only a file defines.
    checks: Vec<Check>,
    /// `[DEFAULT]rbac_service_project_name`, if `rbac_service_role_elevated_access` is on.
    service_project_name: Option<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self::defaults()
    }
}

impl Policy {
    /// The default policy.
    pub fn defaults() -> Self {
        let mut checks: Vec<Check> = Rule::ALL
            .iter()
            // What does not parse denies. All of them parse; a test says so.
            .map(|rule| rule.default_check().parse().unwrap_or(Check::Nobody))
            .collect();
        for check in &mut checks {
            check.resolve(&mut |name| Rule::from_name(name).map(|rule| rule as usize));
        }
        Self {
            checks,
            service_project_name: None,
        }
    }

    /// With elevated access for the role `service` in this project
    /// (`[DEFAULT]rbac_service_role_elevated_access`, `rbac_service_project_name`).
    #[must_use]
    pub fn with_service_project(mut self, name: Option<String>) -> Self {
        self.service_project_name = name;
        self
    }

    /// Whether these credentials may do what the rule is about to this target. False if the rule does
    /// not accept the scope of the token.
    pub fn allows(&self, rule: Rule, credentials: &Credentials, target: &Target<'_>) -> bool {
        rule.accepts_scope(credentials.scope())
            && self.checks.get(rule as usize).is_some_and(|check| {
                check.holds(&Question {
                    policy: self,
                    credentials,
                    target,
                })
            })
    }

    /// The check of a rule.
    pub fn check(&self, rule: Rule) -> &Check {
        self.checks.get(rule as usize).unwrap_or(&Check::Nobody)
    }
}

/// What a check is evaluated on.
struct Question<'a> {
    policy: &'a Policy,
    credentials: &'a Credentials,
    target: &'a Target<'a>,
}

impl Context for Question<'_> {
    fn roles(&self) -> &[String] {
        &self.credentials.roles
    }

    fn credential(&self, name: &str, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        if name == "roles" {
            let mut roles = self.credentials.roles.iter();
            roles.any(|role| matches(Value::Text(role)))
        } else {
            self.credentials.get(name).is_some_and(matches)
        }
    }

    fn target(&self, key: &str) -> Option<Value<'_>> {
        match key {
            // Without elevated access there is no such key.
            "config.service_project_name" => {
                self.policy.service_project_name.as_deref().map(Value::Text)
            }
            // As in Ironic, the credentials are part of the target.
            _ => self.target.get(key).or_else(|| self.credentials.get(key)),
        }
    }

    fn rule(&self, reference: &Reference) -> Option<&Check> {
        self.policy.checks.get(reference.index?)
    }
}
