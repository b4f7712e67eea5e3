//! The boot decision: one node, one answer.

use super::images::{self, AgentRamdisk, ImageUrl};
use super::kernel_args::{ArgError, KernelArgs};
use super::refusal::Refusal;
use super::san::{self, VolumeBoot};
use super::settings::{BootOption, BootSettings, LocalBoot, LocalBootMethod};
use crate::interface::InterfaceKind;
use crate::mac::MacAddress;
use crate::node::Node;
use crate::port::Port;
use crate::provision_state::{ProvisionState, StoredState};
use crate::volume::Volumes;

/// The machine that asks.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// Its node.
    pub node: &'a Node,
    /// The port it was recognized by, if it gave a MAC address.
    pub port: Option<&'a Port>,
    /// The node's volumes; needed only if [`boots_from_volume`] says so.
    pub volumes: Option<&'a Volumes>,
}

impl<'a> Machine<'a> {
    /// A machine of which only the node is known.
    pub fn of(node: &'a Node) -> Self {
        Self {
            node,
            port: None,
            volumes: None,
        }
    }
}

/// The volume target the node boots from, if it does: chosen at deployment.
pub fn boots_from_volume(node: &Node) -> Option<&str> {
    node.driver_internal_info
        .get("boot_from_volume")
        .and_then(|it| it.as_str())
}

/// What a machine is to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootPlan {
    /// A kernel and a ramdisk from the network.
    Linux(LinuxBoot),
    /// Remote volumes.
    Volume(VolumeBoot),
    /// An ISO image from the network, as if it were a disc in the drive.
    Iso(ImageUrl),
    /// What is on its own disk.
    LocalDisk(LocalBoot),
    /// Nothing, and why.
    Refuse(Refusal),
}

/// A kernel and a ramdisk to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinuxBoot {
    /// What they are for.
    pub role: LinuxRole,
    /// The kernel.
    pub kernel: ImageUrl,
    /// The ramdisk.
    pub ramdisk: ImageUrl,
    /// The kernel command line, but for what only the script knows (`initrd=`, `BOOTIF=`).
    pub args: KernelArgs,
    /// The NIC that is told to the ramdisk as `BOOTIF`, if it wants to know.
    pub bootif: Option<BootIf>,
}

/// Which NIC the machine was booted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootIf {
    /// The one with this address.
    Known(MacAddress),
    /// The one iPXE used last, which only iPXE knows.
    AskIpxe,
}

/// What a network-booted Linux is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinuxRole {
    /// The agent that deploys, cleans, inspects and services.
    DeployRamdisk,
    /// The agent of rescue mode.
    RescueRamdisk,
    /// The instance itself.
    InstanceRamdisk,
    /// The kernel and ramdisk that belong to the partition image on the machine's disk.
    InstanceKernel,
}

impl LinuxRole {
    /// For humans.
    pub fn title(self) -> &'static str {
        match self {
            Self::DeployRamdisk => "deploy ramdisk",
            Self::RescueRamdisk => "rescue ramdisk",
            Self::InstanceRamdisk => "instance ramdisk",
            Self::InstanceKernel => "instance kernel",
        }
    }

    /// What the ramdisk is called inside of iPXE, and so in `initrd=`: Ironic's file names.
    pub fn ramdisk_name(self) -> &'static str {
        match self {
            Self::DeployRamdisk => "deploy_ramdisk",
            Self::RescueRamdisk => "rescue_ramdisk",
            Self::InstanceRamdisk | Self::InstanceKernel => "ramdisk",
        }
    }
}

impl BootPlan {
    /// For humans, in a few words.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Linux(linux) => linux.role.title(),
            Self::Volume(_) => "remote volume",
            Self::Iso(_) => "ISO image",
            Self::LocalDisk(_) => "local disk",
            Self::Refuse(_) => "nothing",
        }
    }
}

/// Decides what the machine boots now.
///
/// The request id is handed to agent ramdisks, so that what they ask of the API can be found in
/// the log beside the boot that started them.
pub fn decide(machine: Machine<'_>, settings: &BootSettings, request_id: &str) -> BootPlan {
    let decision = Decision {
        machine,
        settings,
        request_id,
    };
    decision.plan().unwrap_or_else(BootPlan::Refuse)
}

struct Decision<'a> {
    machine: Machine<'a>,
    settings: &'a BootSettings,
    request_id: &'a str,
}

impl Decision<'_> {
    fn plan(&self) -> Result<BootPlan, Refusal> {
        let node = self.machine.node;
        if let Some(port) = self.machine.port.filter(|port| !port.pxe_enabled) {
            return Err(Refusal::PortNotPxeEnabled(port.address));
        }
        if let (true, Some(fault)) = (node.maintenance, &node.fault) {
            return Err(Refusal::Fault(fault.clone()));
        }
        match &node.provision_state {
            StoredState::Known(state) => self.plan_in(*state),
            StoredState::Unknown(word) => Err(Refusal::UnknownState(word.clone())),
        }
    }

    /// Which state boots what. Every state stands here by name: a new one does not compile until
    /// somebody has decided it.
    fn plan_in(&self, state: ProvisionState) -> Result<BootPlan, Refusal> {
        use ProvisionState as S;
        match state {
            S::Deploying => match self.deploy_interface() {
                "anaconda" => Err(INSTALLER),
                // Needs no agent: what it deploys is what it boots.
                "ramdisk" => self.instance(),
                _ => self.deploy_ramdisk(),
            },
            S::DeployWait => match self.deploy_interface() {
                "anaconda" => Err(INSTALLER),
                _ => self.deploy_ramdisk(),
            },
            // In a hold state the ramdisk runs, and must come back if the machine reboots.
            S::Cleaning
            | S::CleanWait
            | S::Servicing
            | S::ServiceWait
            | S::DeployHold
            | S::CleanHold
            | S::ServiceHold => self.deploy_ramdisk(),
            S::Inspecting | S::InspectWait => self.inspection_ramdisk(),
            S::Rescuing | S::RescueWait | S::Rescue => self.rescue_ramdisk(),
            S::Active | S::Unrescuing | S::Adopting => self.instance(),
            S::Enroll
            | S::Verifying
            | S::Manageable
            | S::Available
            | S::Deleting
            | S::Error
            | S::AdoptFailed
            | S::CleanFailed
            | S::DeployFailed
            | S::InspectFailed
            | S::RescueFailed
            | S::ServiceFailed
            | S::UnrescueFailed => Err(Refusal::StateBootsNothing(state)),
        }
    }

    fn deploy_interface(&self) -> &str {
        self.machine.node.interface(InterfaceKind::Deploy)
    }

    fn deploy_ramdisk(&self) -> Result<BootPlan, Refusal> {
        self.agent(AgentRamdisk::Deploy, |args| {
            args.push(format!("ipa-api-url={}", self.settings.api_url))
                .map_err(in_api_url)
        })
    }

    fn rescue_ramdisk(&self) -> Result<BootPlan, Refusal> {
        self.agent(AgentRamdisk::Rescue, |args| {
            args.push(format!("ipa-api-url={}", self.settings.api_url))
                .map_err(in_api_url)
        })
    }

    fn inspection_ramdisk(&self) -> Result<BootPlan, Refusal> {
        self.agent(AgentRamdisk::Deploy, |args| {
            let callback = format!(
                "ipa-inspection-callback-url={}/v1/continue_inspection",
                self.settings.api_url
            );
            args.push(callback).map_err(in_api_url)?;
            args.extend(&self.settings.inspection_kernel_params)
                .map_err(|error| bad_args("[inspector]extra_kernel_params", &error))
        })
    }

    fn agent(
        &self,
        which: AgentRamdisk,
        ramdisk_params: impl FnOnce(&mut KernelArgs) -> Result<(), Refusal>,
    ) -> Result<BootPlan, Refusal> {
        let (role, configured) = match which {
            AgentRamdisk::Deploy => (LinuxRole::DeployRamdisk, &self.settings.deploy),
            AgentRamdisk::Rescue => (LinuxRole::RescueRamdisk, &self.settings.rescue),
        };
        let images = images::agent_pair(self.machine.node, which, configured)?;
        let mut args = KernelArgs::new();
        // What Ironic has always given its ramdisks, and images have come to rely on.
        for word in ["selinux=0", "troubleshoot=0", "text"] {
            args.push(word)
                .map_err(|error| bad_args("built-in arguments", &error))?;
        }
        let append_field = self.append(&mut args)?;
        if self.settings.debug && !args.sets("ipa-debug") {
            args.push("ipa-debug=1")
                .map_err(|error| bad_args("built-in arguments", &error))?;
        }
        ramdisk_params(&mut args)?;
        args.push(format!("ipa-global-request-id={}", self.request_id))
            .map_err(|error| bad_args("the request id", &error))?;
        let bootif = self
            .machine
            .port
            .map_or(BootIf::AskIpxe, |port| BootIf::Known(port.address));
        linux(role, images, args, Some(bootif), append_field)
    }

    /// What the deployed instance boots from. Precedence: volume, ISO, ramdisk, network, disk.
    fn instance(&self) -> Result<BootPlan, Refusal> {
        let node = self.machine.node;
        if let Some(boot) = boots_from_volume(node) {
            let none = Volumes::default();
            let volumes = self.machine.volumes.unwrap_or(&none);
            return san::volume_boot(volumes, boot).map(BootPlan::Volume);
        }
        if self.deploy_interface() == "ramdisk" {
            return self.instance_ramdisk();
        }
        // An installer (`anaconda`) has done its work when the node is active: never again.
        if self.boot_option()? == BootOption::Netboot
            && self.deploy_interface() != "anaconda"
            && images::is_partition_image(node)
        {
            return self.instance_kernel();
        }
        self.local_disk()
    }

    /// The machine's own disk, in the node's way (`driver_info.ipxe_local_boot`) or else in the
    /// configured one of its boot mode.
    fn local_disk(&self) -> Result<BootPlan, Refusal> {
        const KEY: &str = "ipxe_local_boot";
        let driver_info = &self.machine.node.driver_info;
        let local = match images::string_field(driver_info, "driver_info", KEY)? {
            None => self.settings.local_boot,
            Some(name) => {
                let method = LocalBootMethod::from_name(name).ok_or_else(|| Refusal::BadValue {
                    field: format!("driver_info.{KEY}"),
                    problem: format!("{name:?} is not one of sanboot, exit, reboot, poweroff"),
                })?;
                LocalBoot {
                    bios: method,
                    uefi: method,
                }
            }
        };
        Ok(BootPlan::LocalDisk(local))
    }

    /// The image's own kernel and ramdisk, on the root file system that is on the disk.
    fn instance_kernel(&self) -> Result<BootPlan, Refusal> {
        const ROOT: &str = "root_uuid_or_disk_id";
        let node = self.machine.node;
        let info = &node.driver_internal_info;
        let root = images::string_field(info, "driver_internal_info", ROOT)?.ok_or_else(|| {
            Refusal::Missing {
                fields: format!("driver_internal_info.{ROOT}"),
            }
        })?;
        let images = images::instance_pair(node)?;
        let mut args = KernelArgs::new();
        args.push(format!("root=UUID={root}"))
            .map_err(|error| bad_args(&format!("driver_internal_info.{ROOT}"), &error))?;
        args.push("ro")
            .map_err(|error| bad_args("built-in arguments", &error))?;
        let append_field = self.append(&mut args)?;
        linux(LinuxRole::InstanceKernel, images, args, None, append_field)
    }

    fn instance_ramdisk(&self) -> Result<BootPlan, Refusal> {
        let node = self.machine.node;
        let instance = |key| images::string_field(&node.instance_info, "instance_info", key);
        if let Some(iso) = instance("boot_iso")? {
            if instance("image_source")?.is_some() {
                return Err(Refusal::Conflict {
                    one: "instance_info.boot_iso",
                    other: "instance_info.image_source",
                });
            }
            return images::image_url(iso, "instance_info.boot_iso").map(BootPlan::Iso);
        }
        let images = images::instance_pair(node)?;
        let mut args = KernelArgs::new();
        args.push("root=/dev/ram0")
            .map_err(|error| bad_args("built-in arguments", &error))?;
        let append_field = self.append(&mut args)?;
        if let Some(more) = instance("ramdisk_kernel_arguments")? {
            args.extend(more)
                .map_err(|error| bad_args("instance_info.ramdisk_kernel_arguments", &error))?;
        }
        linux(LinuxRole::InstanceRamdisk, images, args, None, append_field)
    }

    /// Adds the operator's kernel arguments; gives the field they came from.
    ///
    /// Source: Ironic's `drivers/utils.py` (`get_kernel_append_params`): the instance's, else the
    /// node's, else the configured ones; `%default%` stands for the configured ones.
    fn append(&self, args: &mut KernelArgs) -> Result<&'static str, Refusal> {
        const KEY: &str = "kernel_append_params";
        let node = self.machine.node;
        let default = &self.settings.kernel_append_params;
        let (field, text) =
            if let Some(text) = images::text_field(&node.instance_info, "instance_info", KEY)? {
                (
                    "instance_info.kernel_append_params",
                    text.replace("%default%", default),
                )
            } else if let Some(text) = images::text_field(&node.driver_info, "driver_info", KEY)? {
                (
                    "driver_info.kernel_append_params",
                    text.replace("%default%", default),
                )
            } else {
                ("[pxe]kernel_append_params", default.clone())
            };
        args.extend(&text)
            .map_err(|error| bad_args(field, &error))?;
        Ok(field)
    }

    /// Where a partition image is booted from: the instance's capability, else the node's, else
    /// `[deploy]default_boot_option`.
    fn boot_option(&self) -> Result<BootOption, Refusal> {
        let node = self.machine.node;
        let of_instance = capability(node.instance_info.get("capabilities"), "boot_option");
        let of_node = capability(node.properties.get("capabilities"), "boot_option");
        let (field, word) = match (of_instance, of_node) {
            (Some(word), _) => ("instance_info.capabilities", word),
            (None, Some(word)) => ("properties.capabilities", word),
            (None, None) => return Ok(self.settings.default_boot_option),
        };
        match word.as_str() {
            // The boot options that Ironic derives from the deploy interface mean no netboot.
            "ramdisk" | "kickstart" => Ok(BootOption::Local),
            word => BootOption::from_name(word).ok_or_else(|| Refusal::BadValue {
                field: field.to_owned(),
                problem: format!("boot_option {word:?} is neither local nor netboot"),
            }),
        }
    }
}

const INSTALLER: Refusal = Refusal::NotSupported("the anaconda deploy interface");

fn linux(
    role: LinuxRole,
    images: images::Pair,
    args: KernelArgs,
    bootif: Option<BootIf>,
    append_field: &str,
) -> Result<BootPlan, Refusal> {
    const BOOTIF: usize = " BOOTIF=52:54:00:aa:00:01".len();
    let more =
        " initrd=".len() + role.ramdisk_name().len() + if bootif.is_some() { BOOTIF } else { 0 };
    // What is built in fits easily, so that it is the operator's part that is too long.
    args.check(more)
        .map_err(|error| bad_args(append_field, &error))?;
    Ok(BootPlan::Linux(LinuxBoot {
        role,
        kernel: images.kernel,
        ramdisk: images.ramdisk,
        args,
        bootif,
    }))
}

fn bad_args(field: &str, error: &ArgError) -> Refusal {
    Refusal::BadValue {
        field: field.to_owned(),
        problem: error.to_string(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a map_err function")]
fn in_api_url(error: ArgError) -> Refusal {
    bad_args("[api]public_endpoint", &error)
}

/// One capability, from either form Ironic accepts: an object, or `key:value,key:value`.
fn capability(capabilities: Option<&serde_json::Value>, key: &str) -> Option<String> {
    match capabilities? {
        serde_json::Value::Object(map) => map.get(key)?.as_str().map(str::to_owned),
        serde_json::Value::String(text) => text
            .split(',')
            .filter_map(|pair| pair.split_once(':'))
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim().to_owned()),
        _ => None,
    }
}
