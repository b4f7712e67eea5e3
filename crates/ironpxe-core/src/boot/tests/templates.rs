//! Operators' templates: what is refused when they are loaded, and which is used.

mod page;
mod values;

use std::collections::BTreeSet;
use std::fmt::Write;

use super::*;

fn file(text: &str) -> TemplateFile {
    TemplateFile {
        path: "/etc/ironpxe/boot.ipxe".into(),
        text: text.into(),
    }
}

fn load_with(text: &str, downloads: Downloads) -> Result<Scripts, Vec<BrokenTemplate>> {
    let templates = OperatorTemplates {
        every: Some(file(text)),
        ..OperatorTemplates::default()
    };
    Scripts::with_operators(downloads, templates)
}

fn load(text: &str) -> Result<Scripts, Vec<BrokenTemplate>> {
    load_with(text, BootSettings::default().downloads)
}

/// What is said about a template that is refused.
fn complaint(text: &str) -> String {
    let broken = load(text).unwrap_err();
    assert_eq!(broken.len(), 1);
    broken[0].to_string()
}

/// A template that does everything right, and this on its fourth line.
fn with(line: &str) -> String {
    format!("#!ipxe\nimgfree\necho {{{{ node.uuid }}}} {{{{ request_id }}}}\n{line}\nexit 1\n")
}

fn built_in(name: &str) -> &'static str {
    TEMPLATES.iter().find(|(it, _)| *it == name).unwrap().1
}

/// The script of a node with this in `extra`, in a state that boots nothing.
fn render(scripts: &Scripts, extra: serde_json::Value) -> Result<String, TemplateError> {
    let mut node = node(ProvisionState::Available, "direct");
    node.extra = map(extra);
    let plan = plan(&node);
    let context = RenderContext {
        machine: Machine::of(&node),
        request_id: REQUEST,
    };
    scripts.render(&ResolvedPlan::direct(plan), context)
}

#[test]
fn built_in_template_loaded_as_custom_gives_the_same_scripts() {
    let mut by_downloads: Vec<(Downloads, Scripts, Vec<Scripts>)> = Vec::new();
    for sample in samples() {
        let downloads = sample.downloads;
        if !by_downloads.iter().any(|(it, ..)| *it == downloads) {
            let texts = [built_in("boot.ipxe"), "{% include \"boot.ipxe\" %}"];
            let theirs = texts.map(|text| load_with(text, downloads).unwrap());
            by_downloads.push((downloads, Scripts::new(downloads).unwrap(), theirs.into()));
        }
        let (_, ours, theirs) = by_downloads.iter().find(|it| it.0 == downloads).unwrap();
        let script = ours
            .render(&ResolvedPlan::direct(sample.plan.clone()), sample.context())
            .unwrap();
        for theirs in theirs {
            assert_eq!(theirs.notes(), Vec::<String>::new());
            let same = theirs
                .render(&ResolvedPlan::direct(sample.plan.clone()), sample.context())
                .unwrap();
            assert_eq!(same, script, "{}", sample.name);
        }
    }
    // Each way of giving up, with and without a timeout.
    assert_eq!(by_downloads.len(), 8);
}

#[test]
fn samples_cover_every_kind_of_plan() {
    let mut kinds = BTreeSet::new();
    let (mut roles, mut bootifs, mut methods) = (Vec::new(), Vec::new(), Vec::new());
    let (mut with_chap, mut without_chap, mut several, mut iqns) = (0, 0, 0, BTreeSet::new());
    let mut refused = Vec::new();
    for sample in samples() {
        kinds.insert(sample.plan.kind());
        match sample.plan {
            BootPlan::Linux(linux) => {
                roles.push(linux.role);
                bootifs.push(match linux.bootif {
                    Some(BootIf::Known(_)) => "known",
                    Some(BootIf::AskIpxe) => "ask",
                    None => "none",
                });
            }
            BootPlan::Volume(volume) => {
                several += usize::from(volume.drives.len() > 1);
                iqns.insert(volume.initiator_iqn.is_some());
                for drive in volume.drives {
                    match drive.chap {
                        Some(_) => with_chap += 1,
                        None => without_chap += 1,
                    }
                }
            }
            BootPlan::Iso(_) => {}
            BootPlan::LocalDisk(local) => methods.push(local.bios),
            BootPlan::Refuse(refusal) => refused.push(refusal),
        }
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    for bootif in ["known", "ask", "none"] {
        assert!(bootifs.contains(&bootif), "{bootif}");
    }
    for &method in LocalBootMethod::ALL {
        assert!(methods.contains(&method), "{method:?}");
    }
    for refusal in refusals() {
        assert!(refused.contains(&refusal), "{refusal:?}");
    }
    assert!(with_chap > 0 && without_chap > 0 && several > 0 && iqns.len() == 2);
    for &role in LinuxRole::ALL {
        assert!(roles.contains(&role), "{role:?}");
    }
}

/// What is refused, with the line and the reason.
#[test]
fn broken_template_is_refused_with_its_line_and_the_reason() {
    let mut table = String::new();
    for line in [
        "echo {{ kernle }}",
        "echo {{ node.nmae }}",
        "{% if kernle %}{% endif %}",
        "echo {{ kernle | upper }}",
        "echo {{ kernel }}",
        "echo {{ node.extra.x }}",
        "echo {{ node.name }}",
        "echo {{ node.name | console }}",
        "echo {{ node.extra }}",
        "echo {% if node.resource_class %}{{ node.resource_class }}{% endif %}",
        "echo {{ title | safe }}",
        "{% include \"/etc/passwd\" %}",
        "{% include \"../boot.ipxe\" %}",
        "{% include \"linux.ipxe\" %}",
        "{% if %}",
        "{% for x in range(100000) %}{% for y in range(100000) %}{% endfor %}{% endfor %}",
        "echo \u{fc}",
        "echo \r",
        "echo \r x",
        "echo \0",
        "echo x \\",
        "echo ----",
        "echo -n -x",
        "{{ node.uuid }}",
        "echo x || {{ node.uuid }}",
    ] {
        let said = complaint(&with(line));
        assert!(
            said.starts_with("/etc/ironpxe/boot.ipxe, line 4: "),
            "{line:?}: {said}"
        );
        assert!(
            said.contains("(in the sample: ") || line == "{% if %}",
            "{line:?}: {said}"
        );
        writeln!(table, "    {}\n{said}\n", line.escape_default()).unwrap();
    }
    let good = with("echo x");
    for (what, text) in [
        ("CRLF", good.replace('\n', "\r\n")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("a long line", with(&format!("echo {}", "x ".repeat(5000)))),
        // As one that is being written.
        (
            "half a file",
            with("{% if plan.kind == \"linux\" %}").replace("exit 1\n", ""),
        ),
        ("an empty file", String::new()),
        ("the first line without its end", "#!ipxe".to_owned()),
        ("an empty line first", "\n#!ipxe\nexit\n".to_owned()),
        (
            "one that includes itself",
            with("{% include \"(operator's)\" %}"),
        ),
    ] {
        writeln!(table, "    ({what})\n{}\n", complaint(&text)).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn template_with_too_long_kernel_arguments_is_refused() {
    let arguments = |bytes: usize| {
        let line = format!(
            "#!ipxe\necho {{{{ node.uuid }}}} {{{{ request_id }}}}\n\
             {{% if plan.kind == \"linux\" %}}\nkernel --timeout 1 -n k {{{{ kernel }}}} {} || exit\n\
             initrd {{{{ ramdisk }}}}\n{{% else %}}\n{{% include \"boot.ipxe\" %}}\n{{% endif %}}\n",
            "x".repeat(bytes)
        );
        load(&line)
    };
    assert!(arguments(2047).is_ok());
    let broken = arguments(2048).unwrap_err();
    let said = broken[0].to_string();
    assert!(
        said.contains("line 4: the kernel command line is 2048 bytes long"),
        "{said}"
    );
}

#[test]
fn template_that_prints_the_chap_password_is_refused() {
    let shows = "{% if drives is defined %}{% for drive in drives %}{% if drive.chap %}\n\
                 echo {{ drive.chap.password }}\n{% endif %}{% endfor %}{% endif %}";
    let said = complaint(&with(shows));
    assert!(
        said.contains("is only allowed in \"set password:hexraw\""),
        "{said}"
    );
}

#[test]
fn incomplete_template_is_loaded_with_notes() {
    let notes = |text| load(text).unwrap().notes().join("\n");
    let all = notes("#!ipxe\nexit 1\n");
    assert!(
        all.contains("boot.ipxe: the script for \"deploy ramdisk"),
        "{all}"
    );
    assert!(
        all.contains("lacks something that the machine needs"),
        "{all}"
    );
    assert!(
        all.contains("does not identify the node: print node.uuid"),
        "{all}"
    );
    assert_eq!(all.lines().count(), 2, "{all}");
    let some = notes("#!ipxe\n{% include \"boot.ipxe\" %}\n");
    assert_eq!(some, "");
}

#[test]
fn template_of_the_architecture_is_used() {
    let mut templates = OperatorTemplates::default();
    for (arch, word) in [
        ("aarch64", "arm"),
        ("x86_64", "{{ node.properties.cpu_arch }}"),
    ] {
        let file = TemplateFile {
            path: format!("/{arch}"),
            text: with(&format!("echo for {word}")),
        };
        templates.by_arch.insert(arch.into(), file);
    }
    let downloads = BootSettings::default().downloads;
    let load =
        |templates: &OperatorTemplates| Scripts::with_operators(downloads, templates.clone());
    let script = |scripts: &Scripts, arch: &str| {
        let mut node = node(ProvisionState::Available, "direct");
        node.properties = map(json!({"cpu_arch": arch}));
        let context = RenderContext {
            machine: Machine::of(&node),
            request_id: REQUEST,
        };
        let template = scripts.operators_template(&node).map(|it| it.path.clone());
        (
            scripts
                .render(&ResolvedPlan::direct(plan(&node)), context)
                .unwrap(),
            template,
        )
    };
    let scripts = load(&templates).unwrap();
    let (text, template) = script(&scripts, "aarch64");
    assert!(text.contains("echo for arm\n"), "{text}");
    assert_eq!(template.as_deref(), Some("/aarch64"));
    assert!(script(&scripts, "x86_64").0.contains("echo for x86_64\n"));
    let (text, template) = script(&scripts, "riscv64");
    assert!(text.contains("is not booted"), "{text}");
    assert_eq!(template, None);
    templates.every = Some(file(&with("echo for every")));
    let scripts = load(&templates).unwrap();
    assert!(script(&scripts, "riscv64").0.contains("echo for every\n"));
    assert!(script(&scripts, "aarch64").0.contains("echo for arm\n"));

    // All that are broken are named.
    templates.every = Some(file("x"));
    templates.by_arch.get_mut("aarch64").unwrap().text = "x".into();
    let broken = load(&templates).unwrap_err();
    let archs: Vec<_> = broken.iter().map(|it| it.arch.as_deref()).collect();
    assert_eq!(archs, [None, Some("aarch64")]);
}
