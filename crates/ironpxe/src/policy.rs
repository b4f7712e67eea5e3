//! The policy that is in force, and its files, which are read again when they change.

mod files;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use ironpxe_core::policy::{Policy, Reach};
use tracing::{error, info, warn};

pub(crate) use self::files::{PolicyFiles, PolicyFilesVersion};

/// The current policy. Clones share it.
///
/// A request takes a [snapshot](Self::current), so that one policy decides all of it.
#[derive(Debug, Clone)]
pub(crate) struct CurrentPolicy(Arc<RwLock<Arc<Policy>>>);

impl CurrentPolicy {
    /// The initial policy.
    pub(crate) fn new(policy: Policy) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(policy))))
    }

    /// The current policy.
    pub(crate) fn current(&self) -> Arc<Policy> {
        // Nothing panics while the lock is held.
        let policy = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&policy)
    }

    fn replace(&self, policy: Policy) {
        let policy = Arc::new(policy);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }
}

/// A warning, if no role that Keystone has by itself can use the API.
pub(crate) fn doubt(policy: &Policy) -> Option<&'static str> {
    match policy.reach() {
        Reach::StandardRoles => None,
        Reach::OtherTokens => Some(
            "the policy lets none of the roles admin, manager, member, reader and service list, see \
             and provision nodes, but only tokens with other roles or properties",
        ),
        Reach::Unsatisfiable(_) => Some("the policy lets nobody list, see and provision nodes"),
    }
}

/// Notices changes of the policy files, and applies them.
///
/// A changed state of the files is read when the next look finds it unchanged, so that a file that is
/// being written, or replaced by deleting it first, is not taken for the new policy.
#[derive(Debug)]
pub(crate) struct PolicyReload {
    files: PolicyFiles,
    policy: CurrentPolicy,
    /// The version that was read last, whether or not it was valid.
    read: PolicyFilesVersion,
    /// The version at the previous look.
    seen: PolicyFilesVersion,
}

impl PolicyReload {
    /// For a policy that was read from these files at that version.
    pub(crate) fn new(
        files: PolicyFiles,
        policy: CurrentPolicy,
        version: PolicyFilesVersion,
    ) -> Self {
        Self {
            files,
            policy,
            seen: version.clone(),
            read: version,
        }
    }

    /// Looks at the files. If they are invalid, the previous policy is kept and the problems are
    /// logged, once. It blocks.
    pub(crate) fn look(&mut self) {
        let now = self.files.version();
        let is_stable = now == self.seen;
        self.seen = now;
        if !is_stable || self.seen == self.read {
            return;
        }
        self.read = self.seen.clone();
        match self.files.load() {
            Ok(new) => {
                let old = self.policy.current();
                let changed = changed_rules(&old, &new);
                info!(
                    rules = changed.join(" "),
                    "policy reloaded: {} rules changed",
                    changed.len()
                );
                if let Some(doubt) = doubt(&new) {
                    warn!("{doubt}");
                }
                self.policy.replace(new);
            }
            Err(problems) => {
                for problem in problems {
                    error!("policy not reloaded, keeping the previous one: {problem}");
                }
            }
        }
    }
}

/// The names of the rules whose checks differ.
fn changed_rules(old: &Policy, new: &Policy) -> Vec<String> {
    let is_in = |policy: &Policy, rule: &ironpxe_core::policy::PolicyRule| {
        let mut rules = policy.rules().iter();
        rules.any(|it| it.name == rule.name && it.check == rule.check)
    };
    let added = new.rules().iter().filter(|rule| !is_in(old, rule));
    let has = |rule: &&ironpxe_core::policy::PolicyRule| {
        !new.rules().iter().any(|it| it.name == rule.name)
    };
    let removed = old.rules().iter().filter(has);
    added.chain(removed).map(|rule| rule.name.clone()).collect()
}
