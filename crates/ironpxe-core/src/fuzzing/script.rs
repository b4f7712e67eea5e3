//! Properties of every script.

use crate::boot::VolumeBoot;
use crate::boot::{
    BootPlan, ImageRef, ImageUrl, KernelArgs, LinuxBoot, Location, Refusal, RenderContext,
    ResolvedPlan, SanDrive, Scripts,
};

/// Renders a plan and checks the script: apart from its words, it equals that of a harmless plan of
/// the same kind.
pub(crate) fn rendered(scripts: &Scripts, plan: &BootPlan, context: RenderContext<'_>) -> String {
    let render = |plan: BootPlan| match scripts.render(&located(plan), context) {
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

/// The plan with a URL for every image that is not one.
fn located(plan: BootPlan) -> ResolvedPlan {
    let Ok(url) = ImageUrl::parse("http://h/relay") else {
        panic!("not a URL")
    };
    let others = plan.images().filter(|(_, image)| image.url().is_none());
    let elsewhere = others.map(|(kind, _)| {
        let location = Location {
            url: url.clone(),
            expires_at: None,
            explanation: String::new(),
        };
        (kind, location)
    });
    let elsewhere = elsewhere.collect();
    ResolvedPlan::new(plan, elsewhere)
}

/// Checks the characters, the settings that are read, and the console lines.
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
        // Only URLs, which are never truncated, may exceed the console's width.
        let lower = line.to_ascii_lowercase();
        let url = lower.starts_with("http") || lower.starts_with("iscsi:");
        let url = url && !line.contains(' ');
        assert!(shown.len() <= 79 || url, "{line}");
        // It would be an option.
        assert!(!line.starts_with('-'), "{line}");
    }
}

/// The commands of a script: the first word of each line, and what follows a separator. Consecutive
/// console lines count as one (a long refusal has two).
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

/// A harmless plan of the same kind.
fn plain(plan: &BootPlan) -> BootPlan {
    let Ok(image) = ImageRef::parse("http://h/i") else {
        panic!("not a URL")
    };
    match plan {
        BootPlan::Linux(linux) => BootPlan::Linux(LinuxBoot {
            role: linux.role,
            kernel: image.clone(),
            extra_ramdisks: linux.extra_ramdisks.iter().map(|_| image.clone()).collect(),
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
