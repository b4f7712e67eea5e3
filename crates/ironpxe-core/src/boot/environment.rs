//! The template language of scripts: minijinja with checked output.
//!
//! Every value that a template prints is checked word by word when it is printed (see `text.rs`):
//! rendering fails before a value can end its line, start a comment or read a setting. Nothing
//! bypasses this: no filter marks a value as safe, and what a template derives from values (joined,
//! replaced, captured) is checked like any other value. Templates cannot read files: they can only
//! include the built-in ones by name.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

use super::text;
use crate::mask::mask_text;

/// The built-in templates by name.
pub const TEMPLATES: [(&str, &str); 12] = [
    (BOOT, include_str!("templates/boot.ipxe")),
    ("chap.ipxe", include_str!("templates/chap.ipxe")),
    ("iso.ipxe", include_str!("templates/iso.ipxe")),
    ("linux.ipxe", include_str!("templates/linux.ipxe")),
    ("local_boot.ipxe", include_str!("templates/local_boot.ipxe")),
    ("local_disk.ipxe", include_str!("templates/local_disk.ipxe")),
    (NIC_LOOP, include_str!("templates/nic_loop.ipxe")),
    ("refuse.ipxe", include_str!("templates/refuse.ipxe")),
    ("retry.ipxe", include_str!("templates/retry.ipxe")),
    (
        "unknown_action.ipxe",
        include_str!("templates/unknown_action.ipxe"),
    ),
    (
        UNKNOWN_MACHINE,
        include_str!("templates/unknown_machine.ipxe"),
    ),
    ("volume.ipxe", include_str!("templates/volume.ipxe")),
];
/// The script of every known machine, unless the operator configured another one.
pub(super) const BOOT: &str = "boot.ipxe";
pub(super) const NIC_LOOP: &str = "nic_loop.ipxe";
pub(super) const UNKNOWN_MACHINE: &str = "unknown_machine.ipxe";

/// A template that is invalid, or that failed for one machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{template}, {}{message}", .line.map_or_else(String::new, |line| format!("line {line}: ")))]
pub struct TemplateError {
    /// Its name, or the path of an operator's template.
    pub template: String,
    /// The line, counted from 1, if the error has one.
    pub line: Option<usize>,
    /// The description.
    pub message: String,
}

/// The built-in scripts for rendering: `boot.ipxe`, `nic_loop.ipxe` and `unknown_machine.ipxe`.
/// Their includes are inlined, which saves a third of the rendering time.
pub(super) fn built_in() -> Result<Environment<'static>, TemplateError> {
    let mut environment = language()?;
    for name in [BOOT, NIC_LOOP, UNKNOWN_MACHINE] {
        environment
            .add_template_owned(name, inlined(name))
            .map_err(|error| in_template(name, &error, &environment))?;
    }
    Ok(environment)
}

/// The text of a built-in template with its `{% include %}`s inlined.
fn inlined(name: &str) -> String {
    let source = TEMPLATES.iter().find(|(known, _)| *known == name);
    let lines = source.map_or("", |(_, text)| text).split_inclusive('\n');
    let included = |line: &str| {
        let rest = line.trim_end().strip_prefix("{% include \"")?;
        rest.strip_suffix("\" %}").map(inlined)
    };
    lines
        .map(|line| included(line).unwrap_or_else(|| line.to_owned()))
        .collect()
}

/// The built-in templates that operators' templates can include.
pub(super) fn parts() -> Result<Environment<'static>, TemplateError> {
    let mut environment = language()?;
    for (name, source) in TEMPLATES {
        environment
            .add_template(name, source)
            .map_err(|error| in_template(name, &error, &environment))?;
    }
    Ok(environment)
}

/// An environment without templates.
fn language() -> Result<Environment<'static>, TemplateError> {
    let mut environment = Environment::new();
    environment.set_debug(false);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(
        SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|error| in_template("(syntax)", &error, &environment))?,
    );
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(print_checked);
    for filter in ["safe", "escape", "e"] {
        environment.remove_filter(filter);
    }
    environment.add_filter("console", console);
    Ok(environment)
}

/// Prints a value if iPXE reads it as plain words.
fn print_checked(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => return Err(unprintable("it is undefined here; guard it with {% if %}")),
        ValueKind::Bool | ValueKind::Number => {}
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            for word in text.split(' ').filter(|word| !word.is_empty()) {
                if let Some(problem) = text::word_problem(word) {
                    return Err(unprintable(&format!("{:?}: {problem}", mask_text(word))));
                }
            }
        }
        _ => {
            return Err(unprintable("it is not a single value; print its elements"));
        }
    }
    write!(out, "{value}").map_err(Error::from)
}

fn unprintable(problem: &str) -> Error {
    let message = format!("{UNPRINTABLE}: {problem}");
    Error::new(ErrorKind::InvalidOperation, message)
}

/// The prefix of errors from [`unprintable`]; [`reason`] prepends the expression.
const UNPRINTABLE: &str = "cannot be printed";

/// The filter `console`: converts any text so that iPXE prints it literally.
fn console(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Err(unprintable("it is undefined here; guard it with {% if %}")),
        _ => Ok(text::for_console(&value.to_string())),
    }
}

/// An error in the template that messages call `shown`.
///
/// The line is the template's own, even if the cause is in an included one.
pub(super) fn in_template(
    shown: &str,
    error: &Error,
    environment: &Environment<'_>,
) -> TemplateError {
    let mut inner = error;
    let mut place = String::new();
    while let (ErrorKind::BadInclude, Some(cause)) = (inner.kind(), cause(inner)) {
        inner = cause;
        if let (Some(name), Some(line)) = (inner.name(), inner.line()) {
            place = format!("in {name}, line {line}: ");
        }
    }
    let expression = inner
        .name()
        .and_then(|name| environment.get_template(name).ok())
        .zip(inner.range())
        .and_then(|(template, range)| template.source().get(range).map(str::to_owned));
    TemplateError {
        template: shown.to_owned(),
        line: error.line(),
        message: place + &reason(inner, expression.as_deref()),
    }
}

fn cause(error: &Error) -> Option<&Error> {
    std::error::Error::source(error)?.downcast_ref()
}

/// The description for the template's author.
fn reason(error: &Error, expression: Option<&str>) -> String {
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::UndefinedError => {
            let named = detail.split('`').nth(1).or(expression);
            match named {
                Some(name) => format!("unknown variable \"{name}\""),
                None => "unknown variable".to_owned(),
            }
        }
        ErrorKind::InvalidOperation if detail.starts_with(UNPRINTABLE) => match expression {
            Some(expression) => format!("{{{{ {expression} }}}} {detail}"),
            None => format!("a value {detail}"),
        },
        ErrorKind::OutOfFuel => {
            "it exceeds the limit of template operations; is there an endless loop?".to_owned()
        }
        ErrorKind::TemplateNotFound => {
            let names = TEMPLATES.map(|(name, _)| name).join(", ");
            format!("{detail}; a template can include {names}")
        }
        kind if detail.is_empty() => kind.to_string(),
        kind => format!("{kind}: {detail}"),
    }
}
