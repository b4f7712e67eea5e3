//! A boot plan as iPXE text.
//!
//! The texts are the templates in `templates/`. Every value a template prints is checked word by
//! word at the moment it is printed (see `text.rs`), whoever wrote it: rendering fails before a
//! value can end its line, start a command or read a setting.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, Output, State, context};

use super::plan::{BootIf, BootPlan, LinuxBoot, Machine};
use super::refusal::Refusal;
use super::san::VolumeBoot;
use super::settings::{Downloads, GiveUpAction};
use super::text;

/// What fits on a line of a text console, which wraps after 80 columns.
const COLUMNS: usize = 79;

/// How long a refusal stays on the screen before the machine goes on, in seconds.
const PAUSE_KNOWN: u32 = 10;
/// As [`PAUSE_KNOWN`], for an address nobody knows: the next NIC may well be known.
const PAUSE_UNKNOWN: u32 = 1;

/// Who asks, when and why: what every script says on the console.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// The machine that asks.
    pub machine: Machine<'a>,
    /// `req-<uuid>`; the same id is in the log.
    pub request_id: &'a str,
}

/// A template that cannot be loaded or rendered.
#[derive(Debug, thiserror::Error)]
#[error("boot script template {template}: {message}")]
pub struct TemplateError {
    /// Its name.
    pub template: &'static str,
    /// What is wrong, and in which line.
    pub message: String,
}

/// The script templates, parsed once.
#[derive(Debug)]
pub struct Scripts {
    environment: Environment<'static>,
    downloads: Downloads,
}

/// The built-in templates by name, as they are compiled in.
pub const TEMPLATES: [(&str, &str); 8] = [
    ("chap.ipxe", include_str!("templates/chap.ipxe")),
    (ISO, include_str!("templates/iso.ipxe")),
    (LINUX, include_str!("templates/linux.ipxe")),
    (LOCAL_DISK, include_str!("templates/local_disk.ipxe")),
    (NIC_LOOP, include_str!("templates/nic_loop.ipxe")),
    (REFUSE, include_str!("templates/refuse.ipxe")),
    ("retry.ipxe", include_str!("templates/retry.ipxe")),
    (VOLUME, include_str!("templates/volume.ipxe")),
];
const LINUX: &str = "linux.ipxe";
const VOLUME: &str = "volume.ipxe";
const ISO: &str = "iso.ipxe";
const LOCAL_DISK: &str = "local_disk.ipxe";
const REFUSE: &str = "refuse.ipxe";
const NIC_LOOP: &str = "nic_loop.ipxe";

impl Scripts {
    /// Parses the built-in templates.
    pub fn new(downloads: Downloads) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        environment.set_syntax(
            SyntaxConfig::builder()
                .keep_trailing_newline(true)
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()
                .map_err(|error| in_template("(syntax)", &error))?,
        );
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_formatter(print_checked);
        environment.add_function("local_boot", local_boot);
        for (name, source) in TEMPLATES {
            environment
                .add_template(name, source)
                .map_err(|error| in_template(name, &error))?;
        }
        Ok(Self {
            environment,
            downloads,
        })
    }

    /// The script that carries out `plan`.
    pub fn render(&self, plan: &BootPlan, occasion: Occasion<'_>) -> Result<String, TemplateError> {
        let node = occasion.machine.node;
        let title = format!(
            "ironpxe: {}: {} -> {}",
            node.label(),
            node.provision_state,
            plan.title()
        );
        let title = text::for_console_line(&title, COLUMNS);
        match plan {
            BootPlan::Linux(linux) => self.linux(linux, &title, occasion),
            BootPlan::Volume(volume) => self.volume(volume, &title, occasion),
            BootPlan::Iso(iso) => self.write(
                ISO,
                context! {
                    iso => iso.as_str(),
                    needs => vec![iso.to_string()],
                    ..self.common(&title, occasion)
                },
            ),
            BootPlan::LocalDisk(local) => self.write(
                LOCAL_DISK,
                context! {
                    bios => local.bios.name(),
                    uefi => local.uefi.name(),
                    ..self.common(&title, occasion)
                },
            ),
            BootPlan::Refuse(refusal) => self.refuse_node(refusal, occasion),
        }
    }

    /// The script for a machine that is no known node's, or whose request makes no sense.
    pub fn refuse_stranger(
        &self,
        lines: &[&str],
        request_id: &str,
    ) -> Result<String, TemplateError> {
        let lines: Vec<String> = lines
            .iter()
            .map(|line| text::for_console_line(line, COLUMNS))
            .collect();
        self.write(
            REFUSE,
            context! { node => (), lines, request_id, pause => PAUSE_UNKNOWN },
        )
    }

    /// The script that finds out by which NIC a machine is known: `/boot.ipxe`.
    pub fn nic_loop(&self) -> Result<String, TemplateError> {
        self.write(NIC_LOOP, context! { timeout => self.timeout() })
    }

    fn linux(
        &self,
        linux: &LinuxBoot,
        title: &str,
        occasion: Occasion<'_>,
    ) -> Result<String, TemplateError> {
        let ramdisk_name = linux.role.ramdisk_name();
        let mut args = linux.args.to_string();
        match linux.bootif {
            Some(BootIf::Known(mac)) => {
                args.push_str(" BOOTIF=");
                args.push_str(&mac.to_string());
            }
            Some(BootIf::AskIpxe) => args.push_str(" BOOTIF=${netX/mac}"),
            None => {}
        }
        args.push_str(" initrd=");
        args.push_str(ramdisk_name);
        self.write(
            LINUX,
            context! {
                kernel => linux.kernel.as_str(),
                ramdisk => linux.ramdisk.as_str(),
                ramdisk_name,
                // The words were checked when they were added; `${netX/mac}` is meant.
                args => Value::from_safe_string(args),
                needs => vec![linux.kernel.to_string(), linux.ramdisk.to_string()],
                ..self.common(title, occasion)
            },
        )
    }

    fn volume(
        &self,
        volume: &VolumeBoot,
        title: &str,
        occasion: Occasion<'_>,
    ) -> Result<String, TemplateError> {
        let drives: Vec<Value> = volume
            .drives
            .iter()
            .zip(0x80_u8..)
            .map(|(drive, number)| {
                let chap = drive.chap.as_ref().map(|chap| {
                    // As hexadecimal digits, in which anything can be said.
                    context! {
                        username => hex(chap.username.as_bytes()),
                        password => hex(chap.password.expose().as_bytes()),
                    }
                });
                context! { number => format!("0x{number:x}"), uris => drive.uris.join(" "), chap }
            })
            .collect();
        let needs: Vec<String> = volume
            .drives
            .iter()
            .flat_map(|drive| drive.uris.clone())
            .collect();
        self.write(
            VOLUME,
            context! {
                initiator_iqn => volume.initiator_iqn.clone(),
                drives,
                needs,
                ..self.common(title, occasion)
            },
        )
    }

    /// What every template of a known machine can print.
    fn common(&self, title: &str, occasion: Occasion<'_>) -> Value {
        context! {
            node => occasion.machine.node.uuid.to_string(),
            title,
            request_id => occasion.request_id,
            timeout => self.timeout(),
            retries => self.downloads.retries,
            give_up => give_up_word(self.downloads.give_up),
        }
    }

    fn refuse_node(
        &self,
        refusal: &Refusal,
        occasion: Occasion<'_>,
    ) -> Result<String, TemplateError> {
        let node = occasion.machine.node;
        let label = node.label();
        let state = &node.provision_state;
        let what = match refusal {
            Refusal::StateBootsNothing(_) => {
                format!("ironpxe: {label} is not booted: state \"{state}\" boots nothing")
            }
            _ => format!("ironpxe: {label} is not booted in state \"{state}\": {refusal}"),
        };
        let mut lines = text::for_console_lines(&what, COLUMNS, 2);
        let fix = format!("Fix: {}.", refusal.advice(&label));
        lines.push(text::for_console_line(&fix, COLUMNS));
        self.write(
            REFUSE,
            context! {
                node => node.uuid.to_string(),
                lines,
                request_id => occasion.request_id,
                pause => PAUSE_KNOWN,
            },
        )
    }

    fn timeout(&self) -> Value {
        Value::from_safe_string(match self.downloads.timeout_seconds {
            0 => String::new(),
            seconds => format!(" --timeout {}", u64::from(seconds) * 1000),
        })
    }

    fn write(&self, name: &'static str, values: Value) -> Result<String, TemplateError> {
        self.environment
            .get_template(name)
            .and_then(|template| template.render(values))
            .map_err(|error| in_template(name, &error))
    }
}

fn in_template(template: &'static str, error: &Error) -> TemplateError {
    let message = match error.line() {
        Some(line) => format!("line {line}: {error}"),
        None => error.to_string(),
    };
    TemplateError { template, message }
}

/// Prints a value, unless iPXE would not take it as plain words.
fn print_checked(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let refuse = |problem: &str| {
        Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("{value:?} cannot be printed: {problem}"),
        ))
    };
    if value.is_undefined() || value.is_none() {
        return refuse("it has no value");
    }
    if let (false, Some(text)) = (value.is_safe(), value.as_str()) {
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if let Some(problem) = text::word_problem(word) {
                return refuse(problem);
            }
        }
    }
    write!(out, "{value}").map_err(Error::from)
}

/// The commands that send a machine to its disk; each way ends the script.
fn local_boot(method: &str) -> Result<Value, Error> {
    let commands = match method {
        "sanboot" => "sanboot --no-describe --drive 0x80 ||\nexit 1",
        "exit" => "exit 1",
        "reboot" => "echo Rebooting in 5 s.\nsleep 5\nreboot",
        "poweroff" => {
            "echo Powering off in 5 s.\nsleep 5\npoweroff ||\n\
             echo This iPXE cannot power off; going on to the next boot device.\nexit 1"
        }
        other => {
            let message = format!("{other:?} is no way to boot from disk");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    };
    Ok(Value::from_safe_string(commands.to_owned()))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

fn give_up_word(action: GiveUpAction) -> &'static str {
    match action {
        GiveUpAction::Reboot => "reboot",
        GiveUpAction::Poweroff => "poweroff",
        GiveUpAction::Shell => "shell",
        GiveUpAction::Exit => "exit",
    }
}
