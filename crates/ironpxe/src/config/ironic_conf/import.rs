//! `ironpxe config import`: a configuration of ironpxe from Ironic's.
//!
//! What is written has been loaded before: a value that cannot be used is written as a comment with
//! the reason, and named in the report.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ironpxe_core::mask::{STARS, mask_text};
use ironpxe_core::oslo_config::OsloConfig;

use super::options::{Row, Scope, Take, declared, rows};
use super::take::{Result as Values, Taken, take};
use super::{read, toml_text};
use crate::config::beside_connection::BesideConnection;
use crate::config::environment::Environment;
use crate::config::error::{ConfigError, Origin, Problem};
use crate::config::load::Loader;
use crate::config::{Config, Flag};

/// A configuration, and what to say about it.
pub(crate) struct Imported {
    /// The file. It has secrets.
    pub file: String,
    /// The same with secrets left out.
    pub without_secrets: String,
    /// What was taken, what was not, and what is left to do. It has no secrets.
    pub report: String,
}

/// A line of the file.
struct Line {
    taken: Taken,
    /// Why it is only a comment.
    unused: Option<String>,
}

/// Something for the report: the option, where it is written, and what is said about it.
type Note = (String, String);

impl Config {
    /// Makes a configuration from Ironic's files and directories and the variables: for a service with
    /// its own nodes, or for one beside that Ironic. `validate` does what loading does not.
    pub(crate) fn import(
        paths: &[PathBuf],
        beside: bool,
        environment: &Environment,
        validate: impl Fn(&Self) -> Result<(), ConfigError>,
    ) -> Result<Imported, ConfigError> {
        let rows = rows();
        let declared = declared(&rows);
        let given = Origin::Flag("--ironic-conf");
        let conf =
            read(paths, environment, &declared).map_err(|error| error.problem(given, None))?;
        let scope = if beside {
            Scope::Beside
        } else {
            Scope::OwnNodes
        };
        let mut values = take(&conf, &rows, scope);
        let mut to_decide = Vec::new();
        if beside {
            beside_values(&conf, &mut values, &mut to_decide);
        } else {
            own_values(&conf, &mut values, &mut to_decide);
        }
        let Values { taken, unusable } = values;
        let mut lines: Vec<Line> = taken
            .into_iter()
            .map(|taken| Line {
                taken,
                unused: None,
            })
            .collect();
        leave_out_unusable(&mut lines, environment, validate)?;

        let unusable = unusable
            .into_iter()
            .map(|it| (format!("{} ({})", it.option, it.origin), it.message));
        let report = report(&conf, &rows, scope, &lines, unusable.collect(), to_decide);
        Ok(Imported {
            file: file(&lines, true),
            without_secrets: file(&lines, false),
            report,
        })
    }
}

fn string(section: &'static str, key: &'static str, text: &str, from: &Taken) -> Taken {
    Taken {
        section,
        key,
        value: toml::Value::String(text.to_owned()),
        is_secret: false,
        ..from.clone()
    }
}

fn find<'a>(values: &'a Values, section: &str, key: &str) -> Option<&'a Taken> {
    let mut taken = values.taken.iter();
    taken.find(|it| (it.section, it.key) == (section, key))
}

/// The source, and the URL for ramdisks.
fn beside_values(conf: &OsloConfig<'_>, values: &mut Values, to_decide: &mut Vec<Note>) {
    let connection = find(values, "beside", "connection").cloned();
    let url = connection.as_ref().and_then(|it| it.value.as_str());
    let source = match url.map(|url| BesideConnection::try_from(url.to_owned())) {
        Some(Ok(BesideConnection::Mysql(_))) => Some("mysql"),
        Some(Ok(BesideConnection::Sqlite(_))) => Some("sqlite"),
        Some(Err(_)) | None => None,
    };
    if let (Some(source), Some(connection)) = (source, &connection) {
        let source = string("beside", "source", source, connection);
        values.taken.insert(0, source);
        to_decide.push((
            "[beside]connection".to_owned(),
            "it has Ironic's own user, who may write: a user of ironpxe's own that may only read is \
             better, with its password in [beside]password_file"
                .to_owned(),
        ));
    } else {
        to_decide.push((
            "[beside]source".to_owned(),
            "there is no [database]connection that can be used: set [beside]source and connection, \
             or source = \"rest\" with auth_type and endpoint_override"
                .to_owned(),
        ));
    }
    if find(values, "beside", "api_url").is_some() {
        return;
    }
    let words = match conf.get("api", "public_endpoint") {
        Ok(Some(endpoint)) if !endpoint.text.is_empty() => {
            values.taken.push(Taken {
                section: "beside",
                key: "api_url",
                value: toml::Value::String(endpoint.text),
                origin: endpoint.origin,
                option: "[api]public_endpoint".to_owned(),
                is_secret: false,
            });
            "from [api]public_endpoint, because [service_catalog]endpoint_override is not set: check \
             that ramdisks reach Ironic's API there"
        }
        Ok(_) | Err(_) => {
            "Ironic finds its URL in Keystone's catalog, because [service_catalog]endpoint_override \
             is not set: set it to the URL of Ironic's API that ramdisks reach"
        }
    };
    to_decide.push(("[beside]api_url".to_owned(), words.to_owned()));
}

/// The URL of the service that takes the place of Ironic's API, and the DHCP provider.
fn own_values(conf: &OsloConfig<'_>, values: &mut Values, to_decide: &mut Vec<Note>) {
    if let Ok(Some(endpoint)) = conf.get("service_catalog", "endpoint_override")
        && !endpoint.text.is_empty()
    {
        // What ramdisks are told is what counts here.
        values
            .taken
            .retain(|it| (it.section, it.key) != ("api", "public_endpoint"));
        values.taken.push(Taken {
            section: "api",
            key: "public_endpoint",
            value: toml::Value::String(endpoint.text),
            origin: endpoint.origin,
            option: "[service_catalog]endpoint_override".to_owned(),
            is_secret: false,
        });
    }
    let endpoint = match find(values, "api", "public_endpoint") {
        Some(_) => "must lead to ironpxe from now on",
        None => "is not set: set it to the URL of ironpxe for machines and ramdisks",
    };
    to_decide.push(("[api]public_endpoint".to_owned(), endpoint.to_owned()));
    if let (None, Some(neutron)) = (
        find(values, "dhcp", "dhcp_provider"),
        find(values, "neutron", "auth_type"),
    ) {
        // Ironic's default.
        let provider = string("dhcp", "dhcp_provider", "neutron", neutron);
        values.taken.push(provider);
    }
}

/// Makes comments of the lines with which the file cannot be loaded.
fn leave_out_unusable(
    lines: &mut [Line],
    environment: &Environment,
    validate: impl Fn(&Config) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    // Without settings of this process.
    let mut environment = environment.clone();
    environment.variables.retain(|name, _| {
        let name = name.to_string_lossy();
        !name.starts_with("IRONPXE_") && !name.starts_with("OS_")
    });
    // Only `serve` requires it.
    let unauthenticated = Flag {
        name: "(import)",
        section: "api",
        key: "allow_unauthenticated_access",
        value: "true".to_owned(),
    };
    loop {
        let mut loader = Loader::default();
        loader.text(Path::new("ironpxe.toml"), &file(lines, true));
        let loaded = loader.finish(&environment, std::slice::from_ref(&unauthenticated));
        let Err(error) = loaded.and_then(|config| validate(&config)) else {
            return Ok(());
        };
        let mut left_out = false;
        for problem in &error.problems {
            for line in lines.iter_mut().filter(|it| it.unused.is_none()) {
                if concerns(problem, &line.taken) {
                    line.unused = Some(problem.message.clone());
                    left_out = true;
                }
            }
        }
        if !left_out {
            return Err(error);
        }
    }
}

fn concerns(problem: &Problem, taken: &Taken) -> bool {
    let name = format!("[{}]{}", taken.section, taken.key);
    match &problem.key {
        Some(key) => {
            *key == name
                || key
                    .strip_prefix(&name)
                    .is_some_and(|it| it.starts_with('.'))
        }
        None => problem.message.contains(&name),
    }
}

/// The file with or without secrets.
fn file(lines: &[Line], with_secrets: bool) -> String {
    let mut text = String::from(
        "# Configuration of ironpxe, made from Ironic's by `ironpxe config import`.\n\
         # `ironpxe config sample` prints all settings and their meaning.\n",
    );
    for section in Config::default().sections() {
        let of_section: Vec<&Line> = lines
            .iter()
            .filter(|line| line.taken.section == section.name())
            .collect();
        if of_section.is_empty() {
            continue;
        }
        put(&mut text, format_args!("\n[{}]", section.name()));
        for Line { taken, unused } in of_section {
            let Taken { key, origin, .. } = taken;
            let value = toml_text(&taken.value);
            let origin = printable(&Origin::Ironic(origin.clone()).to_string());
            match unused {
                _ if !with_secrets && has_secret(taken) => {
                    put(&mut text, format_args!("# {key} = (secret)  # {origin}"));
                }
                None => put(&mut text, format_args!("{key} = {value}  # {origin}")),
                Some(why) => {
                    put(&mut text, format_args!("# Not used: {}", printable(why)));
                    put(&mut text, format_args!("# {key} = {value}  # {origin}"));
                }
            }
        }
    }
    text
}

fn report(
    conf: &OsloConfig<'_>,
    rows: &[Row],
    scope: Scope,
    lines: &[Line],
    unusable: Vec<Note>,
    to_decide: Vec<Note>,
) -> String {
    let mut text = String::new();
    let written = conf.written_options();
    let names = |row: &Row| {
        let own = std::iter::once((row.opt.group, row.opt.name));
        own.chain(row.opt.deprecated.iter().copied())
    };
    let places = |row: &Row| {
        let mut names = names(row);
        names.find_map(|(group, name)| {
            let origin = written.get(&(group.to_owned(), name.to_owned()))?;
            Some(format!("[{group}]{name} ({origin})"))
        })
    };

    put(&mut text, format_args!("Taken:"));
    for line in lines.iter().filter(|line| line.unused.is_none()) {
        let Taken {
            section,
            key,
            origin,
            option,
            ..
        } = &line.taken;
        let origin = Origin::Ironic(origin.clone());
        let from = if *option == format!("[{section}]{key}") {
            String::new()
        } else {
            format!("{option}, ")
        };
        let value = shown(&line.taken);
        put(
            &mut text,
            format_args!("  [{section}]{key} = {value}  # {from}{origin}"),
        );
    }

    let mut not_taken: Vec<Note> = Vec::new();
    for Line { taken, unused } in lines {
        let place = || {
            format!(
                "{} ({})",
                taken.option,
                Origin::Ironic(taken.origin.clone())
            )
        };
        let note = unused.clone().map(|why| (place(), why));
        // Several keys may be made of one option.
        not_taken.extend(note.filter(|note| !not_taken.contains(note)));
    }
    not_taken.extend(unusable);
    let mut left = to_decide;
    for row in rows.iter().filter(|row| row.scope.has(scope)) {
        let list = match row.take {
            Take::Lost(why) => (&mut not_taken, why),
            Take::Decide(what) => (&mut left, what),
            _ => continue,
        };
        let (list, words) = list;
        list.extend(places(row).map(|place| (place, words.to_owned())));
    }
    notes(&mut text, "Not taken:", &not_taken);
    notes(&mut text, "For you to decide:", &left);

    let read: BTreeSet<(&str, &str)> = rows
        .iter()
        .filter(|row| row.scope.has(scope))
        .flat_map(names)
        .collect();
    let taken: BTreeSet<&str> = lines.iter().map(|it| it.taken.option.as_str()).collect();
    let unread: Vec<String> = written
        .keys()
        .filter(|(group, name)| !read.contains(&(group.as_str(), name.as_str())))
        .map(|(group, name)| format!("[{group}]{name}"))
        .filter(|option| !taken.contains(option.as_str()))
        .collect();
    if !unread.is_empty() {
        put(
            &mut text,
            format_args!(
                "\nNot read, because it would have no effect: {}",
                unread.join(", ")
            ),
        );
    }
    text.lines().map(|line| printable(line) + "\n").collect()
}

fn notes(text: &mut String, title: &str, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    put(text, format_args!("\n{title}"));
    for (what, words) in notes {
        put(text, format_args!("  {what}: {}", printable(words)));
    }
}

/// Whether the value has a password, in whatever part.
fn has_secret(taken: &Taken) -> bool {
    match taken.value.as_str() {
        Some(url) if (taken.section, taken.key) == ("beside", "connection") => {
            match BesideConnection::try_from(url.to_owned()) {
                Ok(BesideConnection::Sqlite(_)) => false,
                Ok(BesideConnection::Mysql(mysql)) => mysql.password.is_some(),
                Err(_) => true,
            }
        }
        _ => taken.is_secret || matches!(mask_text(&toml_text(&taken.value)), Cow::Owned(_)),
    }
}

/// A value without secrets.
fn shown(taken: &Taken) -> String {
    let connection = taken.value.as_str().filter(|_| taken.key == "connection");
    if let Some(Ok(connection)) = connection.map(|url| BesideConnection::try_from(url.to_owned())) {
        return format!("\"{connection}\"");
    }
    if taken.is_secret {
        return format!("\"{STARS}\"");
    }
    mask_text(&toml_text(&taken.value)).into_owned()
}

/// Replaces control characters, which neither a terminal nor a comment may get.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
