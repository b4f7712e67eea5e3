//! What only several settings together can get wrong, and what follows from settings that are
//! not set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ironpxe_core::boot::ImageRef;

use super::connection::Connection;
use super::dhcp::DhcpProvider;
use super::endpoint::is_of_no_host;
use super::environment::Environment;
use super::error::Origin;
use super::json_rpc::RpcAuth;
use super::load::Loader;
use super::values::{Image, Secret, Word};

/// Images by architecture.
type Images = BTreeMap<String, Image>;

impl Loader {
    /// Fills in what nobody set.
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
            let message = "there is no home directory to keep the state in; set it, or give \
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
    }

    /// Finds settings that contradict each other.
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
                "expected the path of a folder".to_owned(),
            );
        }
        let api = &self.config.api;
        if !api.host_ip.is_loopback() && !api.allow_unauthenticated_access {
            let message = format!(
                "clients need not prove who they are ([DEFAULT]auth_strategy is noauth), so on {} \
                 everybody who reaches it could control every machine. If only people you trust \
                 can reach it, set [api]allow_unauthenticated_access = true or give \
                 --allow-unauthenticated; if not, listen on 127.0.0.1",
                api.host_ip
            );
            self.about("[api]host_ip", message);
        } else {
            self.check_public_endpoint();
        }
        self.check_memory();
        let conductor = &self.config.conductor;
        if conductor.heartbeat_timeout <= conductor.heartbeat_interval {
            let message = format!(
                "{} s is not longer than [conductor]heartbeat_interval ({} s), so that living \
                 conductors would be taken for dead",
                conductor.heartbeat_timeout, conductor.heartbeat_interval
            );
            self.about("[conductor]heartbeat_timeout", message);
        }
        if self.config.pxe.ipxe_use_swift && self.config.glance.swift_temp_url_key.is_none() {
            let message = "this needs [glance]swift_temp_url_key beside it".to_owned();
            self.about("[pxe]ipxe_use_swift", message);
        } else if self.config.pxe.ipxe_use_swift && self.config.glance.auth_type.is_none() {
            let message =
                "this needs [glance]auth_type beside it, and what goes with it".to_owned();
            self.about("[pxe]ipxe_use_swift", message);
        }
        let short = |Secret(key): &Secret| key.len() < 32;
        if self.config.images.url_key.as_ref().is_some_and(short) {
            let message = "expected at least 32 characters: openssl rand -hex 32".to_owned();
            self.about("[images]url_key", message);
        }
        self.check_files();
        self.check_json_rpc();
        self.check_openstack();
        self.check_pairs();
        self.check_loaders();
    }

    /// Finds addresses of this service that no machine could reach it by.
    fn check_public_endpoint(&mut self) {
        let api = &self.config.api;
        let host_ip = api.host_ip.to_canonical();
        if host_ip.is_unspecified() {
            if api.public_endpoint.is_none() {
                let message = format!(
                    "{} stands for every address of this host, and boot scripts must name one that \
                     machines reach: set [api]public_endpoint, for example to \
                     http://192.0.2.1:{}",
                    api.host_ip,
                    if api.port == 0 { 6385 } else { api.port }
                );
                self.about("[api]host_ip", message);
            }
        } else if is_of_no_host(host_ip) {
            let message = format!("{} is no address of a host", api.host_ip);
            self.about("[api]host_ip", message);
        }
        let api = &self.config.api;
        if let Some(endpoint) = &api.public_endpoint
            && endpoint.is_loopback()
            && !host_ip.is_loopback()
        {
            let message = format!(
                "with {:?} each machine would ask itself; name the address or name under which \
                 machines reach this service, which listens on {} ([api]host_ip)",
                endpoint.0, api.host_ip
            );
            self.about("[api]public_endpoint", message);
        }
    }

    /// Finds loaders that no machine is ever given.
    fn check_loaders(&mut self) {
        if self
            .config
            .general
            .my_ipv6
            .is_some_and(|ip| is_of_no_host(ip.into()))
        {
            let message = "expected the address of one host".to_owned();
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

    /// Finds kernels without their ramdisks, and ramdisks without their kernels: at each level it is
    /// both or neither.
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
                format!("this needs [conductor]{missing} beside it"),
            );
        }
    }

    /// Finds bodies that there is never memory for: one is kept as it came, and once more when it is
    /// parsed, and other clients have a quarter.
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
                "{memory} is less than three times [api]{key} ({size}), so that such a body could \
                 never be read: raise this, or lower that"
            );
            self.about("[api]max_request_memory", message);
        }
    }

    /// Finds images that are never given out: files elsewhere than is allowed, and those of a Glance
    /// that is not configured.
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
        let lost: Vec<_> = single
            .chain(by_arch)
            .filter_map(|(key, Image(text))| {
                let problem = match ImageRef::parse(text) {
                    Ok(ImageRef::File(file)) => {
                        let path = Path::new(file.path());
                        let is_allowed = allowed.iter().any(|it| path.starts_with(it));
                        (!is_allowed).then(|| {
                            format!(
                                "{} is below none of the folders of \
                                 [conductor]file_url_allowed_paths",
                                file.path()
                            )
                        })
                    }
                    Ok(ImageRef::Glance(_)) => (!has_glance).then(|| {
                        "an image of Glance needs [glance]auth_type, and what goes with it"
                            .to_owned()
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
                "callers need not prove who they are ([json_rpc]auth_strategy is noauth), so on {} \
                 everybody who reaches it could control every machine. Set \
                 [json_rpc]auth_strategy = \"http_basic\"; or if only people you trust can reach \
                 it, set [json_rpc]allow_unauthenticated_access = true or give \
                 --allow-unauthenticated; or listen on 127.0.0.1",
                rpc.host_ip
            );
            self.about("[json_rpc]host_ip", message);
        }
        let rpc = &self.config.json_rpc;
        let with = |key: &str| format!("this needs [json_rpc]{key} beside it");
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
        if rpc.boot_timeout < rpc.boot_try_timeout {
            let message = "this is shorter than [json_rpc]boot_try_timeout".to_owned();
            lonely.push(("boot_timeout", message));
        }
        for (key, message) in lonely {
            self.about(&format!("[json_rpc]{key}"), message);
        }
    }

    fn check_openstack(&mut self) {
        let is_needed = self.config.dhcp.dhcp_provider == DhcpProvider::Neutron;
        if is_needed && self.config.neutron.auth_type.is_none() {
            let message = "this needs [neutron]auth_type, and what goes with it".to_owned();
            self.about("[dhcp]dhcp_provider", message);
        }
        let services = [
            self.config.glance.openstack(),
            self.config.neutron.openstack(),
        ];
        for service in services {
            for (key, message) in service.missing() {
                self.about(&format!("[{}]{key}", service.section), message);
            }
        }
    }

    fn about(&mut self, key: &str, message: String) {
        let origin = self.config.origin(key);
        self.problem(origin, Some(key.to_owned()), message);
    }
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
