//! Values of ironic.conf as values of ironpxe's keys.

use std::collections::BTreeMap;
use std::path::Path;

use ironpxe_core::mask::mask_text;
use ironpxe_core::oslo_config::{self, Kind, OsloConfig, Value, ValueError};

use super::options::{Row, Scope, Take};
use crate::config::openstack::CREDENTIALS;

/// A value for a key of ironpxe.
#[derive(Clone)]
pub(in crate::config) struct Taken {
    pub section: &'static str,
    pub key: &'static str,
    pub value: toml::Value,
    /// Where it is written.
    pub origin: oslo_config::Origin,
    /// The option: `[group]name`, as written.
    pub option: String,
    pub is_secret: bool,
}

/// An option that cannot be used.
#[derive(Debug, Clone)]
pub(in crate::config) struct Unusable {
    pub origin: oslo_config::Origin,
    /// `[group]name`.
    pub option: String,
    /// What is wrong, without a secret.
    pub message: String,
}

impl Unusable {
    fn new(row: &Row, error: &ValueError) -> Self {
        Self {
            origin: error.origin.clone(),
            option: format!("[{}]{}", error.group, error.option),
            message: if row.is_secret {
                // What follows a dollar sign can be a part of the password.
                HAS_SECRET.to_owned()
            } else {
                mask_text(&error.problem.to_string()).into_owned()
            },
        }
    }
}

const HAS_SECRET: &str = "a $ in this value refers to no option: write $$ for a dollar sign; the value \
                          is not shown here, because it has a secret";

/// What was taken, and what cannot be used.
#[derive(Default)]
pub(in crate::config) struct Result {
    pub taken: Vec<Taken>,
    pub unusable: Vec<Unusable>,
}

impl Result {
    fn put(&mut self, section: &'static str, key: &'static str, value: toml::Value, from: &Value) {
        self.taken.push(Taken {
            section,
            key,
            value,
            origin: from.origin.clone(),
            option: format!("[{}]{}", from.group, from.option),
            is_secret: false,
        });
    }

    fn of(&self, section: &str, key: &str) -> Option<&Taken> {
        let mut taken = self.taken.iter();
        taken.find(|it| (it.section, it.key) == (section, key))
    }
}

const NO_KEY: &str = "a URL without a key before it: expected key:value pairs, separated by commas, \
                      as in aarch64:http://images.example/kernel";

/// Whether the key of the pair was the scheme of a URL. (What is left of it could have a password
/// that is no longer recognized.)
fn is_rest_of_url(value: &toml::Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("//"))
}

/// The values of the rows in the scope.
pub(in crate::config) fn take(conf: &OsloConfig<'_>, rows: &[Row], scope: Scope) -> Result {
    let mut result = Result::default();
    for row in rows.iter().filter(|row| row.scope.has(scope)) {
        let (section, key) = match row.take {
            Take::Same | Take::HttpUrl => (row.opt.group, row.opt.name),
            Take::As(section, key) => (section, key),
            Take::Connection => ("beside", "connection"),
            Take::Part | Take::Lost(_) | Take::Decide(_) => continue,
        };
        let value = match value(conf, row) {
            Ok(Some(value)) => value,
            Ok(None) => continue,
            Err(error) => {
                result.unusable.push(Unusable::new(row, &error));
                continue;
            }
        };
        match typed(row, &value) {
            Ok(Some(toml::Value::Table(pairs))) if pairs.values().any(is_rest_of_url) => {
                result.unusable.push(Unusable {
                    origin: value.origin.clone(),
                    option: format!("[{}]{}", value.group, value.option),
                    message: NO_KEY.to_owned(),
                });
                continue;
            }
            Ok(Some(typed)) => {
                result.put(section, key, typed, &value);
                if let Some(taken) = result.taken.last_mut() {
                    taken.is_secret = row.is_secret;
                }
            }
            Ok(None) => continue,
            Err(error) => {
                result.unusable.push(Unusable::new(row, &error));
                continue;
            }
        }
        if row.take == Take::HttpUrl && scope == Scope::Beside {
            web_server(conf, &value, &mut result);
        }
    }
    inspection(conf, &mut result);
    // The own value of the key is the later one.
    let mut is_last = BTreeMap::new();
    for (index, taken) in result.taken.iter().enumerate() {
        is_last.insert((taken.section, taken.key), index);
    }
    let mut index = 0..;
    let last = |it: &Taken| is_last.get(&(it.section, it.key)).copied() == index.next();
    result.taken.retain(last);
    result
}

/// The value that counts, from the group of `auth_section` if that is set.
fn value(conf: &OsloConfig<'_>, row: &Row) -> std::result::Result<Option<Value>, ValueError> {
    let (mut group, name) = (row.opt.group.to_owned(), row.opt.name);
    let is_credential = CREDENTIALS.contains(&name) || name == "application_credential_secret";
    if is_credential && let Some(section) = conf.get(&group, "auth_section")? {
        group = section.text;
    }
    let value = conf.get(&group, name)?;
    Ok(value.filter(|value| {
        let is_taken = row.default_is_taken || value.origin != oslo_config::Origin::Default;
        is_taken && (row.empty_counts || !value.text.is_empty())
    }))
}

fn typed(row: &Row, value: &Value) -> std::result::Result<Option<toml::Value>, ValueError> {
    Ok(Some(match row.opt.kind {
        Kind::Str | Kind::MultiStr => toml::Value::String(value.text.clone()),
        Kind::Bool => toml::Value::Boolean(value.boolean()?),
        Kind::Int => match value.integer()? {
            Some(number) => toml::Value::Integer(number),
            None => return Ok(None),
        },
        Kind::List => {
            let texts = value.list().into_iter();
            toml::Value::Array(texts.map(toml::Value::String).collect())
        }
        Kind::Dict => {
            let pairs = value.dict()?.into_iter();
            let pairs = pairs.map(|(key, text)| (key, toml::Value::String(text)));
            toml::Value::Table(pairs.collect())
        }
    }))
}

/// `[beside]http_urls` and `file_urls`, from the conductor's `[deploy]http_url`.
fn web_server(conf: &OsloConfig<'_>, http_url: &Value, result: &mut Result) {
    let url = || toml::Value::String(http_url.text.clone());
    if let Ok(Some(host)) = conf.get("DEFAULT", "host")
        && !host.text.is_empty()
    {
        let urls = toml::Table::from_iter([(host.text, url())]);
        result.put("beside", "http_urls", urls.into(), http_url);
    }
    if let Ok(Some(root)) = conf.get("deploy", "http_root")
        && root.text.starts_with('/')
        && result.taken.iter().any(|it| has_file_below(it, &root.text))
    {
        let urls = toml::Table::from_iter([(format!("file://{}", root.text), url())]);
        result.put("beside", "file_urls", urls.into(), http_url);
    }
}

/// Whether a kernel or ramdisk is a file below the folder.
fn has_file_below(taken: &Taken, folder: &str) -> bool {
    let texts: Vec<&str> = match &taken.value {
        toml::Value::String(text) => vec![text],
        toml::Value::Table(table) => table.values().filter_map(toml::Value::as_str).collect(),
        _ => Vec::new(),
    };
    let below = |text: &str| {
        let path = text.strip_prefix("file://");
        path.is_some_and(|path| Path::new(path).starts_with(folder))
    };
    taken.section == "conductor" && texts.into_iter().any(below)
}

/// `[inspector]force_dhcp` adds a parameter that `extra_kernel_params` does not have yet.
fn inspection(conf: &OsloConfig<'_>, result: &mut Result) {
    const PARAMETER: &str = "ipa-collect-lldp";
    let Ok(Some(force)) = conf.get("inspector", "force_dhcp") else {
        return;
    };
    if !force.boolean().unwrap_or(false) {
        return;
    }
    let (section, key) = ("inspector", "extra_kernel_params");
    let params = result.of(section, key).and_then(|it| it.value.as_str());
    let params = params.unwrap_or_default().to_owned();
    let has_it = |param: &str| param.split('=').next() == Some(PARAMETER);
    if params.split_whitespace().any(has_it) {
        return;
    }
    let params = format!("{params} {PARAMETER}=1").trim_start().to_owned();
    match result
        .taken
        .iter_mut()
        .find(|it| (it.section, it.key) == (section, key))
    {
        Some(taken) => taken.value = toml::Value::String(params),
        None => result.put(section, key, toml::Value::String(params), &force),
    }
}
