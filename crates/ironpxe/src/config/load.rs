//! Loads the configuration: the file, overridden by the environment, overridden by the command
//! line. What none of them sets can be set by Ironic's own configuration (`ironic_conf/`).

use std::borrow::Cow;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, ValueDeserializer};

use ironpxe_core::mask::mask_text;

use super::environment::Environment;
use super::error::{Origin, Problem};
use super::section::Section;
use super::{Config, Flag};

/// Variables with the prefix of settings that are not settings.
const OTHER_VARIABLES: [&str; 1] = ["IRONPXE_LOG"];
const OTHER_VARIABLES_PREFIX: &str = "IRONPXE_TEST_";

/// A configuration being loaded.
#[derive(Default)]
pub(super) struct Loader {
    pub(super) config: Config,
    pub(super) problems: Vec<Problem>,
    /// The configuration file.
    pub(super) path: Option<PathBuf>,
}

impl Loader {
    /// Reads the file.
    pub(super) fn file(&mut self, path: &Path) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("cannot read {}: {error}", path.display());
                self.problem(Origin::Default, None, message);
                return;
            }
        };
        self.text(path, &text);
    }

    /// Parses the content of the file.
    pub(super) fn text(&mut self, path: &Path, text: &str) {
        self.path = Some(path.to_owned());
        let at = |span: Range<usize>| Origin::File {
            path: path.to_owned(),
            line: line_of(text, span.start),
        };
        let table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                let message = format!("{}{}", error.message(), hint(text, &span));
                self.problem(at(span), None, message);
                return;
            }
        };
        // In the order of the file, which a table does not preserve.
        let mut sections: Vec<_> = table.into_iter().collect();
        sections.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in sections {
            let DeValue::Table(keys) = value.into_inner() else {
                let message = format!(
                    "{:?} is outside of a section; move it below [DEFAULT]",
                    name.get_ref()
                );
                self.problem(at(name.span()), None, message);
                continue;
            };
            let mut keys: Vec<_> = keys.into_iter().collect();
            keys.sort_by_key(|(key, _)| key.span().start);
            if self.section(name.get_ref()).is_none() {
                let message = self.no_such_section(name.get_ref());
                self.problem(at(name.span()), None, message);
                continue;
            }
            for (key, value) in keys {
                let value_span = value.span();
                let parts = parts(value.get_ref());
                let read = self.set(name.get_ref(), key.get_ref(), value.into());
                let origin = match &read {
                    Ok(()) => at(key.span()),
                    Err(error) => at(error.span().unwrap_or(value_span)),
                };
                let is_set = read.is_ok();
                self.note(origin, name.get_ref(), key.get_ref(), read);
                for (part, span) in parts.into_iter().filter(|_| is_set) {
                    let name = format!("[{}]{}.{part}", name.get_ref(), key.get_ref());
                    self.config.origins.insert(name, at(span));
                }
            }
        }
    }

    /// Reads the variables `IRONPXE_<SECTION>__<KEY>`.
    pub(super) fn environment(&mut self, environment: &Environment) {
        for (name, value) in &environment.variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with("IRONPXE_")) else {
                continue;
            };
            if OTHER_VARIABLES.contains(&name) || name.starts_with(OTHER_VARIABLES_PREFIX) {
                continue;
            }
            self.variable(name, value);
        }
    }

    fn variable(&mut self, name: &str, value: &OsStr) {
        let origin = Origin::Variable(name.to_owned());
        let words = name
            .strip_prefix("IRONPXE_")
            .and_then(|rest| rest.split_once("__"));
        let known = words.and_then(|(section, key)| {
            let sections = self.config.sections();
            let section = sections
                .iter()
                .find(|it| it.name().to_uppercase() == section)?;
            (key == key.to_uppercase()).then(|| (section.name(), key.to_lowercase()))
        });
        let Some((section, key)) = known else {
            let message = "not a setting; expected IRONPXE_<SECTION>__<KEY> in upper case, \
                           for example IRONPXE_API__PORT"
                .to_owned();
            return self.problem(origin, None, message);
        };
        let Some(text) = value.to_str() else {
            return self.problem(origin, None, "not valid UTF-8".to_owned());
        };
        self.set_text(origin, section, &key, text);
    }

    /// Applies a setting of the command line.
    pub(super) fn flag(&mut self, flag: &Flag) {
        self.set_text(Origin::Flag(flag.name), flag.section, flag.key, &flag.value);
    }

    /// Sets a key to a value without TOML quotes: the text itself, or, if the key is not a text,
    /// the value as TOML.
    fn set_text(&mut self, origin: Origin, section: &str, key: &str, text: &str) {
        let as_text = Spanned::new(0..text.len(), DeValue::String(DeString::Borrowed(text)));
        let mut read = self.set(section, key, as_text.into());
        if let (Err(_), Ok(value)) = (&read, ValueDeserializer::parse(text)) {
            read = self.set(section, key, value);
        }
        self.note(origin, section, key, read);
    }

    pub(super) fn set(
        &mut self,
        section: &str,
        key: &str,
        value: ValueDeserializer<'_>,
    ) -> Result<(), toml::de::Error> {
        let Some(section) = self.section(section) else {
            return Err(serde::de::Error::custom("no such section"));
        };
        section.set(key, value).unwrap_or_else(|| {
            let known: Vec<_> = section.keys().iter().map(|key| key.name).collect();
            Err(serde::de::Error::custom(format_args!(
                "no such key; the keys of [{}] are {}",
                section.name(),
                known.join(", ")
            )))
        })
    }

    /// Records where a value comes from, or its error.
    pub(super) fn note(
        &mut self,
        origin: Origin,
        section: &str,
        key: &str,
        read: Result<(), toml::de::Error>,
    ) {
        let name = format!("[{section}]{key}");
        match read {
            Ok(()) => {
                // The parts of an earlier value are replaced.
                let parts = format!("{name}.");
                self.config
                    .origins
                    .retain(|key, _| !key.starts_with(&parts));
                self.config.origins.insert(name, origin);
            }
            Err(error) => self.problem(origin, Some(name), in_plain_words(error.message())),
        }
    }

    fn section(&mut self, name: &str) -> Option<&mut dyn Section> {
        self.config
            .sections_mut()
            .into_iter()
            .find(|section| section.name() == name)
    }

    fn no_such_section(&self, name: &str) -> String {
        let known: Vec<_> = self
            .config
            .sections()
            .iter()
            .map(|it| format!("[{}]", it.name()))
            .collect();
        format!("no section [{name}]; the sections are {}", known.join(", "))
    }

    /// Adds a problem.
    pub(super) fn problem(&mut self, origin: Origin, key: Option<String>, message: String) {
        let masked = match mask_text(&message) {
            Cow::Owned(masked) => Some(masked),
            Cow::Borrowed(_) => None,
        };
        self.problems.push(Problem {
            origin,
            key,
            message: masked.unwrap_or(message),
        });
    }
}

/// The keys of a table with their positions.
fn parts(value: &DeValue<'_>) -> Vec<(String, Range<usize>)> {
    let DeValue::Table(table) = value else {
        return Vec::new();
    };
    table
        .keys()
        .map(|key| (key.get_ref().to_string(), key.span()))
        .collect()
}

/// A hint for users of an INI file like Ironic's.
fn hint(text: &str, span: &Range<usize>) -> &'static str {
    let line = line_of(text, span.start).saturating_sub(1);
    let line = text.lines().nth(line).unwrap_or_default();
    let value = line.split_once('=').map(|(_, value)| value.trim());
    let is_bare = value.is_some_and(|value| {
        // A multi-line value is not recognizable by itself.
        let is_toml = value.starts_with(['"', '\'', '[', '{'])
            || format!("key = {value}").parse::<toml::Table>().is_ok();
        !is_toml || value.ends_with(',')
    });
    if is_bare || line.starts_with([' ', '\t']) {
        "; this file is TOML, not INI like ironic.conf: texts need quotes (key = \"text\") \
         and lines cannot be continued; `ironpxe config sample` prints a sample file"
    } else {
        ""
    }
}

/// Operators do not know Rust's types.
fn in_plain_words(message: &str) -> String {
    message
        .replace("expected u8", "expected a number from 0 to 255")
        .replace("expected u16", "expected a number from 0 to 65535")
        .replace("expected u32", "expected a number from 0 to 4294967295")
        .replace("expected a boolean", "expected true or false")
        .replace("expected a string", "expected a text in quotes")
        .replace("invalid IP address syntax", "expected an IP address")
}

/// The line number, from 1, of a byte offset.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.split(|&byte| byte == b'\n').count()
}
