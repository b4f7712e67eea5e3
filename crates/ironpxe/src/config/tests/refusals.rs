//! What is refused, and with which words: the whole table is one snapshot for each source.

use std::fmt::Write;

use super::*;

/// Files of which each has one fault.
const FILES: &[&str] = &[
    "[api]\n\nprot = 1\n",
    "[apy]\nport = 1\n",
    "debug = true\n",
    "[api]\nport = \"http\"\n",
    "[api]\nport = 65536\n",
    "[api]\nhost_ip = \"localhost\"\n",
    "[api]\nmax_limit = 0\n",
    "[api]\npublic_endpoint = \"pxe:6385\"\n",
    "[DEFAULT]\ndebug = \"yes\"\n",
    "[DEFAULT]\nauth_strategy = \"keystone\"\n",
    "[DEFAULT]\nenabled_hardware_types = []\n",
    "[DEFAULT]\nhost = \"\"\n",
    "[DEFAULT]\nstate_path = \"\"\n",
    "[database]\nconnection = \"mysql+pymysql://u:secret@h/db\"\n",
    "[pxe]\nipxe_give_up_action = \"explode\"\n",
    "[conductor]\ndeploy_kernel = \"tftp://h/k\"\ndeploy_ramdisk = \"http://h/r\"\n",
    "[conductor]\nfile_url_allowed_paths = \"/srv/images, images\"\n",
    "[conductor]\nfile_url_allowed_paths = [\"/srv/images\"]\ndeploy_kernel = \"file:///srv/k\"\n\
             deploy_ramdisk = \"file:///srv/images/r\"\n",
    "[images]\nurl_key = \"short\"\n",
    "[pxe]\nipxe_use_swift = true\n",
    "[pxe]\nboot_token_key = [\"short\"]\n",
    "[pxe]\nboot_token_lifetime = 3600\n",
    "[pxe]\nboot_token_lifetime = 59\n[dhcp]\ndhcp_provider = \"dnsmasq\"\n",
    "[beside]\nsource = \"sqlite\"\nconnection = \"/d/b\"\napi_url = \"http://h:6385\"\n\
             [pxe]\nboot_token_lifetime = 3600\n",
    "[conductor.deploy_kernel_by_arch]\naarch64 = \"http://h/k\"\nx86_64 = 7\n",
    "[conductor.deploy_kernel_by_arch]\naarch64 = \"http://h/k\"\nx86_64 = \"http://h/kx\"\n\
             [conductor.deploy_ramdisk_by_arch]\naarch64 = \"http://h/r\"\n",
    "[conductor]\nrescue_ramdisk_by_arch = { aarch64 = \"http://h/r\" }\n",
    "[conductor]\ndeploy_kernel = \"8e8a4c1c-0d5f-4b1e-9f0a-3b1f6f0d7a11\"\ndeploy_ramdisk = \"http://h/r\"\n",
    "[pxe]\nipxe_bootfile_name_by_arch = { x86_64-efi = \"x.efi\" }\n",
    "[pxe]\nipxe_bootfile_name = \"a,b\"\n",
    "[conductor]\nextra_ramdisks = \"http://h/a, tftp://h/b\"\n",
    "[conductor]\nextra_ramdisks = [\"file:///srv/ca.cpio\"]\n",
    "[conductor]\nextra_ramdisks = \"http://h/1,http://h/2,http://h/3,http://h/4,http://h/5\"\n",
    "[pxe]\nunknown_machines = 403\n",
    "[pxe]\nunknown_machines = \"http://h/${net0/mac}\"\n",
    "[pxe]\nunknown_machines_by_network = { \"10.0.0.1/8\" = \"local\" }\n",
    "[pxe]\nunknown_machines_by_network = { \"10.0.0.0/8\" = \"http://0.0.0.0/x\" }\n",
    "[pxe]\nunknown_machines_by_arch = { x86_64 = 404 }\n",
    "[pxe]\nunknown_machines_by_arch = { arm64 = \"local\" }\n",
    "[pxe]\nunknown_machines = \"404\"\nunknown_machines_by_arch = { x86_64 = \"local\" }\n",
    "[api]\npublic_endpoint = \"http://h:6385\"\n\n[pxe]\n\
             unknown_machines = \"http://h:6385/boot.ipxe\"\n",
    "[pxe]\ntftp_server = \"192.0.2.1:69\"\n",
    "[pxe]\nkernel_append_params = \"mem=1\"\n",
    "[DEFAULT]\nmy_ipv6 = \"::\"\n",
    "[api]\npublic_endpoint = \"http://2001:db8::139:6180\"\n",
    "[api]\npublic_endpoint = \"http://0.0.0.0:6385\"\n",
    "[api]\npublic_endpoint = \"http://boot.example:0\"\n",
    "[api]\nhost_ip = \"192.0.2.1\"\nallow_unauthenticated_access = true\npublic_endpoint = \"http://localhost:6385\"\n",
    "[api]\nhost_ip = \"0.0.0.0\"\nallow_unauthenticated_access = true\n",
    "[api]\nhost_ip = \"::\"\nport = 0\nallow_unauthenticated_access = true\n",
    "[api]\nhost_ip = \"224.0.0.1\"\nallow_unauthenticated_access = true\n",
    "[deploy]\nhttp_url = \"http://2001:db8::1\"\n",
    "[glance]\nswift_endpoint_url = \"http://u:hush@h\"\n",
    "[DEFAULT]\nenabled_hardware_types = ipmi,redfish\n",
    "[conductor]\n\nrescue_ramdisk = \"http://h/r\"\n",
    "[conductor]\nheartbeat_timeout = 5\n",
    "[api]\nport = 1\n\nport = 2\n",
    "[api]\nport = \n",
    "[api\n",
    "[DEFAULT]\nhost = boot-1\n",
    "[DEFAULT]\nhost =\n",
    "[DEFAULT]\ndebug = True\n",
    "[api]\nhost_ip = 0.0.0.0\n",
    "[DEFAULT]\nmy_ip = $host\n",
    "[DEFAULT]\nenabled_hardware_types = \"a\",\n  \"b\"\n",
    "[deploy]\nhttp_url = http://192.0.2.1:8080\n",
    "[api]\nx = \"a\n",
    "[json_rpc]\nhost_ip = \"10.0.0.1\"\n",
    "[json_rpc]\nauth_strategy = \"keystone\"\n",
    "[json_rpc]\nusername = \"api\"\n",
    "[json_rpc]\npassword = \"x\"\n",
    "[json_rpc]\nuse_ssl = true\n",
    "[json_rpc]\nclient_use_ssl = true\n",
    "[json_rpc]\nfind_timeout = 1\n",
    "[api]\nhost_ip = \"0.0.0.0\"\n",
    "[glance]\nauth_type = \"magic\"\n",
    "[glance]\nauth_type = \"none\"\n",
    "[glance]\nauth_type = \"v3applicationcredential\"\nauth_url = \"http://k\"\napplication_credential_id = \"i\"\n",
    "[glance]\nauth_type = \"password\"\nauth_url = \"http://k:5000/v3/\"\nusername = \"u\"\npassword = \"s3cret\"\nuser_domain_name = \"Default\"\n",
    "[glance]\nauth_type = \"password\"\nauth_url = \"http://k:5000/v3/\"\nusername = \"u\"\npassword = \"s3cret\"\nuser_domain_name = \"Default\"\nproject_name = \"service\"\n",
    "[glance]\nauth_url = \"http://k\"\n",
    "[glance]\nauth_url = \"k:5000\"\n",
    "[glance]\nswift_temp_url_digest = \"md5\"\n",
    "[glance]\nswift_temp_url_duration = 0\n",
];

/// Variables of which each has one fault.
const VARIABLES: &[(&str, &str)] = &[
    ("IRONPXE_API__PORT", "http"),
    ("IRONPXE_API__PROT", "1"),
    ("IRONPXE_PORT", "1"),
    ("IRONPXE_api__port", "1"),
    ("IRONPXE_API__port", "1"),
    ("IRONPXE_LOGS", "1"),
    ("IRONPXE_DEFAULT__DEBUG", "yes"),
    ("IRONPXE_API__HOST_IP", "10.0.0.1"),
];

/// The message without what every new key or section would change.
fn stable(message: &str) -> String {
    let mut text = message.to_owned();
    for list in [
        "; there are [DEFAULT], [api], ",
        "; [api] has host_ip, port, ",
    ] {
        if let Some(at) = text.find(list) {
            text.truncate(at + list.len());
            text.push('…');
        }
    }
    text
}

/// Each line begins with its source, and none has a secret.
fn check(message: &str, source: &str) {
    let place = format!("configuration: {source}:");
    for line in message.lines() {
        assert!(line.starts_with(&place), "{message}");
        for secret in ["secret@", "hush", "s3cret"] {
            assert!(!line.contains(secret), "{message}");
        }
    }
}

#[test]
fn errors_in_files_are_reported_with_their_line() {
    let mut table = String::new();
    for file in FILES {
        let message = complaint(file);
        check(&message, "ironpxe.toml");
        for line in file.lines() {
            writeln!(table, "    {line}").unwrap();
        }
        writeln!(table, "{}\n", stable(&message)).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn errors_in_the_environment_are_reported_with_their_variable() {
    let mut table = String::new();
    for (name, value) in VARIABLES {
        let message = load("", &[(name, value)], &[]).unwrap_err().to_string();
        check(&message, name);
        writeln!(table, "    {name}={value}\n{}\n", stable(&message)).unwrap();
    }
    insta::assert_snapshot!(table);
}

/// A value that was replaced as a whole is not shown as the origin of a part.
#[test]
fn error_in_a_merged_setting_names_where_it_was_set_last() {
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
fn all_errors_are_reported_at_once() {
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
