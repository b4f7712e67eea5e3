//! The process environment: the only place that reads it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The process environment as plain data.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// The environment variables.
    pub variables: BTreeMap<OsString, OsString>,
    /// The user, if known.
    pub user_id: Option<u32>,
    /// The host's name, if known.
    pub host_name: Option<String>,
}

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_this_process() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            user_id: std::fs::metadata("/proc/self").map(|it| it.uid()).ok(),
            host_name: std::fs::read_to_string("/proc/sys/kernel/hostname")
                .ok()
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty()),
        }
    }

    /// A variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsString> {
        self.variables
            .get(std::ffi::OsStr::new(name))
            .filter(|value| !value.is_empty())
    }

    /// The default of the state directory.
    pub(super) fn default_state_path(&self) -> Option<PathBuf> {
        if let Some(folder) = self.variable("XDG_STATE_HOME") {
            return Some(PathBuf::from(folder).join("ironpxe"));
        }
        if self.user_id == Some(0) {
            return Some(PathBuf::from("/var/lib/ironpxe"));
        }
        let home = self.variable("HOME")?;
        Some(PathBuf::from(home).join(".local/state/ironpxe"))
    }
}
