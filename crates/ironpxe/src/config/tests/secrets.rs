//! Passwords and keys are in nothing that is shown.

use super::*;

#[test]
fn secret_of_the_wrong_type_is_not_shown_by_the_error() {
    for (section, key) in [
        ("json_rpc", "password"),
        ("neutron", "password"),
        ("glance", "password"),
        ("glance", "application_credential_secret"),
        ("glance", "swift_temp_url_key"),
        ("images", "url_key"),
    ] {
        for value in [
            "4711",
            "-4711",
            "47.11",
            "0x4711",
            "[4711]",
            "{ a = 4711 }",
            "4711-01-01",
        ] {
            let said = complaint(&format!("[{section}]\n{key} = {value}\n"));
            assert!(
                said.contains(&format!("[{section}]{key}: expected a text in quotes")),
                "{said}"
            );
            assert!(!said.contains("4711") && !said.contains("47.11"), "{said}");
        }
        let said = complaint(&format!("[{section}]\n{key} = hush\n"));
        assert!(!said.contains("hush"), "{said}");
    }
}

#[test]
fn boot_token_keys_are_a_list_that_is_not_shown() {
    for value in [
        "4711",
        "[4711]",
        "[\"4711\", 4711]",
        "{ a = 4711 }",
        "4711-01-01",
    ] {
        let said = complaint(&format!("[pxe]\nboot_token_key = {value}\n"));
        assert!(
            said.contains("[pxe]boot_token_key: expected a list of texts in quotes"),
            "{said}"
        );
        assert!(!said.contains("4711"), "{said}");
    }
    let (one, two) = ("hush".repeat(8), "hash".repeat(8));
    for written in [
        format!("[\"{one}\", \"{two}\"]"),
        format!("\"{one}, {two}\""),
    ] {
        let config = load(&format!("[pxe]\nboot_token_key = {written}\n"), &[], &[]).unwrap();
        let keys = &config.pxe.boot_token_key.0;
        assert_eq!(keys.as_slice(), [Secret(one.clone()), Secret(two.clone())]);
        let shown = format!("{}{config:?}", config.settings_made());
        assert!(
            !shown.contains("hush") && !shown.contains("hash"),
            "{shown}"
        );
        assert!(shown.contains("******"), "{shown}");
    }
}

#[test]
fn passwords_in_urls_and_kernel_parameters_are_not_shown() {
    let file = "[conductor]\ndeploy_kernel = \"http://u:hush@h/k\"\ndeploy_ramdisk = \"http://h/r\"\n\
                [conductor.rescue_kernel_by_arch]\na = \"http://u:hush@h/k\"\n\
                [conductor.rescue_ramdisk_by_arch]\na = \"http://u:hush@h/r\"\n\
                [pxe]\nkernel_append_params = \"a ipa-root-password=hush b\"\n";
    let config = load(file, &[], &[]).unwrap();
    assert_eq!(
        config
            .conductor
            .deploy_kernel
            .as_ref()
            .map(|it| it.0.as_str()),
        Some("http://u:hush@h/k")
    );
    let shown = config.settings_made();
    assert!(!shown.contains("hush"), "{shown}");
    for part in [
        "\"http://******@h/k\"",
        "a ipa-root-password=****** b",
        "http://h/r",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    for (section, key) in [
        ("api", "public_endpoint"),
        ("deploy", "http_url"),
        ("glance", "auth_url"),
        ("neutron", "endpoint_override"),
        ("conductor", "deploy_kernel"),
        ("pxe", "kernel_append_params"),
    ] {
        let said = complaint(&format!("[{section}]\n{key} = \"http://u:hush@h/ü\"\n"));
        assert!(!said.contains("hush"), "{said}");
    }
}

#[test]
fn password_is_not_shown() {
    let file = "[json_rpc]\nusername = \"api\"\npassword = \"s3cret\"\n";
    let config = load(file, &[], &[]).unwrap();
    assert_eq!(config.json_rpc.password, Some(Secret("s3cret".to_owned())));
    let shown = format!("{config:?}{}", config.settings_made());
    assert!(shown.contains("[json_rpc]password = \"******\""), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn database_password_is_not_shown() {
    let file = "[database]\nconnection = \"postgresql://u:hush@h/db\"\n";
    let config = load(file, &[], &[]).unwrap();
    let shown = config.settings_made() + &format!("{config:?}");
    assert!(shown.contains("postgresql://u@h:5432/db"), "{shown}");
    assert!(!shown.contains("hush"), "{shown}");
}
