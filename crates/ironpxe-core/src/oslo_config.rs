//! Configuration files of OpenStack services, as oslo.config reads them: `ironic.conf`.
//!
//! [`OsloConfig::parse`] takes files in the order of Ironic's command line, and the environment. A
//! value is looked up and interpolated only when it is asked for, so a mistake in an option that
//! nobody reads is no error. What comes back is a [`Value`]: text with its origin, and oslo's
//! readings of it as boolean, integer, list and dict.
//!
//! Nothing here reads a file. `parse` has the syntax of a file, `interpolate` what `$name` stands
//! for, `types` the readings. `tests/oracle/oslo-config.json` is what real oslo.config answered.
//!
//! Source: oslo.config 10.7.0, `iniparser.py`, `cfg.py`, `types.py`.

mod interpolate;
mod parse;
#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeMap;
use std::fmt;

pub use interpolate::ReferenceError;
pub use parse::{ParseError, Syntax};
pub use types::TypeError;

use interpolate::Trail;

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

/// A value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: [{group}]{option}: {problem}")]
pub struct ValueError {
    /// The group in which the faulty value is written. It is not the one asked for if that refers
    /// to it.
    pub group: String,
    /// The name under which it is written.
    pub option: String,
    /// Where it is written.
    pub origin: Origin,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A reference in it.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// It does not have the option's type.
    #[error(transparent)]
    Type(#[from] TypeError),
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
        self.resolve(&self.opt(group, name), &mut Trail::default())
    }

    /// The values of an option that can be repeated, those of all files; or its default.
    ///
    /// The environment has one value, of which oslo.config makes one for each character.
    pub fn get_all(&self, group: &str, name: &str) -> Result<Vec<Value>, ValueError> {
        let opt = self.opt(group, name);
        if self.variable(&opt).is_some() {
            let whole = self.resolve(&opt, &mut Trail::default())?;
            let each = |value: Value| {
                let letters: Vec<char> = value.text.chars().collect();
                letters.into_iter().map(move |letter| Value {
                    text: letter.into(),
                    ..value.clone()
                })
            };
            return Ok(whole.into_iter().flat_map(each).collect());
        }
        let names = names(&opt).rev();
        let found = (self.files.iter()).flat_map(|file| {
            names
                .clone()
                .filter_map(|(group, name)| file.get(group)?.get(name))
        });
        let mut values: Vec<Value> = found.flatten().cloned().collect();
        if values.is_empty() {
            values.extend(default(&opt));
        }
        let resolved = |value| self.replaced(&opt, value, &mut Trail::default());
        values.into_iter().map(resolved).collect()
    }

    /// The option of that name, or that had it, or one without anything to it.
    fn opt<'b>(&'b self, group: &'b str, name: &'b str) -> Opt<'b> {
        let known = |opt: &&Opt<'_>| opt.group == group && opt.name == name;
        let declared = self.declared.iter();
        let found = declared.clone().find(known);
        let found = found.or_else(|| {
            let mut declared = declared;
            declared.find(|opt| opt.deprecated.contains(&(group, name)))
        });
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
        let in_file = |file: &parse::Sections| {
            let values = names(opt).find_map(|(group, name)| file.get(group)?.get(name));
            values.and_then(|values| values.last()).cloned()
        };
        self.variable(opt)
            .or_else(|| self.files.iter().rev().find_map(in_file))
            .or_else(|| default(opt))
    }

    fn variable(&self, opt: &Opt<'_>) -> Option<Value> {
        let variable = format!("OS_{}__{}", opt.group, opt.name).to_uppercase();
        let text = self.env.get(&variable)?.clone();
        Some(value(opt, text, Origin::Variable(variable)))
    }
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

fn names<'b>(opt: &Opt<'b>) -> impl DoubleEndedIterator<Item = (&'b str, &'b str)> + Clone {
    std::iter::once((opt.group, opt.name)).chain(opt.deprecated.iter().copied())
}

fn default(opt: &Opt<'_>) -> Option<Value> {
    Some(value(opt, opt.default?.to_owned(), Origin::Default))
}

fn value(opt: &Opt<'_>, text: String, origin: Origin) -> Value {
    Value {
        group: opt.group.to_owned(),
        option: opt.name.to_owned(),
        text,
        origin,
    }
}

/// What Python takes for white space.
fn is_space(letter: char) -> bool {
    letter.is_whitespace() || ('\x1c'..='\x1f').contains(&letter)
}

impl Value {
    fn error(&self, problem: impl Into<Problem>) -> ValueError {
        ValueError {
            group: self.group.clone(),
            option: self.option.clone(),
            origin: self.origin.clone(),
            problem: problem.into(),
        }
    }
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
