//! Checks that involve several settings, and defaults that depend on others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ironpxe_core::boot::ImageRef;

use super::connection::Connection;
use super::dhcp::DhcpProvider;
use super::endpoint::is_of_no_host;
use super::environment::Environment;
use super::error::Origin;
use super::general::AuthStrategy;
use super::json_rpc::RpcAuth;
use super::load::Loader;
use super::openstack::AuthType;
use super::values::{Image, Secret, Word};

/// The shortest `[pxe]boot_token_lifetime`, in seconds.
const MIN_TOKEN_LIFETIME: u32 = 60;

/// Images by architecture.
type Images = BTreeMap<String, Image>;

impl Loader {
    /// Fills in dynamic defaults.
    pub(super) fn complete(&mut self, environment: &Environment) {
        let general = &self.config.general;
        let host = match (&general.host, &environment.host_name) {
            (Some(Word(name)), _) | (None, Some(name)) => name.clone(),
            (None, None) => "localhost".to_owned(),
        };
        let state_path = general
            .state_path
            .clone()
            .or_else(|| environment.default_state_path())
            .map(absolute);
        self.config.host = host;
        let Some(state_path) = state_path else {
            let message = "there is no home directory for the default; set it, or pass \
                           --state-dir"
                .to_owned();
            return self.problem(
                Origin::Default,
                Some("[DEFAULT]state_path".to_owned()),
                message,
            );
        };
        self.config.database_connection = match &self.config.database.connection {
            Some(connection) => connection.clone(),
            None => Connection::Sqlite(state_path.join("ironpxe.sqlite")),
        };
        self.config.state_path = state_path;
        self.complete_beside();
        self.complete_policy();
    }

    /// Checks for conflicting settings.
    pub(super) fn check(&mut self) {
        if self
            .config
            .general
            .state_path
            .as_ref()
            .is_some_and(|it| it.as_os_str().is_empty())
        {
            self.about(
                "[DEFAULT]state_path",
                "expected the path of a directory".to_owned(),
            );
        }
        let api = &self.config.api;
        let is_open = self.config.general.auth_strategy == AuthStrategy::NoAuth;
        if is_open && !api.host_ip.is_loopback() && !api.allow_unauthenticated_access {
            let message = format!(
                "clients are not authenticated ([DEFAULT]auth_strategy is noauth), so on {} \
                 everyone with network access could control every machine. Set \
                 [DEFAULT]auth_strategy = \"http_basic\" or \"keystone\"; or if the network is \
                 trusted, set [api]allow_unauthenticated_access = true or pass \
                 --allow-unauthenticated; otherwise listen on 127.0.0.1",
                api.host_ip
            );
            self.about("[api]host_ip", message);
        } else {
            self.check_public_endpoint();
        }
        self.check_api_tls();
        self.check_memory();
        let conductor = &self.config.conductor;
        if conductor.heartbeat_timeout <= conductor.heartbeat_interval {
            let message = format!(
                "{} s is not longer than [conductor]heartbeat_interval ({} s), so live \
                 conductors would be considered dead",
                conductor.heartbeat_timeout, conductor.heartbeat_interval
            );
            self.about("[conductor]heartbeat_timeout", message);
        }
        if self.config.pxe.ipxe_use_swift && self.config.glance.swift_temp_url_key.is_none() {
            let message = "this requires [glance]swift_temp_url_key".to_owned();
            self.about("[pxe]ipxe_use_swift", message);
        } else if self.config.pxe.ipxe_use_swift && self.config.glance.auth_type.is_none() {
            let message = "this requires [glance]auth_type and its settings".to_owned();
            self.about("[pxe]ipxe_use_swift", message);
        }
        let short = |Secret(key): &Secret| key.len() < 32;
        if self.config.images.url_key.as_ref().is_some_and(short) {
            let message = "expected at least 32 characters: openssl rand -hex 32".to_owned();
            self.about("[images]url_key", message);
        }
        self.check_boot_tokens();
        self.check_files();
        self.check_json_rpc();
        self.check_openstack();
        self.check_beside();
        self.check_pairs();
        self.check_loaders();
        self.check_unknown_machines();
    }

    /// Checks for boot tokens that no machine would get, or that are not safe.
    fn check_boot_tokens(&mut self) {
        let short = |Secret(key): &Secret| key.len() < 32;
        if self.config.pxe.boot_token_key.0.iter().any(short) {
            let message =
                "expected at least 32 characters in each: openssl rand -hex 32".to_owned();
            self.about("[pxe]boot_token_key", message);
        }
        let lifetime = self.config.pxe.boot_token_lifetime;
        if lifetime == 0 {
            return;
        }
        if lifetime < MIN_TOKEN_LIFETIME {
            let message = format!(
                "{lifetime} s is too short to renew tokens in time: expected at least \
                 {MIN_TOKEN_LIFETIME}, or 0 for none"
            );
            self.about("[pxe]boot_token_lifetime", message);
        }
        let message = if self.config.beside.source.is_some() {
            "with [beside]source DHCP stays Ironic's, so no machine would get a boot token; set this \
             to 0"
        } else if self.config.dhcp.dhcp_provider == DhcpProvider::None {
            "with [dhcp]dhcp_provider = \"none\" no machine would get a boot token: set it to \
             \"dnsmasq\" or \"neutron\", or this to 0"
        } else {
            return;
        };
        self.about("[pxe]boot_token_lifetime", message.to_owned());
    }

    /// Checks for addresses by which no machine could reach this service.
    fn check_public_endpoint(&mut self) {
        let api = &self.config.api;
        let host_ip = api.host_ip.to_canonical();
        if host_ip.is_unspecified() {
            if api.public_endpoint.is_none() {
                let message = format!(
                    "{} is a wildcard address, but boot scripts need an address that \
                     machines can reach: set [api]public_endpoint, for example to \
                     http://192.0.2.1:{}",
                    api.host_ip,
                    if api.port == 0 { 6385 } else { api.port }
                );
                self.about("[api]host_ip", message);
            }
        } else if is_of_no_host(host_ip) {
            let message = format!("{} is not the address of a host", api.host_ip);
            self.about("[api]host_ip", message);
        }
        let api = &self.config.api;
        if let Some(endpoint) = &api.public_endpoint
            && endpoint.is_loopback()
            && !host_ip.is_loopback()
        {
            let message = format!(
                "with {:?} each machine would connect to itself; use the address or name by which \
                 machines reach this service, which listens on {} ([api]host_ip)",
                endpoint.0, api.host_ip
            );
            self.about("[api]public_endpoint", message);
        }
    }

    fn check_api_tls(&mut self) {
        let api = &self.config.api;
        if api.enable_ssl_api && (api.cert_file.is_none() || api.key_file.is_none()) {
            let message = "this requires [api]cert_file and key_file".to_owned();
            self.about("[api]enable_ssl_api", message);
        }
    }

    /// Checks for loaders that no machine would get.
    fn check_loaders(&mut self) {
        if self
            .config
            .general
            .my_ipv6
            .is_some_and(|ip| is_of_no_host(ip.into()))
        {
            let message = "expected the address of a single host".to_owned();
            self.about("[DEFAULT]my_ipv6", message);
        }
        let odd: Vec<String> = self
            .config
            .pxe
            .ipxe_bootfile_name_by_arch
            .keys()
            .filter(|key| match key.split_once('-') {
                Some((arch, mode)) => arch.is_empty() || !matches!(mode, "bios" | "uefi"),
                None => key.is_empty(),
            })
            .cloned()
            .collect();
        for key in odd {
            let message = "expected an architecture, as in aarch64, or an architecture and a boot \
                           mode, as in x86_64-bios or x86_64-uefi"
                .to_owned();
            self.about(&format!("[pxe]ipxe_bootfile_name_by_arch.{key}"), message);
        }
    }

    /// Checks for kernels without ramdisks and vice versa: each level must have both or neither.
    fn check_pairs(&mut self) {
        let conductor = &self.config.conductor;
        let pairs = [
            (
                "deploy_kernel",
                &conductor.deploy_kernel,
                "deploy_ramdisk",
                &conductor.deploy_ramdisk,
            ),
            (
                "rescue_kernel",
                &conductor.rescue_kernel,
                "rescue_ramdisk",
                &conductor.rescue_ramdisk,
            ),
        ];
        let lonely: Vec<_> = pairs
            .into_iter()
            .filter_map(|(kernel, has_kernel, ramdisk, has_ramdisk)| {
                match (has_kernel, has_ramdisk) {
                    (Some(_), None) => Some((kernel, ramdisk)),
                    (None, Some(_)) => Some((ramdisk, kernel)),
                    _ => None,
                }
            })
            .collect();
        let by_arch = [
            (
                "deploy_kernel_by_arch",
                &conductor.deploy_kernel_by_arch,
                "deploy_ramdisk_by_arch",
                &conductor.deploy_ramdisk_by_arch,
            ),
            (
                "rescue_kernel_by_arch",
                &conductor.rescue_kernel_by_arch,
                "rescue_ramdisk_by_arch",
                &conductor.rescue_ramdisk_by_arch,
            ),
        ];
        let mut lonely: Vec<(String, String)> = lonely
            .into_iter()
            .map(|(set, missing)| (set.to_owned(), missing.to_owned()))
            .collect();
        for (kernel, kernels, ramdisk, ramdisks) in by_arch {
            let alone = |set: &str, of: &Images, missing: &str, others: &Images| {
                of.keys()
                    .filter(|arch| !others.contains_key(*arch))
                    .map(|arch| (format!("{set}.{arch}"), format!("{missing}.{arch}")))
                    .collect::<Vec<_>>()
            };
            lonely.extend(alone(kernel, kernels, ramdisk, ramdisks));
            lonely.extend(alone(ramdisk, ramdisks, kernel, kernels));
        }
        for (set, missing) in lonely {
            self.about(
                &format!("[conductor]{set}"),
                format!("this requires [conductor]{missing}"),
            );
        }
    }

    /// Checks for body sizes that never fit: a body is held as received and once more when parsed,
    /// and a quarter of the memory is for other clients.
    fn check_memory(&mut self) {
        let api = &self.config.api;
        let bodies = [
            ("max_json_body_size", api.max_json_body_size),
            (
                "max_json_body_size_provision",
                api.max_json_body_size_provision,
            ),
        ];
        let memory = api.max_request_memory;
        let too_large = bodies.into_iter().find(|(_, size)| memory / 3 < *size);
        if let Some((key, size)) = too_large {
            let message = format!(
                "{memory} is less than three times [api]{key} ({size}), so such a body could \
                 never be read: raise this or lower [api]{key}"
            );
            self.about("[api]max_request_memory", message);
        }
    }

    /// Checks for images that are never served: files that are not allowed, and Glance images
    /// without Glance.
    fn check_files(&mut self) {
        let conductor = &self.config.conductor;
        let single = [
            ("deploy_kernel", &conductor.deploy_kernel),
            ("deploy_ramdisk", &conductor.deploy_ramdisk),
            ("rescue_kernel", &conductor.rescue_kernel),
            ("rescue_ramdisk", &conductor.rescue_ramdisk),
        ];
        let by_arch = [
            ("deploy_kernel_by_arch", &conductor.deploy_kernel_by_arch),
            ("deploy_ramdisk_by_arch", &conductor.deploy_ramdisk_by_arch),
            ("rescue_kernel_by_arch", &conductor.rescue_kernel_by_arch),
            ("rescue_ramdisk_by_arch", &conductor.rescue_ramdisk_by_arch),
        ];
        let single = single
            .into_iter()
            .filter_map(|(key, image)| Some((key.to_owned(), image.as_ref()?)));
        let by_arch = by_arch.into_iter().flat_map(|(key, images)| {
            images
                .iter()
                .map(move |(arch, image)| (format!("{key}.{arch}"), image))
        });
        let allowed = &conductor.file_url_allowed_paths.0;
        let has_glance = self.config.glance.auth_type.is_some();
        let beside = &self.config.beside;
        let extra = conductor.extra_ramdisks.0.iter();
        let extra = extra.map(|image| ("extra_ramdisks".to_owned(), image));
        let lost: Vec<_> = single
            .chain(by_arch)
            .chain(extra)
            .filter_map(|(key, Image(text))| {
                let problem = match ImageRef::parse(text) {
                    Ok(ImageRef::File(file)) => {
                        let path = Path::new(file.path());
                        let is_allowed = allowed.iter().any(|it| path.starts_with(it));
                        let has_url = beside.file_urls.0.url(&file).is_some();
                        (!is_allowed && !has_url).then(|| {
                            format!(
                                "{} is not below a directory of \
                                 [conductor]file_url_allowed_paths",
                                file.path()
                            )
                        })
                    }
                    Ok(ImageRef::Glance(_)) => (!has_glance).then(|| {
                        "a Glance image requires [glance]auth_type and its settings".to_owned()
                    }),
                    Ok(ImageRef::Http(_)) | Err(_) => None,
                };
                Some((key, problem?))
            })
            .collect();
        for (key, message) in lost {
            self.about(&format!("[conductor]{key}"), message);
        }
    }

    fn check_json_rpc(&mut self) {
        let rpc = &self.config.json_rpc;
        let is_open = rpc.auth_strategy == RpcAuth::NoAuth && !rpc.allow_unauthenticated_access;
        if !rpc.host_ip.is_loopback() && is_open {
            let message = format!(
                "clients are not authenticated ([json_rpc]auth_strategy is noauth), so on {} \
                 everyone with network access could control every machine. Set \
                 [json_rpc]auth_strategy = \"http_basic\"; or if the network is trusted, \
                 set [json_rpc]allow_unauthenticated_access = true or pass \
                 --allow-unauthenticated; or listen on 127.0.0.1",
                rpc.host_ip
            );
            self.about("[json_rpc]host_ip", message);
        }
        let rpc = &self.config.json_rpc;
        let with = |key: &str| format!("this requires [json_rpc]{key}");
        let mut lonely = Vec::new();
        if rpc.username.is_some() != rpc.password.is_some() {
            match rpc.username {
                Some(_) => lonely.push(("username", with("password"))),
                None => lonely.push(("password", with("username"))),
            }
        }
        if rpc.use_ssl && (rpc.cert_file.is_none() || rpc.key_file.is_none()) {
            lonely.push(("use_ssl", with("cert_file and key_file")));
        }
        if rpc.client_use_ssl && rpc.cafile.is_none() {
            lonely.push(("client_use_ssl", with("cafile")));
        }
        if rpc.find_timeout < rpc.ping_timeout {
            let message = "this is shorter than [json_rpc]ping_timeout".to_owned();
            lonely.push(("find_timeout", message));
        }
        for (key, message) in lonely {
            self.about(&format!("[json_rpc]{key}"), message);
        }
    }

    fn check_openstack(&mut self) {
        let is_needed = self.config.dhcp.dhcp_provider == DhcpProvider::Neutron;
        if is_needed && self.config.neutron.auth_type.is_none() {
            let message = "this requires [neutron]auth_type and its settings".to_owned();
            self.about("[dhcp]dhcp_provider", message);
        }
        let services = [
            self.config.glance.openstack(),
            self.config.neutron.openstack(),
            self.config.keystone_authtoken.openstack(),
        ];
        for service in services {
            for (key, message) in service.missing() {
                self.about(&format!("[{}]{key}", service.section), message);
            }
        }
        self.check_http_basic();
        let authtoken = &self.config.keystone_authtoken;
        match authtoken.auth_type {
            Some(AuthType::None | AuthType::HttpBasic) => {
                let message = "expected \"password\" or \"v3applicationcredential\"".to_owned();
                self.about("[keystone_authtoken]auth_type", message);
            }
            None if self.config.general.auth_strategy == AuthStrategy::Keystone => {
                let message =
                    "this requires [keystone_authtoken]auth_type and its settings".to_owned();
                self.about("[DEFAULT]auth_strategy", message);
            }
            Some(AuthType::Password | AuthType::ApplicationCredential) | None => {}
        }
    }

    pub(super) fn about(&mut self, key: &str, message: String) {
        let origin = self.config.origin(key);
        self.problem(origin, Some(key.to_owned()), message);
    }
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
