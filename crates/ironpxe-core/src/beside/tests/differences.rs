//! What is said of a file of Ironic that boots something else.

use super::ironic_files::text_of;
use super::*;

fn recorded(name: &str) -> (IronicMachine, String) {
    let files: BTreeMap<String, Value> = oracle!("ironic-files.json");
    let rows = of_mariadb();
    let mut machines = rows.values().map(from_sql);
    let machine = machines.find(|machine| machine.node.label() == name);
    (machine.unwrap(), text_of(&files[name]))
}

fn said(machine: &IronicMachine, file: &str) -> Vec<String> {
    let plan = plan(machine, &settings());
    let script = script(machine, &plan);
    let found = differences(machine, &plan, &script, Some(&IronicFile::parse(file)));
    let shown = |it: &Difference| format!("{}: {}", it.topic, it.text);
    found.iter().map(shown).collect()
}

/// The differences from the file of a node, with one text in it replaced.
fn changed(name: &str, from: &str, to: &str) -> Vec<String> {
    let (machine, file) = recorded(name);
    assert!(said(&machine, &file).is_empty(), "{name}");
    assert!(file.contains(from), "{file}");
    said(&machine, &file.replace(from, to))
}

#[test]
fn each_difference_is_named_by_what_it_is_about() {
    for (name, from, to, expected) in [
        (
            "bm-deploy-wait",
            "ipa-api-url=http://192.0.2.1:6385 ",
            "ipa-api-url=http://192.0.2.7:6385 ",
            "arguments: Ironic's file has ipa-api-url=http://192.0.2.7:6385, here it is \
             ipa-api-url=http://192.0.2.1:6385: set [beside]api_url to Ironic's",
        ),
        (
            "bm-deploy-wait",
            "nofb",
            "fb",
            "arguments: only in Ironic's file: fb",
        ),
        (
            "bm-deploy-wait",
            "nofb",
            "nofb rootpwd=hush",
            "arguments: only in Ironic's file: rootpwd=******",
        ),
        (
            "bm-deploy-wait",
            "nofb",
            "nofb a=1 a=2",
            "arguments: only in Ironic's file: a=1 a=2",
        ),
        (
            "bm-deploy-wait",
            "/deploy_kernel",
            "/rescue_kernel",
            "section: ",
        ),
        ("bm-deploy-wait", "/deploy_kernel", "/kernel", "kernel: "),
        ("bm-deploy-wait", "/deploy_ramdisk", "/ramdisk", "ramdisk: "),
        (
            "bm-deploy-wait",
            "boot\n\n:retry",
            "initrd http://192.0.2.10/ca.cpio\nboot\n\n:retry",
            "ramdisk: ",
        ),
        ("bm-iso", "/boot_iso", "/kernel", "ramdisk: "),
        (
            "bm-volume-chap",
            "set password lab-chap-pw",
            "set password other",
            "volumes: the initiator, or the CHAP user or password, is not the same",
        ),
        ("bm-volume-chap", "0x81", "0x82", "volumes: "),
        (
            "bm-ramdisk",
            "app.mode=lab",
            "text",
            "arguments: only here: app.mode=lab",
        ),
    ] {
        let found = changed(name, from, to);
        assert!(
            found
                .first()
                .is_some_and(|first| first.starts_with(expected)),
            "{name}: {found:?} instead of {expected:?}"
        );
        let all = found.join("\n");
        assert!(
            !all.contains("lab-chap-pw") && !all.contains("hush"),
            "{all}"
        );
    }
    let (machine, _) = recorded("bm-deploy-wait");
    assert_eq!(
        said(
            &machine,
            "#!ipxe\ngoto boot_whole_disk\n:boot_whole_disk\nsanboot"
        ),
        ["section: Ironic's file boots: local disk; here: deploy ramdisk"]
    );
}

#[test]
fn what_is_different_at_each_boot_is_no_difference() {
    for (from, to) in [
        ("BOOTIF=${mac}", "BOOTIF=52:54:00:be:01:01"),
        ("ipa-global-request-id=req-1", "ipa-global-request-id=req-2"),
        ("initrd=deploy_ramdisk", "initrd=other"),
        ("kernel http", "kernel --timeout 60000 http"),
        (":6385 ", ":6385/ "),
    ] {
        assert_eq!(changed("bm-deploy-wait", from, to), [""; 0], "{to}");
    }
}

#[test]
fn a_file_that_is_no_script_is_a_difference() {
    let (machine, _) = recorded("bm-deploy-wait");
    let page = "<!DOCTYPE html>\n<html><body>It works!</body></html>";
    assert_eq!(
        said(&machine, page),
        [
            "file: Ironic's file is not an iPXE script: it starts with \"<!DOCTYPE html>\\n<html><body>It works!</b\""
        ]
    );
    assert_eq!(
        said(&machine, "#!ipxe\ngoto deploy\n:boot_iscsi\n"),
        ["file: Ironic's file goes to \"deploy\", which it does not have"]
    );
    assert_eq!(said(&machine, "").len(), 1);
}

/// What is said if both boot the same, but with these arguments for a console.
fn ordered(here: &str, of_ironic: &str) -> Vec<String> {
    let (machine, file) = recorded("bm-deploy-wait");
    let plan = plan(&machine, &settings());
    let with = |text: &str, args: &str| text.replace(" console=ttyS0 ", &format!(" {args} "));
    let script = with(&script(&machine, &plan), here);
    let file = IronicFile::parse(&with(&file, of_ironic));
    let found = differences(&machine, &plan, &script, Some(&file));
    found.into_iter().map(|it| it.text).collect()
}

#[test]
fn order_counts_among_arguments_of_one_name() {
    let (serial, screen) = ("console=ttyS0", "console=tty0");
    for same in [
        ("a b", "b a"),
        ("a=1 b=2", "b=2 a=1"),
        (
            "console=tty0 x console=ttyS0",
            "x console=tty0 console=ttyS0",
        ),
        // The last one counts.
        ("a=2 a=1 a=2", "a=1 a=2"),
    ] {
        assert_eq!(ordered(same.0, same.1), [""; 0], "{same:?}");
    }
    assert_eq!(
        ordered(&format!("{serial} {screen}"), &format!("{screen} {serial}")),
        [
            "Ironic's file has console=tty0 console=ttyS0, here it is console=ttyS0 console=tty0: \
             of several, the last may count alone"
        ]
    );
}
