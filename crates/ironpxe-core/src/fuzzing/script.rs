//! What every script must be, whatever is in it.

use crate::boot::VolumeBoot;
use crate::boot::{
    BootPlan, ImageRef, ImageUrl, KernelArgs, LinuxBoot, Located, Location, Occasion, Refusal,
    SanDrive, Scripts,
};

/// Renders a plan and checks the script: that of a plan of the same kind with nothing hostile in
/// it, but for the words.
pub(crate) fn rendered(scripts: &Scripts, plan: &BootPlan, occasion: Occasion<'_>) -> String {
    let render = |plan: BootPlan| match scripts.render(&located(plan), occasion) {
        Ok(script) => script,
        Err(error) => panic!("{error}"),
    };
    let script = render(plan.clone());
    check(&script);
    assert_eq!(
        skeleton(&script),
        skeleton(&render(plain(plan))),
        "{script}"
    );
    script
}

/// The plan with a URL for each image that is not named by one.
fn located(plan: BootPlan) -> Located {
    let Ok(url) = ImageUrl::parse("http://h/door") else {
        panic!("not a URL")
    };
    let others = plan.images().filter(|(_, image)| image.url().is_none());
    let elsewhere = others.map(|(kind, _)| {
        let location = Location {
            url: url.clone(),
            until: None,
            how: String::new(),
        };
        (kind, location)
    });
    let elsewhere = elsewhere.collect();
    Located::new(plan, elsewhere)
}

/// Checks the characters, the settings that are read, and the lines on the console.
pub(crate) fn check(script: &str) {
    assert!(script.starts_with("#!ipxe\n"), "{script}");
    assert!(
        script
            .bytes()
            .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)),
        "{script}"
    );
    let own = ["${attempt}", "${platform}", "${netX/mac}"];
    let mut rest = script.to_owned();
    for setting in own {
        rest = rest.replace(setting, "");
    }
    assert!(!rest.contains("${"), "{script}");
    for line in script.lines().skip(1) {
        assert!(!line.ends_with('\\'), "{line}");
        assert!(!line.split(' ').any(|word| word.starts_with('#')), "{line}");
    }
    for line in script.lines().filter_map(|line| line.strip_prefix("echo ")) {
        let shown = line.replace("${attempt}", "1000");
        // Only URLs, which are cut nowhere, may be longer than the console is wide.
        let lower = line.to_ascii_lowercase();
        let url = lower.starts_with("http") || lower.starts_with("iscsi:");
        let url = url && !line.contains(' ');
        assert!(shown.len() <= 79 || url, "{line}");
        // It would be an option, and no text.
        assert!(!line.starts_with('-'), "{line}");
    }
}

/// The commands a script consists of: on each line the first word, and what follows a separator.
/// Lines that are only shown are taken together (a long refusal takes two).
fn skeleton(script: &str) -> Vec<String> {
    let mut lines: Vec<String> = script.lines().map(commands).collect();
    lines.dedup_by(|a, b| a == b && *a == "echo");
    lines
}

fn commands(line: &str) -> String {
    let mut commands = Vec::new();
    let mut begins = true;
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        let separates = matches!(word, ";" | "&&" | "||");
        if begins || separates {
            commands.push(word);
        }
        begins = separates;
    }
    commands.join(" ")
}

/// A plan of the same kind, about nothing.
fn plain(plan: &BootPlan) -> BootPlan {
    let Ok(image) = ImageRef::parse("http://h/i") else {
        panic!("not a URL")
    };
    match plan {
        BootPlan::Linux(linux) => BootPlan::Linux(LinuxBoot {
            role: linux.role,
            kernel: image.clone(),
            ramdisk: image,
            args: KernelArgs::new(),
            bootif: linux.bootif,
        }),
        BootPlan::Volume(volume) => {
            let drive = |drive: &SanDrive| SanDrive {
                uris: vec!["iscsi:h".to_owned()],
                chap: drive.chap.clone(),
            };
            BootPlan::Volume(VolumeBoot {
                initiator_iqn: volume.initiator_iqn.as_ref().map(|_| "iqn".to_owned()),
                drives: volume.drives.iter().map(drive).collect(),
            })
        }
        BootPlan::Iso(_) => BootPlan::Iso(image),
        BootPlan::LocalDisk(local) => BootPlan::LocalDisk(*local),
        BootPlan::Refuse(_) => BootPlan::Refuse(Refusal::Fault("it".to_owned())),
    }
}
