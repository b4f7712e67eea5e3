//! The conductor of a process.

use std::net::SocketAddr;

use tracing::warn;

use super::common::Common;
use super::conductor_name::ConductorName;
use super::listener::{Listener, listen};
use super::settings::conductor_settings;
use super::{AppError, SHUTDOWN_TIMEOUT};
use crate::conductor::LocalConductor;
use crate::config::Config;
use crate::drivers::Drivers;

/// The conductor of this process; owns its name while it exists.
pub(super) struct ConductorService {
    conductor: LocalConductor,
    _name: Option<ConductorName>,
}

impl ConductorService {
    /// Binds the address of `[json_rpc]`.
    pub(super) fn listen(config: &Config) -> Result<Listener, AppError> {
        let rpc = &config.json_rpc;
        let (socket, address) = listen(rpc.host_ip, rpc.port, "json_rpc")?;
        Ok(Listener {
            socket,
            address,
            api_address: SocketAddr::new(config.api.host_ip, config.api.port),
            // An API may be on this host, too.
            own_ports: vec![address.port(), config.api.port],
        })
    }

    /// Registers the conductor and starts its tasks. `endpoint` is its address for other processes;
    /// empty if only the API of this process uses it.
    pub(super) async fn start(
        common: &Common,
        drivers: Drivers,
        mut name: Option<ConductorName>,
        endpoint: String,
    ) -> Result<Self, AppError> {
        let settings = conductor_settings(
            &common.config,
            common.api_url.clone(),
            endpoint,
            common.images.clone(),
            &common.clients,
            common.tokens.clone(),
        );
        let (db, boot, tasks) = (&common.db, &common.boot, &common.tasks);
        let starting =
            LocalConductor::start(db.clone(), drivers, boot.clone(), settings, tasks.clone());
        let conductor = starting.await.map_err(AppError::Conductor)?;
        if let Some(name) = &mut name {
            name.record_run(conductor.run_id());
        }
        Ok(Self {
            conductor,
            _name: name,
        })
    }

    pub(super) fn conductor(&self) -> &LocalConductor {
        &self.conductor
    }

    /// Announces that this conductor takes no more calls.
    pub(super) async fn drain(&self) {
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, self.conductor.drain())
            .await
            .is_err()
        {
            warn!(
                "cannot mark this conductor as stopped: the database does not respond; APIs skip it when its heartbeat times out"
            );
        }
    }

    /// Releases the nodes of unfinished tasks.
    pub(super) async fn release_own_nodes(&self) {
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, self.conductor.release_own_nodes())
            .await
            .is_err()
        {
            warn!(
                "cannot release the nodes of unfinished tasks: the database does not respond; other conductors or the next start will"
            );
        }
    }
}
