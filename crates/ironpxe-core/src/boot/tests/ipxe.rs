//! What a machine makes of a script: the part of iPXE's language that our scripts use.
//!
//! It is stricter than iPXE where a script might rely on luck: a command that iPXE has not got, a
//! setting of an unknown type or a command that is not modelled here is an error of the test.
//! What succeeds and what fails at run time is asked of an [`Oracle`].
//!
//! Source: iPXE's `core/exec.c` (`system`, `command_terminator`), `image/script.c`, and what real
//! machines did.

use std::collections::{BTreeMap, BTreeSet};

/// The commands of the oldest iPXE our scripts meet, as it lists them itself (Debian's build of
/// January 2019).
pub(super) const COMMANDS_2019: &str = "config cpuid dhcp pxebs ifopen ifclose ifstat ifconf \
    imgfetch module initrd kernel chain imgselect imgload imgargs imgexec autoboot boot imgstat \
    imgfree login menu item choose show set clear read inc reboot route sanhook sanboot sanunhook \
    prompt goto shell help sync sleep iseq isset exit echo";

/// What a firmware is, and what it can do.
#[derive(Debug, Clone)]
pub(super) struct Firmware {
    /// `efi` or `pcbios`.
    pub(super) platform: &'static str,
    /// For tests.
    pub(super) name: &'static str,
    /// Its setting `buildarch`.
    pub(super) build_arch: &'static str,
    /// Whether it has the setting `cwduri`.
    pub(super) knows_its_url: bool,
    /// The commands it has.
    pub(super) commands: BTreeSet<&'static str>,
}

impl Firmware {
    /// Each platform, old and new.
    pub(super) fn all() -> Vec<Self> {
        let old: BTreeSet<&str> = COMMANDS_2019.split_whitespace().collect();
        let mut new = old.clone();
        new.extend(["poweroff", "params", "param", "imgverify", "console"]);
        let firmware = |platform, name, commands: &BTreeSet<&'static str>| Self {
            platform,
            name,
            build_arch: if platform == "efi" { "x86_64" } else { "i386" },
            knows_its_url: commands.contains("poweroff"),
            commands: commands.clone(),
        };
        vec![
            firmware("pcbios", "BIOS, iPXE of 2019", &old),
            firmware("efi", "UEFI, iPXE of 2019", &old),
            firmware("pcbios", "BIOS, iPXE 2", &new),
            firmware("efi", "UEFI, iPXE 2", &new),
        ]
    }

    /// The same without one command.
    pub(super) fn without(&self, command: &str) -> Self {
        let mut other = self.clone();
        other.commands.remove(command);
        other
    }
}

/// How something outside of the machine went.
pub(super) enum Outcome {
    Fails,
    /// What was wanted happened; for a chained script, the script runs.
    Works(Option<String>),
}

/// Says how each download, attachment and start goes, in the order in which they are tried.
pub(super) type Oracle<'a> = dyn FnMut(&str) -> Outcome + 'a;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The machine runs what the command handed over to.
    Runs(String),
    /// Back to the firmware, which goes on to the next boot device unless the status is 0.
    Exit(i32),
    Reboot,
    PowerOff,
    /// For ever in these commands.
    Halt(Vec<String>),
    /// A command failed or was missing, and the script had no answer.
    Broken(String),
    /// The last line was done, and nothing followed.
    RanOut,
}

/// What a machine did.
#[derive(Debug)]
pub(super) struct Trace {
    /// The commands that were executed, as they were after the expansion of settings; those that
    /// failed or were missing are marked.
    pub(super) commands: Vec<String>,
    /// The lines on the console.
    pub(super) console: Vec<String>,
    /// The seconds that were slept.
    pub(super) slept: u64,
    pub(super) end: End,
}

/// Runs a script.
pub(super) fn run(
    script: &str,
    firmware: &Firmware,
    nics: &[&str],
    oracle: &mut Oracle<'_>,
) -> Trace {
    let mut machine = Interpreter {
        firmware,
        oracle,
        settings: BTreeMap::new(),
        fetched: BTreeMap::new(),
        hooked: BTreeSet::new(),
        visited: Vec::new(),
        asked: 0,
        trace: Trace {
            commands: Vec::new(),
            console: Vec::new(),
            slept: 0,
            end: End::RanOut,
        },
    };
    machine.set("platform", "string", firmware.platform);
    machine.set("buildarch", "string", firmware.build_arch);
    machine.set("filename", "string", "http://h/prefix/boot.ipxe");
    if firmware.knows_its_url {
        machine.set("cwduri", "string", "http://h/prefix/");
    }
    for (index, mac) in nics.iter().enumerate() {
        machine.set(&format!("net{index}/mac"), "string", mac);
        machine.set("netX/mac", "string", mac);
    }
    machine.trace.end = machine.script(script);
    machine.trace
}

/// More than any script needs.
const MOST_COMMANDS: usize = 2_000;

/// By name: type and value.
type Settings = BTreeMap<String, (String, String)>;

/// Where to, with what settings, after how many questions to the oracle, and how many commands had
/// been executed.
type Jump = (usize, Settings, usize, usize);

struct Interpreter<'a, 'b> {
    firmware: &'a Firmware,
    oracle: &'a mut Oracle<'b>,
    settings: Settings,
    /// Scripts by the names they were fetched under.
    fetched: BTreeMap<String, String>,
    hooked: BTreeSet<String>,
    visited: Vec<Jump>,
    asked: usize,
    trace: Trace,
}

/// What comes after a command.
enum Flow {
    /// The next one, knowing whether this one succeeded.
    Next(bool),
    /// The line at this index, at once.
    Jump(usize),
    Stop(End),
}

impl Interpreter<'_, '_> {
    fn script(&mut self, script: &str) -> End {
        assert!(script.starts_with("#!ipxe\n"), "not a script: {script}");
        assert!(script.ends_with('\n'), "the last line is open: {script}");
        let lines: Vec<&str> = script.lines().collect();
        let mut index = 1;
        while let Some(line) = lines.get(index) {
            index += 1;
            if line.starts_with(':') {
                continue;
            }
            match self.line(line, &lines) {
                Flow::Next(true) => {}
                Flow::Next(false) => return End::Broken((*line).to_owned()),
                Flow::Stop(end) => return end,
                Flow::Jump(to) => {
                    let now = (to, self.settings.clone(), self.asked);
                    let done = self.trace.commands.len();
                    let before = self.visited.iter().find(|(to, settings, asked, _)| {
                        (to, settings, asked) == (&now.0, &now.1, &now.2)
                    });
                    if let Some((.., since)) = before {
                        return End::Halt(self.trace.commands[*since..].to_vec());
                    }
                    self.visited.push((now.0, now.1, now.2, done));
                    index = to;
                }
            }
            assert!(self.trace.commands.len() < MOST_COMMANDS, "it does not end");
        }
        End::RanOut
    }

    /// One line: commands with `;`, `&&` and `||` between them, up to a comment.
    fn line(&mut self, line: &str, lines: &[&str]) -> Flow {
        let words: Vec<&str> = line
            .split_whitespace()
            .take_while(|word| !word.starts_with('#'))
            .collect();
        let mut ok = true;
        let mut separator = ";";
        let mut rest = words.as_slice();
        loop {
            let length = rest
                .iter()
                .position(|word| matches!(*word, ";" | "&&" | "||"));
            let (command, after) = rest.split_at(length.unwrap_or(rest.len()));
            let wanted = match separator {
                "&&" => ok,
                "||" => !ok,
                _ => true,
            };
            if wanted {
                match self.command(command, lines) {
                    Flow::Next(success) => ok = success,
                    stop => return stop,
                }
            }
            let Some((next, after)) = after.split_first() else {
                return Flow::Next(ok);
            };
            (separator, rest) = (next, after);
        }
    }

    fn command(&mut self, words: &[&str], lines: &[&str]) -> Flow {
        let words: Vec<String> = words.iter().map(|word| self.expand(word)).collect();
        let Some((name, args)) = words.split_first() else {
            // An empty command does nothing, and succeeds.
            return Flow::Next(true);
        };
        let text = words.join(" ");
        if !self.firmware.commands.contains(name.as_str()) {
            self.trace.commands.push(format!("{text}  [missing]"));
            return Flow::Next(false);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let at = self.trace.commands.len();
        self.trace.commands.push(text.clone());
        let flow = self.known(name, &args, &text, lines);
        if matches!(flow, Flow::Next(false)) {
            self.trace.commands[at].push_str("  [fails]");
        }
        flow
    }

    fn known(&mut self, name: &str, args: &[&str], text: &str, lines: &[&str]) -> Flow {
        match (name, args) {
            ("echo", _) => self.trace.console.push(args.join(" ")),
            // The person at the shell leaves it in the end.
            ("shell", []) => {}
            ("imgfree", []) => self.fetched.clear(),
            ("sleep", [seconds]) => {
                let seconds: u64 = seconds.parse().expect("seconds");
                self.trace.slept += seconds;
            }
            ("set", [setting, value @ ..]) => {
                let (name, kind) = setting.split_once(':').unwrap_or((setting, "string"));
                self.set(name, kind, &value.join(" "));
            }
            // Whether iPXE minds that there is nothing to clear depends on the setting.
            ("clear", [setting]) => return Flow::Next(self.settings.remove(*setting).is_some()),
            ("inc", [setting]) => {
                let (kind, value) = self.settings.get(*setting).expect("a setting to count");
                assert_eq!(
                    kind, "int32",
                    "iPXE prints {kind} in hexadecimal, or wraps early"
                );
                let more = value.parse::<i32>().expect("a number") + 1;
                self.set(setting, "int32", &more.to_string());
            }
            ("iseq", [a, b]) => return Flow::Next(a == b),
            ("isset", [value]) => return Flow::Next(!value.is_empty()),
            ("goto", [label]) => {
                let label = format!(":{label}");
                let mut found = (0..lines.len()).filter(|index| lines[*index] == label);
                let to = found.next().unwrap_or_else(|| panic!("no {label}"));
                assert!(found.next().is_none(), "two {label}");
                return Flow::Jump(to);
            }
            ("exit", [status]) => return Flow::Stop(End::Exit(status.parse().expect("a status"))),
            ("reboot", []) => return Flow::Stop(End::Reboot),
            ("poweroff", []) => return Flow::Stop(End::PowerOff),
            ("kernel" | "initrd", [_, ..]) => return Flow::Next(self.works(text)),
            ("boot", []) | ("sanboot", [_, ..]) => {
                if self.works(text) {
                    return Flow::Stop(End::Runs(text.to_owned()));
                }
                return Flow::Next(false);
            }
            ("sanhook", ["--drive", drive, _, ..]) => {
                let works = !self.hooked.contains(*drive) && self.works(text);
                if works {
                    self.hooked.insert((*drive).to_owned());
                }
                return Flow::Next(works);
            }
            ("sanunhook", ["--drive", drive]) => return Flow::Next(self.hooked.remove(*drive)),
            ("imgfetch", [.., "--name", name, _]) => return Flow::Next(self.fetch(text, name)),
            ("chain", [.., url]) => {
                if !self.fetch(text, url) {
                    return Flow::Next(false);
                }
                return self.execute(url);
            }
            ("imgexec", [name]) => return self.execute(name),
            _ => panic!("not modelled: {text}"),
        }
        Flow::Next(true)
    }

    fn fetch(&mut self, text: &str, name: &str) -> bool {
        self.asked += 1;
        let Outcome::Works(script) = (self.oracle)(text) else {
            return false;
        };
        let script = script.expect("a script to run");
        self.fetched.insert(name.to_owned(), script);
        true
    }

    /// A script that was fetched runs to its end, which is a status for the one that fetched it.
    /// What is no script cannot be run.
    fn execute(&mut self, name: &str) -> Flow {
        let Some(script) = self.fetched.get(name).cloned() else {
            return Flow::Next(false);
        };
        if !script.starts_with("#!ipxe\n") {
            return Flow::Next(false);
        }
        let outer = std::mem::take(&mut self.visited);
        let end = self.script(&script);
        self.visited = outer;
        match end {
            End::Exit(status) => Flow::Next(status == 0),
            end => Flow::Stop(end),
        }
    }

    fn works(&mut self, text: &str) -> bool {
        self.asked += 1;
        matches!((self.oracle)(text), Outcome::Works(_))
    }

    fn set(&mut self, name: &str, kind: &str, value: &str) {
        assert!(
            matches!(kind, "string" | "int32" | "hexraw"),
            "not modelled: {kind}"
        );
        if kind == "hexraw" {
            let digits = value.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(digits && value.len().is_multiple_of(2), "{name}: {value}");
        }
        let value = (kind.to_owned(), value.to_owned());
        self.settings.insert(name.to_owned(), value);
    }

    /// Replaces settings, the innermost first. What is not set is nothing.
    fn expand(&self, word: &str) -> String {
        let mut word = word.to_owned();
        while let Some(end) = word.find('}') {
            let Some(start) = word[..end].rfind("${") else {
                break;
            };
            let (name, format) = match word[start + 2..end].split_once(':') {
                Some((name, format)) => (name, Some(format)),
                None => (&word[start + 2..end], None),
            };
            let value = self
                .settings
                .get(name)
                .map_or("", |(_, value)| value.as_str());
            let value = match format {
                None => value.to_owned(),
                Some("hexhyp") => value.replace(':', "-"),
                Some(other) => panic!("not modelled: {other}"),
            };
            word.replace_range(start..=end, &value);
        }
        word
    }
}

#[test]
fn emulator_runs_command_separators_like_ipxe() {
    let machine = &Firmware::all()[0];
    let commands = |lines: &str| {
        let script = format!("#!ipxe\n{lines}\nexit 1\n");
        run(&script, machine, &[], &mut |_| Outcome::Fails)
            .commands
            .join(", ")
    };
    assert_eq!(
        commands("iseq a b && echo x ||"),
        "iseq a b  [fails], exit 1"
    );
    assert_eq!(
        commands("iseq a a && echo x ||"),
        "iseq a a, echo x, exit 1"
    );
    assert_eq!(
        commands("kernel u || echo x && echo y"),
        "kernel u  [fails], echo x, echo y, exit 1"
    );
    assert_eq!(
        commands("kernel u ; echo x # y"),
        "kernel u  [fails], echo x, exit 1"
    );
    assert_eq!(
        commands("set a:int32 1\ninc a\necho ${a}${b} a#b c||d"),
        "set a:int32 1, inc a, echo 2 a#b c||d, exit 1"
    );
    // An error without `||` is the end of the script.
    assert_eq!(commands("kernel u && echo x"), "kernel u  [fails]");
    assert_eq!(
        commands("poweroff ||\necho x"),
        "poweroff  [missing], echo x, exit 1"
    );
    assert_eq!(
        commands(":a\necho x\ngoto a"),
        "echo x, goto a, echo x, goto a"
    );
}
