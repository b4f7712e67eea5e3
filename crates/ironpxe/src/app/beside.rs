//! The service beside an existing Ironic: boot scripts of that Ironic's nodes, and nothing else.
//! Nothing is stored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::api_service::ApiService;
use super::listener::Listener;
use super::openstack::{Clients, ironic_client};
use super::role::Role;
use super::settings::{api_settings, boot_settings, images};
use super::validate::{Validated, validate};
use super::{AppError, SHUTDOWN_TIMEOUT, certificate, noted, reload};
use crate::auth::Authenticator;
use crate::beside::{Ironic, MysqlSettings, MysqlTls, SourceError};
use crate::boot::{BootFacts, BootService, HardwareTypes, Templates};
use crate::config::{self, BesideSource, Config, Endpoint, PublicEndpoint, Secret};
use crate::lifecycle::{Sighup, Signals, Tasks};
use crate::openstack::SetupError;
use crate::server::{self, Limits};
use crate::tls::TlsError;
use crate::{api, ident, tls};

/// Why the source of nodes cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BesideSetupError {
    /// Ironic's API.
    #[error("invalid settings of Ironic's API in [beside]")]
    Api(#[from] SetupError),
    /// The CA certificates for its database server.
    #[error("[beside]cafile, or ssl_ca in [beside]connection")]
    Ca(#[source] TlsError),
}

/// The source of nodes that is configured; `None` if this service has its own.
pub(super) fn ironic(config: &Config) -> Result<Option<Ironic>, BesideSetupError> {
    Ok(match &config.beside_source {
        None => None,
        Some(BesideSource::Sqlite(path)) => Some(Ironic::sqlite(path)),
        Some(BesideSource::Mysql(mysql)) => {
            // Of this, the driver would say at each connection that the server is not trusted.
            if let config::MysqlTls::Verify {
                cafile: Some(cafile),
            } = &mysql.tls
            {
                tls::client(cafile).map_err(BesideSetupError::Ca)?;
            }
            Some(Ironic::mysql(&mysql_settings(mysql)))
        }
        Some(BesideSource::Rest(api)) => Some(Ironic::rest(ironic_client(api)?)),
    })
}

/// The facts of an existing Ironic's nodes.
pub(super) fn facts(config: &Config, ironic: Ironic) -> BootFacts {
    BootFacts::beside(ironic, http_urls(config))
}

/// The URLs of the conductors' web servers by their host names.
pub(super) fn http_urls(config: &Config) -> BTreeMap<String, String> {
    let urls = config.beside.http_urls.iter();
    urls.map(|(host, Endpoint(url))| (host.clone(), url.clone()))
        .collect()
}

/// The URL of Ironic's API for ramdisks.
pub(super) fn ironic_url(config: &Config) -> String {
    let url = config.beside.api_url.as_ref();
    url.map(|PublicEndpoint(url)| url.clone())
        .unwrap_or_default()
}

/// Serves until a signal.
pub(super) async fn serve(config: Config, ironic: Ironic) -> Result<(), AppError> {
    let Validated {
        certificate,
        scripts,
        kickstarts,
        clients,
        ..
    } = validate(&config, Role::All)?;
    let templates = Templates::new(noted(scripts));
    let limits = Limits::of_this_process()?;
    let mut signals = Signals::catch().map_err(AppError::Signals)?;
    let sighup = Sighup::catch().map_err(AppError::Signals)?;
    let Listener {
        socket,
        address,
        own_ports,
        ..
    } = ApiService::listen(&config, Role::All)?;

    let base = super::settings::api_url(&config, Role::All, address);
    let images = images_beside(&config, &clients, base, own_ports, limits.connections / 2)?;
    let mut settings = boot_settings(
        &config,
        ironic_url(&config),
        templates.clone(),
        images.clone(),
        kickstarts,
        HardwareTypes::any(),
        // DHCP is Ironic's, so nobody would hand them out.
        None,
    );
    if let Some(limit) = ironic.max_waiting() {
        settings.max_requests = settings.max_requests.min(limit);
    }
    let tasks = Tasks::new();
    let boot = BootService::new(facts(&config, ironic.clone()), settings, &tasks);
    reload::start(&tasks, sighup, config.clone(), templates);
    let stopping = CancellationToken::new();
    let mut http_service = api::http_service_beside(api::CommonState {
        boot,
        // Machines are not authenticated, and nobody else is served.
        authenticator: Authenticator::NoAuth,
        settings: Arc::new(api_settings(&config)),
        images,
        nodes: api::NodeSource::Ironic(Arc::new(api::SharedPing::new(ironic.clone()))),
        stopping: stopping.clone(),
    });
    let mut scheme = "http";
    if let Some(certificate) = certificate {
        scheme = "https";
        http_service.tls = Some(certificate.config());
        certificate::watch(&tasks, certificate);
    }
    if let Err(error) = ironic.ping().await {
        if let SourceError::Scope(_) = error {
            // Only an operator can change it: every machine would be told to retry for ever.
            return Err(AppError::Account(error));
        }
        warn!("machines are not booted yet, and will retry: {error}");
    }

    let stop = CancellationToken::new();
    let serving = server::serve(socket, http_service, limits, stop.clone());
    info!(
        source = config.beside.source.map(config::SourceKind::name),
        "listening on {scheme}://{address}, beside an existing Ironic"
    );
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        () = serving.as_mut() => {}
        signal = signals.next() => info!("{signal} received: shutting down"),
    }
    stopping.cancel();
    let delay = Duration::from_secs(config.api.shutdown_delay.into());
    signals
        .or_aborted(Box::pin(async {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = serving.as_mut() => {}
            }
            stop.cancel();
            serving.await;
            if !tasks.stop(SHUTDOWN_TIMEOUT).await {
                warn!("some tasks did not end in time and were aborted");
            }
            // A server that does not respond must not delay the exit.
            let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, ironic.close()).await;
        }))
        .await?;
    info!("stopped");
    Ok(())
}

/// Without a database, the key of signed URLs is either configured or valid for this process alone.
fn images_beside(
    config: &Config,
    clients: &Clients,
    base: String,
    own_ports: Vec<u16>,
    downloads: usize,
) -> Result<crate::images::Images, AppError> {
    let key = match &config.images.url_key {
        Some(Secret(key)) => key.clone(),
        None => ident::secret(),
    };
    Ok(images(config, clients, &key, base, own_ports, downloads)?)
}

fn mysql_settings(mysql: &config::Mysql) -> MysqlSettings {
    MysqlSettings {
        host: mysql.host.clone(),
        port: mysql.port,
        socket: mysql.socket.clone(),
        user: mysql.user.clone(),
        password: mysql
            .password
            .as_ref()
            .map(|Secret(password)| crate::openstack::Secret(password.clone())),
        database: mysql.database.clone(),
        tls: match &mysql.tls {
            config::MysqlTls::Off => MysqlTls::Off,
            config::MysqlTls::Verify { cafile } => MysqlTls::Verified(cafile.clone()),
        },
    }
}
