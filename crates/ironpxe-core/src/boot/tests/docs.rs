//! `docs/what-boots-when.md` says what the code does.

use std::fmt::Write;

use ironpxe_testkit::docs::Page;

use super::nic_loop::{Given, NICS, nic_loop_console};
use super::*;

fn states() -> String {
    let mut table = String::from("| provision state | `direct` | `ramdisk` | `anaconda` |\n");
    table.push_str("|---|---|---|---|\n");
    for state in ProvisionState::all() {
        write!(table, "| {state} |").unwrap();
        for interface in ["direct", "ramdisk", "anaconda"] {
            let cell = match plan(&node(state, interface)) {
                BootPlan::Linux(linux) if linux.role == LinuxRole::DeployRamdisk => "deploy",
                BootPlan::Linux(linux) if linux.role == LinuxRole::RescueRamdisk => "rescue",
                BootPlan::Linux(linux) if linux.role == LinuxRole::Installer => "installer",
                BootPlan::Refuse(_) => "-",
                BootPlan::Linux(_)
                | BootPlan::LocalDisk(_)
                | BootPlan::Volume(_)
                | BootPlan::Iso(_) => "instance",
            };
            write!(table, " {cell} |").unwrap();
        }
        table.push('\n');
    }
    table
}

/// What the recorded progress of a task changes, by the states in which it does.
fn progress() -> String {
    type Change = fn(&mut Node);
    let cases: [(&str, &str, Change); 5] = [
        (
            "`deploy_step.step` is `tear_down_agent`, `switch_to_tenant_network` or \
             `boot_instance`, or a step with a priority below 40",
            "the instance",
            |node| node.deploy_step = map(json!({"step": "boot_instance"})),
        ),
        (
            "`deploy_step` is empty, `driver_internal_info.deploy_steps` is `null`, and \
             `power_state` is `power on`: real Ironic has done all steps",
            "the instance",
            |node| {
                node.driver_internal_info = map(json!({"deploy_steps": null}));
                node.power_state = Some(crate::power_state::PowerState::On);
            },
        ),
        (
            "`driver_internal_info.boot_from_volume`",
            "the volume",
            |node| {
                let boot = volumes(node).targets[0].uuid.to_string();
                node.driver_internal_info = map(json!({"boot_from_volume": boot}));
            },
        ),
        (
            "`driver_internal_info.cleaning_disable_ramdisk`",
            "nothing",
            |node| node.driver_internal_info = map(json!({"cleaning_disable_ramdisk": true})),
        ),
        (
            "`driver_internal_info.service_disable_ramdisk`",
            "the instance",
            |node| node.driver_internal_info = map(json!({"service_disable_ramdisk": true})),
        ),
    ];
    let mut table = String::from("| condition | states | boots |\n|---|---|---|\n");
    for (what, boots, change) in cases {
        let mut states = Vec::new();
        for state in ProvisionState::all() {
            let before = node(state, "direct");
            let mut after = before.clone();
            change(&mut after);
            let volumes = volumes(&after);
            let machine = Machine {
                volumes: Some(&volumes),
                ..Machine::of(&after)
            };
            let after = decide(machine, &BootSettings::default(), REQUEST);
            let before = plan(&before);
            if after.title() != before.title() {
                states.push(state.to_string());
                let expected = match &after {
                    BootPlan::Volume(_) => "the volume",
                    BootPlan::Refuse(_) => "nothing",
                    _ => "the instance",
                };
                assert_eq!(boots, expected, "{what}: {state}");
            }
        }
        if !states.is_empty() {
            writeln!(table, "| {what} | {} | {boots} |", states.join(", ")).unwrap();
        }
    }
    table
}

fn consoles() -> String {
    let mut iso = node(ProvisionState::Active, "ramdisk");
    iso.instance_info
        .insert("boot_iso".into(), json!("http://images.example/x.iso"));
    let mut netboot = node(ProvisionState::Active, "direct");
    netboot
        .instance_info
        .insert("image_type".into(), json!("partition"));
    netboot
        .instance_info
        .insert("capabilities".into(), json!({"boot_option": "netboot"}));
    netboot
        .driver_internal_info
        .insert("root_uuid_or_disk_id".into(), json!("1234-abcd"));
    let mut volume = node(ProvisionState::Active, "direct");
    let volumes = volumes(&volume);
    let boot = volumes.targets[0].uuid.to_string();
    volume
        .driver_internal_info
        .insert("boot_from_volume".into(), json!(boot));
    let nodes = [
        node(ProvisionState::DeployWait, "direct"),
        node(ProvisionState::DeployWait, "anaconda"),
        node(ProvisionState::RescueWait, "direct"),
        node(ProvisionState::Active, "ramdisk"),
        netboot,
        iso,
        volume,
        node(ProvisionState::Active, "direct"),
        node(ProvisionState::Available, "direct"),
    ];
    let settings = BootSettings::default();
    let scripts = Scripts::new(settings.downloads).unwrap();
    let mut pictures = String::new();
    let mut failing = String::new();
    for node in &nodes {
        let machine = Machine {
            volumes: Some(&volumes),
            ..Machine::of(node)
        };
        let plan = decide(machine, &settings, REQUEST);
        let context = RenderContext {
            machine,
            request_id: REQUEST,
        };
        let script = scripts
            .render(&ResolvedPlan::direct(plan.clone()), context)
            .unwrap();
        // What is said before anything is downloaded; a refusal says nothing more.
        let said = script
            .lines()
            .take_while(|line| !line.starts_with("set attempt") && !line.starts_with("iseq"))
            .filter_map(|line| line.strip_prefix("echo "));
        picture(&mut pictures, plan.title(), said);
        if plan.title() == "deploy ramdisk" {
            failing.push_str(&script);
        }
    }
    // Up to the first pause; what iPXE puts in is that of the first try.
    let failing = failing.replace("${attempt}", "1");
    let said = failing
        .lines()
        .take_while(|line| !line.starts_with("sleep"));
    let said = said.filter_map(|line| line.strip_prefix("echo "));
    picture(&mut pictures, "a download that fails", said);
    for (title, given) in [
        ("an unknown machine", Given::Unknown),
        ("an address that cannot be looked up", Given::Nothing),
    ] {
        // Without the lines of the script that is fetched in between.
        let mut said = nic_loop_console(given);
        for line in &mut said {
            *line = line
                .replace(NICS[0], "52:54:00:12:34:56")
                .replace(&NICS[0].replace(':', "-"), "52-54-00-12-34-56")
                .replace("http://h/prefix/", "http://192.0.2.1:6385/");
        }
        picture(&mut pictures, title, said.iter().map(String::as_str));
    }
    pictures.push('\n');
    pictures
}

fn picture<'a>(pictures: &mut String, title: &str, lines: impl Iterator<Item = &'a str>) {
    writeln!(pictures, "\n**{title}**\n\n```").unwrap();
    for line in lines {
        writeln!(pictures, "{line}").unwrap();
    }
    pictures.push_str("```\n");
}

#[test]
fn docs_list_what_every_state_boots() {
    let page = Page::open("what-boots-when.md").unwrap();
    page.section("states", &states())
        .and_then(|page| page.section("progress", &progress()))
        .and_then(|page| page.section("consoles", &consoles()))
        .and_then(Page::check)
        .unwrap();
}
