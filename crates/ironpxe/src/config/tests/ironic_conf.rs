//! Ironic's configuration as a source of settings, and `ironpxe config import`.

use std::fmt::Write;

use ironpxe_testkit::docs::Page;

use super::*;
use crate::config::BesideSource;
use crate::config::ironic_conf::{Row, Scope, Take, rows};

/// As Bifrost writes it, with images by HTTP.
const BIFROST: &str = "\
[DEFAULT]
enabled_hardware_types = ipmi,redfish,manual-management
my_ip = 192.0.2.2
debug = True
auth_strategy = http_basic
[pxe]
pxe_append_params = systemd.journald.forward_to_console=yes ipa-debug=1 sshkey=\"ssh-rsa AAAA x\"
ipxe_fallback_script = pxelinux.cfg/default
enable_netboot_fallback = true
[deploy]
http_url = http://192.0.2.2:8080/
http_root = /var/lib/ironic/httpboot
default_boot_option = local
fast_track = true
[conductor]
deploy_kernel = http://192.0.2.2:8080/ipa.kernel
deploy_ramdisk = http://192.0.2.2:8080/ipa.initramfs
automated_clean = false
[database]
connection = mysql+pymysql://ironic:hu$$sh%40@localhost/ironic?charset=utf8
[service_catalog]
endpoint_override = http://192.0.2.2:6385
[dhcp]
dhcp_provider = none
";

/// As Metal3's image writes it: SQLite, files on a shared path.
const METAL3: &str = "\
[DEFAULT]
debug = false
host = 172.22.0.2
[database]
connection = sqlite:////var/lib/ironic/ironic.sqlite
sqlite_synchronous = False
[conductor]
deploy_kernel = file:///shared/html/images/ironic-python-agent.kernel
deploy_ramdisk = file:///shared/html/images/ironic-python-agent.initramfs
deploy_kernel_by_arch = aarch64:file:///shared/html/images/arm.kernel
deploy_ramdisk_by_arch = aarch64:file:///shared/html/images/arm.initramfs
file_url_allowed_paths = /shared/html/images,/templates
[deploy]
http_root = /shared/html/
http_url = http://172.22.0.2:6180
[inspector]
extra_kernel_params = ipa-inspection-collectors=default
force_dhcp = yes
[pxe]
ipxe_config_template = /templates/ipxe_config.template
kernel_append_params = nofb sshkey=\"ssh-ed25519 AAAA root@h\" ipa-root-password=hush
[service_catalog]
endpoint_override = https://172.22.0.2:6385
";

/// As Kolla writes it, for a controller with Neutron and Glance.
const KOLLA: &str = "\
[DEFAULT]
host = controller-1
my_ip = 10.0.0.11
[api]
public_endpoint = https://kolla.example:6385
[database]
connection = mysql+pymysql://ironic:hush@10.0.0.250:3306/ironic?ssl_ca=/etc/ssl/ca.pem
max_retries = -1
[glance]
auth_url = https://10.0.0.250:5000
auth_type = password
project_domain_id = default
user_domain_id = default
project_name = service
username = ironic
password = hush
region_name = RegionOne
valid_interfaces = internal
cafile =
[neutron]
auth_section = glance
valid_interfaces = internal
[pxe]
ipxe_timeout = 60
[deploy]
http_url = http://$my_ip:8089
";

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    /// Texts without the folder's path.
    fn shown(&self, text: &str) -> String {
        text.replace(self.path(), "/etc/ironic")
    }

    /// Loads ironpxe's own settings above the files.
    fn load(&self, beside: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let folder = self.path();
        let file = format!("[beside]\nironic_conf = [\"{folder}\"]\n{beside}");
        load(&file, variables, &[]).map_err(|error| self.shown(&error.to_string()))
    }

    fn import(&self, beside: bool) -> (String, String) {
        let paths = [PathBuf::from(self.path())];
        let environment = environment(&[("IRONPXE_API__PORT", "nonsense")]);
        let imported = Config::import(&paths, beside, &environment, |_| Ok(())).unwrap();
        let report = format!(
            "{}\n--- without secrets ---\n{}",
            imported.report, imported.without_secrets
        );
        assert!(
            !report.contains("hush") && !report.contains("hu$sh"),
            "{report}"
        );
        load(&imported.file, &[], &[]).unwrap();
        (self.shown(&imported.file), self.shown(&report))
    }
}

const MYSQL: &str = "source = \"mysql\"\n";
const SQLITE: &str = "source = \"sqlite\"\n";

#[test]
fn sites_are_read_with_the_origin_of_each_value() {
    let mut text = String::new();
    for (name, conf, source) in [
        ("Bifrost", BIFROST, MYSQL),
        ("Metal3", METAL3, SQLITE),
        ("Kolla", KOLLA, MYSQL),
    ] {
        let api_url = match name {
            "Kolla" => "api_url = \"https://10.0.0.250:6385\"\n",
            _ => "",
        };
        let folder = Folder::with(&[("ironic.conf", conf)]);
        let config = folder.load(&format!("{source}{api_url}"), &[]).unwrap();
        let shown = folder.shown(&config.settings_made());
        assert!(!shown.contains("hush"), "{shown}");
        writeln!(text, "## {name}\n{shown}").unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn sites_are_imported_for_both_uses() {
    let mut text = String::new();
    for (name, conf) in [("Bifrost", BIFROST), ("Metal3", METAL3), ("Kolla", KOLLA)] {
        let folder = Folder::with(&[("ironic.conf", conf)]);
        for (beside, words) in [(true, "beside"), (false, "own nodes")] {
            let (_, report) = folder.import(beside);
            writeln!(text, "## {name}, {words}\n{report}").unwrap();
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn imported_file_has_the_secrets_and_gives_the_same_settings_as_the_layer() {
    let folder = Folder::with(&[("ironic.conf", BIFROST)]);
    let (file, _) = folder.import(true);
    let imported = load(&file, &[], &[]).unwrap();
    let mut layered = folder.load(MYSQL, &[]).unwrap();
    let Some(BesideSource::Mysql(mysql)) = &imported.beside_source else {
        panic!("{file}");
    };
    assert_eq!(mysql.password, Some(Secret("hu$sh@".to_owned())));
    assert_eq!(mysql.host, "localhost");
    layered.beside.ironic_conf = imported.beside.ironic_conf.clone();
    layered.origins.clone_from(&imported.origins);
    assert_eq!(imported, layered);
}

#[test]
fn own_file_variables_and_later_files_override() {
    let conf = "[pxe]\nipxe_timeout = 7\nuefi_ipxe_bootfile_name = a.efi\n[DEFAULT]\ndebug = on\n\
                [service_catalog]\nendpoint_override = http://192.0.2.1:6385/v1\n";
    let later = "[Pxe]\nuefi_ipxe_bootfile_name = b.efi\n";
    let folder = Folder::with(&[
        ("10-ironic.conf", later),
        ("00-ironic.conf", conf),
        ("20-ironic.conf.bak", "nonsense"),
        (".hidden.conf", "nonsense"),
    ]);
    let own = "source = \"sqlite\"\nconnection = \"/d/b\"\n[pxe]\nipxe_timeout = 5\n";
    let variables = [
        ("OS_PXE__IPXE_TIMEOUT", "9"),
        ("OS_PXE__KERNEL_APPEND_PARAMS", "quiet"),
        ("OS_DEFAULT__DEBUG", "False"),
        ("IRONPXE_PXE__IPXE_BOOTFILE_NAME", "mine.kpxe"),
        ("OS_PXE__IPXE_BOOTFILE_NAME", "theirs.kpxe"),
        ("OS_ENDPOINT", "http://h"),
    ];
    let config = folder.load(own, &variables).unwrap();
    assert_eq!(config.pxe.ipxe_timeout, 5);
    assert_eq!(config.pxe.uefi_ipxe_bootfile_name.0, "b.efi");
    assert_eq!(config.pxe.ipxe_bootfile_name.0, "mine.kpxe");
    assert_eq!(config.pxe.kernel_append_params.0, "quiet");
    assert!(!config.general.debug);
    assert_eq!(
        config.beside.api_url.as_ref().unwrap().0,
        "http://192.0.2.1:6385"
    );
    let shown = folder.shown(&config.settings_made());
    for line in [
        "[DEFAULT]debug = false  # OS_DEFAULT__DEBUG\n",
        "[pxe]kernel_append_params = \"quiet\"  # OS_PXE__KERNEL_APPEND_PARAMS\n",
        "[pxe]uefi_ipxe_bootfile_name = \"b.efi\"  # /etc/ironic/10-ironic.conf:2\n",
        "[pxe]ipxe_timeout = 5  # ironpxe.toml:6\n",
        "[beside]api_url = \"http://192.0.2.1:6385\"  # /etc/ironic/00-ironic.conf:7\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    let origins = config.boot_settings(String::new()).origins;
    assert_eq!(
        origins["[pxe]kernel_append_params"],
        "OS_PXE__KERNEL_APPEND_PARAMS"
    );
    assert_eq!(origins["[inspector]extra_kernel_params"], "default");
}

#[test]
fn own_image_is_not_replaced_by_one_of_ironic_for_an_architecture() {
    let conf = "[conductor]\n\
                deploy_kernel_by_arch = aarch64:http://h/arm.kernel\n\
                deploy_ramdisk_by_arch = aarch64:http://h/arm.ramdisk\n\
                rescue_kernel_by_arch = aarch64:http://h/arm.kernel\n\
                rescue_ramdisk_by_arch = aarch64:http://h/arm.ramdisk\n\
                [service_catalog]\nendpoint_override = http://192.0.2.1:6385\n";
    let folder = Folder::with(&[("ironic.conf", conf)]);
    let own = "source = \"sqlite\"\nconnection = \"/d/b\"\n[conductor]\n\
               deploy_kernel = \"http://h/own.kernel\"\ndeploy_ramdisk = \"http://h/own.ramdisk\"\n";
    let conductor = folder.load(own, &[]).unwrap().conductor;
    assert!(conductor.deploy_kernel_by_arch.is_empty());
    assert!(conductor.deploy_ramdisk_by_arch.is_empty());
    assert_eq!(conductor.rescue_kernel_by_arch.len(), 1);
    assert_eq!(conductor.rescue_ramdisk_by_arch.len(), 1);
    // Of the same origin, the architecture's own image counts.
    let both = conf.replace(
        "[conductor]\n",
        "[conductor]\ndeploy_kernel = http://h/k\ndeploy_ramdisk = http://h/r\n",
    );
    let folder = Folder::with(&[("ironic.conf", &both)]);
    let own = "source = \"sqlite\"\nconnection = \"/d/b\"\n";
    let conductor = folder.load(own, &[]).unwrap().conductor;
    assert_eq!(conductor.deploy_kernel_by_arch.len(), 1);
    assert_eq!(conductor.deploy_ramdisk_by_arch.len(), 1);
}

#[test]
fn option_that_cannot_be_used_is_reported_once() {
    let conf = "[DEFAULT]\nhost = c1\n[deploy]\nhttp_url = htp://h\n\
                [service_catalog]\nendpoint_override = http://192.0.2.1:6385\n";
    let folder = Folder::with(&[("ironic.conf", conf)]);
    let report = folder.import(true).1;
    assert_eq!(report.matches("[deploy]http_url (").count(), 1, "{report}");
}

#[test]
fn defaults_of_ironic_apply_where_they_differ() {
    let folder = Folder::with(&[("ironic.conf", "")]);
    let own = "source = \"sqlite\"\nconnection = \"/d/b\"\napi_url = \"http://192.0.2.1\"\n";
    let config = folder.load(own, &[]).unwrap();
    assert_eq!(config.pxe.ipxe_timeout, 0);
    let shown = config.settings_made();
    assert!(
        shown.contains("[pxe]ipxe_timeout = 0  # default of Ironic\n"),
        "{shown}"
    );
    // An empty value of a parameter is none, of another option it is as if it were not there.
    let conf = "[pxe]\nkernel_append_params =\nuefi_ipxe_bootfile_name =\n";
    let folder = Folder::with(&[("ironic.conf", conf)]);
    let config = folder.load(own, &[]).unwrap();
    assert_eq!(config.pxe.kernel_append_params.0, "");
    assert_eq!(config.pxe.uefi_ipxe_bootfile_name.0, "snponly.efi");
}

#[test]
fn mistakes_are_named_with_file_line_and_option() {
    let mut text = String::new();
    for conf in [
        "[pxe]\nipxe_timeout = soon\n",
        "[pxe]\nipxe_timeout = 99999999\n",
        "[pxe]\n\nkernel_append_params = rootpwd=$5$salt$hash\n",
        "[pxe]\nipxe_bootfile_name_by_arch = aarch64\n",
        "[DEFAULT]\ndebug = maybe\n",
        "no = section\n",
        "[pxe]\nnonsense\n",
        "[deploy]\ndefault_boot_mode = coreboot\n",
        "[deploy]\nhttp_url = http://$my_ip:8080\n",
        "[glance]\npassword = hush$hush\n",
        "[database]\nconnection = mysql://u:hu$sh@h/db\n",
        "[database]\nconnection = sqlite://hush\n",
        "[conductor]\ndeploy_kernel_by_arch = http://u:hush@h/k\n",
        "[conductor]\ndeploy_kernel = tftp://h/k\n",
        "[conductor]\ndeploy_kernel = http://h/k\n",
        "[service_catalog]\nendpoint_override = http://0.0.0.0:6385\n",
        "[glance]\nauth_type = v3token\n",
    ] {
        let folder = Folder::with(&[("ironic.conf", conf)]);
        let said = folder.load(SQLITE, &[]).unwrap_err();
        assert!(!said.contains("hush") && !said.contains("sh@"), "{said}");
        let about = |line: &&str| line.contains("ironic.conf:") || line.contains("[conductor]");
        let lines: Vec<&str> = said.lines().filter(about).collect();
        assert!(!lines.is_empty(), "{conf}: {said}");
        writeln!(text, "{conf}=> {}\n", lines.join("\n")).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn options_that_are_not_read_cannot_fail() {
    let conf = "[neutron]\nauth_type = v3nonsense\nretries = x\n[oslo_messaging_rabbit]\n\
                rabbit = $nothing\n[agent]\ndeploy_logs_collect = ${a.b}\n[pxe]\n\
                ipxe_config_template = $pybasedir/x\n[DEFAULT]\nenabled_hardware_types = $x\n";
    let folder = Folder::with(&[("ironic.conf", conf)]);
    let own = "source = \"sqlite\"\nconnection = \"/d/b\"\napi_url = \"http://192.0.2.1\"\n";
    folder.load(own, &[]).unwrap();
}

#[test]
fn database_of_another_kind_is_not_taken_for_the_api() {
    let folder = Folder::with(&[("ironic.conf", KOLLA)]);
    let own = "source = \"rest\"\nauth_type = \"none\"\nendpoint_override = \"http://h:6385\"\n\
               api_url = \"http://192.0.2.1\"\n";
    let config = folder.load(own, &[]).unwrap();
    assert_eq!(config.beside.connection, None);
}

/// Values that are hard to read, to write or to keep secret.
const VALUES: &[&str] = &[
    "",
    "0",
    "-1",
    "true",
    "99999999999",
    "http://h/x",
    "http://u:hush@h",
    "file:///shared/html/k",
    "a:b,c:d",
    "a:b,a:c",
    "a,,b",
    "\"quoted # \\ 'text'\"",
    "x\n  continued",
    "\u{7f}\u{1}\u{85}",
    "mysql://u:hush@h/db",
    "mysql+pymysql://u:hu@sh@h",
    "sqlite:////var/lib/ironic.sqlite",
    "$nothing",
    "$$x",
    "${pxe.ipxe_timeout}",
    "$host",
    "password",
    "none",
    "neutron",
    "uefi",
    "\u{fc}\u{1f980}",
    "ipa-root-password=hush",
    "8e8a4c1c-0d5f-4b1e-9f0a-3b1f6f0d7a11",
];

#[test]
fn import_of_any_values_can_be_loaded_and_shows_no_secret() {
    let rows = rows();
    // A fixed sequence of pseudo-random numbers (Knuth's MMIX).
    let mut seed: u64 = 15;
    let mut next = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let mut imported = 0;
    for round in 0..150 {
        let mut conf = String::new();
        for row in &rows {
            // The first rounds set everything.
            if round > 20 && next(3) > 0 {
                continue;
            }
            let value = if row.is_secret && row.opt.name != "connection" {
                "hush"
            } else {
                VALUES[next(VALUES.len())]
            };
            writeln!(conf, "[{}]\n{} = {value}", row.opt.group, row.opt.name).unwrap();
        }
        let folder = Folder::with(&[("ironic.conf", &conf)]);
        let paths = [PathBuf::from(folder.path())];
        for beside in [true, false] {
            let result = Config::import(&paths, beside, &environment(&[]), |_| Ok(()))
                .unwrap_or_else(|error| panic!("{error}\n{conf}"));
            load(&result.file, &[], &[]).unwrap_or_else(|error| panic!("{error}\n{conf}"));
            let shown = result.report + &result.without_secrets;
            assert!(!shown.contains("hush"), "{shown}\n{conf}");
            imported += 1;
        }
    }
    assert_eq!(imported, 300);
}

#[test]
fn same_options_are_keys_of_ours() {
    let config = Config::default();
    for row in rows() {
        let (section, key) = match row.take {
            Take::Same | Take::HttpUrl => (row.opt.group, row.opt.name),
            Take::As(section, key) => (section, key),
            Take::Connection => ("beside", "connection"),
            Take::Part | Take::Lost(_) | Take::Decide(_) => continue,
        };
        let sections = config.sections();
        let section = sections.iter().find(|it| it.name() == section);
        let keys = section.map(|it| it.keys()).unwrap_or_default();
        assert!(
            keys.iter().any(|it| it.name == key),
            "[{}]{key}",
            row.opt.group
        );
    }
}

/// The rows of `docs/ironic-conf.md`.
fn table(rows: &[Row], with: impl Fn(&Row) -> Option<String>) -> String {
    let mut text = String::new();
    for row in rows {
        if let Some(words) = with(row) {
            let former: Vec<String> = row
                .opt
                .deprecated
                .iter()
                .map(|(_, name)| format!("`{name}`"))
                .collect();
            let former = if former.is_empty() {
                String::new()
            } else {
                format!(" (formerly {})", former.join(", "))
            };
            let (group, name) = (row.opt.group, row.opt.name);
            writeln!(text, "| `[{group}]{name}`{former} | {words} |").unwrap();
        }
    }
    text
}

#[test]
fn docs_show_every_option() {
    let rows = rows();
    let read = table(&rows, |row| {
        let to = match row.take {
            Take::Same | Take::HttpUrl => "the same".to_owned(),
            Take::As(section, key) => format!("`[{section}]{key}`"),
            Take::Connection => "`[beside]connection`".to_owned(),
            Take::Part => "a part of another".to_owned(),
            Take::Lost(_) | Take::Decide(_) => return None,
        };
        let scope = match row.scope {
            Scope::Both => "",
            Scope::Beside => "beside",
            Scope::OwnNodes => "own nodes",
        };
        let mut notes: Vec<String> = Vec::new();
        if let (Some(default), true) = (row.opt.default, row.default_is_taken) {
            notes.push(format!("also Ironic's default, `{default}`"));
        }
        if !row.note.is_empty() {
            notes.push(row.note.to_owned());
        }
        Some(format!("{to} | {scope} | {}", notes.join("; ")))
    });
    let not_read = table(&rows, |row| match row.take {
        Take::Lost(why) | Take::Decide(why) => Some(why.to_owned()),
        _ => None,
    });
    let head = "| Ironic | ironpxe | only for | |\n|---|---|---|---|\n";
    let lost = "| Ironic | why, and what to do |\n|---|---|\n";
    Page::open("ironic-conf.md")
        .and_then(|page| page.section("read", &format!("{head}{read}")))
        .and_then(|page| page.section("not read", &format!("{lost}{not_read}")))
        .and_then(Page::check)
        .unwrap();
}
