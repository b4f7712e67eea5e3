//! A machine for each thing that can be planned: a new plan, or role of Linux, needs a
//! line to [`ALL`].

use super::*;
use crate::fuzzing::script::rendered;
use crate::volume::Volumes;

/// A machine whose plan is known.
pub(super) struct Sample {
    /// Names its snapshots.
    pub(super) name: &'static str,
    pub(super) node: Node,
    pub(super) volumes: Volumes,
}

/// Makes a sample's node and the volumes it has.
type Make = fn() -> (Node, Volumes);

/// Every plan, once.
const ALL: [(&str, Make); 10] = [
    ("deploy_ramdisk", || {
        plain(ProvisionState::DeployWait, "direct")
    }),
    ("rescue_ramdisk", || plain(ProvisionState::Rescue, "direct")),
    ("instance_ramdisk", || {
        plain(ProvisionState::Active, "ramdisk")
    }),
    ("instance_kernel", instance_kernel),
    ("installer", || {
        plain(ProvisionState::DeployWait, "anaconda")
    }),
    ("iso", iso),
    ("volume", || volume(1)),
    ("volumes", || volume(2)),
    ("local_disk", || plain(ProvisionState::Active, "direct")),
    ("refusal", || plain(ProvisionState::Available, "direct")),
];

impl Sample {
    pub(super) fn all() -> Vec<Self> {
        ALL.map(|(name, make)| {
            let (node, volumes) = make();
            Self {
                name,
                node,
                volumes,
            }
        })
        .into()
    }

    pub(super) fn plan(&self, settings: &BootSettings) -> BootPlan {
        decide(self.machine(), settings, REQUEST)
    }

    pub(super) fn script(&self, settings: &BootSettings) -> String {
        self.check(None, settings)
    }

    /// The script for a machine that is known by a port, after it was checked.
    pub(super) fn check(&self, port: Option<&Port>, settings: &BootSettings) -> String {
        let machine = Machine {
            port,
            ..self.machine()
        };
        let plan = decide(machine, settings, REQUEST);
        let context = RenderContext {
            machine,
            request_id: REQUEST,
        };
        let scripts = Scripts::new(settings.downloads).unwrap();
        rendered(&scripts, &plan, context)
    }

    fn machine(&self) -> Machine<'_> {
        Machine {
            volumes: Some(&self.volumes),
            ..Machine::of(&self.node)
        }
    }
}

fn plain(state: ProvisionState, interface: &str) -> (Node, Volumes) {
    (node(state, interface), Volumes::default())
}

fn instance_kernel() -> (Node, Volumes) {
    let mut node = node(ProvisionState::Active, "direct");
    let info = &mut node.instance_info;
    info.insert("image_type".into(), json!("partition"));
    info.insert("capabilities".into(), json!({"boot_option": "netboot"}));
    node.driver_internal_info
        .insert("root_uuid_or_disk_id".into(), json!("1234-abcd"));
    (node, Volumes::default())
}

fn iso() -> (Node, Volumes) {
    let mut node = node(ProvisionState::Active, "ramdisk");
    node.instance_info
        .insert("boot_iso".into(), json!("http://images.example/x.iso"));
    (node, Volumes::default())
}

/// The first with CHAP, the second without.
fn volume(drives: usize) -> (Node, Volumes) {
    let mut node = node(ProvisionState::Active, "direct");
    let mut volumes = volumes(&node);
    volumes.targets.truncate(drives);
    let boot = volumes.targets[0].uuid.to_string();
    node.driver_internal_info
        .insert("boot_from_volume".into(), json!(boot));
    (node, volumes)
}
