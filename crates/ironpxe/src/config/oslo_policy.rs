//! `[oslo_policy]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::load::Loader;
use super::section::section;
use super::values::Names;

section! {
    /// The policy: who may do what, if clients are authenticated by Keystone (docs/policy.md).
    ["oslo_policy"] pub struct OsloPolicy {
        /// The file of rules that replace defaults, YAML or JSON, relative to the directory of this
        /// file. It is read again when it changes. Not set: `policy.yaml`, if it exists.
        pub policy_file: Option<PathBuf> = None;
        /// Directories with more such files (`*.yaml`, `*.yml`, `*.json`), which are read after
        /// `policy_file` in the order of their names. Not set: `policy.d`, if it exists.
        pub policy_dirs: Option<Names> = None;
        /// Whether a rule refuses tokens of a scope that it is not for. Only `true`, as in Ironic.
        pub enforce_scope: Enforced = Enforced;
        /// Whether Ironic's present defaults are in force, instead of also the deprecated ones. Only
        /// `true`.
        pub enforce_new_defaults: Enforced = Enforced;
        /// Serve with a policy by which nobody can use the API (also `--force`).
        pub allow_lockout: bool = false;
    }
}

/// A switch that cannot be turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "bool", into = "bool")]
pub(crate) struct Enforced;

impl TryFrom<bool> for Enforced {
    type Error = &'static str;

    fn try_from(on: bool) -> Result<Self, Self::Error> {
        if on {
            Ok(Self)
        } else {
            Err(
                "only true is supported: with Ironic's deprecated defaults or without scopes, the \
                 admin of any project could change every node; keep what you need of them as rules \
                 in the policy file",
            )
        }
    }
}

impl From<Enforced> for bool {
    fn from(_: Enforced) -> Self {
        true
    }
}

/// Where policy files are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PolicyPaths {
    /// The file.
    pub file: Option<PathBuf>,
    /// Whether it is configured, so that it must exist.
    pub requires_file: bool,
    /// The directories.
    pub dirs: Vec<PathBuf>,
    /// Whether they are configured, so that they must exist.
    pub requires_dirs: bool,
}

impl Loader {
    /// The paths of policy files, which are relative to the configuration file. Without such a file,
    /// only configured ones are read.
    pub(super) fn complete_policy(&mut self) {
        let settings = &self.config.oslo_policy;
        let base = self
            .path
            .as_ref()
            .and_then(|path| std::path::absolute(path).ok()?.parent().map(PathBuf::from));
        let full = |path: PathBuf| match &base {
            Some(base) => base.join(path),
            None => std::path::absolute(&path).unwrap_or(path),
        };
        let file = settings.policy_file.clone();
        let default_file = base.is_some().then(|| PathBuf::from("policy.yaml"));
        let dirs = settings.policy_dirs.clone().map(|Names(dirs)| dirs);
        let default_dirs = base.iter().map(|_| "policy.d".to_owned()).collect();
        self.config.policy_paths = PolicyPaths {
            requires_file: file.is_some(),
            file: file.or(default_file).map(full),
            requires_dirs: dirs.is_some(),
            dirs: dirs
                .unwrap_or(default_dirs)
                .into_iter()
                .map(|dir| full(dir.into()))
                .collect(),
        };
    }
}
