//! Configuration files of OpenStack services, as oslo.config reads them: `ironic.conf`.
//!
//! [`OsloConfig::parse`] takes files in the order of Ironic's command line, and the environment. A
//! value is looked up and interpolated only when it is asked for, so a mistake in an option that
//! nobody reads is no error. What comes back is a [`Value`]: text with its origin, and oslo's
//! readings of it as boolean, integer, list and dict.
//!
//! Nothing here reads a file. `parse` has the syntax of a file, `interpolate` what `$name` stands
//! for, `types` the readings. `tests/oracle/oslo-config.json` is what real oslo.config answered, and
//! says where and why this differs from it.
//!
//! Source: oslo.config 10.7.0, `iniparser.py`, `cfg.py`, `types.py`.

mod error;
mod interpolate;
mod parse;
#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeMap;
use std::fmt;

pub use error::{ParseError, Problem, Syntax, ValueError};

use interpolate::Resolution;

/// An option that the service registers.
///
/// What is not declared can be read too: as an option of the type [`Kind::Str`] without default or
/// deprecated names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt<'a> {
    /// `DEFAULT`, or a group in lower case.
    pub group: &'a str,
    /// The name, with underscores.
    pub name: &'a str,
    /// How a reference to it reads its value.
    pub kind: Kind,
    /// Groups and names that it had before; the first that a file has counts.
    pub deprecated: &'a [(&'a str, &'a str)],
    /// The value if nothing sets it, which can refer to other options. Without one, a reference to
    /// the option is empty: an option whose default the service computes (`my_ip`) is declared with
    /// what it computes, or not at all.
    pub default: Option<&'a str>,
}

/// The type of an option, named as oslo.config's `StrOpt` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Str,
    /// A boolean.
    Bool,
    /// An integer.
    Int,
    /// Texts, separated by commas.
    List,
    /// `key:value`, separated by commas.
    Dict,
    /// An option that can be repeated.
    MultiStr,
}

/// A value, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The group in which it is written; the option's own unless that is a deprecated one.
    pub group: String,
    /// The name under which it is written.
    pub option: String,
    /// The value, its references replaced.
    pub text: String,
    /// Where it is written.
    pub origin: Origin,
}

/// Where a value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// A configuration file.
    File {
        /// Its name, as given to [`OsloConfig::parse`].
        path: String,
        /// The line with the option's name, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
}

/// Configuration files and the environment, read.
#[derive(Debug, Clone)]
pub struct OsloConfig<'a> {
    declared: &'a [Opt<'a>],
    files: Vec<parse::Sections>,
    env: BTreeMap<String, String>,
}

impl<'a> OsloConfig<'a> {
    /// Reads files (name and content) in the order of the command line: the later one counts.
    /// `OS_<GROUP>__<OPTION>` in `env` counts over all of them.
    pub fn parse<P: AsRef<str>, C: AsRef<[u8]>>(
        files: impl IntoIterator<Item = (P, C)>,
        env: impl IntoIterator<Item = (String, String)>,
        declared: &'a [Opt<'a>],
    ) -> Result<Self, ParseError> {
        let files = files.into_iter();
        let files = files.map(|(path, content)| parse::parse(path.as_ref(), content.as_ref()));
        let env = env.into_iter();
        Ok(Self {
            declared,
            files: files.collect::<Result<_, _>>()?,
            env: env.filter(|(name, _)| name.starts_with("OS_")).collect(),
        })
    }

    /// The option's value, or its default.
    pub fn get(&self, group: &str, name: &str) -> Result<Option<Value>, ValueError> {
        self.resolve(&self.opt(group, name), &mut Resolution::default())
    }

    /// The values of an option that can be repeated, those of all files; or its default.
    ///
    /// The environment has one value, of which oslo.config makes one for each character.
    pub fn get_all(&self, group: &str, name: &str) -> Result<Vec<Value>, ValueError> {
        let opt = self.opt(group, name);
        if self.variable(&opt).is_some() {
            let whole = self.resolve(&opt, &mut Resolution::default())?;
            let letters = whole.iter().flat_map(|value| {
                value.text.chars().map(|letter| Value {
                    text: letter.into(),
                    ..value.clone()
                })
            });
            return Ok(letters.collect());
        }
        let mut values = Vec::new();
        for file in &self.files {
            // Those under old names come first, as in oslo.config.
            for (group, name) in opt.names().rev() {
                values.extend(in_file(file, group, name).iter().cloned());
            }
        }
        if values.is_empty() {
            values.extend(opt.default.map(|text| opt.value(text, Origin::Default)));
        }
        let values = values.into_iter();
        let values = values.map(|it| self.interpolate(&opt, it, &mut Resolution::default()));
        values.collect()
    }

    /// Everything that files and environment set, known or not: groups and names as written, each with
    /// the place that counts.
    pub fn written_options(&self) -> BTreeMap<(String, String), Origin> {
        let mut options = BTreeMap::new();
        for (group, names) in self.files.iter().flatten() {
            for (name, values) in names {
                let origins = values.last().map(|value| value.origin.clone());
                options.extend(origins.map(|origin| ((group.clone(), name.clone()), origin)));
            }
        }
        for variable in self.env.keys() {
            let words = variable.strip_prefix("OS_");
            let Some((group, name)) = words.and_then(|it| it.split_once("__")) else {
                continue;
            };
            let is_upper = variable.to_uppercase() == *variable;
            let group = match group {
                "DEFAULT" => group.to_owned(),
                _ => group.to_lowercase(),
            };
            let option = (group, name.to_lowercase());
            let origin = Origin::Variable(variable.clone());
            options.extend(is_upper.then_some((option, origin)));
        }
        options
    }

    /// The option of that name, or that had it, or one without anything to it.
    fn opt<'b>(&'b self, group: &'b str, name: &'b str) -> Opt<'b> {
        let mut declared = self.declared.iter();
        let own = (declared.clone()).find(|opt| (opt.group, opt.name) == (group, name));
        let found = own.or_else(|| declared.find(|opt| opt.deprecated.contains(&(group, name))));
        found.copied().unwrap_or(Opt {
            group,
            name,
            kind: Kind::Str,
            deprecated: &[],
            default: None,
        })
    }

    /// The value as written: the environment's, else that of the latest file that has the option
    /// under any of its names, else the default.
    fn written(&self, opt: &Opt<'_>) -> Option<Value> {
        let in_files = || {
            let files = self.files.iter().rev();
            let mut values = files.flat_map(|file| {
                let values = opt
                    .names()
                    .map(move |(group, name)| in_file(file, group, name));
                values.filter_map(<[Value]>::last)
            });
            values.next().cloned()
        };
        let default = || Some(opt.value(opt.default?, Origin::Default));
        self.variable(opt).or_else(in_files).or_else(default)
    }

    fn variable(&self, opt: &Opt<'_>) -> Option<Value> {
        let variable = format!("OS_{}__{}", opt.group, opt.name).to_uppercase();
        let text = self.env.get(&variable)?;
        Some(opt.value(text, Origin::Variable(variable)))
    }
}

/// The values under this name in the file, in order.
fn in_file<'b>(file: &'b parse::Sections, group: &str, name: &str) -> &'b [Value] {
    let values = file.get(group).and_then(|options| options.get(name));
    values.map(Vec::as_slice).unwrap_or_default()
}

/// The files among those of a folder that `--config-dir` reads, in its order.
pub fn config_dir_files<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Vec<S> {
    let read = |name: &S| {
        let before = name.as_ref().strip_suffix(".conf");
        before.is_some_and(|before| !before.is_empty() && !before.starts_with('.'))
    };
    let mut names: Vec<S> = names.into_iter().filter(read).collect();
    names.sort_by(|left, right| left.as_ref().cmp(right.as_ref()));
    names
}

impl<'a> Opt<'a> {
    /// Its groups and names, the one of today first.
    fn names(&self) -> impl DoubleEndedIterator<Item = (&'a str, &'a str)> + use<'a> {
        std::iter::once((self.group, self.name)).chain(self.deprecated.iter().copied())
    }

    fn value(&self, text: &str, origin: Origin) -> Value {
        Value {
            group: self.group.to_owned(),
            option: self.name.to_owned(),
            text: text.to_owned(),
            origin,
        }
    }
}

/// What Python takes for white space.
fn is_space(letter: char) -> bool {
    letter.is_whitespace() || ('\x1c'..='\x1f').contains(&letter)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}
