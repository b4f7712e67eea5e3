//! A PC that boots from its network card with real iPXE firmware.
//!
//! QEMU with `SeaBIOS` and the iPXE ROM that every virtual network card carries in Debian. Always
//! emulated (`tcg`): it needs no rights, runs the same everywhere, and costs little, since
//! firmware mostly waits. The console is the serial port, read into a [`Console`].
//!
//! Cards live on QEMU's user network: no root, no bridge, no DHCP server, and the host's loopback
//! is [`HOST`]. Its price is that iPXE waits about three seconds for a proxy DHCP server that
//! cannot be there. Other networks belong into [`Network`].

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::console::{Console, Wait};
use crate::journal::Journal;
use crate::process::{Child, collect_lines, find, guarded, spawn};

/// This host as a machine on the user network sees it: its loopback.
pub const HOST: &str = "10.0.2.2";

/// What DHCP on the user network can carry as a boot file; QEMU aborts on more.
pub const LONGEST_BOOTFILE: usize = 127;

const QEMU: &str = "qemu-system-x86_64";
const BANNER: &str = "Press Ctrl-B for the iPXE";
const CONSOLE_TAIL: usize = 60;

/// A machine that is off: what it is made of.
#[derive(Clone, Debug)]
pub struct Hardware {
    /// 32 is enough for firmware and a toy kernel, 256 for Linux.
    pub memory_mib: u32,
    /// What firmware reports as the system's UUID; all zeros when `None`.
    pub uuid: Option<String>,
    /// The network cards; firmware tries those that boot in this order.
    pub nics: Vec<Nic>,
}

/// One network card.
#[derive(Clone, Debug)]
pub struct Nic {
    /// Its address, with colons.
    pub mac: String,
    /// Whether firmware tries to boot from it. The others are still there for iPXE to see.
    pub boots: bool,
    /// What it is plugged into.
    pub network: Network,
}

/// What a card is plugged into.
#[derive(Clone, Debug)]
pub enum Network {
    /// QEMU's user network, with this boot file (an URL) in its DHCP answers.
    User {
        /// iPXE expands `${…}` in it, e.g. `${mac}`.
        bootfile: Option<String>,
    },
}

impl Hardware {
    /// The usual machine: one card, which boots `bootfile`.
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
            memory_mib: 64,
            uuid: None,
            nics: vec![nic],
        }
    }

    /// Presses the power button.
    pub fn power_on(&self) -> Result<Machine> {
        self.power_on_watched(|_| {})
    }

    /// Presses the power button; `watch` gets each finished line of the console as it comes.
    pub fn power_on_watched(&self, watch: impl FnMut(&String) + Send + 'static) -> Result<Machine> {
        let console = Arc::new(Console::default());
        console.lines.watch(watch);
        let mut child = spawn(self.command()?)?;
        let powered_on = Instant::now();
        let pipes = child.pipes();
        let screen = pipes.stdout.take().context("QEMU has no stdout")?;
        let keyboard = pipes.stdin.take().context("QEMU has no stdin")?;
        let stderr = collect_lines(pipes.stderr.take().context("QEMU has no stderr")?);
        let sink = Arc::clone(&console);
        thread::spawn(move || attend(screen, keyboard, &sink));
        Ok(Machine {
            child,
            console,
            stderr,
            powered_on,
        })
    }

    fn command(&self) -> Result<Command> {
        let qemu = find(QEMU).context(
            "no QEMU to boot a machine with: `apt-get install qemu-system-x86 ipxe-qemu` \
             (`cargo xtask test` and `cargo xtask demo` install it)",
        )?;
        let mut command = guarded(&qemu)?;
        command.stdin(Stdio::piped());
        command.args([
            "-accel",
            "tcg",
            "-no-user-config",
            "-nodefaults",
            "-no-reboot",
        ]);
        // Without graphics the firmware's screen goes to the serial port.
        command.args([
            "-machine",
            "pc,graphics=off",
            "-display",
            "none",
            "-monitor",
            "none",
        ]);
        command
            .args(["-serial", "stdio", "-m"])
            .arg(self.memory_mib.to_string());
        if let Some(uuid) = &self.uuid {
            command.args(["-uuid", uuid]);
        }
        for (index, nic) in self.nics.iter().enumerate() {
            command.args(["-netdev", &nic.network.netdev(index)?]);
            let boot = if nic.boots {
                format!("bootindex={index}")
            } else {
                "romfile=".to_owned()
            };
            let device = format!("virtio-net-pci,netdev=net{index},mac={},{boot}", nic.mac);
            command.args(["-device", &device]);
        }
        Ok(command)
    }
}

impl Network {
    fn netdev(&self, index: usize) -> Result<String> {
        let Self::User { bootfile } = self;
        // Each card has a network of its own: 10.0.2.0/24, 10.0.3.0/24, …
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

/// Reads the screen, and presses a key each time iPXE would wait two seconds for one.
fn attend(mut screen: impl Read, mut keyboard: impl Write, console: &Console) {
    let mut buffer = [0; 8192];
    let mut answered = 0;
    while let Ok(length @ 1..) = screen.read(&mut buffer) {
        console.feed(buffer.get(..length).unwrap_or_default());
        while answered < console.count(BANNER) {
            answered += 1;
            // A machine that is gone needs no key.
            let _ = keyboard.write_all(b"x").and_then(|()| keyboard.flush());
        }
    }
    console.close();
}

/// A machine that is on. Dropping it cuts its power.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    console: Arc<Console>,
    stderr: Arc<Journal<String>>,
    powered_on: Instant,
}

impl Machine {
    /// Waits until `needle` is on the console; returns the time since power-on. Line breaks that
    /// the terminal made do not matter, nor does text that was wiped out again.
    pub fn wait_for(&self, needle: &str, timeout: Duration) -> Result<Duration> {
        match self.console.wait_for(needle, timeout) {
            Wait::Found => Ok(self.powered_on.elapsed()),
            Wait::Closed => bail!(
                "the machine went off without {needle:?}\n{}",
                self.evidence()
            ),
            Wait::TimedOut => bail!("no {needle:?} within {timeout:?}\n{}", self.evidence()),
        }
    }

    /// Waits for a whole line that holds `needle`, and returns it.
    pub fn wait_for_line(&self, needle: &str, timeout: Duration) -> Result<String> {
        let found = |lines: &[String]| lines.iter().find(|line| line.contains(needle)).cloned();
        let line = self.console.lines.wait(timeout, found);
        line.with_context(|| format!("no line with {needle:?}\n{}", self.evidence()))
    }

    /// Waits until the machine switches itself off (or reboots, which is not done here either);
    /// returns the time since power-on.
    pub fn wait_until_off(&mut self, timeout: Duration) -> Result<Duration> {
        let status = self.child.wait(timeout).with_context(|| self.evidence())?;
        let after = self.powered_on.elapsed();
        // What it said last may still be in the pipe.
        self.console
            .lines
            .wait(Duration::from_secs(5), |_| None::<()>);
        ensure!(
            status.success(),
            "QEMU failed: {status}\n{}",
            self.evidence()
        );
        Ok(after)
    }

    /// The console so far, as a person would have read it.
    pub fn console(&self) -> String {
        self.console.text()
    }

    /// Cuts the power.
    pub fn power_off(mut self) -> Result<()> {
        self.child.kill().map(drop)
    }

    /// The end of the console, and what QEMU complained about.
    fn evidence(&self) -> String {
        if self.console.is_closed() {
            // QEMU is ending: its last words are on their way.
            self.stderr.wait(Duration::from_secs(5), |_| None::<()>);
        }
        let text = self.console.text();
        let skip = text.lines().count().saturating_sub(CONSOLE_TAIL);
        let mut evidence = String::from("--- console ---\n");
        for line in text.lines().skip(skip) {
            evidence.push_str(line);
            evidence.push('\n');
        }
        for line in self.stderr.tail(CONSOLE_TAIL) {
            evidence.push_str("qemu: ");
            evidence.push_str(&line);
            evidence.push('\n');
        }
        evidence.push_str("---------------");
        evidence
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
    fn a_comma_in_the_boot_file_stays_in_the_boot_file() {
        let netdev = netdev("http://10.0.2.2:1/a,b").unwrap();
        assert_eq!(
            netdev,
            "user,id=net0,net=10.0.2.0/24,bootfile=http://10.0.2.2:1/a,,b"
        );
    }

    #[test]
    fn a_boot_file_that_would_abort_qemu_is_refused() {
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
    fn what_qemu_complains_about_is_in_the_error() {
        let mut hardware = Hardware::with_bootfile("52:54:00:00:00:01", "x");
        hardware.nics[0].mac = "not-a-mac".to_owned();
        let error = match hardware.power_on() {
            Ok(machine) => machine
                .wait_for("iPXE", Duration::from_secs(20))
                .unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains("not-a-mac"), "{error:?}");
    }
}
