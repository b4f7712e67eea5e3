//! The variables of script templates. `docs/templates.md` has the table, which a test compares with
//! this file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use minijinja::context;
use minijinja::value::{Serde, Value};

use super::plan::{BootIf, BootPlan, LinuxBoot, RenderContext};
use super::reference::{ImageKind, ImageRef};
use super::refusal::Refusal;
use super::resolved_plan::ResolvedPlan;
use super::san::VolumeBoot;
use super::settings::Downloads;
use super::text;
use super::unknown_machine::UnknownActions;
use crate::mask::mask_urls;
use crate::node::Node;
use crate::port::Port;

/// The width of a line on a text console, which wraps after 80 columns.
pub(super) const COLUMNS: usize = 79;

/// The number of console lines for a refusal, without the line with the identifiers.
const REFUSAL_LINES: usize = 3;

/// Longer names than a UUID leave no room for other text; the UUID replaces them.
const MAX_LABEL: usize = 36;

/// How long a refusal stays on the screen before the machine continues, in seconds.
pub(super) const PAUSE_KNOWN: u32 = 10;
/// As [`PAUSE_KNOWN`], for an unknown address: the next NIC may be known.
const PAUSE_UNKNOWN: u32 = 1;

/// The set of a node's fields available to a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VariableSet {
    /// Those of the built-in templates.
    BuiltIn,
    /// All fields, for operators' templates.
    Operators,
}

/// Why a machine has no script; `/boot.ipxe`, which tries all addresses, reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownMachine {
    /// The address does not belong to a port, so creating a port would help.
    Address,
    /// Any other reason.
    Other,
}

/// The variables of a known machine's script.
pub(super) fn of_machine(
    located: &ResolvedPlan,
    context: RenderContext<'_>,
    downloads: Downloads,
    variables: VariableSet,
) -> Value {
    let plan = located.plan();
    let node = context.machine.node;
    let title = format!(
        "ironpxe: {}: {} -> {}",
        node.label(),
        node.provision_state,
        plan.title()
    );
    let mut all: BTreeMap<&'static str, Value> = BTreeMap::from([
        ("title", text::for_console_line(&title, COLUMNS).into()),
        ("request_id", context.request_id.into()),
    ]);
    match variables {
        VariableSet::BuiltIn => all.extend([
            ("plan", context! { kind => plan.kind() }),
            ("node", context! { uuid => node.uuid.to_string() }),
        ]),
        VariableSet::Operators => all.extend([
            (
                "plan",
                context! { kind => plan.kind(), title => plan.title() },
            ),
            ("node", of_node(node)),
            ("port", of_port(context.machine.port)),
        ]),
    }
    match plan {
        BootPlan::Linux(linux) => all.extend(of_linux(linux, located)),
        BootPlan::Volume(volume) => all.extend(of_volume(volume)),
        BootPlan::Iso(iso) => all.extend([
            ("iso", located.url(ImageKind::Iso, iso).into()),
            ("needs", list([shown(iso).as_ref()])),
        ]),
        BootPlan::LocalDisk(local) => all.extend([
            ("bios", local.bios.name().into()),
            ("uefi", local.uefi.name().into()),
        ]),
        BootPlan::Refuse(refusal) => all.extend([
            ("lines", refusal_lines(refusal, node).into()),
            ("pause", PAUSE_KNOWN.into()),
        ]),
    }
    if let BootPlan::Linux(_) | BootPlan::Volume(_) | BootPlan::Iso(_) = plan {
        all.extend([
            ("timeout", timeout(downloads).into()),
            ("retries", downloads.retries.into()),
            ("give_up", downloads.give_up.name().into()),
        ]);
    }
    Value::from_object(all)
}

/// What the script of an unknown machine shows.
pub(super) struct UnknownTexts {
    /// Why it is not booted.
    why: Vec<String>,
    /// How to fix it, if nothing else is done.
    fix: Vec<String>,
    /// The request that is answered; `/boot.ipxe` makes others.
    request_id: Option<String>,
    /// How long that is shown, in seconds.
    pause: u32,
}

impl UnknownTexts {
    pub(super) fn of_machine(problem: &str, fix: &str, request_id: &str) -> Self {
        let lines = |text| text::for_console_lines(text, COLUMNS, 2);
        Self {
            why: lines(problem),
            fix: lines(fix),
            request_id: Some(request_id.to_owned()),
            pause: PAUSE_UNKNOWN,
        }
    }

    pub(super) fn of_nic_loop() -> Self {
        Self {
            why: vec![
                "ironpxe: none of the addresses above belongs to a port of a node.".to_owned(),
            ],
            fix: vec![
                "Fix: baremetal port create --node UUID ADDRESS; then boot again.".to_owned(),
                format!("Trying the next boot device in {PAUSE_KNOWN} s."),
            ],
            request_id: None,
            pause: PAUSE_KNOWN,
        }
    }
}

/// The variables of the script for an unknown machine.
pub(super) fn of_unknown_machine(
    kind: UnknownMachine,
    texts: UnknownTexts,
    actions: &UnknownActions,
    downloads: Downloads,
) -> Value {
    let UnknownTexts {
        why,
        fix,
        request_id,
        pause,
    } = texts;
    let (branches, actions) = actions.variables();
    let address_unknown = kind == UnknownMachine::Address;
    let timeout = timeout(downloads);
    context! { address_unknown, why, fix, request_id, pause, branches, actions, timeout }
}

/// The timeout in milliseconds; 0 means none.
pub(super) fn timeout(downloads: Downloads) -> u64 {
    u64::from(downloads.timeout_seconds) * 1000
}

fn of_node(node: &Node) -> Value {
    context! {
        uuid => node.uuid.to_string(),
        name => node.name.as_deref(),
        provision_state => node.provision_state.name(),
        driver => node.driver.as_str(),
        resource_class => node.resource_class.as_deref(),
        conductor_group => node.conductor_group.as_str(),
        instance_uuid => node.instance_uuid.map(|uuid| uuid.to_string()),
        properties => Value::from(Serde(&node.properties)),
        extra => Value::from(Serde(&node.extra)),
    }
}

fn of_port(port: Option<&Port>) -> Value {
    let port = port.map(|port| context! { address => port.address.to_string() });
    Value::from(port)
}

fn of_linux(linux: &LinuxBoot, located: &ResolvedPlan) -> [(&'static str, Value); 9] {
    let bootif = match linux.bootif {
        Some(BootIf::Known(mac)) => Some(mac.to_string()),
        Some(BootIf::AskIpxe) | None => None,
    };
    let kernel = located.url(ImageKind::Kernel, &linux.kernel);
    let ramdisk = located.url(ImageKind::Ramdisk, &linux.ramdisk);
    // The references as the operator wrote them.
    let images = [&linux.kernel, &linux.ramdisk].into_iter();
    let needs: Vec<_> = images.chain(&linux.extra_ramdisks).map(shown).collect();
    let extra_ramdisks = linux.extra_ramdisks();
    let extra_ramdisks = extra_ramdisks.map(|(kind, image)| {
        context! { name => kind.name(), url => located.url(kind, image) }
    });
    [
        ("role", linux.role.name().into()),
        ("kernel", kernel.into()),
        ("ramdisk", ramdisk.into()),
        ("extra_ramdisks", extra_ramdisks.collect()),
        ("ramdisk_name", linux.role.ramdisk_name().into()),
        ("args", linux.args.to_string().into()),
        ("wants_bootif", linux.bootif.is_some().into()),
        ("bootif", bootif.into()),
        ("needs", list(needs.iter().map(AsRef::as_ref))),
    ]
}

/// An image for the console: a URL is not truncated, so that it can be tried elsewhere, but masked.
fn shown(image: &ImageRef) -> Cow<'_, str> {
    match image {
        ImageRef::Http(url) => mask_urls(url.as_str()),
        ImageRef::Glance(_) | ImageRef::File(_) => {
            Cow::Owned(text::for_console_line(image.as_str(), COLUMNS))
        }
    }
}

fn of_volume(volume: &VolumeBoot) -> [(&'static str, Value); 3] {
    let drives: Vec<Value> = volume
        .drives
        .iter()
        .zip(0x80_u8..)
        .map(|(drive, number)| {
            let chap = drive.chap.as_ref().map(|chap| {
                // In hexadecimal digits, which can represent any character.
                context! {
                    username => hex(chap.username.as_bytes()),
                    password => hex(chap.password.expose().as_bytes()),
                }
            });
            context! { number => format!("0x{number:x}"), uris => drive.uris.join(" "), chap }
        })
        .collect();
    let uris = volume.drives.iter().flat_map(|drive| &drive.uris);
    [
        (
            "initiator_iqn",
            Value::from(volume.initiator_iqn.as_deref()),
        ),
        ("drives", drives.into()),
        ("needs", list(uris.map(String::as_str))),
    ]
}

fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    texts.into_iter().collect()
}

/// The node, the reason and the fix of a refusal in at most [`REFUSAL_LINES`]. The fix gets the
/// lines it needs; the reason gets the rest.
fn refusal_lines(refusal: &Refusal, node: &Node) -> Vec<String> {
    let label = match &node.name {
        Some(name) if name.len() <= MAX_LABEL => name.clone(),
        Some(_) | None => node.uuid.to_string(),
    };
    let fix = format!("Fix: {}.", refusal.advice(&label));
    let fix = text::for_console_lines(&fix, COLUMNS, REFUSAL_LINES - 1);
    let room = REFUSAL_LINES.saturating_sub(fix.len());

    let state = match refusal {
        // The state is the reason itself.
        Refusal::StateBootsNothing(_) | Refusal::UnknownState(_) => String::new(),
        _ => format!(" in state \"{}\"", node.provision_state),
    };
    let why = match refusal {
        Refusal::StateBootsNothing(state) => format!("state \"{state}\" boots nothing"),
        _ => refusal.to_string(),
    };
    let shortest = format!("ironpxe: not booted: {why}");
    let reasons = [
        format!("ironpxe: {label} is not booted{state}: {why}"),
        format!("ironpxe: not booted{state}: {why}"),
        shortest.clone(),
        format!("ironpxe: not booted: {}", refusal.short_reason()),
    ];
    // If nothing fits, the reason is truncated at its end, so that its field stays visible.
    let reason = reasons
        .iter()
        .find(|reason| text::fits_lines(reason, COLUMNS, room))
        .unwrap_or(&shortest);
    let mut lines = text::for_console_lines(reason, COLUMNS, room);
    lines.extend(fix);
    lines
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
