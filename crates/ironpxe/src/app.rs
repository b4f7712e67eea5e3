//! The composition root: the only file that knows everyone.
//!
//! It reads from top to bottom as the service starts: everything is checked before anything is
//! bound, bound before anything is promised, and ended in the opposite order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ironpxe_core::boot::{Scripts, TemplateError};
use ironpxe_core::error::Fault;
use ironpxe_core::provision_state::ProvisionState;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api;
pub use crate::conductor::preview::OfflineError;
use crate::conductor::{self, LocalConductor};
use crate::config::{Config, Connection, Word};
use crate::db::{self, Db};
pub use crate::db::{DbError, Migration, SchemaStatus, Verdict};
use crate::drivers::{Drivers, DriversError};
use crate::lifecycle::server::{self, Limits};
use crate::lifecycle::{Signals, Tasks};
pub use crate::rpc::BootPreview;

/// How long tasks may take to end, and how long the database may take to close.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration names hardware types or interfaces that there are not.
    #[error("configuration")]
    Drivers(#[from] DriversError),
    /// A boot script's template is broken.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Signals cannot be caught.
    #[error("cannot catch signals")]
    Signals(#[source] std::io::Error),
    /// The address is taken, or not this host's.
    #[error("cannot listen on {address} ([api]host_ip and port)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database does not open.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The conductor does not start.
    #[error("the conductor cannot start")]
    Conductor(#[source] Fault),
}

/// Serves until a signal says stop.
pub async fn serve(config: Config) -> Result<(), AppError> {
    let drivers = Drivers::new(
        &config.general.enabled_hardware_types.0,
        config
            .general
            .default_deploy_interface
            .as_ref()
            .map(|Word(name)| name.as_str()),
    )?;
    let scripts = Arc::new(Scripts::new(config.downloads())?);
    let mut signals = Signals::catch().map_err(AppError::Signals)?;

    let (listener, address) = listen(SocketAddr::new(config.api.host_ip, config.api.port)).await?;
    let api_url = api_url(&config, address);
    let db = Db::open(&db_settings(&config)).await?;
    let tasks = Tasks::new();
    let conductor = LocalConductor::start(
        db.clone(),
        drivers,
        Arc::clone(&scripts),
        conductor_settings(&config, api_url),
        tasks.clone(),
    )
    .await
    .map_err(AppError::Conductor)?;
    let router = api::router(api::AppState {
        db: db.clone(),
        conductor: Arc::new(conductor),
        settings: Arc::new(api_settings(&config)),
        scripts,
    });

    let stop = CancellationToken::new();
    let serving = server::serve(listener, router, Limits::of_this_process(), stop.clone());
    info!(
        conductor.host = config.host,
        database = %config.database_connection,
        "listening on http://{address}"
    );
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        () = serving.as_mut() => {}
        signal = signals.next() => info!("{signal}: finishing what is under way"),
    }
    stop.cancel();
    signals
        .or_exit(async {
            serving.await;
            end(&tasks, &db).await;
        })
        .await;
    info!("stopped");
    Ok(())
}

/// What a machine would boot, by the database alone.
pub async fn preview(
    config: &Config,
    machine: &str,
    state: Option<ProvisionState>,
) -> Result<BootPreview, OfflineError> {
    let address = SocketAddr::new(config.api.host_ip, config.api.port);
    let settings = config.boot_settings(api_url(config, address));
    conductor::preview::offline(&db_settings(config), &settings, machine, state).await
}

/// Of which version the tables of the database are.
pub async fn database_status(config: &Config) -> Result<SchemaStatus, DbError> {
    db::schema_status(&db_location(config)).await
}

/// Brings the tables of the database up to date, and tells which migrations that took.
pub async fn database_upgrade(config: &Config) -> Result<Vec<Migration>, DbError> {
    db::upgrade(&db_location(config)).await
}

/// Ends what runs beside the requests, and then what everything stands on.
async fn end(tasks: &Tasks, db: &Db) {
    if !tasks.stop(PATIENCE).await {
        warn!(
            "some work did not end within {} s; it is ended at the next start",
            PATIENCE.as_secs()
        );
    }
    if tokio::time::timeout(PATIENCE, db.close()).await.is_err() {
        warn!("the database is still in use; it is repaired at the next start");
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), AppError> {
    let bind = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind.await
        .map_err(|source| AppError::Listen { address, source })
}

/// Where machines and ramdisks find this service.
fn api_url(config: &Config, address: SocketAddr) -> String {
    if let Some(endpoint) = &config.api.public_endpoint {
        return endpoint.0.clone();
    }
    let url = format!("http://{address}");
    if address.ip().is_unspecified() {
        warn!(
            "boot scripts send ramdisks to {url}, where they find nothing: set \
             [api]public_endpoint to a URL under which machines reach this host"
        );
    }
    url
}

fn db_location(config: &Config) -> db::Location {
    match &config.database_connection {
        Connection::Sqlite(path) => db::Location::Sqlite(path.clone()),
        Connection::Postgres(postgres) => db::Location::Postgres {
            options: postgres.options.clone(),
            name: postgres.to_string(),
        },
    }
}

fn db_settings(config: &Config) -> db::Settings {
    db::Settings {
        location: db_location(config),
        limits: db::Limits {
            max_pool_size: config.database.max_pool_size,
            statement_timeout: Duration::from_secs(config.database.statement_timeout.into()),
        },
        heartbeat_timeout: Duration::from_secs(config.conductor.heartbeat_timeout.into()),
    }
}

fn conductor_settings(config: &Config, api_url: String) -> conductor::Settings {
    conductor::Settings {
        host: config.host.clone(),
        conductor_group: config.conductor.conductor_group.clone(),
        automated_clean: config.conductor.automated_clean,
        allow_provisioning_in_maintenance: config.conductor.allow_provisioning_in_maintenance,
        heartbeat_interval: Duration::from_secs(config.conductor.heartbeat_interval.into()),
        restrict_boot_config: config.api.restrict_boot_config,
        boot: config.boot_settings(api_url),
    }
}

fn api_settings(config: &Config) -> api::Settings {
    let api = &config.api;
    api::Settings {
        public_endpoint: api
            .public_endpoint
            .as_ref()
            .map(|endpoint| endpoint.0.clone()),
        max_limit: api.max_limit,
        max_body_bytes: bytes(api.max_json_body_size),
        max_provision_body_bytes: bytes(api.max_json_body_size_provision),
        max_json_body_depth: usize::from(api.max_json_body_depth),
        restrict_boot_config: api.restrict_boot_config,
        host: config.host.clone(),
    }
}

fn bytes(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
