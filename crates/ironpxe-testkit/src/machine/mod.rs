//! A PC that boots from its network card with real iPXE firmware.
//!
//! QEMU with `SeaBIOS` or OVMF, and iPXE as old or as new as wanted (`ipxe.rs`). Always emulated (`tcg`): it needs no rights, runs the same everywhere, and costs
//! little, since firmware mostly waits. What it is made of is in `hardware.rs`; here it is on, and
//! its console is the serial port, read into a [`Console`].
//!
//! Cards live on QEMU's user network: no root, no bridge, no DHCP server, and the host's loopback
//! is [`HOST`]. Its price is that iPXE waits about three seconds for a proxy DHCP server that
//! cannot be there. Other networks belong into [`Network`].

use std::io::{Read, Write};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::console::{Console, Wait};
use crate::journal::Journal;
use crate::process::{Child, collect_lines, spawn};

mod hardware;
mod ipxe;

pub use hardware::{Bus, Disk, Firmware, Hardware, LONGEST_BOOTFILE, Network, Nic};
pub use ipxe::{CurrentIpxe, Ipxe, Platform};

/// This host as a machine on the user network sees it: its loopback.
pub const HOST: &str = "10.0.2.2";

const BANNER: &str = "Press Ctrl-B for the iPXE";
const CONSOLE_TAIL: usize = 60;

const PROMPT: &str = "iPXE> ";
/// Ctrl-B, which opens iPXE's shell.
const CTRL_B: u8 = 0x02;

/// Reads the screen, and presses a key each time iPXE would wait two seconds for one. The first
/// time, types these commands into its shell, if there are any.
fn attend(
    mut screen: impl Read,
    mut keyboard: impl Write,
    console: &Console,
    commands: &[&'static str],
) {
    let mut buffer = [0; 8192];
    let mut answered = 0;
    let mut shell = Shell::new(commands);
    // A machine that is gone needs no keys.
    let mut press = |key: u8| {
        let _ = keyboard.write_all(&[key]).and_then(|()| keyboard.flush());
    };
    while let Ok(length @ 1..) = screen.read(&mut buffer) {
        console.feed(buffer.get(..length).unwrap_or_default());
        while answered < console.count(BANNER) {
            let has_commands = answered == 0 && !commands.is_empty();
            answered += 1;
            press(if has_commands { CTRL_B } else { b'x' });
        }
        if let Some(key) = shell.next_key(console.count(PROMPT), &console.after_last(PROMPT)) {
            press(key);
        }
    }
    console.close();
}

/// Types commands into iPXE's shell, one character at a time: the next one when the one before is on
/// the screen. A BIOS buffers 15 keys and drops the others.
struct Shell<'a> {
    commands: &'a [&'static str],
    /// How many prompts have been seen: which command is being typed.
    prompts: usize,
    /// How many characters of it were sent.
    sent: usize,
}

impl<'a> Shell<'a> {
    fn new(commands: &'a [&'static str]) -> Self {
        Self {
            commands,
            prompts: 0,
            sent: 0,
        }
    }

    /// The key to press when the screen shows this many prompts, and `echo` after the last one.
    fn next_key(&mut self, prompts: usize, echo: &str) -> Option<u8> {
        if prompts > self.prompts {
            self.prompts = prompts;
            self.sent = 0;
        }
        let command = self.commands.get(self.prompts.checked_sub(1)?)?;
        if echo != command.get(..self.sent)? {
            return None;
        }
        let key = command.as_bytes().get(self.sent).copied();
        self.sent += 1;
        Some(key.unwrap_or(b'\r'))
    }
}

/// A machine that is on. Dropping it cuts its power.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    console: Arc<Console>,
    stderr: Arc<Journal<String>>,
    powered_on: Instant,
    /// Its disks, and what UEFI remembers.
    _files: TempDir,
}

impl Machine {
    fn start(
        command: Command,
        files: TempDir,
        console: Arc<Console>,
        commands: Vec<&'static str>,
    ) -> Result<Self> {
        let mut child = spawn(command)?;
        let powered_on = Instant::now();
        let pipes = child.pipes();
        let screen = pipes.stdout.take().context("QEMU has no stdout")?;
        let keyboard = pipes.stdin.take().context("QEMU has no stdin")?;
        let stderr = collect_lines(pipes.stderr.take().context("QEMU has no stderr")?);
        let sink = Arc::clone(&console);
        thread::spawn(move || attend(screen, keyboard, &sink, &commands));
        Ok(Self {
            child,
            console,
            stderr,
            powered_on,
            _files: files,
        })
    }

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
            .wait(crate::wait::TIMEOUT, |_| None::<()>);
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
            self.stderr.wait(crate::wait::TIMEOUT, |_| None::<()>);
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

    #[test]
    fn each_character_is_typed_after_the_previous_echo() {
        let mut shell = Shell::new(&["ab", "c"]);
        assert_eq!(shell.next_key(0, ""), None);
        assert_eq!(shell.next_key(1, ""), Some(b'a'));
        assert_eq!(shell.next_key(1, ""), None);
        assert_eq!(shell.next_key(1, "a"), Some(b'b'));
        assert_eq!(shell.next_key(1, "a"), None);
        assert_eq!(shell.next_key(1, "ab"), Some(b'\r'));
        assert_eq!(shell.next_key(1, "ab"), None);
        assert_eq!(shell.next_key(1, "abok"), None);
        assert_eq!(shell.next_key(2, ""), Some(b'c'));
        assert_eq!(shell.next_key(2, "c"), Some(b'\r'));
        assert_eq!(shell.next_key(3, ""), None);
    }
}
