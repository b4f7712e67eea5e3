//! Whatever an operator, a tenant or a damaged record puts into a node, the script has the lines
//! it is meant to have, and no other.

use proptest::prelude::*;

use super::*;
use crate::provision_state::StoredState;

/// Text made of what iPXE acts upon, among letters and anything else.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\0".to_owned()),
        Just(" || ".to_owned()),
        Just(" && sanboot ".to_owned()),
        Just(" ; reboot".to_owned()),
        Just(" #".to_owned()),
        Just("${net0/mac}".to_owned()),
        Just("\\".to_owned()),
        Just("\\\n".to_owned()),
        Just("{{ node }}{% if %}".to_owned()),
        Just("\"a  b\"".to_owned()),
        Just("ü".to_owned()),
        Just("x".repeat(3000)),
        "[a-z=./:-]{1,12}",
        "\\PC{1,8}",
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
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

/// What every script must be, whatever is in it.
fn check_script(script: &str) {
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
    for line in script.lines().filter(|line| line.starts_with("echo ")) {
        // Only URLs, which are cut nowhere, may be longer than the console is wide.
        assert!(
            line.len() <= 79 + "echo ".len() || line.starts_with("echo http"),
            "{line}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_value_adds_a_line_or_a_command(
        value in nasty(),
        place in 0_usize..11,
        state in prop::sample::select(ProvisionState::all().collect::<Vec<_>>()),
        interface in prop::sample::select(vec!["direct", "ramdisk", "anaconda"]),
    ) {
        let mut node = node(state, interface);
        let mut settings = BootSettings::default();
        match place {
            0 => { node.name = Some(value); }
            1 => { node.driver_info.insert("kernel_append_params".into(), json!(value)); }
            2 => { node.instance_info.insert("ramdisk_kernel_arguments".into(), json!(value)); }
            3 => { node.driver_info.insert("deploy_kernel".into(), json!(value)); }
            4 => { node.instance_info.insert("ramdisk".into(), json!(value)); }
            5 => { settings.kernel_append_params = value; }
            8 => { node.instance_info.insert("image_source".into(), json!(value)); }
            9 => { node.instance_info.insert("stage2".into(), json!(value)); }
            10 => { settings.api_url = value; }
            6 => { node.provision_state = StoredState::from_name(&value); }
            _ => { node.maintenance = true; node.fault = Some(value); }
        }
        let text = script(&node, Some(&port(&node)), &settings);
        check_script(&text);

        // The same lines as of a script of the same kind with nothing hostile in it.
        let kinds = [
            script(&super::node(ProvisionState::DeployWait, "direct"), None, &BootSettings::default()),
            script(&super::node(ProvisionState::Active, "direct"), None, &BootSettings::default()),
            script(&super::node(ProvisionState::Enroll, "direct"), None, &BootSettings::default()),
        ];
        prop_assert!(
            kinds.iter().any(|kind| skeleton(kind) == skeleton(&text)),
            "{}", text
        );
    }

    #[test]
    fn a_kernel_line_is_exactly_the_words_that_were_given(
        words in prop::collection::vec("[!-~]{1,20}", 0..20),
    ) {
        let mut node = node(ProvisionState::Active, "ramdisk");
        node.driver_info.insert("kernel_append_params".into(), json!(words.join(" ")));
        if let BootPlan::Linux(_) = plan(&node) {
            let text = script(&node, None, &BootSettings::default());
            let line = text.lines().find(|line| line.starts_with("kernel ")).unwrap();
            let mut expected = vec!["root=/dev/ram0"];
            expected.extend(words.iter().map(String::as_str));
            expected.extend(["rd.live.image", "initrd=ramdisk", "||", "goto", "failed"]);
            let given: Vec<&str> = line.split(' ').skip(6).collect();
            prop_assert_eq!(given, expected);
        }
    }
}

#[test]
fn three_kilobytes_of_arguments_are_refused_by_their_field() {
    let mut node = node(ProvisionState::DeployWait, "direct");
    node.driver_info
        .insert("kernel_append_params".into(), json!("a=b ".repeat(750)));
    let BootPlan::Refuse(refusal) = plan(&node) else {
        panic!("not refused")
    };
    let text = refusal.to_string();
    assert!(
        text.starts_with("driver_info.kernel_append_params: "),
        "{text}"
    );
    assert!(text.contains("2047"), "{text}");
}

#[test]
fn hostile_urls_are_refused_by_their_field() {
    for url in [
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://h/a b",
        "http://h/${x}",
        "http://h/\nreboot",
        "http://h/ü",
        "tftp://h/x",
        "3b1f6ba4-6ae5-4d4b-9c8f-000000000000",
    ] {
        let mut node = node(ProvisionState::DeployWait, "direct");
        node.driver_info.insert("deploy_ramdisk".into(), json!(url));
        let BootPlan::Refuse(Refusal::BadValue { field, .. }) = plan(&node) else {
            panic!("{url} is not refused")
        };
        assert_eq!(field, "driver_info.deploy_ramdisk", "{url}");
    }
}
