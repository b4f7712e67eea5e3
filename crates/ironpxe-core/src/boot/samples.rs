//! Sample machines for everything that can be booted: templates are validated with them when they
//! are loaded, and tests and documentation use them.
//!
//! Their plans are made by [`decide`], so that they match those of real machines; only refusals, of
//! which there are more kinds than states, are constructed.

use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::plan::{BootPlan, Machine, RenderContext};
use super::progress::RamdiskFlag;
use super::reference::ImageKind;
use super::refusal::Refusal;
use super::settings::{BootSettings, Downloads, GiveUpAction, LocalBoot, LocalBootMethod};
use super::{decide, text};
use crate::JsonMap;
use crate::id::{NodeUuid, PortUuid, VolumeConnectorUuid, VolumeTargetUuid};
use crate::interface::InterfaceKind;
use crate::mac::MacAddress;
use crate::node::Node;
use crate::port::Port;
use crate::provision_state::ProvisionState;
use crate::volume::{VolumeConnector, VolumeTarget, Volumes};

/// The request ID of every sample.
pub(super) const REQUEST: &str = "req-00000000-0000-4000-8000-000000000001";
const MAC: MacAddress = MacAddress::new([0x52, 0x54, 0x00, 0xaa, 0x00, 0x01]);

/// A machine and what it boots.
#[derive(Debug, Clone)]
pub struct Sample {
    /// A short description.
    pub name: String,
    /// Its node.
    pub node: Node,
    /// The port that matched.
    pub port: Option<Port>,
    /// What it boots.
    pub plan: BootPlan,
    /// Its download settings.
    pub downloads: Downloads,
}

impl Sample {
    /// The context for rendering its script.
    pub fn context(&self) -> RenderContext<'_> {
        RenderContext {
            machine: Machine {
                port: self.port.as_ref(),
                ..Machine::of(&self.node)
            },
            request_id: REQUEST,
        }
    }
}

/// Every plan: each Linux role, volumes with and without CHAP, single and several, an ISO image,
/// the disk by each method, each kind of refusal; with each give-up action, with and without a
/// timeout; for nodes with all fields and with almost none.
pub fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    let usual = BootSettings::default().downloads;
    for (name, machine) in machines() {
        for (ends, downloads) in ways_to_download() {
            samples.push(machine.sample(&format!("{name}, {ends}"), downloads));
        }
        samples.push(bare(machine).sample(&format!("{name}, of a node without a name"), usual));
    }
    for &method in LocalBootMethod::ALL {
        let machine = Sampled::new(ProvisionState::Active, "direct").disk(method);
        let name = format!("local disk, {}", method.name());
        samples.push(machine.sample(&name, usual));
    }
    for refusal in refusals() {
        let machine = Sampled::new(ProvisionState::Available, "direct");
        let name = format!("refusal: {refusal}");
        let sample = machine.sample(&name, usual);
        let bare = bare(machine).sample(&format!("{name}, of a node without a name"), usual);
        samples.extend([sample, bare].map(|sample| Sample {
            plan: BootPlan::Refuse(refusal.clone()),
            ..sample
        }));
    }
    samples
}

/// A node that has everything it needs to boot in any state.
pub(crate) fn node(state: ProvisionState, deploy_interface: &str) -> Node {
    let uuid = NodeUuid(Uuid::from_u128(0xee49_0fb7_d420_4b2f_8153_8a67_4b93_0740));
    let mut node = Node::enroll(uuid, "fake-hardware", OffsetDateTime::UNIX_EPOCH);
    node.name = Some("bm-1".into());
    node.provision_state = state.into();
    node.interfaces.set(InterfaceKind::Deploy, deploy_interface);
    node.driver_info = map(json!({
        "deploy_kernel": "http://images.example/deploy.kernel",
        "deploy_ramdisk": "http://images.example/deploy.initramfs",
        "rescue_kernel": "http://images.example/rescue.kernel",
        "rescue_ramdisk": "http://images.example/rescue.initramfs",
    }));
    node.instance_info = map(json!({
        "kernel": "http://images.example/instance.kernel",
        "ramdisk": "http://images.example/instance.initramfs",
        "ramdisk_kernel_arguments": "rd.live.image",
    }));
    if deploy_interface == "anaconda" {
        let mut install = |key: &str, url: &str| {
            node.instance_info.insert(key.into(), json!(url));
        };
        install("image_source", "http://images.example/system.tar.xz");
        install("stage2", "http://images.example/tree/LiveOS/squashfs.img");
    }
    node
}

/// A port of the node.
pub(super) fn port(node: &Node) -> Port {
    let uuid = PortUuid(Uuid::from_u128(0x56ea_0485_c79e_434e_af55_8ca4_d3c3_ecf9));
    Port::new(uuid, node.uuid, MAC, OffsetDateTime::UNIX_EPOCH)
}

/// A boot volume with two portals and CHAP, and a second volume.
pub(super) fn volumes(node: &Node) -> Volumes {
    let target = |uuid, boot_index, properties| VolumeTarget {
        uuid: VolumeTargetUuid(Uuid::from_u128(uuid)),
        node_uuid: node.uuid,
        volume_type: "iscsi".into(),
        boot_index,
        volume_id: "v".into(),
        properties: map(properties),
        extra: JsonMap::new(),
        created_at: OffsetDateTime::UNIX_EPOCH,
        updated_at: None,
    };
    Volumes {
        connectors: vec![VolumeConnector {
            uuid: VolumeConnectorUuid(Uuid::from_u128(0x4000_8000_0000_0000_000c)),
            node_uuid: node.uuid,
            kind: "iqn".into(),
            connector_id: "iqn.2026-01.example:bm-1".into(),
            extra: JsonMap::new(),
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: None,
        }],
        targets: vec![
            target(
                0x4000_8000_0000_0000_000a,
                0,
                json!({
                    "target_iqn": "iqn.2026-01.example:root",
                    "target_portals": ["192.0.2.1:3260", "[fd00::1]:3261"],
                    "target_lun": 1,
                    "auth_username": "me",
                    "auth_password": "p ${x} || #",
                }),
            ),
            target(
                0x4000_8000_0000_0000_000b,
                1,
                json!({
                    "target_iqn": "iqn.2026-01.example:data",
                    "target_portal": "192.0.2.2",
                    "target_lun": "31",
                }),
            ),
        ],
    }
}

/// One refusal of each kind.
pub(super) fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::StateBootsNothing(ProvisionState::Enroll),
        Refusal::StateBootsNothing(ProvisionState::Deleting),
        Refusal::StateBootsNothing(ProvisionState::DeployFailed),
        Refusal::UnknownState("levitating".into()),
        Refusal::RamdiskDisabled {
            field: RamdiskFlag::Cleaning.field(),
        },
        Refusal::Fault("power failure".into()),
        Refusal::PortNotPxeEnabled(MAC),
        Refusal::Missing {
            fields: "driver_info.deploy_kernel".into(),
        },
        Refusal::BadValue {
            field: "driver_info.deploy_kernel".into(),
            problem: "no".into(),
        },
        Refusal::Masked {
            field: "driver_info.deploy_kernel".into(),
        },
        Refusal::Image {
            kind: ImageKind::Kernel,
            image: "glance://8e8a4c1c-0d5f-4b1e-9f0a-3b1f6f0d7a11".into(),
            problem: "Glance has no such image".into(),
        },
        Refusal::Conflict {
            one: "instance_info.boot_iso",
            other: "instance_info.image_source",
        },
    ]
}

/// A machine that becomes a sample.
#[derive(Clone)]
struct Sampled {
    node: Node,
    port: Option<Port>,
    volumes: Option<Volumes>,
    settings: BootSettings,
}

impl Sampled {
    /// A machine with all optional fields.
    fn new(state: ProvisionState, deploy_interface: &str) -> Self {
        let mut node = node(state, deploy_interface);
        node.resource_class = Some("gold ; class".into());
        node.conductor_group = "rack-7".into();
        node.instance_uuid = Some(Uuid::from_u128(0x1fa8_0c5b_3b5c_4b0c_9d4a_6c1f_24c5_5a11));
        node.properties = map(json!({"cpu_arch": "x86_64", "memory_mb": 1024}));
        node.extra = map(json!({"note": "a \u{fc} || b"}));
        let port = Some(port(&node));
        Self {
            node,
            port,
            volumes: None,
            settings: BootSettings::default(),
        }
    }

    fn info(mut self, key: &str, value: &str) -> Self {
        self.node.instance_info.insert(key.into(), json!(value));
        self
    }

    fn internal_info(mut self, key: &str, value: &str) -> Self {
        let info = &mut self.node.driver_internal_info;
        info.insert(key.into(), json!(value));
        self
    }

    fn disk(mut self, method: LocalBootMethod) -> Self {
        self.settings.local_boot = LocalBoot {
            bios: method,
            uefi: method,
        };
        self
    }

    fn extra_ramdisks(mut self) -> Self {
        let urls = [
            "http://images.example/ca.cpio",
            "http://images.example/drivers.cpio",
        ];
        self.settings.extra_ramdisks = urls.map(str::to_owned).to_vec();
        self
    }

    /// With these volumes, booting from the first.
    fn volumes(self, volumes: Volumes) -> Self {
        let boot = volumes.targets.first().map(|it| it.uuid.to_string());
        let mut this = self.internal_info("boot_from_volume", &boot.unwrap_or_default());
        this.volumes = Some(volumes);
        this
    }

    fn sample(&self, name: &str, downloads: Downloads) -> Sample {
        let machine = Machine {
            port: self.port.as_ref(),
            volumes: self.volumes.as_ref(),
            ..Machine::of(&self.node)
        };
        Sample {
            name: text::for_console(name),
            node: self.node.clone(),
            port: self.port.clone(),
            plan: decide(machine, &self.settings, REQUEST),
            downloads,
        }
    }
}

/// The same machine with as few fields as possible: no name, no port, no optional fields.
fn bare(machine: Sampled) -> Sampled {
    let mut bare = machine;
    bare.port = None;
    bare.node.name = None;
    bare.node.resource_class = None;
    bare.node.conductor_group = String::new();
    bare.node.instance_uuid = None;
    bare.node.properties = JsonMap::new();
    bare.node.extra = JsonMap::new();
    bare.settings.kernel_append_params = String::new();
    bare
}

fn machines() -> Vec<(&'static str, Sampled)> {
    use ProvisionState as S;
    let deployed = |interface| Sampled::new(S::Active, interface);
    let both = volumes(&node(S::Active, "direct"));
    let mut one = both.clone();
    one.connectors.clear();
    one.targets.drain(..1);
    vec![
        ("deploy ramdisk", Sampled::new(S::DeployWait, "direct")),
        (
            "deploy ramdisk and extra ramdisks",
            Sampled::new(S::DeployWait, "direct").extra_ramdisks(),
        ),
        ("inspection", Sampled::new(S::InspectWait, "direct")),
        ("rescue ramdisk", Sampled::new(S::Rescue, "direct")),
        ("installer", Sampled::new(S::DeployWait, "anaconda")),
        ("instance ramdisk", deployed("ramdisk")),
        (
            "instance kernel",
            deployed("direct")
                .info("image_type", "partition")
                .internal_info("root_uuid_or_disk_id", "1234-abcd")
                .netboot(),
        ),
        ("two volumes with CHAP", deployed("direct").volumes(both)),
        ("a volume without CHAP", deployed("direct").volumes(one)),
        (
            "ISO image",
            deployed("ramdisk").info("boot_iso", "http://images.example/x.iso"),
        ),
        ("local disk", deployed("direct")),
    ]
}

impl Sampled {
    /// With the boot option netboot.
    fn netboot(mut self) -> Self {
        let capabilities = json!({"boot_option": "netboot"});
        let info = &mut self.node.instance_info;
        info.insert("capabilities".into(), capabilities);
        self
    }
}

fn ways_to_download() -> Vec<(String, Downloads)> {
    let ways = GiveUpAction::ALL.iter().copied().flat_map(|give_up| {
        [(60, "a timeout"), (0, "no timeout")].map(|(timeout_seconds, timeout)| {
            let name = format!("with {timeout} and {} in the end", give_up.name());
            let downloads = Downloads {
                timeout_seconds,
                retries: 10,
                give_up,
            };
            (name, downloads)
        })
    });
    ways.collect()
}

fn map(value: Value) -> JsonMap {
    match value {
        Value::Object(map) => map,
        _ => JsonMap::new(),
    }
}
