//! Ironic's own configuration, `ironic.conf`, as a source of settings: of `[beside]ironic_conf`, below
//! ironpxe's own file, and for `ironpxe config import`.
//!
//! `options.rs` has the options and what becomes of them; the syntax is in
//! [`ironpxe_core::oslo_config`].

mod import;
mod options;
mod take;

use std::path::{Path, PathBuf};

use ironpxe_core::oslo_config::{self, Opt, OsloConfig, ParseError};
use toml::de::ValueDeserializer;

pub(super) use self::options::Row;
#[cfg(test)]
pub(super) use self::options::Take;
use self::options::declared;
pub(super) use self::options::{Scope, rows};
use self::take::{Taken, take};
use super::beside::SourceKind;
use super::environment::Environment;
use super::error::{Origin, Problem};
use super::load::Loader;

/// Why files cannot be read.
enum ReadError {
    /// This path.
    Io(PathBuf, std::io::Error),
    /// The content of a file.
    Syntax(ParseError),
}

impl ReadError {
    /// The problem, with the origin of the path.
    fn problem(self, given: Origin, key: Option<&str>) -> Problem {
        match self {
            Self::Io(path, error) => Problem {
                origin: given,
                key: key.map(str::to_owned),
                message: format!("cannot read {}: {error}", path.display()),
            },
            Self::Syntax(error) => Problem {
                origin: Origin::Ironic(oslo_config::Origin::File {
                    path: error.path,
                    line: error.line,
                }),
                key: None,
                message: error.problem.to_string(),
            },
        }
    }
}

/// Reads the files, and those of the directories, with the variables.
fn read<'a>(
    paths: &[PathBuf],
    environment: &Environment,
    declared: &'a [Opt<'a>],
) -> Result<OsloConfig<'a>, ReadError> {
    let mut files = Vec::new();
    for path in paths {
        for file in files_of(path).map_err(|error| ReadError::Io(path.clone(), error))? {
            let content =
                std::fs::read(&file).map_err(|error| ReadError::Io(file.clone(), error))?;
            files.push((file.display().to_string(), content));
        }
    }
    let variables = environment.variables.iter();
    let variables = variables.filter_map(|(name, value)| {
        let (name, value) = (name.to_str()?, value.to_str()?);
        Some((name.to_owned(), value.to_owned()))
    });
    OsloConfig::parse(files, variables, declared).map_err(ReadError::Syntax)
}

/// The file, or those of the directory, as oslo.config's `--config-dir` reads it.
fn files_of(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        // A name that is not UTF-8 is read by oslo.config, too, but nobody has one.
        names.extend(entry?.file_name().into_string());
    }
    let names = oslo_config::config_dir_files(names).into_iter();
    Ok(names.map(|name| path.join(name)).collect())
}

impl Loader {
    /// Applies the settings of `[beside]ironic_conf` that nothing else has set.
    pub(super) fn ironic_conf(&mut self, environment: &Environment) {
        let paths = self.config.beside.ironic_conf.0.clone();
        if paths.is_empty() {
            return;
        }
        let rows = rows();
        let declared = declared(&rows);
        let conf = match read(&paths, environment, &declared) {
            Ok(conf) => conf,
            Err(error) => {
                let key = "[beside]ironic_conf";
                let problem = error.problem(self.config.origin(key), Some(key));
                return self.problems.push(problem);
            }
        };
        let result = take(&conf, &rows, Scope::Beside);
        for unusable in result.unusable {
            let origin = Origin::Ironic(unusable.origin);
            self.problem(origin, Some(unusable.option), unusable.message);
        }
        let is_database = matches!(
            self.config.beside.source,
            Some(SourceKind::Mysql | SourceKind::Sqlite)
        );
        for taken in result.taken {
            let name = format!("[{}]{}", taken.section, taken.key);
            let is_unused = (name == "[beside]connection" && !is_database)
                || self.has_own_for_all(&rows, &taken);
            if self.config.origin(&name) == Origin::Default && !is_unused {
                self.set_taken(taken);
            }
        }
    }

    /// Whether ironpxe's own configuration sets the key for all architectures of a key of Ironic's for
    /// one.
    fn has_own_for_all(&self, rows: &[Row], taken: &Taken) -> bool {
        let is_it = |row: &&Row| (row.opt.group, row.opt.name) == (taken.section, taken.key);
        let mut keys = rows.iter().filter(is_it).flat_map(|row| row.by_arch_of);
        keys.any(|key| {
            let origin = self.config.origin(&format!("[{}]{key}", taken.section));
            !matches!(origin, Origin::Default | Origin::Ironic(_))
        })
    }

    fn set_taken(&mut self, taken: Taken) {
        let (section, key) = (taken.section, taken.key);
        let hint = format!(
            " ({} of Ironic; [{section}]{key} in ironpxe's own configuration overrides it)",
            taken.option
        );
        let value = toml_text(&taken.value);
        let set = ValueDeserializer::parse(&value).and_then(|value| self.set(section, key, value));
        let set = set.map_err(|error| {
            let message = format!("{}{hint}", error.message());
            serde::de::Error::custom(message)
        });
        self.note(Origin::Ironic(taken.origin), section, key, set);
    }
}

/// A value as TOML, in one line.
fn toml_text(value: &toml::Value) -> String {
    // JSON's escapes are TOML's, but for this character.
    let text = |text: &str| {
        let json = serde_json::Value::from(text).to_string();
        json.replace('\u{7f}', "\\u007f")
    };
    let all = |items: Vec<String>| items.join(", ");
    match value {
        toml::Value::String(string) => text(string),
        toml::Value::Array(items) => format!("[{}]", all(items.iter().map(toml_text).collect())),
        toml::Value::Table(table) if table.is_empty() => "{}".to_owned(),
        toml::Value::Table(table) => {
            let pairs = table.iter();
            let pairs = pairs.map(|(key, value)| format!("{} = {}", text(key), toml_text(value)));
            format!("{{ {} }}", all(pairs.collect()))
        }
        value => value.to_string(),
    }
}
