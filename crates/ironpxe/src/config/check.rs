//! What only several settings together can get wrong, and what follows from settings that are
//! not set.

use std::path::PathBuf;

use super::connection::Connection;
use super::environment::Environment;
use super::error::Origin;
use super::load::Loader;
use super::values::Word;

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
