//! What a machine is made of, and QEMU's command line for it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

use super::{CurrentIpxe, Ipxe, Machine, Platform};
use crate::console::Console;
use crate::lan::Lan;
use crate::process::{find, guarded};

/// What DHCP on the user network can carry as a boot file; QEMU aborts on more.
pub const LONGEST_BOOTFILE: usize = 127;

const QEMU: &str = "qemu-system-x86_64";
const OVMF: &str = "/usr/share/OVMF";

/// A machine that is off: what it is made of.
#[derive(Clone, Debug)]
pub struct Hardware {
    /// What runs first.
    pub firmware: Firmware,
    /// What the cards boot with.
    pub ipxe: Ipxe,
    /// With a BIOS 32 is enough for a toy kernel, 256 for Linux; UEFI needs 256 itself.
    pub memory_mib: u32,
    /// What firmware reports as the system's UUID; all zeros when `None`.
    pub uuid: Option<String>,
    /// The network cards; firmware tries those that boot in this order.
    pub nics: Vec<Nic>,
    /// The disks; firmware tries them after the cards, in this order.
    pub disks: Vec<Disk>,
    /// What is typed into the shell of the first iPXE that runs, instead of letting it boot.
    pub typed: Vec<&'static str>,
}

/// What runs first in a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// `SeaBIOS`.
    #[default]
    Bios,
    /// OVMF, without Secure Boot.
    Uefi,
}

/// One network card.
#[derive(Clone, Debug)]
pub struct Nic {
    /// Its address, with colons.
    pub mac: String,
    /// Whether firmware tries to boot from it. The others are still there for iPXE to see.
    pub boots: bool,
    /// The network it is attached to.
    pub network: Network,
}

/// The network that a card is attached to.
#[derive(Clone, Debug)]
pub enum Network {
    /// QEMU's user network, with this boot file (an URL) in its DHCP answers.
    User {
        /// iPXE expands `${…}` in it, e.g. `${mac}`.
        bootfile: Option<String>,
    },
    /// A network with its own DHCP server.
    Lan(Lan),
}

/// One disk. Each time the machine is switched on it is as new.
#[derive(Clone, Debug)]
pub struct Disk {
    /// All that is on it.
    pub content: Arc<[u8]>,
    /// How it is connected.
    pub bus: Bus,
}

/// How a disk is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bus {
    /// A `virtio` block device.
    #[default]
    Virtio,
    /// IDE with a BIOS, SATA with UEFI: what the machine has.
    Ide,
}

impl Disk {
    /// The usual disk.
    pub fn new(content: impl Into<Arc<[u8]>>) -> Self {
        Self {
            content: content.into(),
            bus: Bus::default(),
        }
    }
}

impl Hardware {
    /// The usual machine: a BIOS, and one card, which boots `bootfile`.
    pub fn with_bootfile(mac: &str, bootfile: &str) -> Self {
        let network = Network::User {
            bootfile: Some(bootfile.to_owned()),
        };
        let nic = Nic {
            mac: mac.to_owned(),
            boots: true,
            network,
        };
        Self {
            firmware: Firmware::Bios,
            ipxe: Ipxe::Installed,
            memory_mib: 64,
            uuid: None,
            nics: vec![nic],
            disks: Vec::new(),
            typed: Vec::new(),
        }
    }

    /// The usual machine on a network with a DHCP server: a BIOS, and one card.
    pub fn on_lan(mac: &str, lan: &Lan) -> Self {
        let mut hardware = Self::with_bootfile(mac, "");
        for nic in &mut hardware.nics {
            nic.network = Network::Lan(lan.clone());
        }
        hardware
    }

    /// The same with UEFI, and the memory that takes.
    #[must_use]
    pub fn uefi(mut self) -> Self {
        self.firmware = Firmware::Uefi;
        self.memory_mib = self.memory_mib.max(256);
        self
    }

    /// The same on this platform.
    #[must_use]
    pub fn on(mut self, platform: Platform) -> Self {
        self.ipxe = platform.ipxe;
        match platform.firmware {
            Firmware::Bios => self,
            Firmware::Uefi => self.uefi(),
        }
    }

    /// The same with one card more, which firmware does not try to boot from.
    #[must_use]
    pub fn card(mut self, mac: &str) -> Self {
        self.nics.push(Nic {
            mac: mac.to_owned(),
            boots: false,
            network: Network::User { bootfile: None },
        });
        self
    }

    /// The same with one disk more.
    #[must_use]
    pub fn disk(mut self, content: impl Into<Arc<[u8]>>) -> Self {
        self.disks.push(Disk::new(content));
        self
    }

    /// Presses the power button.
    pub fn power_on(&self) -> Result<Machine> {
        self.power_on_watched(|_| {})
    }

    /// Presses the power button; `watch` gets each finished line of the console as it comes.
    pub fn power_on_watched(&self, watch: impl FnMut(&String) + Send + 'static) -> Result<Machine> {
        let console = Arc::new(Console::default());
        console.lines.watch(watch);
        let files = tempfile::tempdir().context("cannot create a folder for a machine")?;
        Machine::start(
            self.command(files.path())?,
            files,
            console,
            self.typed.clone(),
        )
    }

    /// QEMU with these parts; what it may write goes into `files`.
    fn command(&self, files: &Path) -> Result<Command> {
        let qemu = find(QEMU).context(
            "no QEMU to boot a machine with: `apt-get install qemu-system-x86 ipxe-qemu` \
             (`cargo xtask test` and `cargo xtask demo` install it)",
        )?;
        let lan = self.nics.iter().find_map(|nic| nic.network.lan());
        let mut command = match lan {
            Some(lan) => lan.guarded(&qemu)?,
            None => guarded(&qemu)?,
        };
        command.stdin(Stdio::piped());
        command.args(["-accel", "tcg", "-no-user-config", "-nodefaults"]);
        command.args(["-no-reboot", "-display", "none", "-monitor", "none"]);
        // Without graphics the firmware's screen goes to the serial port.
        let machine = match self.firmware {
            Firmware::Bios => "pc,graphics=off",
            Firmware::Uefi => "q35,graphics=off",
        };
        command.args(["-machine", machine, "-serial", "stdio", "-m"]);
        command.arg(self.memory_mib.to_string());
        if self.firmware == Firmware::Uefi {
            uefi(&mut command, files, self.ipxe)?;
        }
        if let Some(uuid) = &self.uuid {
            command.args(["-uuid", uuid]);
        }
        let current = self.current_ipxe()?;
        for (index, nic) in self.nics.iter().enumerate() {
            let mut netdev = nic.network.netdev(index)?;
            let mut device = format!("virtio-net-pci,netdev=net{index},mac={}", nic.mac);
            if nic.boots {
                write!(device, ",bootindex={index}")?;
            }
            match (&current, self.firmware) {
                _ if !nic.boots => device.push_str(",romfile="),
                (None, _) if self.ipxe == Ipxe::Absent => device.push_str(",romfile="),
                (None, _) => {}
                // A ROM is for one kind of card: this one is for a modern virtio card.
                (Some(current), Firmware::Bios) => {
                    device.push_str(",disable-legacy=on,");
                    device.push_str(&option("romfile", &current.rom())?);
                }
                (Some(current), Firmware::Uefi) => {
                    let Network::User {
                        bootfile: Some(bootfile),
                    } = &nic.network
                    else {
                        bail!("a card boots nothing");
                    };
                    let folder = files.join(format!("tftp{index}"));
                    let loader = current.serve(self.nics.len(), bootfile, &folder)?;
                    let network = Network::User {
                        bootfile: Some(loader.to_owned()),
                    };
                    netdev = network.netdev(index)? + ",";
                    netdev.push_str(&option("tftp", &folder)?);
                    device.push_str(",romfile=");
                }
            }
            command.args(["-netdev", &netdev, "-device", &device]);
        }
        for (index, disk) in self.disks.iter().enumerate() {
            let path = files.join(format!("disk{index}"));
            fs::write(&path, &disk.content).context("cannot write a disk")?;
            command.arg("-drive");
            command.arg(drive(&format!("if=none,id=disk{index}"), &path)?);
            let kind = match disk.bus {
                Bus::Virtio => "virtio-blk-pci",
                Bus::Ide => "ide-hd",
            };
            let turn = self.nics.len() + index;
            let device = format!("{kind},drive=disk{index},bootindex={turn}");
            command.args(["-device", &device]);
        }
        Ok(command)
    }

    fn current_ipxe(&self) -> Result<Option<CurrentIpxe>> {
        match self.ipxe {
            Ipxe::Installed | Ipxe::Absent => Ok(None),
            Ipxe::Current => CurrentIpxe::find()?
                .context("no current iPXE here: `cargo xtask test` gets it")
                .map(Some),
        }
    }
}

/// OVMF's code, and a fresh copy of what it remembers.
fn uefi(command: &mut Command, files: &Path, ipxe: Ipxe) -> Result<()> {
    let code = PathBuf::from(OVMF).join("OVMF_CODE_4M.fd");
    ensure!(
        code.is_file(),
        "no UEFI for a machine: `apt-get install ovmf` (`cargo xtask test` installs it)"
    );
    let variables = files.join("variables");
    fs::copy(code.with_file_name("OVMF_VARS_4M.fd"), &variables)
        .context("cannot copy the variables of UEFI")?;
    command.arg("-drive");
    command.arg(drive("if=pflash,unit=0,readonly=on", &code)?);
    command.arg("-drive");
    command.arg(drive("if=pflash,unit=1", &variables)?);
    // Where the card's iPXE boots, that OVMF then tries PXE by itself only costs time.
    let own: &[&str] = match ipxe {
        Ipxe::Installed => &["IPv4PXESupport", "IPv6PXESupport"],
        Ipxe::Current | Ipxe::Absent => &["IPv6PXESupport"],
    };
    for family in own {
        let name = format!("name=opt/org.tianocore/{family},string=n");
        command.args(["-fw_cfg", &name]);
    }
    Ok(())
}

fn drive(options: &str, file: &Path) -> Result<String> {
    Ok(format!("{options},format=raw,{}", option("file", file)?))
}

/// An option of QEMU whose value is a path.
fn option(name: &str, path: &Path) -> Result<String> {
    let path = path.to_str().context("a path is not UTF-8")?;
    Ok(format!("{name}={}", path.replace(',', ",,")))
}

impl Network {
    fn lan(&self) -> Option<&Lan> {
        match self {
            Self::User { .. } => None,
            Self::Lan(lan) => Some(lan),
        }
    }

    fn netdev(&self, index: usize) -> Result<String> {
        let bootfile = match self {
            Self::User { bootfile } => bootfile,
            Self::Lan(lan) => {
                let tap = lan.add_tap()?;
                return Ok(format!(
                    "tap,id=net{index},ifname={tap},script=no,downscript=no"
                ));
            }
        };
        // Each NIC has its own network: 10.0.2.0/24, 10.0.3.0/24, …
        let mut netdev = format!("user,id=net{index},net=10.0.{}.0/24", index + 2);
        if let Some(bootfile) = bootfile {
            let length = bootfile.len();
            ensure!(
                length <= LONGEST_BOOTFILE,
                "the boot file has {length} characters, and DHCP on QEMU's user network carries \
                 at most {LONGEST_BOOTFILE}: {bootfile}"
            );
            write!(netdev, ",bootfile={}", bootfile.replace(',', ",,"))?;
        }
        Ok(netdev)
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn netdev(bootfile: &str) -> Result<String> {
        Network::User {
            bootfile: Some(bootfile.to_owned()),
        }
        .netdev(0)
    }

    #[test]
    fn comma_in_the_boot_file_is_escaped_for_qemu() {
        let netdev = netdev("http://10.0.2.2:1/a,b").unwrap();
        assert_eq!(
            netdev,
            "user,id=net0,net=10.0.2.0/24,bootfile=http://10.0.2.2:1/a,,b"
        );
    }

    #[test]
    fn boot_file_that_would_abort_qemu_is_refused() {
        assert!(netdev(&"x".repeat(LONGEST_BOOTFILE)).is_ok());
        let error = netdev(&"x".repeat(LONGEST_BOOTFILE + 1))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("the boot file has 128 characters"),
            "{error}"
        );
    }

    #[test]
    fn qemu_error_message_is_in_the_error() {
        let mut hardware = Hardware::with_bootfile("52:54:00:00:00:01", "x");
        hardware.nics[0].mac = "not-a-mac".to_owned();
        let error = match hardware.power_on() {
            Ok(machine) => machine.wait_for("iPXE", crate::wait::TIMEOUT).unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains("not-a-mac"), "{error:?}");
    }
}
