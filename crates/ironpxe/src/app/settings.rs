//! Converts the configuration to each module's settings.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ironpxe_core::boot::Kickstarts;
use tracing::warn;

use super::openstack::Clients;
use super::role::Role;
use crate::boot::{BootTokens, HardwareTypes, Refusals, Selection, Templates, UnknownPolicy};
use crate::config::{self, Config, Connection, DhcpProvider, OnRefusal};
use crate::dhcp::{self, Dhcp};
use crate::images::{self, Images, Relayed};
use crate::policy::PolicyFiles;
use crate::server::RequestMemory;
use crate::url_key::UrlKey;
use crate::{api, boot, conductor, db};

/// The URL of this service for machines and ramdisks.
pub(super) fn api_url(config: &Config, role: Role, address: SocketAddr) -> String {
    if let Some(endpoint) = &config.api.public_endpoint {
        return endpoint.0.clone();
    }
    if let Some(doubt) = api_url_doubt(config, role, address) {
        warn!("{doubt}");
    }
    format!("{}://{address}", scheme(config))
}

/// The scheme of the API's own URLs.
fn scheme(config: &Config) -> &'static str {
    if config.api.enable_ssl_api {
        "https"
    } else {
        "http"
    }
}

/// A warning if boot scripts may have the wrong address.
pub(super) fn api_url_doubt(config: &Config, role: Role, address: SocketAddr) -> Option<String> {
    if config.api.public_endpoint.is_some() {
        return None;
    }
    let shared = matches!(config.database_connection, Connection::Postgres(_));
    let doubt = if role == Role::Conductor {
        "which is only a guess at where the API is"
    } else if shared {
        "while every other process on this database sends them to itself"
    } else {
        return None;
    };
    Some(format!(
        "boot scripts send ramdisks to {}://{address}, {doubt}: set [api]public_endpoint to the \
         URL under which machines reach this service",
        scheme(config)
    ))
}

/// Where the policy is read from.
pub(super) fn policy_files(config: &Config) -> PolicyFiles {
    let paths = config.policy_paths.clone();
    let general = &config.general;
    PolicyFiles {
        file: paths.file,
        requires_file: paths.requires_file,
        dirs: paths.dirs,
        requires_dirs: paths.requires_dirs,
        service_project_name: general
            .rbac_service_role_elevated_access
            .then(|| general.rbac_service_project_name.0.clone()),
        allow_lockout: config.oslo_policy.allow_lockout,
    }
}

pub(super) fn db_location(config: &Config) -> db::Location {
    match &config.database_connection {
        Connection::Sqlite(path) => db::Location::Sqlite(path.clone()),
        Connection::Postgres(postgres) => db::Location::Postgres {
            options: postgres.options.clone(),
            name: postgres.to_string(),
        },
    }
}

pub(super) fn db_settings(config: &Config) -> db::Settings {
    db::Settings {
        location: db_location(config),
        limits: db::Limits {
            max_pool_size: config.database.max_pool_size,
            statement_timeout: seconds(config.database.statement_timeout),
        },
        heartbeat_timeout: seconds(config.conductor.heartbeat_timeout),
    }
}

pub(super) fn images(
    config: &Config,
    clients: &Clients,
    key: &str,
    base: String,
    own_ports: Vec<u16>,
    downloads: usize,
) -> Result<Images, images::SetupError> {
    let settings = &config.images;
    Images::new(images::Settings {
        relay: match settings.relay {
            config::Relay::Never => Relayed::Never,
            config::Relay::Https => Relayed::Https,
            config::Relay::Always => Relayed::Always,
        },
        relay_allowed: settings.relay_allowed.0.clone(),
        own: images::OwnService {
            ports: own_ports,
            endpoint: base.parse().ok(),
        },
        key: UrlKey::new(key),
        base,
        url_lifetime: seconds(settings.url_lifetime),
        idle_timeout: seconds(settings.timeout),
        downloads: downloads.min(bytes(settings.max_downloads)),
        cafile: settings.cafile.clone(),
        glance: clients.glance.clone(),
        temp_urls: clients
            .temp_urls
            .clone()
            .filter(|_| config.pxe.ipxe_use_swift),
        temp_url_lifetime: seconds(config.glance.swift_temp_url_duration),
        file_urls: config.beside.file_urls.0.clone(),
        allowed_paths: config.conductor.file_url_allowed_paths.0.clone(),
    })
}

pub(super) fn boot_settings(
    config: &Config,
    api_url: String,
    templates: Templates,
    images: Images,
    kickstarts: Kickstarts,
    hardware_types: HardwareTypes,
    tokens: Option<BootTokens>,
) -> boot::BootServiceSettings {
    boot::BootServiceSettings {
        boot: config.boot_settings(api_url),
        restrict_boot_config: config.api.restrict_boot_config,
        tokens,
        unknown_machines: unknown_policy(config),
        max_requests: bytes(config.api.max_boot_requests),
        cache_bytes: bytes(config.pxe.boot_cache_size).saturating_mul(1024 * 1024),
        templates,
        images,
        kickstarts: Arc::new(kickstarts),
        hardware_types,
        selection: selection(config),
        refusals: refusals(config),
    }
}

/// The machines of an existing Ironic that are booted from here.
pub(super) fn selection(config: &Config) -> Selection {
    Selection {
        nodes: config.beside.only_nodes.0.clone(),
        conductor_groups: config.beside.only_conductor_groups.0.clone(),
        networks: config.beside.only_networks.0.clone(),
    }
}

/// What a machine gets whose boot is refused.
pub(super) fn refusals(config: &Config) -> Refusals {
    match (&config.beside_source, config.beside.on_refusal) {
        (Some(_), OnRefusal::Ironic) => Refusals::LeftToIronic,
        (None, _) | (_, OnRefusal::Refuse) => Refusals::Shown,
    }
}

/// What unknown machines get.
pub(super) fn unknown_policy(config: &Config) -> UnknownPolicy {
    UnknownPolicy::new(
        config.unknown_response(),
        config.unknown_responses_by_network(),
    )
}

pub(super) fn conductor_settings(
    config: &Config,
    api_url: String,
    endpoint: String,
    images: Images,
    clients: &Clients,
    boot_tokens: Option<BootTokens>,
) -> conductor::Settings {
    conductor::Settings {
        host: config.host.clone(),
        conductor_group: config.conductor.conductor_group.clone(),
        automated_clean: config.conductor.automated_clean,
        allow_provisioning_in_maintenance: config.conductor.allow_provisioning_in_maintenance,
        heartbeat_interval: seconds(config.conductor.heartbeat_interval),
        take_over_interval: Duration::from_secs(
            config.conductor.check_provision_state_interval.into(),
        ),
        callback_timeouts: callback_timeouts(&config.conductor),
        history: history(&config.conductor),
        endpoint,
        dhcp_options: config.dhcp_settings(api_url.clone()),
        boot: config.boot_settings(api_url),
        images,
        dhcp: dhcp_provider(config, clients),
        boot_tokens,
    }
}

fn callback_timeouts(config: &config::Conductor) -> conductor::CallbackTimeouts {
    conductor::CallbackTimeouts {
        deploy: seconds(config.deploy_callback_timeout),
        clean: seconds(config.clean_callback_timeout),
        inspect: seconds(config.inspect_wait_timeout),
        rescue: seconds(config.rescue_callback_timeout),
        service: seconds(config.service_callback_timeout),
    }
}

fn history(config: &config::Conductor) -> conductor::HistorySettings {
    conductor::HistorySettings {
        record: config.node_history,
        max_entries: config.node_history_max_entries,
        minimum_days: config.node_history_minimum_days,
        cleanup_interval: seconds(config.node_history_cleanup_interval),
        cleanup_batch: config.node_history_cleanup_batch_count,
    }
}

/// The DHCP provider.
fn dhcp_provider(config: &Config, clients: &Clients) -> Dhcp {
    let folders = &config.dnsmasq;
    match config.dhcp.dhcp_provider {
        DhcpProvider::None => Dhcp::None,
        DhcpProvider::Dnsmasq => Dhcp::Dnsmasq(dhcp::Dnsmasq::new(
            folders.dhcp_hostsdir.clone(),
            folders.dhcp_optsdir.clone(),
        )),
        DhcpProvider::Neutron => match &clients.neutron {
            Some(client) => {
                let delay = seconds(config.neutron.port_setup_delay);
                Dhcp::Neutron(dhcp::Neutron::new(client.clone(), delay))
            }
            // Loading the configuration rejects this.
            None => Dhcp::None,
        },
    }
}

pub(super) fn api_settings(config: &Config) -> api::Settings {
    let api = &config.api;
    api::Settings {
        public_endpoint: api
            .public_endpoint
            .as_ref()
            .map(|endpoint| endpoint.0.clone()),
        enable_ramdisk_endpoints: api.enable_ramdisk_endpoints,
        project_admin_can_manage_own_nodes: config.api.project_admin_can_manage_own_nodes,
        scheme: scheme(config),
        max_limit: api.max_limit,
        max_body_bytes: bytes(api.max_json_body_size),
        max_provision_body_bytes: bytes(api.max_json_body_size_provision),
        memory: RequestMemory::new(bytes(api.max_request_memory), "[api]max_request_memory"),
        max_json_body_depth: usize::from(api.max_json_body_depth),
    }
}

pub(super) fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

pub(super) fn bytes(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
