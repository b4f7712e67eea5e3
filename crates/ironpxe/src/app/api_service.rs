//! The API of a process.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::AppError;
use super::common::Common;
use super::listener::{Listener, listen};
use super::role::Role;
use super::settings::api_settings;
use crate::api;
use crate::auth::Authenticator;
use crate::config::Config;
use crate::policy::CurrentPolicy;
use crate::rpc::Conductor;
use crate::server::HttpService;

pub(super) struct ApiService {
    /// Cancelled at shutdown: `/readyz` fails from then on.
    stopping: CancellationToken,
    shutdown_delay: Duration,
}

impl ApiService {
    /// Binds the address of `[api]`.
    pub(super) fn listen(config: &Config, role: Role) -> Result<Listener, AppError> {
        let (socket, address) = listen(config.api.host_ip, config.api.port, "api")?;
        let mut own_ports = vec![address.port()];
        if role == Role::Api {
            // A conductor may be on this host, too.
            own_ports.push(config.json_rpc.port);
        }
        Ok(Listener {
            socket,
            address,
            api_address: address,
            own_ports,
        })
    }

    /// The API and its HTTP service. `conductor` is the one of this process, or all remote ones.
    pub(super) fn new(
        common: &Common,
        authenticator: Authenticator,
        conductor: Arc<dyn Conductor>,
        policy: CurrentPolicy,
    ) -> (Self, HttpService) {
        let stopping = CancellationToken::new();
        let http_service = api::http_service(api::AppState {
            store: api::Store::new(common.db.clone()),
            conductor,
            policy,
            common: api::CommonState {
                boot: common.boot.clone(),
                authenticator,
                settings: Arc::new(api_settings(&common.config)),
                images: common.images.clone(),
                nodes: api::NodeSource::Own(common.db.clone()),
                stopping: stopping.clone(),
            },
        });
        let service = Self {
            stopping,
            shutdown_delay: Duration::from_secs(common.config.api.shutdown_delay.into()),
        };
        (service, http_service)
    }

    /// Makes `/readyz` fail, so that load balancers send requests elsewhere.
    pub(super) fn begin_stop(&self) {
        self.stopping.cancel();
    }

    /// How long it keeps serving, so that load balancers notice.
    pub(super) fn shutdown_delay(&self) -> Duration {
        self.shutdown_delay
    }
}
