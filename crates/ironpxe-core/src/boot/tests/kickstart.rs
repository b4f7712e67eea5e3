//! The kickstart: what it says, what an operator's template may do, and that nothing a node holds
//! adds a line or a command to it.

use std::fmt::Write;
use std::process::Command;

use proptest::prelude::*;

use super::*;

const API: &str = "http://192.0.2.1:6385";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn kickstart(node: &Node) -> String {
    Kickstarts::built_in()
        .unwrap()
        .render(node, API, TOKEN)
        .unwrap()
}

fn installed() -> Node {
    node(ProvisionState::DeployWait, "anaconda")
}

#[test]
fn kickstart_of_an_image_matches_the_snapshot() {
    let mut node = installed();
    node.instance_info
        .insert("image_os_hash_algo".into(), json!("sha256"));
    node.instance_info
        .insert("image_os_hash_value".into(), json!("AB".repeat(32)));
    insta::assert_snapshot!(kickstart(&node));
}

#[test]
fn kickstart_of_a_repository_with_a_config_drive_matches_the_snapshot() {
    let mut node = installed();
    node.instance_info
        .insert("image_source".into(), json!("http://h/os/"));
    node.instance_info.insert(
        "configdrive".into(),
        json!({"meta_data": {"name": "own"}, "user_data": "#!/bin/sh\n", "network_data": {}}),
    );
    insta::assert_snapshot!(kickstart(&node));
}

/// A text of several lines in YAML has a line feed at its end.
#[test]
fn repository_url_with_trailing_white_space_is_still_a_repository() {
    let mut node = installed();
    for source in ["http://h/os/", "http://h/os/\n"] {
        node.instance_info
            .insert("image_source".into(), json!(source));
        let text = kickstart(&node);
        let line = text.lines().find(|line| line.starts_with("url "));
        assert_eq!(line, Some("url --url=http://h/os/"), "{source:?}");
        assert!(!text.contains("liveimg"), "{text}");
    }
}

#[test]
fn checksum_is_verified_or_refused_but_never_omitted() {
    let with = |algo: &str, value: &str, checksum: &str| {
        let mut node = installed();
        for (key, text) in [
            ("image_os_hash_algo", algo),
            ("image_os_hash_value", value),
            ("image_checksum", checksum),
        ] {
            if !text.is_empty() {
                node.instance_info.insert(key.into(), json!(text));
            }
        }
        node
    };
    let sha256 = "ab".repeat(32);
    let sha512 = "a".repeat(128);
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    let upper = sha256.to_uppercase();
    for node in [
        with("", "", &sha256),
        with("", "", &format!("sha256:{sha256}")),
        with("", "", &format!("SHA256:{upper}\n")),
        with("sha256", &sha256, ""),
        with("SHA256", &format!("{upper}\n"), md5),
        // Another kind beside it is no reason not to verify by this one.
        with("sha512", &sha512, &sha256),
    ] {
        let text = kickstart(&node);
        let line = format!("--url=http://images.example/system.tar.xz --checksum={sha256}\n");
        assert!(text.contains(&line), "{text}");
    }
    let mut repository = with("", "", &sha256);
    repository
        .instance_info
        .insert("image_source".into(), json!("http://h/os/"));
    let mut number = installed();
    number
        .instance_info
        .insert("image_checksum".into(), json!(7));
    let named_md5 = format!("md5:{md5}");
    let refused = [
        ("", "", md5, "image_checksum"),
        ("", "", "http://h/SHA256SUMS", "image_checksum"),
        ("", "", "SHA256", "image_checksum"),
        ("", "", &named_md5, "image_checksum"),
        ("", "", &sha256[1..], "image_checksum"),
        ("", "", " ", "image_checksum"),
        ("sha512", &sha512, "", "image_os_hash_algo"),
        ("sha512", "", "", "image_os_hash_algo"),
        ("sha512", &sha512, md5, "image_checksum"),
        ("", &sha256, "", "image_os_hash_algo"),
        ("sha256", "", "", "image_os_hash_value"),
        ("sha256", md5, &sha256, "image_os_hash_value"),
    ]
    .into_iter()
    .map(|(algo, value, checksum, field)| (with(algo, value, checksum), field))
    .chain([(repository, "image_checksum"), (number, "image_checksum")]);
    for (node, field) in refused {
        let BootPlan::Refuse(refusal) = plan(&node) else {
            panic!("{:?} is installed", node.instance_info);
        };
        let said = refusal.to_string();
        let field = format!("instance_info.{field}");
        assert!(said.starts_with(&field), "{field}: {said}");
        let rendered = Kickstarts::built_in().unwrap().render(&node, API, TOKEN);
        assert!(rendered.is_err(), "{field}");
    }
}

#[test]
fn config_drive_is_written_from_base64_or_from_a_url() {
    let mut node = installed();
    let dense = "QUJD".repeat(100_000);
    for (drive, command) in [
        (format!("\n{dense} \n"), format!("printf %s {dense} |\n")),
        (
            "https://h/x?a=1&b=2".to_owned(),
            "--max-time 600 'https://h/x?a=1&b=2' |\n".to_owned(),
        ),
    ] {
        node.instance_info
            .insert("configdrive".into(), json!(drive));
        let text = kickstart(&node);
        assert!(text.contains(&command), "{}", text.len());
        // It is written before the machine says that it is ready.
        let written = text.find(&command).unwrap();
        assert!(written < text.find("\"end\"").unwrap());
    }
}

/// The very commands of the config drive's section, in a folder instead of a machine.
#[test]
fn config_drive_commands_write_the_given_files() {
    let folder = std::env::temp_dir().join(format!("ironpxe-kickstart-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("etc")).unwrap();
    let user_data = "#!/bin/sh\necho 'it''s' \"$HOME\" %end\n%end\n\u{2028}ü\n";
    let mut node = installed();
    node.instance_info.insert(
        "configdrive".into(),
        json!({"user_data": user_data, "vendor_data": {"a": ["%end\n"]}, "meta_data": {"uuid": "x"}}),
    );
    let text = kickstart(&node);
    let (_, section) = text.split_once("%post --nochroot --erroronfail\n").unwrap();
    let (script, _) = section.split_once("\n%end\n").unwrap();
    let run = Command::new("sh")
        .args(["-c", script])
        .env("ANA_INSTALL_PATH", &folder)
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let drive = folder.join("var/lib/cloud/seed/config_drive/openstack/latest");
    let read = |name: &str| std::fs::read_to_string(drive.join(name)).unwrap();
    assert_eq!(read("user_data"), user_data);
    assert_eq!(read("vendor_data2.json"), r#"{"a":["%end\n"]}"#);
    assert_eq!(
        read("meta_data.json"),
        r#"{"uuid":"x","name":"bm-1","hostname":"bm-1"}"#
    );
    assert!(!drive.join("network_data.json").exists());
    std::fs::remove_dir_all(&folder).unwrap();
}

fn with_template(text: &str) -> Result<String, KickstartError> {
    let kickstarts = Kickstarts::from_template("mine.cfg".into(), text.into())?;
    kickstarts.render(&installed(), API, TOKEN)
}

/// A template that was written for Ironic.
#[test]
fn custom_template_has_the_variables_of_ironic() {
    let text = with_template(
        "{% if ks_options.is_source_a_path is defined %}\nurl --url {{ ks_options.liveimg_url }}\n\
         {% else %}\nliveimg --url {{ ks_options.liveimg_url }}\n{% endif %}\n%post\n\
         curl -d '{\"agent_token\": \"{{ ks_options.agent_token }}\"}' {{ ks_options.heartbeat_url }}\n\
         {% if 'insecure_heartbeat' in ks_options %}no{% endif %}\n%end\n",
    )
    .unwrap();
    let node = installed().uuid;
    assert_eq!(
        text,
        format!(
            "liveimg --url http://images.example/system.tar.xz\n%post\n\
             curl -d '{{\"agent_token\": \"{TOKEN}\"}}' {API}/v1/heartbeat/{node}\n%end\n"
        )
    );
}

#[test]
fn broken_template_is_refused_when_loaded() {
    let report = "{{ ks_options.agent_token }} {{ ks_options.heartbeat_url }}";
    for (template, problem) in [
        ("{% if %}".to_owned(), "line 1"),
        (format!("{report}\n{{{{ nonsense }}}}"), "line 2"),
        (format!("{report}\n{{{{ ks_options.nonsense }}}}"), "line 2"),
        (
            format!("{report} {{{{ ks_options.liveimg_checksum }}}}"),
            "mine.cfg",
        ),
        (format!("{report}\r\n"), "line endings are CRLF"),
        (format!("\u{feff}{report}\n"), "a byte order mark (BOM)"),
        ("reboot\n".to_owned(), "report.sh"),
        (format!("{report}{{% include 'other' %}}"), "other"),
        (format!("{report}{{{{ report('begin', '') }}}}"), "begin"),
        (
            format!(
                "{report}{{% for a in range(9999) %}}{{% for b in range(9999) %}}{{% endfor %}}{{% endfor %}}"
            ),
            "fuel",
        ),
    ] {
        let said = with_template(&template).unwrap_err().to_string();
        assert!(said.starts_with("kickstart template mine.cfg: "), "{said}");
        assert!(said.contains(problem), "{template}: {said}");
    }
}

#[test]
fn unquoted_value_is_refused_after_any_filter() {
    let mut node = installed();
    node.instance_info
        .insert("image_source".into(), json!("http://h/x?a=$(reboot)"));
    for expression in [
        "ks_options.liveimg_url",
        "ks_options.liveimg_url|safe",
        "ks_options.liveimg_url|e",
        "ks_options.liveimg_url|upper",
        "ks_options.liveimg_url|quote|replace(\"'\", '')",
        "[ks_options.liveimg_url]|join(' ')",
        "ks_options.liveimg_url|quote ~ ''",
        "ks_options",
    ] {
        let template = format!(
            "{{{{ ks_options.agent_token }}}} {{{{ ks_options.heartbeat_url }}}}\n\
             {{% if '?' in ks_options.liveimg_url %}}{{{{ {expression} }}}}{{% endif %}}"
        );
        let kickstarts = Kickstarts::from_template("mine.cfg".into(), template).unwrap();
        let said = kickstarts
            .render(&node, API, TOKEN)
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("line 2") && said.contains("| quote"),
            "{said}"
        );
    }
}

/// What Python takes for the end of a line; the parser of kickstarts is written in it.
const LINE_ENDS: [char; 10] = [
    '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}',
];

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(LINE_ENDS.to_vec()).prop_map(String::from),
        Just("\n%end\nreboot\n%post\n".to_owned()),
        Just("';reboot;'".to_owned()),
        Just("\"$(reboot)\"".to_owned()),
        Just("`reboot`".to_owned()),
        Just(" --nochroot #".to_owned()),
        Just("\\".to_owned()),
        Just("%include /etc/shadow".to_owned()),
        Just("{{ ks_options }}".to_owned()),
        "[a-z=./:?&%-]{1,12}",
        "\\PC{1,8}",
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// A kickstart, line by line, with every word a shell reads in it; quoted words as one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => quoted = !quoted,
            '\\' if !quoted => word.extend(letters.next()),
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    assert!(!quoted, "an open quotation mark in {line}");
    words.push(word);
    words
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn hostile_value_adds_no_line_and_no_command(value in nasty(), place in 0_usize..6) {
        let mut node = installed();
        let mut set = |key: &str, value: serde_json::Value| {
            node.instance_info.insert(key.into(), value);
        };
        let mut url = None;
        match place {
            0 => {
                let source = format!("http://h/{value}");
                set("image_source", json!(source));
                // White space at its end is no part of it.
                url = Some(source.trim_ascii().to_owned());
            }
            1 => set("image_checksum", json!(value)),
            2 => set("configdrive", json!(value)),
            3 => set("configdrive", json!(format!("http://h/{value}"))),
            4 => set("configdrive", json!({"user_data": value, "meta_data": {value.clone(): value}})),
            _ => node.name = Some(value.clone()),
        }
        let Ok(text) = Kickstarts::built_in().unwrap().render(&node, API, TOKEN) else {
            // Refused, and then the machine is not booted into its installer either.
            prop_assert!(matches!(plan(&node), BootPlan::Refuse(_)));
            return Ok(());
        };
        prop_assert!(!text.contains(&LINE_ENDS[1..]), "{}", text);
        let mut clean = installed();
        for (key, value) in node.instance_info {
            let harmless = match &value {
                serde_json::Value::Object(_) => json!({"user_data": "x"}),
                serde_json::Value::String(text) if key == "configdrive" && text.contains("://") => json!("http://h/x"),
                serde_json::Value::String(_) if key == "configdrive" => json!("QUJD"),
                _ if key == "image_source" && value.as_str().unwrap().trim_ascii().ends_with('/') => json!("http://h/x/"),
                _ if key == "image_source" => json!("http://h/x"),
                other => other.clone(),
            };
            if !value.as_str().is_some_and(str::is_empty) {
                clean.instance_info.insert(key, harmless);
            }
        }
        let expected = kickstart(&clean);
        let heads = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.split([' ', '=']).take(2).collect()).collect()
        };
        prop_assert_eq!(heads(&text), heads(&expected));
        if let Some(url) = url {
            let line = text.lines().find(|line| line.starts_with("liveimg") || line.starts_with("url")).unwrap();
            prop_assert_eq!(words(line)[1].clone(), format!("--url={url}"));
        }
    }

    /// What is quoted arrives, in a real shell.
    #[test]
    fn shell_reads_a_quoted_word_unchanged(texts in prop::collection::vec("[ -~]{0,12}", 16)) {
        let mut template = "{{ ks_options.agent_token }} {{ ks_options.heartbeat_url }}\n".to_owned();
        for text in &texts {
            let literal = json!(text);
            writeln!(template, "printf '%s\\n' {{{{ {literal} | quote }}}}").unwrap();
        }
        let kickstarts = Kickstarts::from_template("mine.cfg".into(), template).unwrap();
        let script = kickstarts.render(&installed(), API, TOKEN).unwrap();
        let (_, script) = script.split_once('\n').unwrap();
        let run = Command::new("sh").args(["-c", script]).output().unwrap();
        let printed = String::from_utf8(run.stdout).unwrap();
        let lines: Vec<&str> = printed.lines().collect();
        prop_assert_eq!(lines, texts);
    }
}
