//! Parsers of what goes into a script: images, kernel arguments, capabilities, volumes, entire
//! nodes.

use std::sync::OnceLock;

use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::script::{check, rendered};
use super::texts;
use crate::JsonMap;
use crate::boot::{
    BootPlan, BootSettings, GiveUpAction, ImageRef, ImageUrl, KernelArgs, LocalBootMethod, Machine,
    Refusal, RenderContext, Scripts, UnknownMachine, check_capabilities, decide,
};
use crate::id::{NodeUuid, VolumeConnectorUuid, VolumeTargetUuid};
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::provision_state::{ProvisionState, StoredState};
use crate::volume::{VolumeConnector, VolumeTarget, Volumes};

const REQUEST: &str = "req-00000000-0000-4000-8000-000000000001";

/// Accepted arguments are one line of the same words.
pub(super) fn kernel_args(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut args = KernelArgs::new();
    if args.extend(&text).is_err() || args.check(0).is_err() {
        return;
    }
    let line = args.to_string();
    assert!(line.len() <= 2047, "{line}");
    assert!(
        line.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        "{line:?}"
    );
    assert!(!line.contains("${") && !line.ends_with('\\'), "{line}");
    let theirs = text
        .trim_ascii()
        .split([' ', '\t'])
        .filter(|word| !word.is_empty());
    let ours = line.split(' ').filter(|word| !word.is_empty());
    assert!(theirs.eq(ours), "{text:?} became {line:?}");
    for word in args.words() {
        assert!(is_one_word(word), "{word:?}");
    }
}

/// An accepted reference is unchanged: a URL in one word, a UUID, or a canonical path.
pub(super) fn image_url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Surrounding white space is ignored.
    let text = text.trim_ascii();
    match ImageRef::parse(text) {
        Ok(image) => {
            assert_eq!(image.as_str(), text);
            match &image {
                ImageRef::Http(url) => assert_eq!(ImageUrl::parse(text).as_ref(), Ok(url)),
                ImageRef::Glance(glance) => {
                    let id = glance.id.to_string();
                    assert!(text.to_ascii_lowercase().ends_with(&id), "{text}");
                }
                ImageRef::File(file) => {
                    let mut parts = file.path().split('/');
                    assert_eq!(parts.next(), Some(""), "{text:?}");
                    assert!(
                        parts.all(|part| !matches!(part, "" | "." | "..")),
                        "{text:?}"
                    );
                    assert!(!text.contains(['\0', '\n']), "{text:?}");
                }
            }
        }
        Err(_) => assert!(ImageUrl::parse(text).is_err(), "{text:?}"),
    }
    if let Ok(url) = ImageUrl::parse(text) {
        assert_eq!(url.as_str(), text);
        assert!(is_one_word(url.as_str()), "{text:?}");
        let lower = text.to_ascii_lowercase();
        let host = lower
            .strip_prefix("http://")
            .or(lower.strip_prefix("https://"));
        let host = host.and_then(|rest| rest.split(['/', '?', '#']).next());
        assert!(host.is_some_and(|host| !host.is_empty()), "{text:?}");
    }
}

/// Capabilities are accepted or rejected by field; accepted ones never fail a boot.
pub(super) fn capabilities(data: &[u8]) {
    let mut texts = texts(data);
    let mut node = node(ProvisionState::CleanWait);
    let mut place = |map: &mut JsonMap| {
        if let Some(text) = texts.next() {
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            map.insert("capabilities".to_owned(), value);
        }
    };
    place(&mut node.properties);
    place(&mut node.instance_info);
    let settings = BootSettings::default();
    let is_about_capabilities = |refusal: &Refusal| {
        matches!(refusal, Refusal::BadValue { field, .. } | Refusal::Masked { field }
            if field == "properties.capabilities" || field == "instance_info.capabilities")
    };
    let checked = check_capabilities(&node);
    if let Err(refusal) = &checked {
        assert!(is_about_capabilities(refusal), "{refusal}");
        assert!(refusal.to_string().len() < 300, "{refusal}");
    }
    for state in [ProvisionState::CleanWait, ProvisionState::Active] {
        node.provision_state = state.into();
        if let BootPlan::Refuse(refusal) = decide(Machine::of(&node), &settings, REQUEST) {
            assert!(
                checked.is_err() || !is_about_capabilities(&refusal),
                "{refusal}"
            );
        }
    }
}

/// The properties of a volume, as a JSON object or as texts: accepted as words, or rejected by
/// name.
pub(super) fn volume(data: &[u8]) {
    let node_uuid = NodeUuid(Uuid::nil());
    let mut node = node(ProvisionState::Active);
    let mut connector_id = "iqn.2026-01.example:a".to_owned();
    let properties = if let Ok(properties) = serde_json::from_slice::<JsonMap>(data) {
        properties
    } else {
        let mut texts = texts(data);
        connector_id = texts.next().unwrap_or_default();
        let keys = [
            "target_portal",
            "target_iqn",
            "target_lun",
            "auth_username",
            "auth_password",
        ];
        keys.into_iter()
            .map(str::to_owned)
            .zip(texts.map(Value::String))
            .collect()
    };
    let created_at = OffsetDateTime::UNIX_EPOCH;
    let volumes = Volumes {
        connectors: vec![VolumeConnector {
            uuid: VolumeConnectorUuid(Uuid::nil()),
            node_uuid,
            kind: "iqn".to_owned(),
            connector_id,
            extra: JsonMap::new(),
            created_at,
            updated_at: None,
        }],
        targets: vec![VolumeTarget {
            uuid: VolumeTargetUuid(Uuid::nil()),
            node_uuid,
            volume_type: "iscsi".to_owned(),
            boot_index: 0,
            volume_id: "1".to_owned(),
            properties,
            extra: JsonMap::new(),
            created_at,
            updated_at: None,
        }],
    };
    node.driver_internal_info
        .insert("boot_from_volume".to_owned(), json!(Uuid::nil()));
    let machine = Machine {
        volumes: Some(&volumes),
        ..Machine::of(&node)
    };
    let plan = boot(machine, &BootSettings::default());
    match plan {
        BootPlan::Volume(volume) => {
            for uri in volume.drives.iter().flat_map(|drive| &drive.uris) {
                assert!(uri.starts_with("iscsi:") && is_one_word(uri), "{uri:?}");
                // Host, protocol, port, LUN, and the name, which may have colons.
                assert!(uri.split(':').count() >= 6, "{uri}");
            }
            assert!(volume.initiator_iqn.as_deref().is_none_or(is_one_word));
        }
        BootPlan::Refuse(Refusal::BadValue { field, .. } | Refusal::Masked { field }) => {
            assert!(field.starts_with("volume "), "{field}");
        }
        BootPlan::Refuse(Refusal::Missing { fields }) => {
            assert!(fields.starts_with("volume "), "{fields}");
        }
        other => panic!("{other:?}"),
    }
}

/// The script of a node in any state with arbitrary texts.
pub(super) fn render(data: &[u8]) {
    let mut texts = texts(data);
    let kind = texts.next().unwrap_or_default();
    let mut kind = kind.chars().map(|c| c as usize).chain(std::iter::repeat(0));
    let mut choose = |count: usize| kind.next().unwrap_or_default() % count;
    let states: Vec<ProvisionState> = ProvisionState::all().collect();
    let state = states.get(choose(states.len())).copied();
    let mut node = node(state.unwrap_or(ProvisionState::Active));
    let interface = ["direct", "ramdisk", "anaconda"].get(choose(3)).copied();
    node.interfaces
        .set(InterfaceKind::Deploy, interface.unwrap_or_default());
    let mut settings = BootSettings::default();
    let give_up = GiveUpAction::ALL.get(choose(4)).copied();
    settings.downloads.give_up = give_up.unwrap_or(GiveUpAction::Exit);
    let method = LocalBootMethod::ALL.get(choose(4)).copied();
    settings.local_boot.uefi = method.unwrap_or(LocalBootMethod::Exit);
    if choose(2) == 1 {
        node.instance_info = serde_json::Map::from_iter([
            ("image_type".to_owned(), json!("partition")),
            ("capabilities".to_owned(), json!("boot_option:netboot")),
            ("kernel".to_owned(), json!("http://h/k")),
            ("ramdisk".to_owned(), json!("http://h/r")),
        ]);
    }

    node.name = texts.next();
    let mut fill = |map: &mut JsonMap, keys: &[&str]| {
        for key in keys {
            // An empty text keeps the default.
            if let Some(text) = texts.next().filter(|text| !text.is_empty()) {
                map.insert((*key).to_owned(), Value::String(text));
            }
        }
    };
    fill(
        &mut node.driver_info,
        &[
            "kernel_append_params",
            "deploy_kernel",
            "deploy_ramdisk",
            "ipxe_local_boot",
        ],
    );
    fill(
        &mut node.instance_info,
        &[
            "ramdisk_kernel_arguments",
            "kernel",
            "ramdisk",
            "boot_iso",
            "capabilities",
        ],
    );
    fill(&mut node.driver_internal_info, &["root_uuid_or_disk_id"]);
    if let Some(text) = texts.next() {
        settings.api_url = text;
    }
    if let Some(text) = texts.next().filter(|text| !text.is_empty()) {
        node.provision_state = StoredState::from_name(&text);
    }
    node.fault = texts.next();
    node.maintenance = node.fault.is_some();
    boot(Machine::of(&node), &settings);

    let scripts = scripts(&settings);
    let lines: Vec<String> = texts.collect();
    let mut lines = lines.iter().map(String::as_str);
    let lines = [(); 2].map(|()| lines.next().unwrap_or_default());
    match scripts.refuse_unknown_machine(UnknownMachine::Address, lines, REQUEST) {
        Ok(script) => check(&script),
        Err(error) => panic!("{error}"),
    }
}

/// Decides, renders, and checks the script.
pub(super) fn boot(machine: Machine<'_>, settings: &BootSettings) -> BootPlan {
    let plan = decide(machine, settings, REQUEST);
    let context = RenderContext {
        machine,
        request_id: REQUEST,
    };
    rendered(scripts(settings), &plan, context);
    plan
}

/// The templates, parsed once for each of the settings used here.
fn scripts(settings: &BootSettings) -> &'static Scripts {
    static SCRIPTS: [OnceLock<Scripts>; GiveUpAction::ALL.len()] =
        [const { OnceLock::new() }; GiveUpAction::ALL.len()];
    let chosen = GiveUpAction::ALL
        .iter()
        .zip(&SCRIPTS)
        .find(|(give_up, _)| **give_up == settings.downloads.give_up);
    let Some((_, scripts)) = chosen else {
        panic!("not a give-up action")
    };
    scripts.get_or_init(|| match Scripts::new(settings.downloads) {
        Ok(scripts) => scripts,
        Err(error) => panic!("{error}"),
    })
}

pub(super) fn node(state: ProvisionState) -> Node {
    let uuid = NodeUuid(Uuid::nil());
    let mut node = Node::enroll(uuid, "fake-hardware", OffsetDateTime::UNIX_EPOCH);
    node.provision_state = state.into();
    node.interfaces.set(InterfaceKind::Deploy, "direct");
    for key in [
        "deploy_kernel",
        "deploy_ramdisk",
        "rescue_kernel",
        "rescue_ramdisk",
    ] {
        node.driver_info
            .insert(key.to_owned(), json!(format!("http://h/{key}")));
    }
    node
}

/// Whether iPXE reads it literally as one word.
fn is_one_word(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_graphic())
        && !word.contains("${")
        && !matches!(word, ";" | "&&" | "||")
        && !word.starts_with('#')
        && !word.ends_with('\\')
}
