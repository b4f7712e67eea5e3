//! The boot decision: what a node boots.

use std::borrow::Cow;

use super::capabilities;
use super::explain::{Explanation, Reasons, origins};
use super::fields::Fields;
use super::images::{self, AgentRamdisk};
use super::inspection;
use super::installer::{self, InstallSource, Installation};
use super::kernel_args::{ArgError, KernelArgs};
use super::plan::{BootIf, BootPlan, KickstartServer, LinuxBoot, LinuxRole, Machine, boot_volume};
use super::progress::{self, RamdiskFlag};
use super::refusal::Refusal;
use super::san;
use super::settings::{BootOption, BootSettings, LocalBoot, LocalBootMethod};
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::provision_state::{ProvisionState, StoredState};
use crate::volume::Volumes;

/// Decides what the machine boots now.
///
/// The request ID is passed to agent ramdisks, so that their API requests can be correlated with
/// the boot in the log.
pub fn decide(machine: Machine<'_>, settings: &BootSettings, request_id: &str) -> BootPlan {
    let decision = Decision {
        machine,
        settings,
        request_id,
        why: &Reasons::disabled(),
    };
    decision.conclude()
}

/// Decides what the machine would boot at the beginning of a task in `state`.
pub fn decide_in(
    node: &Node,
    state: ProvisionState,
    volumes: Option<&Volumes>,
    settings: &BootSettings,
    request_id: &str,
) -> Result<BootPlan, Refusal> {
    let mut node = node.clone();
    node.provision_state = state.into();
    // A past fault does not make the node's data invalid.
    node.fault = None;
    // Nor does progress of an earlier task belong to the new one.
    progress::forget_progress(&mut node);
    let machine = Machine {
        volumes,
        ..Machine::of(&node)
    };
    match decide(machine, settings, request_id) {
        BootPlan::Refuse(refusal) => Err(refusal),
        plan => Ok(plan),
    }
}

/// Decides like [`decide`], with the reasons.
pub fn explain(machine: Machine<'_>, settings: &BootSettings, request_id: &str) -> Explanation {
    let why = Reasons::enabled();
    let decision = Decision {
        machine,
        settings,
        request_id,
        why: &why,
    };
    let plan = decision.conclude();
    let mut reasons = why.into_vec();
    reasons.extend(origins(&reasons, settings));
    Explanation { plan, reasons }
}

struct Decision<'a> {
    machine: Machine<'a>,
    settings: &'a BootSettings,
    request_id: &'a str,
    why: &'a Reasons,
}

impl Decision<'_> {
    fn conclude(&self) -> BootPlan {
        self.plan().unwrap_or_else(|refusal| {
            self.why.note("refused", || refusal.to_string());
            self.why
                .note("fix", || refusal.advice(&self.machine.node.label()));
            BootPlan::Refuse(refusal)
        })
    }

    fn plan(&self) -> Result<BootPlan, Refusal> {
        let node = self.machine.node;
        self.why.note("port", || match self.machine.port {
            Some(port) => format!("{} is a port of node {}", port.address, node.label()),
            None => format!(
                "node {} was requested, not an address; no port is checked",
                node.label()
            ),
        });
        if let Some(refusal) = self.machine.unusable {
            return Err(refusal.clone());
        }
        if let Some(port) = self.machine.port.filter(|port| !port.pxe_enabled) {
            return Err(Refusal::PortNotPxeEnabled(port.address));
        }
        if let (true, Some(fault)) = (node.maintenance, &node.fault) {
            return Err(Refusal::Fault(fault.clone()));
        }
        self.why.note("state", || {
            format!("provision_state is \"{}\"", node.provision_state)
        });
        match &node.provision_state {
            StoredState::Known(state) => self.plan_in(*state),
            StoredState::Unknown(word) => Err(Refusal::UnknownState(word.clone())),
        }
    }

    /// One exhaustive match over all states: a new state does not compile until its boot is decided
    /// here.
    fn plan_in(&self, state: ProvisionState) -> Result<BootPlan, Refusal> {
        use ProvisionState as S;
        match state {
            S::Deploying => self.deploying(),
            S::DeployWait => match self.deploy_interface() {
                "anaconda" => self.installer(),
                _ => self.one_image().and_then(|()| self.deploy_ramdisk()),
            },
            // In a hold state the ramdisk runs, and must be booted again after a reboot.
            S::DeployHold => match progress::is_past_the_agent(self.machine.node)? {
                Some(reason) => self.instance_because(reason),
                None => self.deploy_ramdisk(),
            },
            S::Cleaning | S::CleanWait | S::CleanHold => self.cleaning(),
            S::Servicing | S::ServiceWait | S::ServiceHold => self.servicing(),
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

    /// The only state in which the machine may boot the agent, an installer, or already the
    /// instance.
    fn deploying(&self) -> Result<BootPlan, Refusal> {
        let node = self.machine.node;
        // Checked first: an installer that is booted again would install the machine again.
        if let Some(reason) = progress::is_past_the_agent(node)? {
            return self.instance_because(reason);
        }
        if progress::has_done_all_steps(node)? {
            return self
                .instance_because("all deploy steps are done, and the machine is powered on");
        }
        if boot_volume(node)?.is_some() {
            return self.instance_because("the instance is on a volume: deployment needs no agent");
        }
        match self.deploy_interface() {
            "anaconda" => self.installer(),
            // Needs no agent: it boots what it deploys.
            "ramdisk" => {
                self.instance_because("deploy_interface is ramdisk: deployment needs no agent")
            }
            _ => self.one_image().and_then(|()| self.deploy_ramdisk()),
        }
    }

    /// With or without a ramdisk. Without one, nothing is booted: the steps run out-of-band, and
    /// the machine may have no instance.
    fn cleaning(&self) -> Result<BootPlan, Refusal> {
        let flag = RamdiskFlag::Cleaning;
        if flag.is_set(self.machine.node)? {
            return Err(Refusal::RamdiskDisabled {
                field: flag.field(),
            });
        }
        self.deploy_ramdisk()
    }

    /// With or without a ramdisk. Without one, the instance keeps running during service.
    fn servicing(&self) -> Result<BootPlan, Refusal> {
        let flag = RamdiskFlag::Service;
        if flag.is_set(self.machine.node)? {
            let reason = format!("{} is true: service without a ramdisk", flag.field());
            return self.instance_because(reason);
        }
        self.deploy_ramdisk()
    }

    fn instance_because(&self, reason: impl Into<Cow<'static, str>>) -> Result<BootPlan, Refusal> {
        self.why.note("plan", || reason);
        self.instance()
    }

    fn deploy_interface(&self) -> &str {
        self.machine.node.interface(InterfaceKind::Deploy)
    }

    fn deploy_ramdisk(&self) -> Result<BootPlan, Refusal> {
        self.why
            .note("plan", || "this state runs the agent: the deploy ramdisk");
        self.agent(AgentRamdisk::Deploy, |args| {
            self.word(
                args,
                self.settings.api_url_source.settings(),
                &format!("ipa-api-url={}", self.settings.api_url),
            )
        })
    }

    fn rescue_ramdisk(&self) -> Result<BootPlan, Refusal> {
        self.why.note("plan", || "rescue mode: the rescue ramdisk");
        self.agent(AgentRamdisk::Rescue, |args| {
            self.word(
                args,
                self.settings.api_url_source.settings(),
                &format!("ipa-api-url={}", self.settings.api_url),
            )
        })
    }

    fn inspection_ramdisk(&self) -> Result<BootPlan, Refusal> {
        self.why
            .note("plan", || "inspection runs the agent: the deploy ramdisk");
        let (fast_track, field) = inspection::fast_track(self.machine.node, self.settings)?;
        self.agent(AgentRamdisk::Deploy, |args| {
            // In Ironic's order, because the agent uses the last of two arguments of the same name.
            self.words(
                args,
                "[inspector]extra_kernel_params",
                &self.settings.inspection_kernel_params,
            )?;
            let api_url = &self.settings.api_url;
            let source = self.settings.api_url_source.settings();
            let callback = format!("ipa-inspection-callback-url={api_url}/v1/continue_inspection");
            self.word(args, source, &callback)?;
            if fast_track {
                let source = format!("{source}, because {field} is true");
                self.word(args, &source, &format!("ipa-api-url={api_url}"))?;
            } else {
                self.why.note("arguments", || {
                    format!("no ipa-api-url, because {field} is false: the agent only inspects")
                });
            }
            Ok(())
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
        capabilities::check_capabilities(self.machine.node)?;
        let images = images::agent_pair(self.machine.node, which, configured, self.why)?;
        let extra_ramdisks = images::extra_ramdisks(&self.settings.extra_ramdisks, self.why)?;
        let mut args = KernelArgs::new();
        // Ironic has always passed these arguments, and images rely on them.
        self.words(&mut args, BUILT_IN, "selinux=0 troubleshoot=0 text")?;
        let append_field = self.append(&mut args)?;
        if self.settings.debug && !args.sets("ipa-debug") {
            self.word(&mut args, "[DEFAULT]debug", "ipa-debug=1")?;
        }
        ramdisk_params(&mut args)?;
        let id = format!("ipa-global-request-id={}", self.request_id);
        self.word(&mut args, "the request id", &id)?;
        let bootif = self
            .machine
            .port
            .map_or(BootIf::AskIpxe, |port| BootIf::Known(port.address));
        self.why.note("arguments", || match bootif {
            BootIf::Known(mac) => format!("BOOTIF={mac}, from the port"),
            BootIf::AskIpxe => "BOOTIF, from iPXE: the NIC it last used".to_owned(),
        });
        let linux = LinuxBoot {
            role,
            kernel: images.kernel,
            ramdisk: images.ramdisk,
            extra_ramdisks,
            args,
            bootif: Some(bootif),
        };
        checked(linux, append_field)
    }

    /// The operating system's installer, with the locations of its kickstart and runtime.
    fn installer(&self) -> Result<BootPlan, Refusal> {
        let node = self.machine.node;
        self.why
            .note("plan", || "deploy_interface is anaconda: the installer");
        self.one_image()?;
        capabilities::check_capabilities(node)?;
        let images = images::instance_pair(node, self.why)?;
        let (origin, kickstart, install_source) = self.kickstart()?;
        let mut args = KernelArgs::new();
        let append_field = self.append(&mut args)?;
        self.word(&mut args, &origin, &format!("inst.ks={kickstart}"))?;
        let (field, parts) = match install_source {
            InstallSource::Repository(url) => (
                "instance_info.image_source",
                format!("inst.repo={}", url.as_str()),
            ),
            InstallSource::LiveImage { .. } => {
                let stage2 = installer::stage2(node)?;
                ("instance_info.stage2", format!("inst.stage2={stage2}"))
            }
        };
        self.word(&mut args, field, &parts)?;
        linux(LinuxRole::Installer, images, args, None, append_field)
    }

    /// The setting that the kickstart's URL comes from, the URL, and what the installer installs.
    fn kickstart(&self) -> Result<(Cow<'static, str>, String, InstallSource), Refusal> {
        let node = self.machine.node;
        match self.machine.kickstart {
            KickstartServer::Own => {
                // Checked as a whole: a kickstart that cannot be rendered is not installed by.
                let installation = Installation::explained(node, self.why)?;
                let origin = self.settings.api_url_source.settings();
                let path = installer::kickstart_path(node.uuid);
                let url = format!("{}{path}", self.settings.api_url);
                let url = if self.settings.boot_tokens {
                    self.machine.boot_token.on_url(&url)
                } else {
                    url
                };
                Ok((origin.into(), url, installation.source))
            }
            KickstartServer::Conductor { name, http_url } => {
                let name = name.ok_or_else(|| Refusal::BadValue {
                    field: "conductor".to_owned(),
                    problem: "no conductor manages the node, so that none has its kickstart"
                        .to_owned(),
                })?;
                let option = format!("[beside]http_urls of {name}");
                let Some(http_url) = http_url else {
                    return Err(Refusal::Missing { fields: option });
                };
                let url = format!("{}/{}/ks.cfg", http_url.trim_end_matches('/'), node.uuid);
                Ok((option.into(), url, installer::source(node, self.why)?))
            }
        }
    }

    /// The boot of a deployed instance. Precedence: volume, ISO, ramdisk, network, disk.
    fn instance(&self) -> Result<BootPlan, Refusal> {
        let node = self.machine.node;
        if let Some(boot) = boot_volume(node)? {
            self.why.note(
                "plan",
                || "driver_internal_info.boot_from_volume is set: a remote volume",
            );
            return self.volume(boot);
        }
        if self.deploy_interface() == "ramdisk" {
            return self.instance_ramdisk();
        }
        // In `active` an installer (`anaconda`) has finished and must not be booted again.
        if self.boot_option()? == BootOption::Netboot
            && self.deploy_interface() != "anaconda"
            && images::is_partition_image(node, self.why)?
        {
            return self.instance_kernel();
        }
        self.local_disk()
    }

    fn volume(&self, boot: &str) -> Result<BootPlan, Refusal> {
        let none = Volumes::default();
        let volumes = self.machine.volumes.unwrap_or(&none);
        let volume = san::volume_boot(volumes, boot)?;
        self.why.note("volume", || {
            format!("volume target {boot} is the first drive")
        });
        for drive in &volume.drives {
            self.why.note("volume", || {
                let ways = drive.uris.join(" or ");
                match &drive.chap {
                    Some(chap) => format!("{ways}, with CHAP as {}", chap.username),
                    None => format!("{ways}, without CHAP"),
                }
            });
        }
        if let Some(iqn) = &volume.initiator_iqn {
            self.why.note("volume", || {
                format!("the initiator IQN is {iqn}, from the node's iqn volume connector")
            });
        }
        Ok(BootPlan::Volume(volume))
    }

    /// The machine's own disk, by the node's method (`driver_info.ipxe_local_boot`) or else the
    /// configured one for its boot mode.
    fn local_disk(&self) -> Result<BootPlan, Refusal> {
        const KEY: &str = "ipxe_local_boot";
        let own = Fields::driver_info(self.machine.node).string(KEY)?;
        let (local, fields) = match own {
            None => (
                self.settings.local_boot,
                "[pxe]local_boot_bios and [pxe]local_boot_uefi",
            ),
            Some(name) => {
                let method = LocalBootMethod::from_name(name).ok_or_else(|| Refusal::BadValue {
                    field: format!("driver_info.{KEY}"),
                    problem: format!("{name:?} is not one of sanboot, exit, reboot, poweroff"),
                })?;
                let local = LocalBoot {
                    bios: method,
                    uefi: method,
                };
                (local, "driver_info.ipxe_local_boot")
            }
        };
        self.why.note("disk", || {
            let (bios, uefi) = (local.bios.name(), local.uefi.name());
            format!("{bios} on BIOS, {uefi} on UEFI, from {fields}")
        });
        Ok(BootPlan::LocalDisk(local))
    }

    /// The kernel and ramdisk of a partition image, with the root file system on disk.
    fn instance_kernel(&self) -> Result<BootPlan, Refusal> {
        const ROOT: &str = "root_uuid_or_disk_id";
        let node = self.machine.node;
        let found_out = Fields::driver_internal_info(node);
        let root = found_out.string(ROOT)?.ok_or_else(|| Refusal::Missing {
            fields: found_out.name(ROOT),
        })?;
        self.why.note(
            "plan",
            || "boot_option netboot of a partition image: the image's own kernel",
        );
        capabilities::check_capabilities(node)?;
        let images = images::instance_pair(node, self.why)?;
        let mut args = KernelArgs::new();
        let root = format!("root=UUID={root}");
        self.word(
            &mut args,
            "driver_internal_info.root_uuid_or_disk_id",
            &root,
        )?;
        self.words(&mut args, BUILT_IN, "ro")?;
        let append_field = self.append(&mut args)?;
        linux(LinuxRole::InstanceKernel, images, args, None, append_field)
    }

    /// Rejects an ISO image together with another image, which is ambiguous.
    fn one_image(&self) -> Result<(), Refusal> {
        let instance = Fields::instance_info(self.machine.node);
        let given = |key| instance.string(key).map(|it| it.is_some());
        if given("boot_iso")? && given("image_source")? {
            return Err(Refusal::Conflict {
                one: "instance_info.boot_iso",
                other: "instance_info.image_source",
            });
        }
        Ok(())
    }

    fn instance_ramdisk(&self) -> Result<BootPlan, Refusal> {
        let node = self.machine.node;
        let instance = |key| Fields::instance_info(node).string(key);
        self.one_image()?;
        capabilities::check_capabilities(node)?;
        if let Some(iso) = instance("boot_iso")? {
            self.why.note(
                "plan",
                || "deploy_interface is ramdisk and instance_info.boot_iso is set: an ISO image",
            );
            return images::image(iso, "instance_info.boot_iso", "iso", self.why)
                .map(BootPlan::Iso);
        }
        self.why.note(
            "plan",
            || "deploy_interface is ramdisk: the instance ramdisk",
        );
        let images = images::instance_pair(node, self.why)?;
        let mut args = KernelArgs::new();
        self.words(&mut args, BUILT_IN, "root=/dev/ram0")?;
        let append_field = self.append(&mut args)?;
        if let Some(more) = instance("ramdisk_kernel_arguments")? {
            self.words(&mut args, "instance_info.ramdisk_kernel_arguments", more)?;
        }
        linux(LinuxRole::InstanceRamdisk, images, args, None, append_field)
    }

    /// Adds the operator's kernel arguments; returns the field they came from.
    ///
    /// Source: Ironic's `drivers/utils.py` (`get_kernel_append_params`): the instance's, else the
    /// node's, else the configured ones; `%default%` expands to the configured ones.
    fn append(&self, args: &mut KernelArgs) -> Result<&'static str, Refusal> {
        const KEY: &str = "kernel_append_params";
        let node = self.machine.node;
        let default = &self.settings.kernel_append_params;
        let (field, text) = if let Some(text) = Fields::instance_info(node).text(KEY)? {
            ("instance_info.kernel_append_params", text)
        } else if let Some(text) = Fields::driver_info(node).text(KEY)? {
            ("driver_info.kernel_append_params", text)
        } else {
            // `%default%` is literal here.
            self.words(args, "[pxe]kernel_append_params", default)?;
            return Ok("[pxe]kernel_append_params");
        };
        self.words(args, field, &text.replace("%default%", default))?;
        if text.contains("%default%") {
            self.why.note("arguments", || {
                format!("%default% in {field} expands to [pxe]kernel_append_params")
            });
        }
        Ok(field)
    }

    /// Adds one word to the command line, from `field`.
    fn word(&self, args: &mut KernelArgs, field: &str, word: &str) -> Result<(), Refusal> {
        args.push(word).map_err(|error| bad_args(field, &error))?;
        args.set_origin(field);
        self.why
            .note("arguments", || format!("{word}, from {field}"));
        Ok(())
    }

    /// Adds the words of a text to the command line, from `field`.
    fn words(&self, args: &mut KernelArgs, field: &str, text: &str) -> Result<(), Refusal> {
        args.extend(text).map_err(|error| bad_args(field, &error))?;
        args.set_origin(field);
        self.why.note("arguments", || match text.trim() {
            "" => format!("none from {field}, which is empty"),
            text => format!("{text}, from {field}"),
        });
        Ok(())
    }

    /// The boot option of a partition image: the instance's capability, else the node's, else
    /// `[deploy]default_boot_option`.
    fn boot_option(&self) -> Result<BootOption, Refusal> {
        let (field, option) = capabilities::boot_option(self.machine.node)?.unwrap_or((
            "[deploy]default_boot_option",
            self.settings.default_boot_option,
        ));
        self.note_boot_option(option, field);
        Ok(option)
    }

    fn note_boot_option(&self, option: BootOption, field: &str) {
        self.why.note("plan", || {
            let option = match option {
                BootOption::Local => "local: boot from the machine's disk",
                BootOption::Netboot => "netboot, which applies to partition images",
            };
            format!("boot_option, from {field}, is {option}")
        });
    }
}

/// The name of arguments that no setting changes.
const BUILT_IN: &str = "built-in arguments";

fn linux(
    role: LinuxRole,
    images: images::Pair,
    args: KernelArgs,
    bootif: Option<BootIf>,
    append_field: &str,
) -> Result<BootPlan, Refusal> {
    let linux = LinuxBoot {
        role,
        kernel: images.kernel,
        ramdisk: images.ramdisk,
        extra_ramdisks: Vec::new(),
        args,
        bootif,
    };
    checked(linux, append_field)
}

/// A plan whose command line fits.
fn checked(linux: LinuxBoot, append_field: &str) -> Result<BootPlan, Refusal> {
    // The built-in arguments always fit; only the operator's can be too long.
    let checked = linux.args.check(linux.bytes_of_the_script());
    checked.map_err(|error| {
        let field = linux.args.field_to_correct(&error).unwrap_or(append_field);
        bad_args(field, &error)
    })?;
    Ok(BootPlan::Linux(linux))
}

fn bad_args(field: &str, error: &ArgError) -> Refusal {
    Refusal::BadValue {
        field: field.to_owned(),
        problem: error.to_string(),
    }
}
