//! What a machine boots here, compared with Ironic's file.

use std::collections::{BTreeMap, BTreeSet};

use super::super::IronicMachine;
use super::script::{ScriptBoot, Volume};
use super::{FileProblem, IronicFile};
use crate::boot::{BootPlan, LinuxRole, Refusal};
use crate::mask::mask_text;
use crate::provision_state::ProvisionState;

/// What is different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Topic {
    /// Ironic's file is not a script.
    File,
    /// Another kind of boot: the deploy ramdisk, the local disk …
    Section,
    /// The kernel.
    Kernel,
    /// The ramdisks, or an ISO image.
    Ramdisk,
    /// The kernel's arguments.
    Arguments,
    /// Remote volumes.
    Volumes,
}

/// A difference. Its text has no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What is different.
    pub topic: Topic,
    /// How.
    pub text: String,
    /// Why, if this service does it on purpose.
    pub known: Option<&'static str>,
}

const API_URL: &str = "ipa-api-url=";
const RESCUE: &str = "the rescue ramdisk is the machine's system; Ironic removes its script";
const ADOPTED: &str = "Ironic forgets the script of an adopted ramdisk instance";
const NOT_PXE_ENABLED: &str =
    "the port has pxe_enabled=false; Ironic writes a file for it, and leaves it to DHCP";

/// What a script boots, as both sides name it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Ramdisk(LinuxRole),
    Iso,
    Volumes,
    LocalDisk,
    Nothing,
    Other(String),
}

impl Kind {
    fn of_plan(plan: &BootPlan) -> Self {
        match plan {
            BootPlan::Linux(linux) => Self::Ramdisk(linux.role),
            BootPlan::Volume(_) => Self::Volumes,
            BootPlan::Iso(_) => Self::Iso,
            BootPlan::LocalDisk(_) => Self::LocalDisk,
            BootPlan::Refuse(_) => Self::Nothing,
        }
    }

    fn of_file(file: &IronicFile) -> Self {
        let kernel = file.boot.kernel.as_deref().unwrap_or_default();
        match file.section.as_str() {
            "deploy" if name(kernel) == "rescue_kernel" => Self::Ramdisk(LinuxRole::RescueRamdisk),
            "deploy" => Self::Ramdisk(LinuxRole::DeployRamdisk),
            "boot_ramdisk" if file.boot.iso.is_some() => Self::Iso,
            "boot_ramdisk" => Self::Ramdisk(LinuxRole::InstanceRamdisk),
            "boot_partition" => Self::Ramdisk(LinuxRole::InstanceKernel),
            "boot_anaconda" => Self::Ramdisk(LinuxRole::Installer),
            "boot_iscsi" => Self::Volumes,
            "boot_whole_disk" => Self::LocalDisk,
            "" => Self::Other("a script of the operator".to_owned()),
            other => Self::Other(format!("section {other:?}")),
        }
    }

    fn title(&self) -> &str {
        match self {
            Self::Ramdisk(role) => role.title(),
            Self::Iso => "ISO image",
            Self::Volumes => "remote volume",
            Self::LocalDisk => "local disk",
            Self::Nothing => "nothing",
            Self::Other(title) => title,
        }
    }
}

/// How what a machine boots here (`plan`, and its `script`) differs from Ironic's file; `None` is
/// no file. Empty if both boot the same.
///
/// Ironic gives machines its own copies of most images, so images are compared by their names in
/// Ironic. Arguments are compared without what is different at each boot; their order counts among those
/// of one name (`console=`).
pub fn differences(
    machine: &IronicMachine,
    plan: &BootPlan,
    script: &str,
    file: Option<&Result<IronicFile, FileProblem>>,
) -> Vec<Difference> {
    let file = match file {
        None => return without_file(machine, plan).into_iter().collect(),
        Some(Ok(file)) => file,
        Some(Err(problem)) => return vec![different(Topic::File, &problem.to_string())],
    };
    let (ours, theirs) = (Kind::of_plan(plan), Kind::of_file(file));
    if ours != theirs {
        let (here, why) = said(machine, plan);
        let text = format!("Ironic's file boots: {}; here: {here}", theirs.title());
        let mut difference = different(Topic::Section, &text);
        difference.known = why;
        return vec![difference];
    }
    let boot = ScriptBoot::of_script(script);
    match ours {
        Kind::Ramdisk(role) => {
            let images = images(machine, role, &boot, &file.boot);
            let address = machine.port.as_ref().map(|port| port.address.to_string());
            let of_agent = matches!(role, LinuxRole::DeployRamdisk | LinuxRole::RescueRamdisk);
            let args = arguments(&boot.args, &file.boot.args, address.as_deref(), of_agent);
            images.into_iter().chain(args).collect()
        }
        Kind::Iso => {
            let (one, other) = (boot.iso.as_deref(), file.boot.iso.as_deref());
            let is_same = is_same_image(machine, "boot_iso", one, other);
            let found = (!is_same).then(|| different(Topic::Ramdisk, &both(one, other)));
            found.into_iter().collect()
        }
        Kind::Volumes => volumes(&boot.volumes, &file.boot.volumes)
            .into_iter()
            .collect(),
        Kind::LocalDisk | Kind::Nothing | Kind::Other(_) => Vec::new(),
    }
}

fn different(topic: Topic, text: &str) -> Difference {
    Difference {
        topic,
        text: mask_text(text).into_owned(),
        known: None,
    }
}

/// What is booted here, and why it is known to be different from Ironic's file.
fn said(machine: &IronicMachine, plan: &BootPlan) -> (String, Option<&'static str>) {
    match plan {
        BootPlan::Refuse(refusal) => {
            let known = matches!(refusal, Refusal::PortNotPxeEnabled(_));
            let advice = refusal.advice(&machine.node.label());
            let text = format!("nothing: {refusal}; {advice}");
            (text, known.then_some(NOT_PXE_ENABLED))
        }
        plan => (plan.title().to_owned(), None),
    }
}

/// Without a file, Ironic boots nothing from the network: a machine goes on to its disk.
fn without_file(machine: &IronicMachine, plan: &BootPlan) -> Option<Difference> {
    let known = match plan {
        BootPlan::LocalDisk(_)
        | BootPlan::Refuse(
            Refusal::StateBootsNothing(_)
            | Refusal::Fault(_)
            | Refusal::RamdiskDisabled { .. }
            | Refusal::PortNotPxeEnabled(_),
        ) => return None,
        // Ironic boots it otherwise.
        BootPlan::Refuse(_) if !machine.boots_by_ipxe() => return None,
        BootPlan::Linux(linux) => match (linux.role, machine.node.provision_state.known()) {
            (LinuxRole::RescueRamdisk, Some(ProvisionState::Rescue)) => Some(RESCUE),
            (LinuxRole::InstanceRamdisk, Some(ProvisionState::Active)) => Some(ADOPTED),
            _ => None,
        },
        _ => None,
    };
    let (here, _) = said(machine, plan);
    let text = format!("Ironic has no file for this machine; here: {here}");
    Some(Difference {
        known,
        ..different(Topic::Section, &text)
    })
}

/// The last segment of a URL's path.
fn name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

/// Whether Ironic boots its own copy of an image under this name, or the same URL. A signature in it
/// is different at each boot.
fn is_same_image(
    machine: &IronicMachine,
    copy: &str,
    here: Option<&str>,
    of_ironic: Option<&str>,
) -> bool {
    let (Some(here), Some(of_ironic)) = (here, of_ironic) else {
        return here == of_ironic;
    };
    if of_ironic.contains(&format!("/{}/", machine.node.uuid)) {
        return name(of_ironic) == copy;
    }
    here.split('?').next() == of_ironic.split('?').next()
}

fn both(here: Option<&str>, of_ironic: Option<&str>) -> String {
    let [here, of_ironic] = [here, of_ironic].map(|it| it.unwrap_or("nothing"));
    format!("Ironic's file boots {of_ironic}; here: {here}")
}

fn images(
    machine: &IronicMachine,
    role: LinuxRole,
    ours: &ScriptBoot,
    theirs: &ScriptBoot,
) -> Vec<Difference> {
    let (kernel, ramdisk) = match role {
        LinuxRole::DeployRamdisk => ("deploy_kernel", "deploy_ramdisk"),
        LinuxRole::RescueRamdisk => ("rescue_kernel", "rescue_ramdisk"),
        LinuxRole::InstanceRamdisk | LinuxRole::InstanceKernel | LinuxRole::Installer => {
            ("kernel", "ramdisk")
        }
    };
    let mut found = Vec::new();
    let (one, other) = (ours.kernel.as_deref(), theirs.kernel.as_deref());
    if !is_same_image(machine, kernel, one, other) {
        found.push(different(Topic::Kernel, &both(one, other)));
    }
    let mut pairs = ours.ramdisks.iter().zip(&theirs.ramdisks);
    let is_same = |one: &str, other: &str| is_same_image(machine, ramdisk, Some(one), Some(other));
    let is_same_number = ours.ramdisks.len() == theirs.ramdisks.len();
    if !is_same_number || !pairs.all(|(one, other)| is_same(one, other)) {
        let (one, other) = (ours.ramdisks.join(" "), theirs.ramdisks.join(" "));
        let text = both(Some(&one), Some(&other));
        found.push(different(Topic::Ramdisk, &text));
    }
    found
}

/// Only what a boot depends on: not the name in iPXE, nor the request's ID; the address of the NIC
/// is the machine's own in both.
fn words<'a>(args: &'a [String], address: Option<&str>) -> Vec<&'a str> {
    let is_own = |value: &str| value.starts_with("${") || Some(value) == address;
    let words = args.iter().map(|word| {
        let word = word.strip_suffix('/').unwrap_or(word);
        match word.strip_prefix("BOOTIF=") {
            Some(value) if is_own(value) => "BOOTIF=",
            _ => word,
        }
    });
    let each_boot = ["initrd=", "ipa-global-request-id="];
    words
        .filter(|word| !each_boot.iter().any(|start| word.starts_with(start)))
        .collect()
}

fn arguments<'a>(
    ours: &'a [String],
    theirs: &'a [String],
    address: Option<&str>,
    of_agent: bool,
) -> Vec<Difference> {
    let (all_ours, all_theirs) = (words(ours, address), words(theirs, address));
    let set = |words: &Vec<&'a str>| words.iter().copied().collect::<BTreeSet<_>>();
    let (ours, theirs) = (set(&all_ours), set(&all_theirs));
    let is_url = |word: &&&str| word.starts_with(API_URL);
    let (one, other) = (ours.iter().find(is_url), theirs.iter().find(is_url));
    let mut found = Vec::new();
    if one != other {
        let text = match (one, other) {
            (Some(one), Some(other)) => {
                format!(
                    "Ironic's file has {other}, here it is {one}: set [beside]api_url to Ironic's"
                )
            }
            (one, other) => both(one.copied(), other.copied()),
        };
        found.push(different(Topic::Arguments, &text));
    }
    let mut only_theirs = only(&theirs, &ours);
    if !of_agent {
        // It means nothing to an instance or an installer.
        only_theirs.retain(|word| *word != "text");
    }
    for (who, only) in [
        ("only in Ironic's file", only_theirs),
        ("only here", only(&ours, &theirs)),
    ] {
        if !only.is_empty() {
            found.push(different(
                Topic::Arguments,
                &format!("{who}: {}", only.join(" ")),
            ));
        }
    }
    found.extend(order(&all_ours, &all_theirs));
    found
}

/// Arguments of one name that are the same in another order.
fn order(ours: &[&str], theirs: &[&str]) -> Vec<Difference> {
    let (ours, theirs) = (by_name(ours), by_name(theirs));
    let mut found = Vec::new();
    for (name, here) in &ours {
        let of_ironic = theirs.get(name).map(Vec::as_slice).unwrap_or_default();
        let is_same_set =
            here.len() == of_ironic.len() && here.iter().all(|it| of_ironic.contains(it));
        if is_same_set && here != of_ironic {
            let (here, of_ironic) = (here.join(" "), of_ironic.join(" "));
            found.push(different(
                Topic::Arguments,
                &format!(
                    "Ironic's file has {of_ironic}, here it is {here}: of several, the last may \
                     count alone"
                ),
            ));
        }
    }
    found
}

/// The arguments of each name in their order; of equal ones the last, which is the one that counts.
fn by_name<'a>(words: &[&'a str]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for word in words {
        let name = word.split('=').next().unwrap_or_default();
        let values = by_name.entry(name).or_default();
        values.retain(|value| value != word);
        values.push(word);
    }
    by_name
}

/// Without the API's URL, which is compared by itself.
fn only<'a>(these: &BTreeSet<&'a str>, those: &BTreeSet<&str>) -> Vec<&'a str> {
    let only = these.iter().filter(|word| !those.contains(*word));
    let only = only.filter(|word| !word.starts_with(API_URL));
    only.copied().collect()
}

fn volumes(ours: &[Volume], theirs: &[Volume]) -> Option<Difference> {
    let shown = |volumes: &[Volume]| {
        let volume = |volume: &Volume| format!("{} {}", volume.drive, volume.uri);
        volumes.iter().map(volume).collect::<Vec<_>>().join(", ")
    };
    if ours == theirs {
        return None;
    }
    let (one, other) = (shown(ours), shown(theirs));
    let text = if one == other {
        "the initiator, or the CHAP user or password, is not the same".to_owned()
    } else {
        both(Some(&one), Some(&other))
    };
    Some(different(Topic::Volumes, &text))
}
