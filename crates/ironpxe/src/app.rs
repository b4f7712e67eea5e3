//! The composition root: the only module that uses all others.
//!
//! At start, the configuration is validated, then listeners are bound, then the services start.
//! Shutdown is in reverse order.

mod api_service;
mod authentication;
mod beside;
mod beside_check;
mod common;
mod conductor_name;
mod conductor_service;
mod json_rpc;
mod listener;
pub(crate) mod openstack;
mod reload;
mod role;
mod settings;
mod validate;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ironpxe_core::boot::{Overrides, Scripts};
use ironpxe_core::error::Fault;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub(crate) use crate::beside::check::{ComparedMachine, Counts, Finding, Outcome, Report};
pub(crate) use crate::boot::BootPreview;
pub(crate) use crate::boot::preview::OfflineError;
use crate::boot::{self, Templates};
use crate::config::{Config, ConfigError, Connection};
use crate::db::{self, Db};
pub(crate) use crate::db::{Compatibility, DbError, Migration, SchemaStatus};
use crate::images;
use crate::lifecycle::{ShutdownAborted, Sighup, Signals};
use crate::openstack::SetupError;
use crate::policy::{self, CurrentPolicy};
use crate::server::{self, FileLimitError, Limits};
use crate::tls::TlsError;

use self::api_service::ApiService;
pub(crate) use self::beside_check::{CheckError, CheckOptions, check as check_beside};
use self::common::{Common, Inputs};
use self::conductor_service::ConductorService;
use self::listener::Listener;
use self::openstack::Clients;
pub(crate) use self::role::Role;
use self::settings::{api_url, db_location, db_settings, images, policy_files, unknown_policy};
use self::validate::{RoleSetup, Validated, validate};
pub(crate) use self::validate::{check, policy};

/// The timeout for stopping tasks, and for closing the database.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Signal handlers cannot be installed.
    #[error("cannot install signal handlers")]
    Signals(#[source] std::io::Error),
    /// The address is in use, or not this host's.
    #[error("cannot listen on {address} ([{section}]host_ip and port)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Its section in the configuration.
        section: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The conductor cannot start.
    #[error("the conductor cannot start")]
    Conductor(#[source] Fault),
    /// Images cannot be served.
    #[error("cannot set up images")]
    Images(#[from] images::SetupError),
    /// Ironic's API cannot be used as configured.
    #[error("invalid settings of Ironic's API in [beside]")]
    Beside(#[from] SetupError),
    /// TLS to conductors is misconfigured.
    #[error("invalid [json_rpc] TLS settings")]
    Tls(#[from] TlsError),
    /// The limit on open files is too low.
    #[error(transparent)]
    Files(#[from] FileLimitError),
    /// Another process uses this conductor name.
    #[error(
        "[DEFAULT]host {host:?} is already used by a running conductor: {holder}; stop it, or set a \
         different name"
    )]
    NameTaken {
        /// The name.
        host: String,
        /// That process.
        holder: String,
    },
    /// A second signal aborted the shutdown.
    #[error(transparent)]
    ShutdownAborted(#[from] ShutdownAborted),
}

/// Serves until a signal.
pub(crate) async fn serve(config: Config, role: Role) -> Result<(), AppError> {
    if let Some(ironic) = beside::ironic(&config)? {
        return beside::serve(config, ironic).await;
    }
    // Before the files are read, so that a change meanwhile is noticed.
    let version = policy_files(&config).version();
    let Validated {
        setup,
        scripts,
        kickstarts,
        clients,
        policy,
        authenticator,
    } = validate(&config, role)?;
    if let Some(doubt) = policy::doubt(&policy) {
        warn!("{doubt}");
    }
    let policy = CurrentPolicy::new(policy);
    let templates = Templates::new(noted(scripts));
    let limits = Limits::of_this_process()?;
    let mut signals = Signals::catch().map_err(AppError::Signals)?;
    let sighup = Sighup::catch().map_err(AppError::Signals)?;

    let Listener {
        socket,
        address,
        api_address,
        own_ports,
    } = match role {
        Role::All | Role::Api => ApiService::listen(&config, role)?,
        Role::Conductor => ConductorService::listen(&config)?,
    };
    db::protect_directory(&config.state_path);
    let db = Db::open(&db_settings(&config)).await?;
    let name = match role {
        Role::Api => None,
        // May wait for the heartbeat of another host.
        Role::All | Role::Conductor => tokio::select! {
            name = conductor_name::claim(&config, &db) => Some(name?),
            signal = signals.next() => {
                info!("{signal} received during start: exiting");
                return Ok(());
            }
        },
    };
    let api_url = api_url(&config, role, api_address);
    let common = Common::start(Inputs {
        hardware_types: setup.hardware_types(&db),
        config,
        db,
        clients,
        templates: templates.clone(),
        kickstarts,
        api_url,
        own_ports,
        downloads: limits.connections / 2,
    })
    .await?;
    let rpc = &common.config.json_rpc;
    let (api, conductor, http_service) = match setup {
        RoleSetup::All { drivers } => {
            let endpoint = String::new();
            let conductor = ConductorService::start(&common, drivers, name, endpoint).await?;
            let (api, http_service) = ApiService::new(
                &common,
                authenticator,
                Arc::new(conductor.conductor().clone()),
                policy.clone(),
            );
            (Some(api), Some(conductor), http_service)
        }
        RoleSetup::Api { rpc: client } => {
            let conductors = json_rpc::remote(&common.db, rpc, *client)?;
            let (api, http_service) =
                ApiService::new(&common, authenticator, Arc::new(conductors), policy.clone());
            (Some(api), None, http_service)
        }
        RoleSetup::Conductor { drivers, security } => {
            let endpoint = json_rpc::endpoint(&common.config.host, address);
            let conductor = ConductorService::start(&common, drivers, name, endpoint).await?;
            let http_service = json_rpc::http_service(conductor.conductor().clone(), rpc, security);
            (None, Some(conductor), http_service)
        }
    };
    reload::start(&common.tasks, sighup, common.config.clone(), templates);
    if role != Role::Conductor {
        reload::watch_policy(&common.tasks, policy_files(&common.config), version, policy);
    }

    let stop = CancellationToken::new();
    let scheme = match http_service.tls {
        Some(_) => "https",
        None => "http",
    };
    let serving = server::serve(socket, http_service, limits, stop.clone());
    info!(
        conductor.host = common.config.host,
        database = %common.config.database_connection,
        role = role.name(),
        "listening on {scheme}://{address}"
    );
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        () = serving.as_mut() => {}
        signal = signals.next() => info!("{signal} received: shutting down"),
    }
    if let Some(api) = &api {
        api.begin_stop();
    }
    signals
        .or_aborted(Box::pin(async {
            // Before the listener closes, so that no more calls are sent here.
            if let Some(conductor) = &conductor {
                conductor.drain().await;
            }
            // Conductors have no load balancer: APIs read the database.
            let delay = api.as_ref().map(ApiService::shutdown_delay);
            tokio::select! {
                () = tokio::time::sleep(delay.unwrap_or_default()) => {}
                () = serving.as_mut() => {}
            }
            stop.cancel();
            serving.await;
            end(&common, conductor.as_ref()).await;
        }))
        .await?;
    info!("stopped");
    Ok(())
}

/// What a machine would boot, from the database without the service.
pub(crate) async fn preview(
    config: &Config,
    scripts: &Scripts,
    machine: &str,
    overrides: &Overrides,
) -> Result<BootPreview, OfflineError> {
    let images = preview_images(config)?;
    let settings = config.boot_settings(match config.beside_source {
        Some(_) => beside::ironic_url(config),
        None => configured_url(config),
    });
    let context = boot::preview::Context {
        settings: &settings,
        scripts,
        images: &images,
        unknown_machines: &unknown_policy(config),
    };
    match beside::ironic(config) {
        Ok(None) => boot::preview::offline(&db_settings(config), context, machine, overrides).await,
        Ok(Some(ironic)) => {
            // Later errors are told as to machines: without their cause.
            ironic.ping().await?;
            let facts = beside::facts(config, ironic);
            boot::preview::preview(&facts, context, machine, overrides).await
        }
        Err(error) => Err(OfflineError::Beside(Box::new(error))),
    }
}

/// The URL of this service's API.
fn configured_url(config: &Config) -> String {
    let address = SocketAddr::new(config.api.host_ip, config.api.port);
    api_url(config, Role::All, address)
}

/// The images of previews, whose signed URLs are not valid.
fn preview_images(config: &Config) -> Result<images::Images, OfflineError> {
    let (url, own_ports) = (configured_url(config), vec![config.api.port]);
    Clients::new(config)
        .map_err(Box::from)
        .and_then(|clients| Ok(images(config, &clients, "", url, own_ports, 1)?))
        .map_err(OfflineError::Images)
}

/// Logs the warnings about templates.
fn noted(scripts: Scripts) -> Scripts {
    for note in scripts.notes() {
        warn!("{note}");
    }
    scripts
}

/// The service's files that other users can read, and what `serve` does about it.
pub(crate) fn exposed_files(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    if let Connection::Sqlite(path) = &config.database_connection {
        for (file, mode) in db::exposed_files(path) {
            notes.push(format!(
                "{} is readable by other users (mode {mode:o}), and has passwords: `ironpxe serve` \
                 changes its mode to 600",
                file.display()
            ));
        }
    }
    if let Some(mode) = db::exposed_mode(&config.state_path) {
        notes.push(format!(
            "the state directory {} is accessible to other users (mode {mode:o}): chmod 700, or set \
             [DEFAULT]state_path to a separate directory",
            config.state_path.display()
        ));
    }
    notes
}

/// The schema version of the database.
pub(crate) async fn database_status(config: &Config) -> Result<SchemaStatus, DbError> {
    db::schema_status(&db_location(config)).await
}

/// Migrates the database, and returns the applied migrations.
pub(crate) async fn database_upgrade(config: &Config) -> Result<Vec<Migration>, DbError> {
    db::upgrade(&db_location(config)).await
}

/// Stops the background tasks, then closes the database.
async fn end(common: &Common, conductor: Option<&ConductorService>) {
    if !common.tasks.stop(SHUTDOWN_TIMEOUT).await {
        warn!(
            "some tasks did not end within {} s and were aborted",
            SHUTDOWN_TIMEOUT.as_secs()
        );
    }
    if let Some(conductor) = conductor {
        conductor.release_own_nodes().await;
    }
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, common.db.close())
        .await
        .is_err()
    {
        warn!("the database did not close in time; it is recovered at the next start");
    }
}
