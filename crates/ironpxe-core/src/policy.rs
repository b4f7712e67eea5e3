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
//! credential or of the target equals nothing**, not even another null: no project owns an unowned node.
//! Only `None` in so many words (`system_scope:None`, `None:%(node.owner)s`) means a null, and only
//! that: no project can be given the name `None` to pass for one.
//!
//! In the recorded matrix of 24 personas and 188 operations this changes only what a system-scoped
//! *manager* (`sg`) may do to nodes without owner: create and delete their ports and port groups,
//! which is refused here (403). No role of the system but `admin` and `service` may do that for owned
//! nodes. The test `matrix` compares all other cells.

mod check;
mod credentials;
mod file;
mod overrides;
mod parse;
mod rule;
mod target;
#[cfg(test)]
mod tests;

pub use check::{Check, Left, Part, Reference, Template};
pub use credentials::{Credentials, Scope};
pub use file::{PolicyFile, PolicyProblem};
pub use overrides::RuleOrigin;
pub use parse::CheckError;
pub use rule::Rule;
pub use target::Target;

use check::Context;
use credentials::Value;

/// The prefix of rules about single steps, which only files define:
/// `baremetal:step:execute:<interface>.<step>`.
pub const STEP_PREFIX: &str = "baremetal:step:execute:";

/// The rules that are in force.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The rules, by `Rule as usize`, then those that only a file defines.
    rules: Vec<PolicyRule>,
    /// `[DEFAULT]rbac_service_project_name`, if `rbac_service_role_elevated_access` is on.
    service_project_name: Option<String>,
}

/// A rule that is in force.
#[derive(Debug, Clone)]
pub struct PolicyRule {
    /// Its name.
    pub name: String,
    /// Its check.
    pub check: Check,
    /// Where the check comes from.
    pub origin: RuleOrigin,
}

impl PolicyRule {
    /// Whether the check is the default.
    pub fn is_default(&self) -> bool {
        self.origin == RuleOrigin::Default
    }
}

/// Who can use the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A token with Keystone's standard roles can list, see and provision nodes.
    StandardRoles,
    /// Only tokens with other roles or properties can, if there are any.
    OtherTokens,
    /// No token can, because of this rule.
    Unsatisfiable(Rule),
}

impl Default for Policy {
    fn default() -> Self {
        Self::defaults()
    }
}

impl Policy {
    /// The default policy.
    pub fn defaults() -> Self {
        let mut policy = Self {
            rules: Rule::ALL
                .iter()
                .map(|rule| PolicyRule {
                    name: rule.name().to_owned(),
                    // What does not parse denies. All of them parse; a test says so.
                    check: rule.default_check().parse().unwrap_or(Check::Never),
                    origin: RuleOrigin::Default,
                })
                .collect(),
            service_project_name: None,
        };
        policy.resolve();
        policy
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
        rule.accepts_scope(credentials.scope()) && self.holds(self.check(rule), credentials, target)
    }

    /// Whether these credentials may have this step executed on this node, besides the rule for the
    /// verb. The step is `<interface>.<step>`, such as `deploy.erase_devices`.
    ///
    /// Only a rule `baremetal:step:execute:<interface>.<step>` of a policy file limits it. (Ironic 39
    /// answers 500 if there is one.)
    pub fn allows_step(&self, step: &str, credentials: &Credentials, target: &Target<'_>) -> bool {
        self.rules
            .iter()
            .skip(Rule::ALL.len())
            .filter(|rule| rule.name.strip_prefix(STEP_PREFIX) == Some(step))
            .all(|rule| self.holds(&rule.check, credentials, target))
    }

    /// Where the check of a rule comes from.
    pub fn origin(&self, rule: Rule) -> &RuleOrigin {
        self.rules
            .get(rule as usize)
            .map_or(&RuleOrigin::Default, |rule| &rule.origin)
    }

    /// The check of a rule.
    pub fn check(&self, rule: Rule) -> &Check {
        self.rules
            .get(rule as usize)
            .map_or(&Check::Never, |rule| &rule.check)
    }

    /// All rules that are in force: Ironic's, ironpxe's, and those that only files define.
    pub fn rules(&self) -> &[PolicyRule] {
        &self.rules
    }

    /// Who can use the API: list nodes, see one, and provision it.
    pub fn reach(&self) -> Reach {
        let lists = [Rule::NodeList, Rule::NodeListAll];
        let acts = [Rule::NodeGet, Rule::NodeSetProvisionState];
        let target = Target::node(Some(PROJECT), None);
        let works = |who: &Credentials| {
            lists.iter().any(|&rule| self.allows(rule, who, &target))
                && acts.iter().all(|&rule| self.allows(rule, who, &target))
        };
        if standard_personas().iter().any(works) {
            return Reach::StandardRoles;
        }
        let could = |rule: &Rule| self.check(*rule).outcomes(&|it| self.referred(it)).0;
        if let Some(&rule) = acts.iter().find(|rule| !could(rule)) {
            Reach::Unsatisfiable(rule)
        } else if lists.iter().any(could) {
            Reach::OtherTokens
        } else {
            Reach::Unsatisfiable(Rule::NodeListAll)
        }
    }

    fn holds(&self, check: &Check, credentials: &Credentials, target: &Target<'_>) -> bool {
        check.holds(&Question {
            policy: self,
            credentials,
            target,
        })
    }

    fn referred(&self, reference: &Reference) -> Option<&Check> {
        Some(&self.rules.get(reference.index?)?.check)
    }

    /// Sets what the references stand for.
    fn resolve(&mut self) {
        let own: Vec<String> = self
            .rules
            .iter()
            .skip(Rule::ALL.len())
            .map(|rule| rule.name.clone())
            .collect();
        for rule in &mut self.rules {
            rule.check.resolve(&mut |name| {
                Rule::from_name(name)
                    .map(|rule| rule as usize)
                    .or_else(|| Some(Rule::ALL.len() + own.iter().position(|it| it == name)?))
            });
        }
    }
}

/// A project of [`standard_personas`].
const PROJECT: &str = "3f0e0b7e6d0c4b8d9a1e5c2f7a6b4d31";

/// Tokens with the roles that Keystone has by itself, of the system and of a project.
fn standard_personas() -> Vec<Credentials> {
    const ROLES: [&[&str]; 5] = [
        &["admin", "manager", "member", "reader"],
        &["manager", "member", "reader"],
        &["member", "reader"],
        &["reader"],
        &["service"],
    ];
    let with_roles = |roles: &[&str]| Credentials {
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        is_admin_project: true,
        ..Credentials::default()
    };
    let system = |roles: &&[&str]| Credentials {
        system_scope: Some("all".to_owned()),
        ..with_roles(roles)
    };
    let project = |roles: &&[&str]| Credentials {
        project_id: Some(PROJECT.to_owned()),
        ..with_roles(roles)
    };
    ROLES
        .iter()
        .map(system)
        .chain(ROLES.iter().map(project))
        .collect()
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
            overrides::SERVICE_PROJECT => {
                self.policy.service_project_name.as_deref().map(Value::Text)
            }
            // As in Ironic, the credentials are part of the target.
            _ => self.target.get(key).or_else(|| self.credentials.get(key)),
        }
    }

    fn rule(&self, reference: &Reference) -> Option<&Check> {
        self.policy.referred(reference)
    }
}
