//! What machines do with the scripts: on each firmware, whatever fails.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::ipxe::{COMMANDS_2019, End, Firmware, Outcome, Trace, run};
use super::nic_loop::NICS;
use super::samples::Sample;
use super::*;

fn settings(retries: u32, give_up: GiveUpAction) -> BootSettings {
    BootSettings {
        downloads: Downloads {
            timeout_seconds: 60,
            retries,
            give_up,
        },
        ..BootSettings::default()
    }
}

/// Runs with a list of what fails; what is not in the list fails or works as `then` says.
fn run_with(script: &str, firmware: &Firmware, fails: &[bool], then: bool) -> (Trace, usize) {
    let mut asked = 0;
    let trace = run(script, firmware, &NICS, &mut |_| {
        let fails = fails.get(asked).copied().unwrap_or(then);
        asked += 1;
        if fails {
            Outcome::Fails
        } else {
            Outcome::Works(None)
        }
    });
    (trace, asked)
}

/// What must be so, whatever happened.
pub(super) fn check(trace: &Trace, place: &str) {
    assert!(
        !matches!(trace.end, End::Broken(_) | End::RanOut),
        "{place}: {trace:#?}"
    );
    for line in &trace.console {
        assert!(
            line.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{place}: {line}"
        );
        // A URL is shown whole, to be copied.
        let url = line.starts_with("http") || line.starts_with("iscsi:");
        assert!(line.len() <= 79 || url, "{place}: {line}");
    }
    if let End::Runs(command) = &trace.end {
        assert_eq!(trace.commands.last(), Some(command), "{place}");
    }
}

/// The last commands, in which a machine that gave up does what is configured, and nothing else.
fn giving_up(give_up: GiveUpAction, firmware: &Firmware) -> (Vec<&'static str>, End) {
    let can_power_off = firmware.commands.contains("poweroff");
    match give_up {
        GiveUpAction::Reboot => (vec!["sleep 30", "reboot"], End::Reboot),
        GiveUpAction::Poweroff if can_power_off => (vec!["sleep 30", "poweroff"], End::PowerOff),
        GiveUpAction::Poweroff => {
            let halt = ["sleep 3600", "goto halt"];
            (
                vec![
                    "sleep 30",
                    "poweroff  [missing]",
                    halt[0],
                    halt[1],
                    halt[0],
                    halt[1],
                ],
                End::Halt(halt.map(str::to_owned).into()),
            )
        }
        GiveUpAction::Shell => (vec!["shell", "exit 1"], End::Exit(1)),
        GiveUpAction::Exit => (vec!["sleep 30", "exit 1"], End::Exit(1)),
    }
}

/// Where the commands begin that follow the last attempt.
fn given_up(trace: &Trace) -> usize {
    let jump = trace.commands.iter().position(|it| it == "goto give_up");
    jump.unwrap_or_else(|| panic!("it did not give up: {trace:#?}")) + 1
}

/// The commands after the last attempt, without what is only shown.
fn after_giving_up(trace: &Trace) -> Vec<&str> {
    trace.commands[given_up(trace)..]
        .iter()
        .map(String::as_str)
        .filter(|command| !command.starts_with("echo "))
        .collect()
}

/// Whether the plan downloads, and so tries again.
fn tries_again(plan: &BootPlan) -> bool {
    match plan {
        BootPlan::Linux(_) | BootPlan::Volume(_) | BootPlan::Iso(_) => true,
        BootPlan::LocalDisk(_) | BootPlan::Refuse(_) => false,
    }
}

/// What one attempt begins with.
fn first_command(plan: &BootPlan) -> &'static str {
    match plan {
        BootPlan::Linux(_) => "kernel",
        BootPlan::Volume(_) => "set username:hexraw",
        BootPlan::Iso(_) => "sanboot",
        BootPlan::LocalDisk(_) | BootPlan::Refuse(_) => "",
    }
}

/// Every firmware, every way to give up, and every prefix of failures: the machine comes up in
/// the attempt that works, or gives up after so many more tries as are configured, in the way
/// that is configured.
#[test]
fn machine_boots_or_gives_up_as_configured_after_any_number_of_failures() {
    let mut runs = 0;
    for sample in Sample::all() {
        for firmware in Firmware::all() {
            for &give_up in GiveUpAction::ALL {
                for retries in [0, 1, 2, 10] {
                    let settings = settings(retries, give_up);
                    let plan = sample.plan(&settings);
                    if !tries_again(&plan) {
                        continue;
                    }
                    let script = sample.script(&settings);
                    // Everything fails: so many questions there are at most.
                    let (_, most) = run_with(&script, &firmware, &[], true);
                    let tries = usize::try_from(retries).unwrap() + 1;
                    assert_eq!(most, tries, "{}", sample.name);
                    for prefix in 0..=most {
                        let place = format!(
                            "{} on {}, {give_up:?} after {retries}, {prefix} fail",
                            sample.name, firmware.name
                        );
                        let (trace, _) = run_with(&script, &firmware, &vec![true; prefix], false);
                        runs += 1;
                        check(&trace, &place);
                        if prefix < most {
                            assert!(matches!(trace.end, End::Runs(_)), "{place}: {trace:#?}");
                        } else {
                            let (commands, end) = giving_up(give_up, &firmware);
                            assert_eq!(after_giving_up(&trace), commands, "{place}");
                            assert_eq!(trace.end, end, "{place}");
                            // Pauses that grow by a second, and the one at the end.
                            let pauses = u64::from(retries) * (u64::from(retries) + 1) / 2;
                            assert!(trace.slept >= pauses, "{place}: {}", trace.slept);
                        }
                    }
                }
            }
        }
    }
    assert!(runs > 1000, "{runs}");
}

/// Not only the first commands may fail: every pattern of failures of two tries.
#[test]
fn failure_at_any_command_restarts_from_the_first() {
    for sample in Sample::all() {
        for firmware in Firmware::all() {
            for &give_up in GiveUpAction::ALL {
                let settings = settings(1, give_up);
                let plan = sample.plan(&settings);
                let script = sample.script(&settings);
                for pattern in 0..1_u32 << 6 {
                    let fails: Vec<bool> = (0..6).map(|bit| pattern >> bit & 1 == 1).collect();
                    for then in [true, false] {
                        let (trace, asked) = run_with(&script, &firmware, &fails, then);
                        let place = format!(
                            "{} on {}, {give_up:?}, {pattern:06b} {asked}",
                            sample.name, firmware.name
                        );
                        check(&trace, &place);
                        if !tries_again(&plan) {
                            continue;
                        }
                        let first = first_command(&plan);
                        let tries = trace
                            .commands
                            .iter()
                            .filter(|command| command.starts_with(first))
                            .count();
                        let per_try = match sample.name {
                            // The credentials of the first drive, once more before it is booted.
                            "volumes" => 2,
                            _ => 1,
                        };
                        assert!((1..=2 * per_try).contains(&tries), "{place}: {trace:#?}");
                        if !matches!(trace.end, End::Runs(_)) {
                            let (commands, end) = giving_up(give_up, &firmware);
                            assert_eq!(after_giving_up(&trace), commands, "{place}");
                            assert_eq!(trace.end, end, "{place}");
                        }
                    }
                }
            }
        }
    }
}

/// On its way to the disk a machine executes its own platform's commands, and no other's.
#[test]
fn local_disk_is_booted_by_the_method_of_the_platform() {
    let sample = Sample::all().into_iter().find(|it| it.name == "local_disk");
    let sample = sample.unwrap();
    for &bios in LocalBootMethod::ALL {
        for &uefi in LocalBootMethod::ALL {
            let settings = BootSettings {
                local_boot: LocalBoot { bios, uefi },
                ..BootSettings::default()
            };
            let script = sample.script(&settings);
            for firmware in Firmware::all() {
                for disk_fails in [false, true] {
                    let (trace, _) = run_with(&script, &firmware, &[], disk_fails);
                    let own = if firmware.platform == "efi" {
                        uefi
                    } else {
                        bios
                    };
                    let place = format!("{own:?} on {}", firmware.name);
                    check(&trace, &place);
                    let can_power_off = firmware.commands.contains("poweroff");
                    let expected = match own {
                        LocalBootMethod::Sanboot if !disk_fails => {
                            End::Runs("sanboot --no-describe --drive 0x80".to_owned())
                        }
                        LocalBootMethod::Poweroff if can_power_off => End::PowerOff,
                        LocalBootMethod::Reboot => End::Reboot,
                        LocalBootMethod::Sanboot
                        | LocalBootMethod::Exit
                        | LocalBootMethod::Poweroff => End::Exit(1),
                    };
                    assert_eq!(trace.end, expected, "{place}");
                }
            }
        }
    }
}

/// Commands that not every iPXE has, or that may fail, and what the script does then. The others
/// are in every build, and fail only with the machine itself.
fn needs_fallback(command: &str) -> bool {
    const MAY_FAIL: [&str; 12] = [
        "boot",
        "chain",
        "clear",
        "imgfetch",
        "initrd",
        "iseq",
        "isset",
        "kernel",
        "sanboot",
        "sanhook",
        "sanunhook",
        "shell",
    ];
    let everywhere = COMMANDS_2019
        .split_whitespace()
        .any(|known| known == command);
    !everywhere || MAY_FAIL.contains(&command)
}

/// One script for every ROM: no command without a fallback.
#[test]
fn every_command_that_may_fail_has_a_fallback() {
    let mut scripts: Vec<String> = Vec::new();
    for sample in Sample::all() {
        for &give_up in GiveUpAction::ALL {
            for &method in LocalBootMethod::ALL {
                let settings = BootSettings {
                    local_boot: LocalBoot {
                        bios: method,
                        uefi: method,
                    },
                    ..settings(2, give_up)
                };
                scripts.push(sample.script(&settings));
            }
        }
    }
    let service = Scripts::new(BootSettings::default().downloads).unwrap();
    for action in [
        UnknownAction::Refuse,
        local(),
        chain("http://h/inspector.ipxe"),
    ] {
        let other = [UnknownAction::Refuse, chain("http://h/other.ipxe")];
        let by_arch = UnknownArch::ALL.iter().copied().zip(other).collect();
        let actions = UnknownActions {
            other: action,
            by_arch,
        };
        scripts.push(service.nic_loop(&actions).unwrap());
        let script =
            service.unknown_machine(UnknownMachine::Address, ["a", "b"], REQUEST, &actions);
        scripts.push(script.unwrap());
    }
    let mut seen = BTreeSet::new();
    for script in &scripts {
        for line in script.lines().skip(1).filter(|line| !line.starts_with(':')) {
            let words: Vec<&str> = line.split(' ').collect();
            let mut begins = true;
            for (index, word) in words.iter().enumerate() {
                if begins && !word.is_empty() {
                    seen.insert((*word).to_owned());
                    let has_fallback = words[index..].contains(&"||");
                    assert!(
                        has_fallback || !needs_fallback(word),
                        "{line}\nof\n{script}"
                    );
                }
                begins = matches!(*word, ";" | "&&" | "||");
            }
        }
    }
    // The test saw those that matter.
    for command in [
        "boot",
        "imgexec",
        "initrd",
        "kernel",
        "poweroff",
        "sanhook",
        "sanunhook",
        "shell",
    ] {
        assert!(seen.contains(command), "{seen:?}");
    }
}

/// A firmware that lacks a command the others have: it may not get its system, but then it gives
/// up as configured, and does nothing it was not told.
#[test]
fn missing_command_leads_to_the_configured_give_up_action() {
    let optional = [
        "clear",
        "initrd",
        "kernel",
        "poweroff",
        "sanboot",
        "sanhook",
        "sanunhook",
        "shell",
    ];
    for sample in Sample::all() {
        for firmware in Firmware::all() {
            for missing in optional {
                let firmware = firmware.without(missing);
                for &give_up in GiveUpAction::ALL {
                    let settings = settings(1, give_up);
                    let script = sample.script(&settings);
                    for fails in [false, true] {
                        let place = format!("{} without {missing}, {give_up:?}", sample.name);
                        let (trace, _) = run_with(&script, &firmware, &[], fails);
                        check(&trace, &place);
                        let runs = matches!(trace.end, End::Runs(_));
                        if !runs && tries_again(&sample.plan(&settings)) {
                            let (mut commands, end) = giving_up(give_up, &firmware);
                            if missing == "shell" && give_up == GiveUpAction::Shell {
                                commands = vec!["shell  [missing]", "exit 1"];
                            }
                            assert_eq!(after_giving_up(&trace), commands, "{place}");
                            assert_eq!(trace.end, end, "{place}");
                        }
                    }
                }
            }
        }
    }
}

/// The commands each firmware executes, when all goes well and when all fails.
#[test]
fn commands_that_each_firmware_executes_match_the_snapshots() {
    for sample in Sample::all() {
        let mut text = String::new();
        for (all_fails, title) in [(false, "all goes well"), (true, "everything fails")] {
            let gives_up = all_fails && tries_again(&sample.plan(&BootSettings::default()));
            let actions: &[GiveUpAction] = if gives_up {
                GiveUpAction::ALL
            } else {
                &[GiveUpAction::Reboot]
            };
            for give_up in actions {
                let script = sample.script(&settings(1, *give_up));
                // Firmware that does the same stands together.
                let mut groups: Vec<(Vec<&str>, String)> = Vec::new();
                for firmware in Firmware::all() {
                    let (trace, _) = run_with(&script, &firmware, &[], all_fails);
                    // Until it gives up it does the same with every action.
                    let from = if *give_up == actions[0] {
                        0
                    } else {
                        given_up(&trace)
                    };
                    let done = story(&trace.commands[from..], &trace);
                    match groups.iter_mut().find(|(_, same)| *same == done) {
                        Some((names, _)) => names.push(firmware.name),
                        None => groups.push((vec![firmware.name], done)),
                    }
                }
                for (names, done) in groups {
                    let names = match names.len() {
                        4 => "every firmware".to_owned(),
                        _ => names.join("; "),
                    };
                    let then = match actions.len() {
                        1 => String::new(),
                        _ => format!(", then {give_up:?}"),
                    };
                    writeln!(text, "## {title}{then}: {names}\n{done}").unwrap();
                }
            }
        }
        insta::assert_snapshot!(sample.name, text);
    }
}

fn story(commands: &[String], trace: &Trace) -> String {
    let mut text = String::new();
    for command in commands {
        writeln!(text, "{command}").unwrap();
    }
    writeln!(
        text,
        "-> {:?}, after {} s of pauses",
        trace.end, trace.slept
    )
    .unwrap();
    text
}
