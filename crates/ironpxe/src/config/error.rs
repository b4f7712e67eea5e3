//! Configuration errors: the location, the problem, and the fix.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use ironpxe_core::mask::mask_text;
use ironpxe_core::oslo_config;

use super::Config;

/// An invalid configuration, with all of its problems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// A single problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where the value comes from.
    pub origin: Origin,
    /// `[section]key`, if it concerns one.
    pub key: Option<String>,
    /// The problem and the fix.
    pub message: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The default.
    Default,
    /// A line of the configuration file.
    File {
        /// The file's path as given.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A command-line flag.
    Flag(&'static str),
    /// Ironic's configuration; its default is the one of Ironic, where ironpxe has another.
    Ironic(oslo_config::Origin),
}

impl Config {
    /// A problem with a setting or a part of it (`[section]key`, `[section]key.part`), with its
    /// origin.
    pub(crate) fn problem(&self, key: &str, message: &str) -> Problem {
        Problem {
            origin: self.origin(key),
            key: Some(key.to_owned()),
            message: mask_text(message).into_owned(),
        }
    }

    /// Where each setting comes from, by `[section]key`.
    pub(super) fn origins_of_settings(&self) -> BTreeMap<String, String> {
        let sections = self.sections().into_iter();
        let names = sections.flat_map(|section| {
            let keys = section.keys().into_iter();
            keys.map(move |key| format!("[{}]{}", section.name(), key.name))
        });
        names
            .map(|name| {
                let origin = self.origin(&name).to_string();
                (name, origin)
            })
            .collect()
    }

    /// The origin of a setting or a part of it.
    pub(super) fn origin(&self, key: &str) -> Origin {
        let whole = || key.rsplit_once('.').map(|(whole, _)| whole);
        let origin = self.origins.get(key);
        let origin = origin.or_else(|| self.origins.get(whole()?));
        origin.cloned().unwrap_or(Origin::Default)
    }
}

impl std::error::Error for ConfigError {}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let end = if index + 1 < self.problems.len() {
                "\n"
            } else {
                ""
            };
            write!(f, "configuration: {problem}{end}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
            Self::Ironic(oslo_config::Origin::Default) => f.write_str("default of Ironic"),
            Self::Ironic(origin) => origin.fmt(f),
        }
    }
}
