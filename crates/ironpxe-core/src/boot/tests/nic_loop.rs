//! `/boot.ipxe`, which asks for the script of each NIC in turn, on every firmware.

use super::ipxe::{Firmware, Outcome, Trace, run};
use super::machines::check;
use super::samples::Sample;
use super::*;

pub(super) const NICS: [&str; 2] = ["52:54:00:aa:00:01", "52:54:00:aa:00:02"];

/// What the NIC loop is given in the place of the script of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// A proxy's 403 or 404, a refused connection: iPXE has no image.
    Nothing,
    /// With 200, and not from ironpxe.
    Html,
    /// No port has the address.
    Unknown,
    /// ironpxe does not say whether the address is known.
    Hidden,
    /// The node is known, and refused.
    Refused,
    /// The node boots.
    Boots,
}

impl Given {
    fn text(self) -> Option<String> {
        let service = Scripts::new(BootSettings::default().downloads).unwrap();
        let unknown = |why| {
            service
                .refuse_unknown_machine(why, ["ironpxe: no.", "Fix: ask."], REQUEST)
                .unwrap()
        };
        let sample = |name: &str| {
            let mut samples = Sample::all().into_iter();
            let sample = samples.find(|it| it.name == name).unwrap();
            sample.script(&BootSettings::default())
        };
        match self {
            Self::Nothing => None,
            Self::Html => Some("<html>".into()),
            Self::Unknown => Some(unknown(UnknownMachine::Address)),
            Self::Hidden => Some(unknown(UnknownMachine::Other)),
            Self::Refused => Some(sample("refusal")),
            Self::Boots => Some(sample("deploy_ramdisk")),
        }
    }
}

/// Runs `/boot.ipxe` on a machine with a NIC for each answer, and with these actions in the end;
/// gives the URLs it asked for, too.
fn nic_loop(
    firmware: &Firmware,
    actions: &UnknownActions,
    answers: &[Given],
) -> (Trace, Vec<String>) {
    let service = Scripts::new(BootSettings::default().downloads).unwrap();
    let mut given = answers.iter();
    let mut asked = Vec::new();
    let trace = run(
        &service.nic_loop(actions).unwrap(),
        firmware,
        NICS.get(..answers.len()).unwrap(),
        &mut |command| {
            if command.starts_with("chain ") {
                return Outcome::Works(Some("#!ipxe\nboot ||\nexit 1\n".to_owned()));
            }
            if !command.starts_with("imgfetch ") {
                return Outcome::Works(None);
            }
            let url = command.rsplit_once(' ').unwrap().1;
            asked.push(url.strip_suffix("?unknown=next").unwrap().to_owned());
            match given.next().unwrap().text() {
                None => Outcome::Fails,
                text => Outcome::Works(text),
            }
        },
    );
    (trace, asked)
}

/// What `/boot.ipxe` itself says to a machine with one NIC that is given this.
pub(super) fn nic_loop_console(given: Given) -> Vec<String> {
    let newest = Firmware::all().pop().unwrap();
    let (trace, _) = nic_loop(&newest, &UnknownActions::refuse(), &[given]);
    let script = given.text().unwrap_or_default();
    let theirs: Vec<&str> = script
        .lines()
        .filter_map(|line| line.strip_prefix("echo "))
        .collect();
    let mut console = trace.console;
    console.retain(|line| !theirs.contains(&line.as_str()));
    console
}

/// The NIC loop asks for one NIC after the other, with the scripts it would really get, and blames
/// the ports only if ironpxe says that it knows none of them.
#[test]
fn nic_loop_stops_at_the_first_known_nic() {
    use Given::{Boots, Hidden, Html, Nothing, Refused, Unknown};
    const CREATE: &str = "Fix: baremetal port create";
    const URL: &str = "The last URL that failed:";
    let cases: [(&[Given], &str, &str); 13] = [
        (&[Unknown, Boots], "Runs(\"boot\")", ""),
        (&[Nothing, Boots], "Runs(\"boot\")", ""),
        (&[Html, Boots], "Runs(\"boot\")", ""),
        (&[Hidden, Boots], "Runs(\"boot\")", ""),
        // A node that is refused is the machine's: the next NIC would be told the same.
        (&[Refused, Boots], "Exit(1)", ""),
        (&[Unknown, Refused], "Exit(1)", ""),
        (&[Unknown, Unknown], "Exit(1)", CREATE),
        (&[Nothing, Nothing], "Exit(1)", URL),
        (&[Unknown, Nothing], "Exit(1)", URL),
        (&[Nothing, Unknown], "Exit(1)", URL),
        (&[Html], "Exit(1)", URL),
        (&[Hidden, Hidden], "Exit(1)", "nothing to boot"),
        (&[], "Exit(1)", "no network card"),
    ];
    for firmware in Firmware::all() {
        for (answers, end, said) in cases {
            let (trace, asked) = nic_loop(&firmware, &UnknownActions::refuse(), answers);
            let place = format!("{answers:?} on {}", firmware.name);
            check(&trace, &place);
            assert_eq!(format!("{:?}", trace.end), end, "{place}: {trace:#?}");
            let first_ends_it = answers.first() == Some(&Refused);
            let expected = if first_ends_it { 1 } else { answers.len() };
            assert_eq!(asked.len(), expected, "{place}");
            for (url, mac) in asked.iter().zip(NICS) {
                // Relative, so that what stands in front of it for a proxy stays there.
                let path = format!("v1/boot/{}/boot.ipxe", mac.replace(':', "-"));
                assert_eq!(*url, path, "{place}");
            }
            if said == URL {
                // Of the last that failed, as this machine can say it.
                let last = answers
                    .iter()
                    .rposition(|it| matches!(it, Nothing | Html))
                    .unwrap();
                let shown = if firmware.knows_its_url {
                    format!("http://h/prefix/{}", asked[last])
                } else {
                    format!("{}, beside http://h/prefix/boot.ipxe", asked[last])
                };
                assert!(
                    trace.console.contains(&shown),
                    "{place}: {shown}: {trace:#?}"
                );
            }
            for (text, wanted) in [(CREATE, said == CREATE), (URL, said == URL), (said, true)] {
                let is_said = trace.console.iter().any(|line| line.contains(text));
                assert_eq!(
                    is_said,
                    wanted || text.is_empty(),
                    "{place}: {text}: {trace:#?}"
                );
            }
        }
    }
}

/// What is configured for unknown machines is done in the end, and only if ironpxe has said of every
/// address that it is unknown: any other machine may be somebody's node.
#[test]
fn nic_loop_acts_only_if_every_address_is_unknown() {
    use Given::{Boots, Hidden, Html, Nothing, Refused, Unknown};
    const URL: &str = "http://h/inspector.ipxe";
    let cases: [(&[Given], bool); 10] = [
        (&[Unknown], true),
        (&[Unknown, Unknown], true),
        (&[Unknown, Boots], false),
        (&[Unknown, Refused], false),
        (&[Unknown, Nothing], false),
        (&[Nothing, Unknown], false),
        (&[Unknown, Html], false),
        (&[Unknown, Hidden], false),
        (&[Hidden, Unknown], false),
        (&[], false),
    ];
    for firmware in Firmware::all() {
        for (answers, acts) in cases {
            let place = format!("{answers:?} on {}", firmware.name);
            let (trace, _) = nic_loop(&firmware, &UnknownActions::always(chain(URL)), answers);
            check(&trace, &place);
            let chained = format!("chain --timeout 60000 {URL}");
            assert_eq!(
                trace.commands.contains(&chained),
                acts,
                "{place}: {trace:#?}"
            );
            let (trace, _) = nic_loop(&firmware, &UnknownActions::always(local()), answers);
            check(&trace, &place);
            let said = "Booting from the local disk.".to_owned();
            assert_eq!(trace.console.contains(&said), acts, "{place}: {trace:#?}");
        }
    }
}

/// The script of an unknown machine that was asked for directly, with an action for each
/// architecture.
#[test]
fn unknown_machine_does_what_is_configured_for_its_architecture() {
    let service = Scripts::new(BootSettings::default().downloads).unwrap();
    let actions = UnknownActions {
        other: UnknownAction::Refuse,
        by_arch: vec![
            (UnknownArch::X86_64, chain("http://h/x.ipxe")),
            (UnknownArch::Aarch64, local()),
        ],
    };
    let lines = ["ironpxe: no.", "Fix: ask."];
    let script = service.unknown_machine(UnknownMachine::Address, lines, REQUEST, &actions);
    let script = script.unwrap();
    let local_end = |firmware: &Firmware| match firmware.platform {
        "efi" => "Exit(1)",
        _ => "Runs(\"sanboot --no-describe --drive 0x80\")",
    };
    for firmware in Firmware::all() {
        // What the chained script did, and what becomes of the machine.
        for (build_arch, chained, end) in [
            (firmware.build_arch, Some("boot"), "Runs(\"boot\")"),
            (firmware.build_arch, Some("exit 0"), "Exit(0)"),
            (firmware.build_arch, Some("exit 1"), "Exit(1)"),
            (firmware.build_arch, None, "Exit(1)"),
            ("arm64", None, local_end(&firmware)),
            ("riscv64", None, "Exit(1)"),
        ] {
            let firmware = Firmware {
                build_arch,
                ..firmware.clone()
            };
            let place = format!("{chained:?} for {build_arch} on {}", firmware.name);
            let trace = run(&script, &firmware, &NICS[..1], &mut |command| match (
                command.split(' ').next(),
                chained,
            ) {
                (Some("chain"), Some(does)) => Outcome::Works(Some(format!("#!ipxe\n{does}\n"))),
                (Some("chain"), None) => Outcome::Fails,
                _ => Outcome::Works(None),
            });
            check(&trace, &place);
            assert_eq!(format!("{:?}", trace.end), end, "{place}: {trace:#?}");
            let says = |text: &str| trace.console.iter().any(|line| line.contains(text));
            let failed =
                matches!(build_arch, "i386" | "x86_64") && matches!(chained, None | Some("exit 1"));
            assert!(says("ironpxe: no."), "{place}: {trace:#?}");
            assert_eq!(
                says("could not be fetched, or it failed"),
                failed,
                "{place}: {trace:#?}"
            );
            assert_eq!(
                says("Fix: ask."),
                build_arch == "riscv64",
                "{place}: {trace:#?}"
            );
        }
    }
}
