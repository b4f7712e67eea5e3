//! The kickstart that an installer executes.
//!
//! The template is `kickstart/ks.cfg`, or an operator's (`[anaconda]default_ks_template`); its
//! variables have Ironic's names. A kickstart consists of commands and shell scripts, and a value
//! must be a single word in both. Both parse words alike, so a value is printed as it is if it has
//! no special characters, quoted with `| quote`, or rejected.
//!
//! The kickstart has the agent token, which authenticates the installer's heartbeats;
//! `boot/kickstart.rs` of the service decides who gets it and when.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, context};
use serde_json::json;

use super::installer::{ConfigDrive, InstallSource, Installation};
use super::refusal::Refusal;
use super::text;
use crate::id::NodeUuid;
use crate::mask::mask_text;
use crate::node::Node;

/// The built-in kickstart template.
pub const KICKSTART_TEMPLATE: &str = include_str!("kickstart/ks.cfg");
const REPORT: &str = include_str!("kickstart/report.sh");
const CONFIG_DRIVE: &str = include_str!("kickstart/config_drive.cfg");

/// Limits loops in templates.
const FUEL: u64 = 1_000_000;

/// The kickstart template of the service.
#[derive(Debug)]
pub struct Kickstarts {
    environment: Environment<'static>,
    name: String,
    source: Cow<'static, str>,
}

/// Why a kickstart cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KickstartError {
    /// The node lacks a value, or has an unusable one.
    #[error("{0}")]
    Refused(Refusal),
    /// The template is broken, or cannot print a value.
    #[error("kickstart template {template}: {message}")]
    Template {
        /// Its name.
        template: String,
        /// The error, with its line.
        message: String,
    },
}

/// The inputs of a kickstart.
struct Values<'a> {
    node: NodeUuid,
    installation: &'a Installation,
    api_url: &'a str,
    agent_token: &'a str,
}

impl Kickstarts {
    /// The built-in template.
    pub fn built_in() -> Result<Self, KickstartError> {
        Self::new("ks.cfg".to_owned(), Cow::Borrowed(KICKSTART_TEMPLATE))
    }

    /// An operator's template, validated with every kind of installation.
    pub fn from_template(name: String, source: String) -> Result<Self, KickstartError> {
        // Installers run parts of it in a shell, to which a carriage return is part of a word.
        let problem = if source.starts_with(text::BYTE_ORDER_MARK) {
            "the file begins with a byte order mark (BOM): save it as UTF-8 without BOM"
        } else if source.contains('\r') {
            "the line endings are CRLF, but an installer needs LF: save the file \
             with Unix line endings"
        } else {
            return Self::new(name, Cow::Owned(source));
        };
        Err(KickstartError::Template {
            template: name,
            message: problem.to_owned(),
        })
    }

    fn new(name: String, source: Cow<'static, str>) -> Result<Self, KickstartError> {
        let kickstarts = Self {
            environment: environment().map_err(|error| broken("(built in)", &error))?,
            name,
            source,
        };
        kickstarts.try_out()?;
        Ok(kickstarts)
    }

    /// The kickstart of a node that is being installed. `api_url` is the API's URL without a
    /// trailing slash.
    pub fn render(
        &self,
        node: &Node,
        api_url: &str,
        agent_token: &str,
    ) -> Result<String, KickstartError> {
        let installation = Installation::of(node).map_err(KickstartError::Refused)?;
        self.write(&Values {
            node: node.uuid,
            installation: &installation,
            api_url,
            agent_token,
        })
    }

    fn write(&self, values: &Values<'_>) -> Result<String, KickstartError> {
        let source = &values.installation.source;
        let mut options = vec![
            ("agent_token", values.agent_token.to_owned()),
            ("heartbeat_url", heartbeat_url(values.api_url, values.node)),
            ("liveimg_url", source.url().as_str().to_owned()),
        ];
        // As in Ironic, options that do not apply are undefined.
        match source {
            InstallSource::Repository(_) => options.push(("is_source_a_path", "true".to_owned())),
            InstallSource::LiveImage {
                sha256: Some(digits),
                ..
            } => options.push(("liveimg_checksum", digits.clone())),
            InstallSource::LiveImage { sha256: None, .. } => {}
        }
        let values_for_template = context! {
            ks_options => options.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            node => values.node.to_string(),
        };
        let kickstart = self
            .environment
            .template_from_named_str(&self.name, &self.source)
            .and_then(|template| template.render(values_for_template))
            .map_err(|error| broken(&self.name, &error))?;
        match &values.installation.config_drive {
            None => Ok(kickstart),
            Some(drive) => Ok(with_section(&kickstart, &self.config_drive(drive)?)),
        }
    }

    fn config_drive(&self, drive: &ConfigDrive) -> Result<String, KickstartError> {
        let values = match drive {
            ConfigDrive::Files(files) => {
                let files: Vec<Value> = files
                    .iter()
                    .map(|(path, base64)| context! { path => *path, base64 })
                    .collect();
                context! { files }
            }
            ConfigDrive::Image(base64) => context! { files => (), base64 },
            ConfigDrive::ImageAt(url) => context! { files => (), url => url.as_str() },
        };
        self.environment
            .template_from_named_str("config_drive.cfg", CONFIG_DRIVE)
            .and_then(|template| template.render(values))
            .map_err(|error| broken("config_drive.cfg", &error))
    }

    /// Renders a kickstart of each kind, so that a broken template is found when it is loaded.
    fn try_out(&self) -> Result<(), KickstartError> {
        const API: &str = "http://192.0.2.1:6385";
        const TOKEN: &str = "0123456789abcdef0123456789abcdef";
        let url = || super::ImageUrl::parse("http://192.0.2.1/image");
        let url = || {
            url().map_err(|error| KickstartError::Template {
                template: self.name.clone(),
                message: error.to_string(),
            })
        };
        let sources = [
            InstallSource::Repository(url()?),
            InstallSource::LiveImage {
                url: url()?,
                sha256: None,
            },
            InstallSource::LiveImage {
                url: url()?,
                sha256: Some("0".repeat(64)),
            },
        ];
        for source in sources {
            let installation = Installation {
                source,
                config_drive: None,
            };
            let node = NodeUuid(uuid::Uuid::nil());
            let text = self.write(&Values {
                node,
                installation: &installation,
                api_url: API,
                agent_token: TOKEN,
            })?;
            if !text.contains(&heartbeat_url(API, node)) || !text.contains(TOKEN) {
                return Err(KickstartError::Template {
                    template: self.name.clone(),
                    message: "it does not report the end of the installation: it must send \
                              ks_options.agent_token to ks_options.heartbeat_url, for example by \
                              {% include \"report.sh\" %}"
                        .to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// The URL for the installer's heartbeats.
fn heartbeat_url(api_url: &str, node: NodeUuid) -> String {
    format!("{api_url}/v1/heartbeat/{node}")
}

/// Adds a section that runs before the others of its kind, so that the installer's final report is
/// its last action.
fn with_section(kickstart: &str, section: &str) -> String {
    let mut at = 0;
    for line in kickstart.split_inclusive('\n') {
        if line.starts_with("%post") {
            break;
        }
        at += line.len();
    }
    let (before, after) = kickstart.split_at_checked(at).unwrap_or((kickstart, ""));
    let line_end = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{before}{line_end}{section}\n{after}")
}

fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    // Like `Strict`, except that `is defined` does not fail for an undefined option.
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
    environment.set_syntax(
        SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(print_word);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("quote", quote);
    environment.add_function("report", report);
    environment.add_template("report.sh", REPORT)?;
    Ok(environment)
}

/// A word quoted for shells and kickstart commands.
#[derive(Debug)]
struct Quoted(String);

impl Object for Quoted {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Prints a value if it is quoted, or has no special characters.
fn print_word(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let refuse = |problem: &str| Err(Error::new(ErrorKind::InvalidOperation, problem.to_owned()));
    if value.is_undefined() || value.is_none() {
        return refuse("an undefined value cannot be printed");
    }
    if let Some(Quoted(text)) = value.downcast_object_ref::<Quoted>() {
        return write!(out, "{text}").map_err(Error::from);
    }
    let text = value.to_string();
    if !is_plain(&text) {
        return refuse(&format!(
            "{:?} cannot be printed unquoted: write {{{{ ... | quote }}}} without other quotes \
             around it",
            mask_text(&text)
        ));
    }
    write!(out, "{text}").map_err(Error::from)
}

/// Whether a shell and a kickstart command read the text literally, even within quotation marks.
fn is_plain(text: &str) -> bool {
    !text.starts_with('%')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"@%_+=:,./-".contains(&byte))
}

/// The filter `quote`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "required by minijinja's signature"
)]
fn quote(value: Value) -> Result<Value, Error> {
    let text = value.to_string();
    // Line feeds and some non-ASCII characters would begin a new line.
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "only printable ASCII characters can be quoted",
        ));
    }
    let quoted = if is_plain(&text) && !text.is_empty() {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    };
    Ok(Value::from_object(Quoted(quoted)))
}

/// The function `report`: the body of a heartbeat with this status, as JSON.
#[expect(
    clippy::needless_pass_by_value,
    reason = "required by minijinja's signature"
)]
fn report(state: &State<'_, '_>, status: String, message: String) -> Result<String, Error> {
    let token = state
        .lookup("ks_options")
        .and_then(|options| options.get_attr("agent_token").ok())
        .map(|token| token.to_string())
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "ks_options is missing"))?;
    if !["start", "end", "error"].contains(&status.as_str()) {
        let problem = format!("{status:?} is not one of start, end, error");
        return Err(Error::new(ErrorKind::InvalidOperation, problem));
    }
    let body = json!({
        "callback_url": "",
        "agent_token": token,
        "agent_status": status,
        "agent_status_message": message,
    });
    Ok(body.to_string())
}

fn broken(template: &str, error: &Error) -> KickstartError {
    let message = match error.line() {
        Some(line) => format!("line {line}: {error}"),
        None => error.to_string(),
    };
    KickstartError::Template {
        template: template.to_owned(),
        message,
    }
}
