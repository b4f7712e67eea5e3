//! Configurations as operators write them, rightly and wrongly.

use std::path::{Path, PathBuf};

use super::load::Loader;
use super::pxe::LocalBoot;
use super::{
    Config, ConfigError, Connection, Environment, Flag, Names, PublicEndpoint, Secret, Word,
};

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

/// What is said about a variable.
fn complaint_about(name: &str, value: &str) -> String {
    load("", &[(name, value)], &[]).unwrap_err().to_string()
}

#[test]
fn without_any_configuration_there_are_defaults() {
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
fn the_state_folder_depends_on_who_runs_it() {
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
fn a_flag_overrides_a_variable_and_a_variable_the_file() {
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
fn variables_need_no_quotes() {
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
    assert_eq!(config.pxe.local_boot_uefi, LocalBoot::Poweroff);
    assert_eq!(config.pxe.kernel_append_params.0, "");
}

#[test]
fn what_is_wrong_in_a_file_is_shown_with_its_line() {
    for (file, expected) in [
        (
            "[api]\n\nprot = 1\n",
            "ironpxe.toml:3: [api]prot: no such key; the keys of [api] are host_ip, port, ",
        ),
        (
            "[apy]\nport = 1\n",
            "ironpxe.toml:1: no section [apy]; the sections are [DEFAULT], [api], ",
        ),
        (
            "debug = true\n",
            "ironpxe.toml:1: \"debug\" is outside of a section",
        ),
        (
            "[api]\nport = \"http\"\n",
            "ironpxe.toml:2: [api]port: invalid type: string \"http\", expected a number from 0 to 65535",
        ),
        (
            "[api]\nport = 65536\n",
            "ironpxe.toml:2: [api]port: invalid value: integer `65536`, expected a number from 0 to 65535",
        ),
        (
            "[api]\nhost_ip = \"localhost\"\n",
            "ironpxe.toml:2: [api]host_ip: expected an IP address",
        ),
        (
            "[api]\nmax_limit = 0\n",
            "ironpxe.toml:2: [api]max_limit: 0 is not between 1 and 1000000",
        ),
        (
            "[api]\npublic_endpoint = \"pxe:6385\"\n",
            "ironpxe.toml:2: [api]public_endpoint: \"pxe:6385\" cannot be used: must be an http://",
        ),
        (
            "[DEFAULT]\ndebug = \"yes\"\n",
            "ironpxe.toml:2: [DEFAULT]debug: invalid type: string \"yes\", expected true or false",
        ),
        (
            "[DEFAULT]\nauth_strategy = \"keystone\"\n",
            "ironpxe.toml:2: [DEFAULT]auth_strategy: \"keystone\" is not supported yet; use \"noauth\"",
        ),
        (
            "[DEFAULT]\nenabled_hardware_types = []\n",
            "ironpxe.toml:2: [DEFAULT]enabled_hardware_types: expected a list of at least one name",
        ),
        (
            "[DEFAULT]\nhost = \"\"\n",
            "ironpxe.toml:2: [DEFAULT]host: expected a single word",
        ),
        (
            "[DEFAULT]\nstate_path = \"\"\n",
            "ironpxe.toml:2: [DEFAULT]state_path: expected the path of a directory",
        ),
        (
            "[database]\nconnection = \"mysql+pymysql://u:secret@h/db\"\n",
            "ironpxe.toml:2: [database]connection: expected sqlite:///path/to/file or postgresql://…, not mysql+pymysql",
        ),
        (
            "[pxe]\nipxe_give_up_action = \"explode\"\n",
            "ironpxe.toml:2: [pxe]ipxe_give_up_action: unknown variant `explode`, expected one of `reboot`, `poweroff`, `shell`, `exit`",
        ),
        (
            "[conductor]\ndeploy_kernel = \"tftp://h/k\"\ndeploy_ramdisk = \"http://h/r\"\n",
            "ironpxe.toml:2: [conductor]deploy_kernel: \"tftp://h/k\" cannot be used: must be an http://",
        ),
        (
            "[conductor]\nfile_url_allowed_paths = \"/srv/images, images\"\n",
            "ironpxe.toml:2: [conductor]file_url_allowed_paths: images is not an absolute path",
        ),
        (
            "[conductor]\nfile_url_allowed_paths = [\"/srv/images\"]\ndeploy_kernel = \"file:///srv/k\"\n\
             deploy_ramdisk = \"file:///srv/images/r\"\n",
            "ironpxe.toml:3: [conductor]deploy_kernel: /srv/k is not below a directory",
        ),
        (
            "[images]\nurl_key = \"short\"\n",
            "ironpxe.toml:2: [images]url_key: expected at least 32 characters",
        ),
        (
            "[pxe]\nipxe_use_swift = true\n",
            "ironpxe.toml:2: [pxe]ipxe_use_swift: this requires [glance]swift_temp_url_key",
        ),
        (
            "[conductor.deploy_kernel_by_arch]\naarch64 = \"http://h/k\"\nx86_64 = 7\n",
            "ironpxe.toml:3: [conductor]deploy_kernel_by_arch: invalid type: integer `7`, expected a text in quotes",
        ),
        (
            "[conductor.deploy_kernel_by_arch]\naarch64 = \"http://h/k\"\nx86_64 = \"http://h/kx\"\n\
             [conductor.deploy_ramdisk_by_arch]\naarch64 = \"http://h/r\"\n",
            "ironpxe.toml:3: [conductor]deploy_kernel_by_arch.x86_64: this requires [conductor]deploy_ramdisk_by_arch.x86_64",
        ),
        (
            "[conductor]\nrescue_ramdisk_by_arch = { aarch64 = \"http://h/r\" }\n",
            "ironpxe.toml:2: [conductor]rescue_ramdisk_by_arch.aarch64: this requires [conductor]rescue_kernel_by_arch.aarch64",
        ),
        (
            "[conductor]\ndeploy_kernel = \"8e8a4c1c-0d5f-4b1e-9f0a-3b1f6f0d7a11\"\ndeploy_ramdisk = \"http://h/r\"\n",
            "ironpxe.toml:2: [conductor]deploy_kernel: a Glance image requires [glance]auth_type",
        ),
        (
            "[pxe]\nipxe_bootfile_name_by_arch = { x86_64-efi = \"x.efi\" }\n",
            "ironpxe.toml:2: [pxe]ipxe_bootfile_name_by_arch.x86_64-efi: expected an architecture",
        ),
        (
            "[pxe]\nipxe_bootfile_name = \"a,b\"\n",
            "ironpxe.toml:2: [pxe]ipxe_bootfile_name: \"a,b\" cannot be used: commas",
        ),
        (
            "[pxe]\ntftp_server = \"192.0.2.1:69\"\n",
            "ironpxe.toml:2: [pxe]tftp_server: \"192.0.2.1:69\" cannot be used: expected an address or a name",
        ),
        (
            "[pxe]\nkernel_append_params = \"mem=1\"\n",
            "ironpxe.toml:2: [pxe]kernel_append_params: iPXE would read \"mem=\" in \"mem=1\"",
        ),
        (
            "[DEFAULT]\nmy_ipv6 = \"::\"\n",
            "ironpxe.toml:2: [DEFAULT]my_ipv6: expected the address of a single host",
        ),
        (
            "[api]\npublic_endpoint = \"http://2001:db8::139:6180\"\n",
            "ironpxe.toml:2: [api]public_endpoint: \"http://2001:db8::139:6180\" cannot be used: an IPv6 address needs brackets",
        ),
        (
            "[api]\npublic_endpoint = \"http://0.0.0.0:6385\"\n",
            "ironpxe.toml:2: [api]public_endpoint: \"http://0.0.0.0:6385\" cannot be used: this is not the address of a host",
        ),
        (
            "[api]\npublic_endpoint = \"http://boot.example:0\"\n",
            "ironpxe.toml:2: [api]public_endpoint: \"http://boot.example:0\" cannot be used: its port must be a number from 1",
        ),
        (
            "[api]\nhost_ip = \"192.0.2.1\"\nallow_unauthenticated_access = true\npublic_endpoint = \"http://localhost:6385\"\n",
            "ironpxe.toml:4: [api]public_endpoint: with \"http://localhost:6385\" each machine would connect to itself",
        ),
        (
            "[api]\nhost_ip = \"0.0.0.0\"\nallow_unauthenticated_access = true\n",
            "ironpxe.toml:2: [api]host_ip: 0.0.0.0 is a wildcard address, but boot scripts need an address",
        ),
        (
            "[api]\nhost_ip = \"::\"\nport = 0\nallow_unauthenticated_access = true\n",
            "ironpxe.toml:2: [api]host_ip: :: is a wildcard address",
        ),
        (
            "[api]\nhost_ip = \"224.0.0.1\"\nallow_unauthenticated_access = true\n",
            "ironpxe.toml:2: [api]host_ip: 224.0.0.1 is not the address of a host",
        ),
        (
            "[deploy]\nhttp_url = \"http://2001:db8::1\"\n",
            "ironpxe.toml:2: [deploy]http_url: \"http://2001:db8::1\" cannot be used: an IPv6 address needs brackets",
        ),
        (
            "[glance]\nswift_endpoint_url = \"http://u:hush@h\"\n",
            "ironpxe.toml:2: [glance]swift_endpoint_url: \"http://******@h\" cannot be used: credentials in this URL",
        ),
        (
            "[DEFAULT]\nenabled_hardware_types = ipmi,redfish\n",
            "ironpxe.toml:2: ",
        ),
        (
            "[conductor]\n\nrescue_ramdisk = \"http://h/r\"\n",
            "ironpxe.toml:3: [conductor]rescue_ramdisk: this requires [conductor]rescue_kernel",
        ),
        (
            "[conductor]\nheartbeat_timeout = 5\n",
            "ironpxe.toml:2: [conductor]heartbeat_timeout: 5 s is not longer than",
        ),
        (
            "[api]\nport = 1\n\nport = 2\n",
            "ironpxe.toml:4: duplicate key",
        ),
        ("[api]\nport = \n", "ironpxe.toml:2: "),
        ("[api\n", "ironpxe.toml:1: "),
    ] {
        let complaint = complaint(file);
        assert!(
            complaint.starts_with(&format!("configuration: {expected}")),
            "{complaint}"
        );
        assert!(
            !complaint.contains('\n') && !complaint.contains("secret"),
            "{complaint}"
        );
    }
}

#[test]
fn a_file_of_ironic_is_known_for_what_it_is() {
    for file in [
        "[DEFAULT]\nenabled_hardware_types = ipmi,redfish\n",
        "[DEFAULT]\nhost = boot-1\n",
        "[DEFAULT]\nhost =\n",
        "[DEFAULT]\ndebug = True\n",
        "[api]\nhost_ip = 0.0.0.0\n",
        "[DEFAULT]\nmy_ip = $host\n",
        "[DEFAULT]\nenabled_hardware_types = \"a\",\n  \"b\"\n",
        "[deploy]\nhttp_url = http://192.0.2.1:8080\n",
    ] {
        let said = complaint(file);
        assert!(said.starts_with("configuration: ironpxe.toml:"), "{said}");
        assert!(
            said.contains("this file is TOML, not INI like ironic.conf: texts need quotes"),
            "{file}: {said}"
        );
    }
    // What is no such file has not this explanation.
    for file in [
        "[api\n",
        "[api]\nport = 1\n\nport = 2\n",
        "[api]\nx = \"a\n",
    ] {
        let said = complaint(file);
        assert!(!said.contains("ironic.conf"), "{file}: {said}");
    }
}

/// What somebody said before somebody else said it all anew is not shown as its origin.
#[test]
fn a_part_of_a_setting_is_where_it_was_set_last() {
    let said = load(
        "[conductor.deploy_kernel_by_arch]\nx86_64 = \"http://h/k\"\n\
         [conductor.deploy_ramdisk_by_arch]\nx86_64 = \"http://h/r\"\n",
        &[(
            "IRONPXE_CONDUCTOR__DEPLOY_KERNEL_BY_ARCH",
            "{ x86_64 = 'http://h/k', aarch64 = 'http://h/ka' }",
        )],
        &[],
    );
    let said = said.unwrap_err().to_string();
    assert_eq!(
        said,
        "configuration: IRONPXE_CONDUCTOR__DEPLOY_KERNEL_BY_ARCH: \
         [conductor]deploy_kernel_by_arch.aarch64: this requires \
         [conductor]deploy_ramdisk_by_arch.aarch64"
    );
}

#[test]
fn a_secret_that_is_no_text_is_not_shown_by_the_error() {
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
fn what_is_wrong_in_the_environment_is_shown_with_its_variable() {
    for (name, value, expected) in [
        (
            "IRONPXE_API__PORT",
            "http",
            "[api]port: invalid type: string \"http\", expected a number",
        ),
        (
            "IRONPXE_API__PROT",
            "1",
            "[api]prot: no such key; the keys of [api] are host_ip, ",
        ),
        (
            "IRONPXE_PORT",
            "1",
            "not a setting; expected IRONPXE_<SECTION>__<KEY>",
        ),
        ("IRONPXE_api__port", "1", "not a setting"),
        ("IRONPXE_API__port", "1", "not a setting"),
        ("IRONPXE_LOGS", "1", "not a setting"),
        (
            "IRONPXE_DEFAULT__DEBUG",
            "yes",
            "[DEFAULT]debug: invalid type: string \"yes\", expected true or false",
        ),
        (
            "IRONPXE_API__HOST_IP",
            "10.0.0.1",
            "[api]host_ip: clients are not authenticated",
        ),
    ] {
        let complaint = complaint_about(name, value);
        let expected = format!("configuration: {name}: {expected}");
        assert!(complaint.starts_with(&expected), "{complaint}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let complaint = load(
        "[pxe]\nnonsense = 1\nipxe_retries = -1\n[api]\nport = true\n",
        &[("IRONPXE_NONSENSE", "1")],
        &[],
    )
    .unwrap_err()
    .to_string();
    let starts: Vec<_> = complaint
        .lines()
        .map(|line| line.splitn(4, ':').take(3).collect::<Vec<_>>().join(":"))
        .collect();
    assert_eq!(
        starts,
        [
            "configuration: ironpxe.toml:2",
            "configuration: ironpxe.toml:3",
            "configuration: ironpxe.toml:5",
            "configuration: IRONPXE_NONSENSE: not a setting; expected IRONPXE_<SECTION>__<KEY> in upper case, for example IRONPXE_API__PORT",
        ]
    );
}

#[test]
fn strangers_are_let_in_only_on_request() {
    let refused = complaint("[api]\nhost_ip = \"0.0.0.0\"\n");
    assert!(
        refused.contains("[api]allow_unauthenticated_access = true"),
        "{refused}"
    );
    assert!(refused.contains("--allow-unauthenticated"), "{refused}");
    let allowed = "[api]\nhost_ip = \"0.0.0.0\"\nallow_unauthenticated_access = true\n\
                   public_endpoint = \"http://192.0.2.1:6385\"\n";
    load(allowed, &[], &[]).unwrap();
    for loopback in ["127.0.0.1", "127.1.2.3", "::1"] {
        load(&format!("[api]\nhost_ip = \"{loopback}\"\n"), &[], &[]).unwrap();
    }
}

#[test]
fn a_database_is_a_file_with_an_absolute_path() {
    let path = |url: &str| match Connection::try_from(url.to_owned()) {
        Ok(Connection::Sqlite(path)) => Ok(path),
        Ok(Connection::Postgres(postgres)) => Err(postgres.to_string()),
        Err(message) => Err(message),
    };
    let file = PathBuf::from("/var/lib/x.sqlite");
    assert_eq!(path("sqlite:///var/lib/x.sqlite").as_ref(), Ok(&file));
    assert_eq!(path("sqlite:////var/lib/x.sqlite"), Ok(file));
    for wrong in [
        "sqlite://",
        "sqlite:///",
        "sqlite://x",
        "sqlite:///x/",
        "sqlite:///x?mode=ro",
        "/x",
    ] {
        assert!(path(wrong).is_err(), "{wrong}");
    }
    let config = load("[database]\nconnection = \"sqlite:///d/b\"\n", &[], &[]).unwrap();
    assert_eq!(
        config.database_connection,
        Connection::Sqlite("/d/b".into())
    );
}

#[test]
fn the_sample_says_what_is_true() {
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
fn json_rpc_is_open_or_half_made_only_on_request() {
    let problem = |file: &str| load(file, &[], &[]).unwrap_err().to_string();
    for (file, expected) in [
        (
            "host_ip = \"10.0.0.1\"",
            "[json_rpc]host_ip: clients are not authenticated",
        ),
        (
            "auth_strategy = \"keystone\"",
            "unknown strategy \"keystone\"",
        ),
        (
            "username = \"api\"",
            "[json_rpc]username: this requires [json_rpc]password",
        ),
        (
            "password = \"x\"",
            "[json_rpc]password: this requires [json_rpc]username",
        ),
        (
            "use_ssl = true",
            "this requires [json_rpc]cert_file and key_file",
        ),
        ("client_use_ssl = true", "this requires [json_rpc]cafile"),
        (
            "boot_timeout = 1",
            "shorter than [json_rpc]boot_try_timeout",
        ),
    ] {
        let said = problem(&format!("[json_rpc]\n{file}\n"));
        assert!(said.contains(expected), "{file}: {said}");
    }
    for file in [
        "host_ip = \"10.0.0.1\"\nauth_strategy = \"http_basic\"",
        "host_ip = \"10.0.0.1\"\nallow_unauthenticated_access = true",
        "use_ssl = true\ncert_file = \"/c\"\nkey_file = \"/k\"",
    ] {
        load(&format!("[json_rpc]\n{file}\n"), &[], &[]).unwrap();
    }
}

#[test]
fn a_password_is_shown_to_nobody() {
    let file = "[json_rpc]\nusername = \"api\"\npassword = \"s3cret\"\n";
    let config = load(file, &[], &[]).unwrap();
    assert_eq!(config.json_rpc.password, Some(Secret("s3cret".to_owned())));
    let shown = format!("{config:?}{}", config.settings_made());
    assert!(shown.contains("[json_rpc]password = \"******\""), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_server_is_named_without_its_password() {
    let shown = |url: &str| {
        let connection = Connection::try_from(url.to_owned())?;
        let text = connection.to_string();
        assert_eq!(format!("{connection:?}"), text);
        assert_eq!(String::from(connection), text);
        Ok(text)
    };
    for (url, name) in [
        ("postgresql://u:secret@h/db", "postgresql://u@h:5432/db"),
        (
            "postgres://u:s%40cret@h:6432/db",
            "postgresql://u@h:6432/db",
        ),
        (
            "postgresql://u:secret@[2001:db8::1]/db?sslmode=verify-full&sslrootcert=/ca.pem",
            "postgresql://u@[2001:db8::1]:5432/db?sslmode=verify-full",
        ),
        (
            "postgresql:///db?host=/run/postgresql&user=u",
            "postgresql:///db?host=/run/postgresql&port=5432&user=u",
        ),
    ] {
        assert_eq!(shown(url).as_deref(), Ok(name), "{url}");
    }
    // A URL that means something else than was meant is refused, and no error tells it.
    for (url, hint) in [
        ("postgresql://u:secret@h", "has no database name"),
        ("postgresql://u:secret@h/", "has no database name"),
        ("postgresql://u:sec@ret@h/db", "@ is %40"),
        ("postgresql://u:sec/ret@h/db", "/ is written %2F"),
        ("postgresql://u:1/secret@h", "/ is written %2F"),
        ("postgresql://u:1#secret@h/db", "# is %23"),
        ("postgresql://u:1?secret@h/db", "written %3F"),
        ("postgresql://h/db?password=secret", "before the host"),
        ("postgresql://u:secret@h/db?sslmode=maybe", "maybe"),
        ("postgresql://u:secret@h/db?colour=red", "sslmode, "),
        ("postgresql://u:secret@h:port/db", "port"),
        ("postgresql+psycopg2://u:secret@h/db", "postgresql://…"),
        ("u:secret@h/db", "postgresql://user"),
    ] {
        let message: String = shown(url).unwrap_err();
        assert!(message.contains(hint), "{url}: {message}");
        assert!(
            !message.contains("secret") && !message.contains("ret@"),
            "{url}: {message}"
        );
    }
}

#[test]
fn a_password_is_in_nothing_that_shows_the_configuration() {
    let file = "[database]\nconnection = \"postgresql://u:hush@h/db\"\n";
    let config = load(file, &[], &[]).unwrap();
    let shown = config.settings_made() + &format!("{config:?}");
    assert!(shown.contains("postgresql://u@h:5432/db"), "{shown}");
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn a_service_of_openstack_is_configured_whole_or_not_at_all() {
    let password = "auth_type = \"password\"\nauth_url = \"http://k:5000/v3/\"\nusername = \"u\"\n\
                    password = \"s3cret\"\nuser_domain_name = \"Default\"\n";
    for (file, expected) in [
        ("auth_type = \"magic\"", "unknown type \"magic\""),
        (
            "auth_type = \"none\"",
            "[glance]auth_type: this requires [glance]endpoint_override",
        ),
        (
            "auth_type = \"v3applicationcredential\"\nauth_url = \"http://k\"\n\
             application_credential_id = \"i\"",
            "this requires [glance]application_credential_secret",
        ),
        (password, "this requires [glance]project_name or project_id"),
        (
            &format!("{password}project_name = \"service\""),
            "this requires [glance]project_domain_name or project_domain_id",
        ),
        (
            "auth_url = \"http://k\"",
            "[glance]auth_url: this requires [glance]auth_type",
        ),
        ("auth_url = \"k:5000\"", "\"k:5000\" cannot be used"),
        ("swift_temp_url_digest = \"md5\"", "`md5`"),
        (
            "swift_temp_url_duration = 0",
            "0 is not between 30 and 604800",
        ),
    ] {
        let said = complaint(&format!("[glance]\n{file}\n"));
        assert!(said.contains(expected), "{file}: {said}");
    }
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
