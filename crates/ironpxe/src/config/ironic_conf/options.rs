//! Which options of ironic.conf mean what here: the only place that says so.
//!
//! Source: Ironic 39.0, `ironic/conf/*.py`, and keystoneauth 5 for the options of its clients.

use ironpxe_core::oslo_config::{Kind, Opt};

use crate::config::openstack::CREDENTIALS;

/// An option of Ironic.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Row {
    /// Its group, name, type, former names, and its default, if others can refer to it.
    pub opt: Opt<'static>,
    /// Whether its default is taken like a value, because ironpxe has another, and it decides what a
    /// machine gets.
    pub default_is_taken: bool,
    /// What becomes of it.
    pub take: Take,
    /// For whom.
    pub scope: Scope,
    /// Whether it has a password.
    pub is_secret: bool,
    /// Whether an empty value is one, and not the same as none.
    pub empty_counts: bool,
    /// Keys for all architectures, in the same section. A value for one architecture counts more, so
    /// the option is not taken if ironpxe's own configuration sets any of them.
    pub by_arch_of: &'static [&'static str],
    /// For the documentation.
    pub note: &'static str,
}

/// What becomes of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Take {
    /// The same section and key.
    Same,
    /// Another section and key.
    As(&'static str, &'static str),
    /// `[database]connection`, if `[beside]source` is a database.
    Connection,
    /// `[deploy]http_url`, also the web server of the conductor `[DEFAULT]host`.
    HttpUrl,
    /// A part of another row's value.
    Part,
    /// It has no counterpart, for this reason.
    Lost(&'static str),
    /// It has none, and the operator has to do this.
    Decide(&'static str),
}

/// For whom an option is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Scope {
    /// Always.
    Both,
    /// Only beside another Ironic.
    Beside,
    /// Only by a service with its own nodes.
    OwnNodes,
}

impl Scope {
    /// Whether it is read in the other's case (not `Both`).
    pub(super) fn has(self, other: Self) -> bool {
        self == Self::Both || self == other
    }
}

const fn row(group: &'static str, name: &'static str, kind: Kind, take: Take) -> Row {
    Row {
        opt: Opt {
            group,
            name,
            kind,
            deprecated: &[],
            default: None,
        },
        default_is_taken: false,
        take,
        scope: Scope::Both,
        is_secret: false,
        empty_counts: false,
        by_arch_of: &[],
        note: "",
    }
}

const fn same(group: &'static str, name: &'static str, kind: Kind) -> Row {
    row(group, name, kind, Take::Same)
}

const fn lost(group: &'static str, name: &'static str, why: &'static str) -> Row {
    row(group, name, Kind::Str, Take::Lost(why))
}

const fn decide(group: &'static str, name: &'static str, what: &'static str) -> Row {
    row(group, name, Kind::Str, Take::Decide(what))
}

impl Row {
    const fn once(mut self, deprecated: &'static [(&'static str, &'static str)]) -> Self {
        self.opt.deprecated = deprecated;
        self
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.opt.default = Some(default);
        self
    }

    const fn differs(mut self) -> Self {
        self.default_is_taken = true;
        self
    }

    /// Whether a reference to the option has its value. That of one whose default is not here (Ironic
    /// may compute it, as `$my_ip`) is an error unless the option is set.
    const fn is_declared(&self) -> bool {
        self.opt.default.is_some() || !self.opt.deprecated.is_empty()
    }

    const fn only(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    const fn or_empty(mut self) -> Self {
        self.empty_counts = true;
        self
    }

    const fn by_arch_of(mut self, keys: &'static [&'static str]) -> Self {
        self.by_arch_of = keys;
        self
    }

    const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }
}

const JINJA: &str = "templates of Ironic (Jinja2) are not those of ironpxe: see `ironpxe script \
                     template` and docs/templates.md";
const POLICY: &str = "set this option of ironpxe to the same file, or to a copy: \
                      `ironpxe config check` shows rules that ironpxe does not have";
const NOT_BY_ARCH: &str =
    "not if ironpxe's own configuration sets the kernel or the ramdisk for all architectures";
const VIRTUAL_MEDIA: &str = "machines that boot from virtual media are not served";

/// What oslo.config has to know of them.
pub(in crate::config) fn declared(rows: &[Row]) -> Vec<Opt<'static>> {
    let declared = rows.iter().filter(|row| row.is_declared());
    declared.map(|row| row.opt).collect()
}

/// The images of all architectures.
const DEPLOY: &[&str] = &["deploy_kernel", "deploy_ramdisk"];
const RESCUE: &[&str] = &["rescue_kernel", "rescue_ramdisk"];

/// All options.
pub(in crate::config) fn rows() -> Vec<Row> {
    use Kind::{Bool, Dict, Int, List, Str};
    use Scope::{Beside, OwnNodes};
    use Take::{As, Connection, HttpUrl, Part};
    let mut rows = vec![
        same("DEFAULT", "debug", Bool).default("false"),
        same("DEFAULT", "my_ipv6", Str),
        row("DEFAULT", "my_ip", Str, As("pxe", "tftp_server"))
            .note("unless `[pxe]tftp_server` is set, whose default is `$my_ip`"),
        row("DEFAULT", "host", Str, Part).note("the key in `[beside]http_urls`"),
        same("DEFAULT", "default_deploy_interface", Str).only(OwnNodes),
        decide(
            "DEFAULT",
            "enabled_hardware_types",
            "ironpxe has hardware types of its own, without access to BMCs: set \
             [DEFAULT]enabled_hardware_types of ironpxe, and the driver of the nodes that move",
        )
        .only(OwnNodes),
        decide(
            "DEFAULT",
            "auth_strategy",
            "set [DEFAULT]auth_strategy of ironpxe, and [DEFAULT]http_basic_auth_user_file or \
             [keystone_authtoken]",
        )
        .only(OwnNodes),
        same("DEFAULT", "rbac_service_role_elevated_access", Bool).only(OwnNodes),
        same("DEFAULT", "rbac_service_project_name", Str).only(OwnNodes),
        decide("oslo_policy", "policy_file", POLICY).only(OwnNodes),
        decide("oslo_policy", "policy_dirs", POLICY).only(OwnNodes),
        decide(
            "oslo_policy",
            "enforce_new_defaults",
            "the deprecated defaults are not supported: see docs/policy.md",
        )
        .only(OwnNodes),
        lost(
            "DEFAULT",
            "webserver_verify_ca",
            "certificates of image servers are always verified: see [images]cafile",
        ),
        row("api", "public_endpoint", Str, Take::Same)
            .only(OwnNodes)
            .note("it must lead to ironpxe then"),
        same("api", "port", Int).only(OwnNodes),
        same("api", "max_limit", Int).only(OwnNodes),
        decide(
            "api",
            "host_ip",
            "set [api]host_ip, and [DEFAULT]auth_strategy if it is no loopback address",
        )
        .only(OwnNodes),
        row(
            "service_catalog",
            "endpoint_override",
            Str,
            As("beside", "api_url"),
        )
        .only(Beside)
        .note("what ramdisks are told as `ipa-api-url`"),
        row("database", "connection", Str, Connection)
            .only(Beside)
            .secret()
            .note("if `[beside]source` is `mysql` or `sqlite`"),
        same("pxe", "kernel_append_params", Str)
            .once(&[("pxe", "pxe_append_params")])
            .default("nofb vga=normal")
            .or_empty(),
        same("pxe", "ipxe_timeout", Int).default("0").differs(),
        same("pxe", "ipxe_use_swift", Bool),
        same("pxe", "tftp_server", Str),
        same("pxe", "ipxe_bootfile_name", Str).default("undionly.kpxe"),
        same("pxe", "uefi_ipxe_bootfile_name", Str).default("snponly.efi"),
        same("pxe", "ipxe_bootfile_name_by_arch", Dict),
        decide(
            "pxe",
            "ipxe_fallback_script",
            "Ironic's boot.ipxe loads it for machines without a script of their own; for ironpxe's, set \
             [pxe]unknown_machines to its URL, which is below [deploy]http_url",
        ),
        lost("pxe", "ipxe_config_template", JINJA),
        lost("pxe", "ipxe_config_template_by_arch", JINJA),
        lost(
            "pxe",
            "ipxe_boot_script",
            "the file by which machines get to their script; ironpxe has its own at /boot.ipxe",
        ),
        lost(
            "pxe",
            "enable_netboot_fallback",
            "always on: the script of a deployed machine boots its disk",
        ),
        lost(
            "pxe",
            "boot_retry_timeout",
            "machines are not rebooted when their ramdisk does not call",
        ),
        lost(
            "conductor",
            "disable_kernel_parameter_parsing",
            "kernel parameters are always checked",
        ),
        row("conductor", "file_url_allowed_paths", List, Take::Same)
            .note("not its default, `/var/lib/ironic`, which has Ironic's database"),
    ];
    let by_arch = |name, keys: &'static [&'static str]| {
        same("conductor", name, Dict)
            .by_arch_of(keys)
            .note(NOT_BY_ARCH)
    };
    rows.extend(
        [DEPLOY, RESCUE]
            .concat()
            .into_iter()
            .map(|name| same("conductor", name, Str)),
    );
    rows.extend([
        by_arch("deploy_kernel_by_arch", DEPLOY),
        by_arch("deploy_ramdisk_by_arch", DEPLOY),
        by_arch("rescue_kernel_by_arch", RESCUE),
        by_arch("rescue_ramdisk_by_arch", RESCUE),
    ]);
    let of_tasks = [
        "deploy_callback_timeout",
        "clean_callback_timeout",
        "inspect_wait_timeout",
        "rescue_callback_timeout",
        "service_callback_timeout",
        "heartbeat_interval",
        "heartbeat_timeout",
        "check_provision_state_interval",
        "node_history_max_entries",
        "node_history_minimum_days",
        "node_history_cleanup_interval",
        "node_history_cleanup_batch_count",
    ];
    rows.extend(of_tasks.map(|name| same("conductor", name, Int).only(OwnNodes)));
    rows.extend([
        same("conductor", "node_history", Bool).only(OwnNodes),
        same("conductor", "allow_provisioning_in_maintenance", Bool).only(OwnNodes),
        same("conductor", "conductor_group", Str).only(OwnNodes),
        decide(
            "conductor",
            "automated_clean",
            "nothing can clean a node yet: [conductor]automated_clean of ironpxe stays false",
        )
        .only(OwnNodes),
        same("deploy", "fast_track", Bool),
        same("deploy", "default_boot_mode", Str),
        row("deploy", "http_url", Str, HttpUrl).note(
            "also `[beside]http_urls`, for the conductor of `[DEFAULT]host` if that is set",
        ),
        row("deploy", "http_root", Str, Part)
            .default("/httpboot")
            .note("`file://` images below it are at `[deploy]http_url`: `[beside]file_urls`"),
        lost(
            "deploy",
            "default_boot_option",
            "Ironic has removed it, and does not read it: machines boot from their disk unless their \
             node has the capability boot_option",
        ),
        lost("deploy", "external_http_url", VIRTUAL_MEDIA),
        lost("deploy", "external_callback_url", VIRTUAL_MEDIA),
        same("inspector", "extra_kernel_params", Str).or_empty(),
        row("inspector", "force_dhcp", Bool, Part)
            .note("adds `ipa-collect-lldp=1` to `[inspector]extra_kernel_params`"),
        lost(
            "anaconda",
            "default_ks_template",
            "kickstart templates of Ironic (Jinja2) are not those of ironpxe: see docs/installer.md",
        ),
        lost("redfish", "use_swift", VIRTUAL_MEDIA),
        lost("redfish", "kernel_append_params", VIRTUAL_MEDIA),
        lost("oci", "authentication_config", "images in OCI registries are not supported"),
        row("dhcp", "dhcp_provider", Str, Take::Same).only(OwnNodes),
        same("dnsmasq", "dhcp_optsdir", Str).only(OwnNodes),
        same("dnsmasq", "dhcp_hostsdir", Str).only(OwnNodes),
        same("neutron", "request_timeout", Int).only(OwnNodes),
        same("neutron", "retries", Int).only(OwnNodes),
        same("neutron", "port_setup_delay", Int).only(OwnNodes),
        same("glance", "timeout", Int),
        same("glance", "num_retries", Int)
            .once(&[("glance", "glance_num_retries")])
            .default("0")
            .note("not its default, which is 0: it decides nothing that a machine boots"),
        same("glance", "swift_temp_url_key", Str).secret(),
        same("glance", "swift_temp_url_duration", Int),
        same("glance", "swift_endpoint_url", Str),
        same("glance", "swift_account", Str),
        same("glance", "swift_container", Str),
        same("glance", "swift_store_multiple_containers_seed", Int),
    ]);
    rows.extend(client("glance", Scope::Both));
    rows.extend(client("neutron", OwnNodes));
    rows
}

/// The options of a client of keystoneauth.
fn client(group: &'static str, scope: Scope) -> Vec<Row> {
    let former: &[(&str, &'static [(&'static str, &'static str)])] = match group {
        "glance" => &[
            ("auth_type", &[("glance", "auth_plugin")]),
            (
                "username",
                &[("glance", "user-name"), ("glance", "user_name")],
            ),
            (
                "project_id",
                &[("glance", "tenant-id"), ("glance", "tenant_id")],
            ),
            (
                "project_name",
                &[("glance", "tenant-name"), ("glance", "tenant_name")],
            ),
        ],
        _ => &[
            ("auth_type", &[("neutron", "auth_plugin")]),
            (
                "username",
                &[("neutron", "user-name"), ("neutron", "user_name")],
            ),
            (
                "project_id",
                &[("neutron", "tenant-id"), ("neutron", "tenant_id")],
            ),
            (
                "project_name",
                &[("neutron", "tenant-name"), ("neutron", "tenant_name")],
            ),
        ],
    };
    let others = ["endpoint_override", "region_name", "cafile"];
    let names = CREDENTIALS.into_iter().chain(others);
    let mut rows: Vec<Row> = names
        .map(|name| {
            let row = same(group, name, Kind::Str).only(scope);
            match former.iter().find(|(of, _)| *of == name) {
                Some((_, names)) => row.once(names),
                None if name == "password" => row.secret(),
                None => row,
            }
        })
        .collect();
    rows.extend([
        same(group, "application_credential_secret", Kind::Str)
            .only(scope)
            .secret(),
        same(group, "valid_interfaces", Kind::List).only(scope),
        row(group, "auth_section", Kind::Str, Take::Part)
            .only(scope)
            .note("the group that has the credentials"),
        row(
            group,
            "insecure",
            Kind::Str,
            Take::Decide("certificates are always verified: set cafile if it is true"),
        )
        .only(scope),
    ]);
    rows
}
