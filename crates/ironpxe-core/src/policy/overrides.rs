//! Puts the rules of policy files in place of the defaults.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::check::{Check, Left};
use super::file::{PolicyFile, PolicyProblem};
use super::{Credentials, Policy, PolicyRule, Rule, STEP_PREFIX, Target};

/// How long a chain of rules may be that refer to one another.
const MAX_CHAIN: usize = 16;

/// How many checks the evaluation of a rule may take, with those that it refers to.
const MAX_CHECKS: usize = 10_000;

/// Where the check of a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleOrigin {
    /// It is the default.
    Default,
    /// A policy file has it.
    File {
        /// The file.
        path: Arc<str>,
        /// The line, from 1.
        line: usize,
    },
    /// A policy file has the rule that this one was a part of once ([`Rule::once_part_of`]).
    With(Rule),
}

impl std::fmt::Display for RuleOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::With(rule) => write!(f, "with {}", rule.name()),
        }
    }
}

impl Policy {
    /// The default policy with the rules of these files; of several with the same rule, the last one
    /// is in force. All problems are reported.
    ///
    /// A file may define rules that Ironic does not have if another rule refers to them; their names
    /// must not start with `baremetal:`. `baremetal:step:execute:<interface>.<step>` is for
    /// [`Policy::allows_step`].
    pub fn with_files(files: &[PolicyFile]) -> Result<Self, Vec<PolicyProblem>> {
        let mut policy = Self::defaults();
        for file in files {
            let path: Arc<str> = Arc::from(file.path.as_str());
            for rule in &file.rules {
                let new = PolicyRule {
                    name: rule.name.clone(),
                    check: rule.check.clone(),
                    origin: RuleOrigin::File {
                        path: Arc::clone(&path),
                        line: rule.line,
                    },
                };
                match policy.rules.iter_mut().find(|it| it.name == rule.name) {
                    Some(old) => *old = new,
                    None => policy.rules.push(new),
                }
            }
        }
        policy.inherit();
        policy.resolve();
        let problems = policy.problems();
        if problems.is_empty() {
            Ok(policy)
        } else {
            Err(problems)
        }
    }

    /// Rules that were a part of one that a file has get its check.
    fn inherit(&mut self) {
        for &rule in Rule::ALL {
            let Some(whole) = rule.once_part_of() else {
                continue;
            };
            let inherited = self.rules.get(whole as usize).and_then(|whole| {
                let is_of_file = matches!(whole.origin, RuleOrigin::File { .. });
                // That would refer to itself.
                let refers_back = matches!(&whole.check, Check::Rule(it) if it.name == rule.name());
                (is_of_file && !refers_back).then(|| whole.check.clone())
            });
            if let Some(check) = inherited
                && let Some(part) = self.rules.get_mut(rule as usize)
                && part.origin == RuleOrigin::Default
            {
                part.check = check;
                part.origin = RuleOrigin::With(whole);
            }
        }
    }

    fn problems(&self) -> Vec<PolicyProblem> {
        let mut referred = BTreeSet::new();
        for rule in &self.rules {
            rule.check.visit(&mut |check| {
                if let Check::Rule(reference) = check
                    && reference.name != rule.name
                {
                    referred.insert(reference.name.as_str());
                }
            });
        }
        let mut problems = Vec::new();
        let mut costs = vec![None; self.rules.len()];
        for (index, rule) in self.rules.iter().enumerate() {
            let RuleOrigin::File { path, line } = &rule.origin else {
                continue;
            };
            let mut add = |message: String| {
                problems.push(PolicyProblem {
                    path: path.to_string(),
                    line: Some(*line),
                    rule: Some(rule.name.clone()),
                    message,
                });
            };
            if index >= Rule::ALL.len() {
                let step = rule.name.strip_prefix(STEP_PREFIX);
                let is_step = step
                    .and_then(|step| step.split_once('.'))
                    .is_some_and(|(interface, step)| !interface.is_empty() && !step.is_empty());
                if step.is_some() && !is_step {
                    add(format!("expected {STEP_PREFIX}<interface>.<step>"));
                } else if rule.name.starts_with("baremetal:") && !is_step {
                    add("there is no such rule; `ironpxe policy list` shows all".to_owned());
                } else if !is_step && !referred.contains(rule.name.as_str()) {
                    add("there is no such rule, and no other rule refers to it; \
                         `ironpxe policy list` shows all"
                        .to_owned());
                }
            }
            rule.check.visit(&mut |check| {
                if let Some(message) = unknown_name(check) {
                    add(message);
                }
            });
            if let Err(message) = self.measure(index, &mut Vec::new(), &mut costs) {
                add(message);
            }
        }
        problems
    }

    /// What the evaluation of a rule costs, with the rules that it refers to. `chain` are the rules on
    /// the way to it.
    fn measure(
        &self,
        index: usize,
        chain: &mut Vec<usize>,
        costs: &mut [Option<Cost>],
    ) -> Result<Cost, String> {
        if let Some(Some(cost)) = costs.get(index) {
            return Ok(*cost);
        }
        let Some(rule) = self.rules.get(index) else {
            return Ok(Cost::default());
        };
        let names = |chain: &[usize]| -> String {
            let names = chain
                .iter()
                .filter_map(|&at| Some(self.rules.get(at)?.name.as_str()));
            names.collect::<Vec<_>>().join(" -> ")
        };
        if let Some(start) = chain.iter().position(|&it| it == index) {
            let mut circle = chain.split_off(start);
            circle.push(index);
            return Err(format!(
                "rules refer to one another in a circle: {}",
                names(&circle)
            ));
        }
        chain.push(index);
        let mut references = Vec::new();
        let mut cost = Cost::default();
        rule.check.visit(&mut |check| {
            cost.checks = cost.checks.saturating_add(1);
            if let Check::Rule(reference) = check {
                references.push(reference);
            }
        });
        let too_long =
            || format!("a chain of more than {MAX_CHAIN} rules that refer to one another");
        for reference in references {
            let Some(index) = reference.index else {
                return Err(format!("there is no rule {:?}", reference.name));
            };
            // Bounds the recursion.
            if chain.len() > MAX_CHAIN {
                return Err(too_long());
            }
            let of = self.measure(index, chain, costs)?;
            cost.checks = cost.checks.saturating_add(of.checks);
            cost.chain = cost.chain.max(of.chain + 1);
        }
        if cost.chain > MAX_CHAIN {
            return Err(too_long());
        }
        if cost.checks > MAX_CHECKS {
            return Err(format!(
                "more than {MAX_CHECKS} checks, with those of the rules that it refers to"
            ));
        }
        chain.pop();
        if let Some(known) = costs.get_mut(index) {
            *known = Some(cost);
        }
        Ok(cost)
    }
}

/// What the evaluation of a rule costs, with the rules that it refers to.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    /// How many checks there are.
    checks: usize,
    /// The longest chain of rules.
    chain: usize,
}

/// What a comparison names that does not exist, so that it could never hold.
fn unknown_name(check: &Check) -> Option<String> {
    if let Check::Equal(Left::Credential(name), _) = check
        && !Credentials::NAMES.contains(&name.as_str())
    {
        return Some(format!(
            "{name:?} is not a credential; they are role, {}",
            Credentials::NAMES.join(", ")
        ));
    }
    let is_known = |key: &str| {
        key == SERVICE_PROJECT || Target::KEYS.contains(&key) || Credentials::NAMES.contains(&key)
    };
    let key = check.keys().into_iter().find(|key| !is_known(key))?;
    Some(format!(
        "\"%({key})s\" is never known; the keys are {}, {SERVICE_PROJECT}, and the credentials",
        Target::KEYS.join(", ")
    ))
}

/// See [`Policy::with_service_project`].
pub(super) const SERVICE_PROJECT: &str = "config.service_project_name";
