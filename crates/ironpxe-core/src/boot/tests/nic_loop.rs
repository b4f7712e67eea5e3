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
                .refuse_unknown_machine(why, &["ironpxe: no."], REQUEST)
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

/// Runs `/boot.ipxe` on a machine with a NIC for each answer; gives the URLs it asked for, too.
fn nic_loop(firmware: &Firmware, answers: &[Given]) -> (Trace, Vec<String>) {
    let service = Scripts::new(BootSettings::default().downloads).unwrap();
    let mut given = answers.iter();
    let mut asked = Vec::new();
    let trace = run(
        &service.nic_loop().unwrap(),
        firmware,
        NICS.get(..answers.len()).unwrap(),
        &mut |command| {
            if !command.starts_with("imgfetch ") {
                return Outcome::Works(None);
            }
            asked.push(command.rsplit_once(' ').unwrap().1.to_owned());
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
    let (trace, _) = nic_loop(&newest, &[given]);
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
            let (trace, asked) = nic_loop(&firmware, answers);
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
