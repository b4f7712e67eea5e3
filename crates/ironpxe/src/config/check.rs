//! What only several settings together can get wrong, and what follows from settings that are
//! not set.

use std::path::{Path, PathBuf};

use ironpxe_core::boot::ImageRef;

use super::connection::Connection;
use super::dhcp::DhcpProvider;
use super::environment::Environment;
use super::error::Origin;
use super::json_rpc::RpcAuth;
use super::load::Loader;
use super::values::{Image, Secret, Word};

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

    /// Finds settings that do not go together.
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
        }
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
        }
        let short = |Secret(key): &Secret| key.len() < 32;
        if self.config.images.url_key.as_ref().is_some_and(short) {
            let message = "expected at least 32 characters: openssl rand -hex 32".to_owned();
            self.about("[images]url_key", message);
        }
        self.check_files();
        self.check_json_rpc();
        self.check_openstack();
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
        for (set, missing) in lonely {
            self.about(
                &format!("[conductor]{set}"),
                format!("this needs [conductor]{missing} beside it"),
            );
        }
    }

    /// Finds images in files that are never given out.
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
            .filter_map(|(key, image)| Some((key, image.as_ref()?)));
        let by_arch = by_arch
            .into_iter()
            .flat_map(|(key, images)| images.values().map(move |image| (key, image)));
        let allowed = &conductor.file_url_allowed_paths.0;
        let lost: Vec<_> = single
            .chain(by_arch)
            .filter_map(|(key, Image(text))| match ImageRef::parse(text) {
                Ok(ImageRef::File(file)) => Some((key, file)),
                _ => None,
            })
            .filter(|(_, file)| {
                !allowed
                    .iter()
                    .any(|it| Path::new(file.path()).starts_with(it))
            })
            .map(|(key, file)| (key, file.path().to_owned()))
            .collect();
        for (key, path) in lost {
            self.about(
                &format!("[conductor]{key}"),
                format!("{path} is below none of the folders of [conductor]file_url_allowed_paths"),
            );
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
        let origin = self
            .config
            .origins
            .get(key)
            .cloned()
            .unwrap_or(Origin::Default);
        self.problem(origin, Some(key.to_owned()), message);
    }
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
