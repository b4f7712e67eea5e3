//! Configurations as operators write them, rightly and wrongly.

mod beside;
mod database;
mod ironic_conf;
mod refusals;
mod secrets;

use std::path::{Path, PathBuf};

use super::load::Loader;
use super::{
    Config, ConfigError, Connection, Environment, Flag, Names, PublicEndpoint, Secret, Word,
};
use ironpxe_core::boot::{LocalBootMethod, UnknownActions, UnknownResponse};

fn environment(variables: &[(&str, &str)]) -> Environment {
    let given = variables
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    let mut environment = Environment {
        variables: given.collect(),
        user_id: Some(1000),
        host_name: Some("machine-room".to_owned()),
    };
    environment
        .variables
        .entry("HOME".into())
        .or_insert("/home/operator".into());
    environment
}

fn load(file: &str, variables: &[(&str, &str)], flags: &[Flag]) -> Result<Config, ConfigError> {
    let mut loader = Loader::default();
    loader.text(Path::new("ironpxe.toml"), file);
    loader.finish(&environment(variables), flags)
}

/// What is said about a file.
fn complaint(file: &str) -> String {
    load(file, &[], &[]).unwrap_err().to_string()
}

#[test]
fn defaults_apply_without_configuration() {
    let config = load("", &[], &[]).unwrap();
    assert_eq!(config.host, "machine-room");
    assert_eq!(
        config.state_path,
        Path::new("/home/operator/.local/state/ironpxe")
    );
    assert_eq!(
        config.database_connection,
        Connection::Sqlite("/home/operator/.local/state/ironpxe/ironpxe.sqlite".into())
    );
    assert_eq!(config.settings_made(), "");
    assert_eq!(config.api.host_ip.to_string(), "127.0.0.1");
    assert_eq!(config.api.port, 6385);
}

#[test]
fn state_folder_depends_on_the_user() {
    let folder = |user_id, variables: &[(&str, &str)]| {
        let mut environment = environment(variables);
        environment.user_id = user_id;
        Config::load(None, &environment, &[]).unwrap().state_path
    };
    assert_eq!(folder(Some(0), &[]), Path::new("/var/lib/ironpxe"));
    assert_eq!(
        folder(None, &[]),
        Path::new("/home/operator/.local/state/ironpxe")
    );
    let state_home = [("XDG_STATE_HOME", "/state")];
    assert_eq!(folder(Some(0), &state_home), Path::new("/state/ironpxe"));
    assert_eq!(folder(Some(1000), &state_home), Path::new("/state/ironpxe"));

    let homeless = Config::load(None, &Environment::default(), &[])
        .unwrap_err()
        .to_string();
    assert!(
        homeless.contains("[DEFAULT]state_path: there is no home directory"),
        "{homeless}"
    );
}

#[test]
fn flag_overrides_variable_and_variable_overrides_file() {
    let file = "[api]\nport = 1\nmax_limit = 2\n[DEFAULT]\nhost = \"from-file\"\n";
    let variables = [
        ("IRONPXE_API__PORT", "3"),
        ("IRONPXE_DEFAULT__STATE_PATH", "/variable"),
    ];
    let port = Flag {
        name: "--listen",
        section: "api",
        key: "port",
        value: "4".to_owned(),
    };
    let config = load(file, &variables, &[port]).unwrap();
    assert_eq!((config.api.port, config.api.max_limit), (4, 2));
    assert_eq!(
        config.settings_made(),
        "[DEFAULT]host = \"from-file\"  # ironpxe.toml:5\n\
         [DEFAULT]state_path = \"/variable\"  # IRONPXE_DEFAULT__STATE_PATH\n\
         [api]port = 4  # --listen\n\
         [api]max_limit = 2  # ironpxe.toml:3\n"
    );
    assert_eq!(
        config.database_connection,
        Connection::Sqlite("/variable/ironpxe.sqlite".into())
    );
}

#[test]
fn environment_values_need_no_quotes() {
    let config = load(
        "",
        &[
            ("IRONPXE_DEFAULT__HOST", "6385"),
            ("IRONPXE_DEFAULT__DEBUG", "true"),
            (
                "IRONPXE_DEFAULT__ENABLED_HARDWARE_TYPES",
                "fake-hardware, manual-management",
            ),
            ("IRONPXE_API__PUBLIC_ENDPOINT", "https://pxe.example:6385/"),
            ("IRONPXE_API__HOST_IP", "::1"),
            (
                "IRONPXE_CONDUCTOR__DEPLOY_KERNEL_BY_ARCH",
                "{ aarch64 = 'http://images/k' }",
            ),
            (
                "IRONPXE_CONDUCTOR__DEPLOY_RAMDISK_BY_ARCH",
                "{ aarch64 = 'http://images/r' }",
            ),
            ("IRONPXE_PXE__LOCAL_BOOT_UEFI", "poweroff"),
            ("IRONPXE_PXE__KERNEL_APPEND_PARAMS", ""),
            ("IRONPXE_LOG", "trace"),
            ("IRONPXE_TEST_VENV", "/somewhere"),
            ("IRONPXEL", "something else"),
        ],
        &[],
    )
    .unwrap();
    assert_eq!(config.general.host, Some(Word("6385".to_owned())));
    assert!(config.general.debug);
    let types = ["fake-hardware", "manual-management"].map(str::to_owned);
    assert_eq!(config.general.enabled_hardware_types, Names(types.to_vec()));
    let endpoint = PublicEndpoint("https://pxe.example:6385".to_owned());
    assert_eq!(config.api.public_endpoint, Some(endpoint));
    assert!(config.api.host_ip.is_ipv6());
    assert_eq!(
        config.conductor.deploy_kernel_by_arch["aarch64"].0,
        "http://images/k"
    );
    assert_eq!(config.pxe.local_boot_uefi, LocalBootMethod::Poweroff);
    assert_eq!(config.pxe.kernel_append_params.0, "");
}

#[test]
fn sample_shows_the_defaults() {
    let sample = Config::sample();
    // As it is, it sets nothing.
    assert_eq!(
        load(&sample, &[], &[]).unwrap(),
        load("", &[], &[]).unwrap()
    );
    // With every default taken out of its comment, it sets what is set anyway.
    let setting = |line: &str| {
        line.strip_prefix('#')
            .filter(|rest| !rest.starts_with([' ', '\n']) && rest.contains(" ="))
            .map(str::to_owned)
    };
    let uncommented: Vec<String> = sample
        .lines()
        .map(|line| setting(line).unwrap_or_else(|| line.to_owned()))
        .collect();
    let with_values: Vec<&str> = uncommented
        .iter()
        .map(String::as_str)
        .filter(|line| !line.ends_with(" ="))
        .collect();
    let config = load(&with_values.join("\n"), &[], &[]).unwrap();
    let mut expected = load("", &[], &[]).unwrap();
    expected.origins.clone_from(&config.origins);
    assert_eq!(config, expected);
    // Every key is there, and every key is explained.
    let keys: usize = config
        .sections()
        .iter()
        .map(|section| section.keys().len())
        .sum();
    assert_eq!(sample.lines().filter_map(setting).count(), keys);
    for section in config.sections() {
        for key in section.keys() {
            assert!(!key.doc.is_empty(), "{}", key.name);
        }
    }
}

#[test]
fn api_listens_for_other_hosts_only_on_request() {
    let allowed = "[api]\nhost_ip = \"0.0.0.0\"\nallow_unauthenticated_access = true\n\
                   public_endpoint = \"http://192.0.2.1:6385\"\n";
    load(allowed, &[], &[]).unwrap();
    for loopback in ["127.0.0.1", "127.1.2.3", "::1"] {
        load(&format!("[api]\nhost_ip = \"{loopback}\"\n"), &[], &[]).unwrap();
    }
}

#[test]
fn json_rpc_listens_for_other_hosts_only_with_passwords_or_on_request() {
    for file in [
        "host_ip = \"10.0.0.1\"\nauth_strategy = \"http_basic\"",
        "host_ip = \"10.0.0.1\"\nallow_unauthenticated_access = true",
        "use_ssl = true\ncert_file = \"/c\"\nkey_file = \"/k\"",
    ] {
        load(&format!("[json_rpc]\n{file}\n"), &[], &[]).unwrap();
    }
}

#[test]
fn openstack_clients_are_configured_by_their_sections() {
    let password = "auth_type = \"password\"\nauth_url = \"http://k:5000/v3/\"\nusername = \"u\"\n\
                    password = \"s3cret\"\nuser_domain_name = \"Default\"\n";
    let file = format!("{password}project_id = \"p\"\n");
    for section in ["glance", "neutron"] {
        let config = load(&format!("[{section}]\n{file}"), &[], &[]).unwrap();
        let shown = format!("{config:?}{}", config.settings_made());
        assert!(!shown.contains("s3cret"), "{shown}");
        let clients = crate::app::openstack::Clients::new(&config).unwrap();
        assert_eq!(clients.glance.is_some(), section == "glance");
        assert_eq!(clients.neutron.is_some(), section == "neutron");
        assert!(clients.temp_urls.is_none());
    }
    let file = "[glance]\nauth_type = \"none\"\nendpoint_override = \"http://g\"\n\
                swift_temp_url_key = \"k\"\n";
    let clients = crate::app::openstack::Clients::new(&load(file, &[], &[]).unwrap()).unwrap();
    assert!(clients.temp_urls.is_some());
}

#[test]
fn unknown_machines_are_refused_unless_another_ironic_has_a_script_for_them() {
    let response = |file: &str| load(file, &[], &[]).unwrap().unknown_response();
    let refuse = UnknownResponse::Script(UnknownActions::refuse());
    let beside = "[beside]\nsource = \"sqlite\"\nconnection = \"sqlite:////srv/ironic.sqlite\"\n\
                  api_url = \"http://192.0.2.1:6385\"\n";
    assert_eq!(response(""), refuse);
    assert_eq!(response(beside), UnknownResponse::NotFound);
    let set = |value: &str| format!("{beside}[pxe]\nunknown_machines = {value}\n");
    assert_eq!(response(&set("\"refuse\"")), refuse);
    assert_eq!(response(&set("404")), UnknownResponse::NotFound);

    let own = [("IRONPXE_PXE__UNKNOWN_MACHINES", "404")];
    let config = load("", &own, &[]).unwrap();
    assert_eq!(config.unknown_response(), UnknownResponse::NotFound);

    // Not over the network, of which each has one response on every architecture.
    let file = "[pxe]\nunknown_machines_by_arch = { x86_64 = \"http://h/x.ipxe\" }\n\
                unknown_machines_by_network = { \"10.0.0.0/8\" = 404, \"fd00::/8\" = \"local\" }\n";
    let config = load(file, &[], &[]).unwrap();
    let shown = |response: &UnknownResponse| response.to_string();
    assert_eq!(
        shown(&config.unknown_response()),
        "is chained to http://h/x.ipxe on x86_64, is refused"
    );
    let by_network: Vec<String> = config
        .unknown_responses_by_network()
        .iter()
        .map(|(network, response)| format!("{network} {response}"))
        .collect();
    assert_eq!(
        by_network,
        [
            "10.0.0.0/8 gets 404, to use its own file",
            "fd00::/8 boots from its own disk"
        ]
    );
}

#[test]
fn policy_files_are_relative_to_the_configuration_file() {
    let paths = |text: &str| {
        let mut loader = Loader::default();
        loader.text(Path::new("/etc/ironpxe/ironpxe.toml"), text);
        loader.finish(&environment(&[]), &[]).unwrap().policy_paths
    };
    let default = paths("");
    assert_eq!(
        default.file.as_deref(),
        Some(Path::new("/etc/ironpxe/policy.yaml"))
    );
    assert_eq!(default.dirs, [Path::new("/etc/ironpxe/policy.d")]);
    assert!(!default.requires_file && !default.requires_dirs);
    let own = paths("[oslo_policy]\npolicy_file = \"a/b.json\"\npolicy_dirs = \"/srv/p,q\"");
    assert_eq!(
        own.file.as_deref(),
        Some(Path::new("/etc/ironpxe/a/b.json"))
    );
    assert_eq!(own.dirs, [Path::new("/srv/p"), Path::new("/etc/ironpxe/q")]);
    assert!(own.requires_file && own.requires_dirs);
    // Nothing says where to look.
    let without = Config::load(None, &environment(&[]), &[])
        .unwrap()
        .policy_paths;
    assert_eq!((without.file, without.dirs), (None, Vec::new()));
}

#[test]
fn deprecated_defaults_of_the_policy_are_refused() {
    for key in ["enforce_new_defaults", "enforce_scope"] {
        assert!(load(&format!("[oslo_policy]\n{key} = true"), &[], &[]).is_ok());
        let said = complaint(&format!("[oslo_policy]\n{key} = false"));
        let expected =
            format!("configuration: ironpxe.toml:2: [oslo_policy]{key}: only true is supported: ");
        assert!(said.starts_with(&expected), "{said}");
    }
}
