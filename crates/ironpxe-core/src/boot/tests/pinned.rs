//! The text of every script, with every setting that changes it.
//!
//! One snapshot for each plan: the lines of all its scripts, and in front of each line the
//! settings with which it is there. (The test puts the scripts together again from it, so that
//! nothing is left out.)

use std::collections::BTreeSet;
use std::fmt::Write;

use super::samples::Sample;
use super::*;

const RETRIES: [u32; 3] = [0, 1, 10];
const TIMEOUTS: [u32; 2] = [0, 60];

/// One combination of settings, as indices.
type Setting = (usize, usize, usize);

fn combinations() -> Vec<(Setting, BootSettings)> {
    let mut all = Vec::new();
    for (r, retries) in RETRIES.into_iter().enumerate() {
        for (g, give_up) in GiveUpAction::ALL.iter().copied().enumerate() {
            for (t, timeout_seconds) in TIMEOUTS.into_iter().enumerate() {
                let downloads = Downloads {
                    timeout_seconds,
                    retries,
                    give_up,
                };
                let settings = BootSettings {
                    downloads,
                    ..BootSettings::default()
                };
                all.push(((r, g, t), settings));
            }
        }
    }
    all
}

/// A line, and the settings with which it is there.
struct Line {
    text: String,
    with: BTreeSet<Setting>,
}

/// Adds a script to the lines of others: to those that are the same, and the others between them.
fn merge(lines: &mut Vec<Line>, script: &str, setting: Setting) {
    let new: Vec<&str> = script.lines().collect();
    // The length of the longest common part of each pair of ends.
    let mut common = vec![vec![0_usize; new.len() + 1]; lines.len() + 1];
    for i in (0..lines.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if lines[i].text == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let mut merged = Vec::new();
    let (mut i, mut j) = (0, 0);
    let mut old = std::mem::take(lines).into_iter().peekable();
    while let Some(text) = new.get(j) {
        let same = old.peek().is_some_and(|line| line.text == *text);
        if same && common[i][j] == common[i + 1][j + 1] + 1 {
            let mut line = old.next().unwrap();
            line.with.insert(setting);
            merged.push(line);
            (i, j) = (i + 1, j + 1);
        } else if i < common.len() - 1 && common[i + 1][j] >= common[i][j + 1] {
            merged.extend(old.next());
            i += 1;
        } else {
            let with = BTreeSet::from([setting]);
            let text = (*text).to_owned();
            merged.push(Line { text, with });
            j += 1;
        }
    }
    merged.extend(old);
    *lines = merged;
}

/// The settings in words, for those that matter.
fn words(with: &BTreeSet<Setting>) -> String {
    let retries: BTreeSet<usize> = with.iter().map(|it| it.0).collect();
    let give_up: BTreeSet<usize> = with.iter().map(|it| it.1).collect();
    let timeouts: BTreeSet<usize> = with.iter().map(|it| it.2).collect();
    let product = retries.len() * give_up.len() * timeouts.len();
    assert_eq!(
        product,
        with.len(),
        "settings that depend on each other: {with:?}"
    );
    let mut words = Vec::new();
    if retries.len() < RETRIES.len() {
        let list: Vec<String> = retries.iter().map(|&r| RETRIES[r].to_string()).collect();
        words.push(format!("retries={}", list.join(",")));
    }
    if give_up.len() < GiveUpAction::ALL.len() {
        let list: Vec<String> = give_up
            .iter()
            .map(|&g| format!("{:?}", GiveUpAction::ALL[g]).to_lowercase())
            .collect();
        words.push(list.join(","));
    }
    if timeouts.len() < TIMEOUTS.len() {
        let list: Vec<String> = timeouts.iter().map(|&t| TIMEOUTS[t].to_string()).collect();
        words.push(format!("timeout={}", list.join(",")));
    }
    words.join(" ")
}

#[test]
fn every_script_with_every_setting_matches_the_snapshot() {
    for sample in Sample::all() {
        let mut lines = Vec::new();
        for (setting, settings) in combinations() {
            merge(&mut lines, &sample.script(&settings), setting);
        }
        for (setting, settings) in combinations() {
            let mut script = String::new();
            for line in lines.iter().filter(|line| line.with.contains(&setting)) {
                writeln!(script, "{}", line.text).unwrap();
            }
            assert_eq!(script, sample.script(&settings), "{}", sample.name);
        }
        let mut text = String::new();
        for line in &lines {
            writeln!(text, "{:20}| {}", words(&line.with), line.text).unwrap();
        }
        insta::assert_snapshot!(sample.name, text);
    }
}

#[test]
fn local_disk_script_of_each_platform_and_method_matches_the_snapshot() {
    let sample = Sample::all().into_iter().find(|it| it.name == "local_disk");
    let sample = sample.unwrap();
    let mut text = String::new();
    for &bios in LocalBootMethod::ALL {
        for &uefi in LocalBootMethod::ALL {
            let settings = BootSettings {
                local_boot: LocalBoot { bios, uefi },
                ..BootSettings::default()
            };
            let script = sample.script(&settings);
            let (head, way) = script.split_once("goto uefi ||\n").unwrap();
            assert!(head.ends_with("iseq ${platform} efi && "), "{head}");
            let (of_bios, of_uefi) = way.split_once(":uefi\n").unwrap();
            if bios == uefi {
                writeln!(text, "{}:\n{of_bios}", bios.name()).unwrap();
            }
            // Each half is that of its own method, whatever the other one is.
            let half = |method: LocalBootMethod| {
                let local_boot = LocalBoot {
                    bios: method,
                    uefi: method,
                };
                let settings = BootSettings {
                    local_boot,
                    ..BootSettings::default()
                };
                let script = sample.script(&settings);
                script.rsplit_once(":uefi\n").unwrap().1.to_owned()
            };
            assert_eq!((of_bios, of_uefi), (&*half(bios), &*half(uefi)));
        }
    }
    insta::assert_snapshot!(text);
}

/// A new kind of plan or role needs a sample.
#[test]
fn every_plan_has_a_sample() {
    let mut titles = BTreeSet::new();
    for sample in Sample::all() {
        titles.insert(sample.plan(&BootSettings::default()).title());
    }
    let mut decided = BTreeSet::new();
    for title in LinuxRole::ALL.iter().map(|role| role.title()) {
        decided.insert(title);
    }
    decided.extend(["remote volume", "ISO image", "local disk", "nothing"]);
    assert_eq!(titles, decided);
}
