//! The composition root: the only file that knows everyone.
//!
//! It reads from top to bottom as the service starts: everything is checked before anything is
//! bound, bound before anything is promised, and ended in the opposite order.

mod conductor_name;
pub mod openstack;
mod reload;
mod roles;
mod settings;
mod validate;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ironpxe_core::boot::{Overrides, Scripts};
use ironpxe_core::error::Fault;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api;
pub use crate::boot::BootPreview;
pub use crate::boot::preview::OfflineError;
use crate::boot::{self, BootService, HardwareTypes, Templates};
use crate::conductor::LocalConductor;
use crate::config::{Config, ConfigError, Connection, Secret};
use crate::db::{self, Db};
pub use crate::db::{DbError, Migration, SchemaStatus, Verdict};
use crate::ident;
use crate::images;
use crate::lifecycle::{CutShort, HangUps, Signals, Tasks};
use crate::server::{self, Limits, TooFewFiles};
use crate::tls::TlsError;

use self::openstack::Clients;
pub use self::roles::Role;
use self::settings::{
    api_settings, api_url, boot_settings, conductor_settings, db_location, db_settings, images,
};
pub use self::validate::check;
use self::validate::{Validated, validate};

/// How long tasks may take to end, and how long the database may take to close.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Signals cannot be caught.
    #[error("cannot catch signals")]
    Signals(#[source] std::io::Error),
    /// The address is taken, or not this host's.
    #[error("cannot listen on {address} ([{section}]host_ip and port)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The section that says so.
        section: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database does not open.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The conductor does not start.
    #[error("the conductor cannot start")]
    Conductor(#[source] Fault),
    /// Images cannot be served.
    #[error("images")]
    Images(#[from] images::SetupError),
    /// The role has neither a conductor nor a way to one.
    #[error("this process has no conductor")]
    NoConductor,
    /// TLS to conductors cannot be used.
    #[error("[json_rpc]")]
    Tls(#[from] TlsError),
    /// Too few files may be open.
    #[error(transparent)]
    Files(#[from] TooFewFiles),
    /// Another process is the conductor of this name.
    #[error(
        "[DEFAULT]host {host:?} is the name of a conductor that runs already: {holder}. Stop that one \
         first, or give each its own [DEFAULT]host"
    )]
    NameTaken {
        /// The name.
        host: String,
        /// Who has it.
        holder: String,
    },
    /// It was told twice to stop.
    #[error(transparent)]
    CutShort(#[from] CutShort),
}

/// Serves until a signal says stop.
pub async fn serve(config: Config, role: Role) -> Result<(), AppError> {
    let shutdown_delay = match role {
        Role::All | Role::Api => Duration::from_secs(config.api.shutdown_delay.into()),
        // No load balancer stands in front of it: APIs are told by the database.
        Role::Conductor => Duration::ZERO,
    };
    let Validated {
        drivers,
        scripts,
        guards,
        rpc,
        kickstarts,
        clients,
    } = validate(&config, role)?;
    let templates = Templates::new(noted(scripts));
    let limits = Limits::of_this_process()?;
    let mut signals = Signals::catch().map_err(AppError::Signals)?;
    let hang_ups = HangUps::catch().map_err(AppError::Signals)?;

    let (listener, address) = match role {
        Role::All | Role::Api => listen(config.api.host_ip, config.api.port, "api")?,
        Role::Conductor => listen(config.json_rpc.host_ip, config.json_rpc.port, "json_rpc")?,
    };
    let (api_address, endpoint) = match role {
        Role::All | Role::Api => (address, String::new()),
        Role::Conductor => (
            SocketAddr::new(config.api.host_ip, config.api.port),
            roles::endpoint(&config.host, address),
        ),
    };
    db::protect_folder(&config.state_path);
    let db = Db::open(&db_settings(&config)).await?;
    let mut name = match role {
        Role::Api => None,
        // It may have to wait for the heartbeat of another host.
        Role::All | Role::Conductor => tokio::select! {
            name = conductor_name::claim(&config, &db) => Some(name?),
            signal = signals.next() => {
                info!("{signal}: not started");
                return Ok(());
            }
        },
    };
    let api_url = api_url(&config, role, api_address);
    let key = match &config.images.url_key {
        Some(Secret(key)) => key.clone(),
        None => db.secret("image_urls", &ident::secret()).await?,
    };
    let downloads = limits.connections / 2;
    let own_ports = match role {
        Role::All => vec![address.port()],
        // The other role may be on this host too.
        Role::Api => vec![address.port(), config.json_rpc.port],
        Role::Conductor => vec![address.port(), config.api.port],
    };
    let images = images(
        &config,
        &clients,
        &key,
        api_url.clone(),
        own_ports,
        downloads,
    )?;
    let tasks = Tasks::new();
    let hardware_types = match &drivers {
        Some(drivers) => HardwareTypes::enabled(drivers.names()),
        None => HardwareTypes::registered(db.clone()),
    };
    let settings = boot_settings(
        &config,
        api_url.clone(),
        templates.clone(),
        images.clone(),
        kickstarts,
        hardware_types,
    );
    let boot = BootService::new(&db, settings, &tasks);
    let conductor = match drivers {
        None => None,
        Some(drivers) => {
            let images = images.clone();
            let settings = conductor_settings(&config, api_url, endpoint, images, &clients);
            let boot = boot.clone();
            let started = LocalConductor::start(db.clone(), drivers, boot, settings, tasks.clone());
            let conductor = started.await.map_err(AppError::Conductor)?;
            if let Some(name) = &mut name {
                name.note_run(conductor.run_id());
            }
            Some(conductor)
        }
    };
    let stopping = CancellationToken::new();
    let site = match (guards, &conductor) {
        (Some(guards), Some(conductor)) => {
            roles::rpc_site(conductor.clone(), &config.json_rpc, guards)
        }
        (_, conductor) => api::site(api::AppState {
            db: db.clone(),
            boot,
            conductor: match (conductor, rpc) {
                (Some(conductor), _) => Arc::new(conductor.clone()),
                (None, Some(client)) => Arc::new(roles::remote(&db, &config.json_rpc, client)?),
                (None, None) => return Err(AppError::NoConductor),
            },
            settings: Arc::new(api_settings(&config)),
            images,
            stopping: stopping.clone(),
        }),
    };
    reload::start(&tasks, hang_ups, config.clone(), templates);

    let stop = CancellationToken::new();
    let scheme = match site.tls {
        Some(_) => "https",
        None => "http",
    };
    let serving = server::serve(listener, site, limits, stop.clone());
    info!(
        conductor.host = config.host,
        database = %config.database_connection,
        role = role.name(),
        "listening on {scheme}://{address}"
    );
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        () = serving.as_mut() => {}
        signal = signals.next() => info!("{signal}: finishing what is under way"),
    }
    stopping.cancel();
    signals
        .or_cut_short(async {
            // Before the listener closes, so that no more calls are sent here.
            if let Some(conductor) = &conductor
                && tokio::time::timeout(SHUTDOWN_TIMEOUT, conductor.leave())
                    .await
                    .is_err()
            {
                warn!("the others are not told: the database does not answer");
            }
            // Until whoever sends requests here has noticed that they are better sent elsewhere.
            let notice = tokio::time::sleep(shutdown_delay);
            tokio::select! {
                () = notice => {}
                () = serving.as_mut() => {}
            }
            stop.cancel();
            serving.await;
            end(&tasks, conductor.as_ref(), &db).await;
        })
        .await?;
    info!("stopped");
    Ok(())
}

/// What a machine would boot, by the database alone.
pub async fn preview(
    config: &Config,
    scripts: &Scripts,
    machine: &str,
    overrides: &Overrides,
) -> Result<BootPreview, OfflineError> {
    let address = SocketAddr::new(config.api.host_ip, config.api.port);
    let url = api_url(config, Role::All, address);
    let own_ports = vec![config.api.port];
    // Nobody is let in by what a preview shows.
    let images = Clients::new(config)
        .map_err(Box::from)
        .and_then(|clients| Ok(images(config, &clients, "", url.clone(), own_ports, 1)?))
        .map_err(OfflineError::Images)?;
    let settings = config.boot_settings(url);
    let context = boot::preview::Context {
        settings: &settings,
        scripts,
        images: &images,
    };
    boot::preview::offline(&db_settings(config), context, machine, overrides).await
}

/// Tells what most likely is wrong with templates.
fn noted(scripts: Scripts) -> Scripts {
    for note in scripts.notes() {
        warn!("{note}");
    }
    scripts
}

/// What of the service's files others may read, and what `serve` does about it.
pub fn exposed_files(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    if let Connection::Sqlite(path) = &config.database_connection {
        for (file, mode) in db::exposed_files(path) {
            notes.push(format!(
                "{} may be read by others (mode {mode:o}), and holds passwords: `ironpxe serve` makes \
                 it of mode 600",
                file.display()
            ));
        }
    }
    if let Some(mode) = db::exposed_mode(&config.state_path) {
        notes.push(format!(
            "the state folder {} is open to others (mode {mode:o}): chmod 700, or give the service a \
             folder of its own ([DEFAULT]state_path)",
            config.state_path.display()
        ));
    }
    notes
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
async fn end(tasks: &Tasks, conductor: Option<&LocalConductor>, db: &Db) {
    if !tasks.stop(SHUTDOWN_TIMEOUT).await {
        warn!(
            "some work did not end within {} s",
            SHUTDOWN_TIMEOUT.as_secs()
        );
    }
    if let Some(conductor) = conductor
        && tokio::time::timeout(SHUTDOWN_TIMEOUT, conductor.hand_over())
            .await
            .is_err()
    {
        warn!("unfinished work is left to the others, or to the next start");
    }
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, db.close())
        .await
        .is_err()
    {
        warn!("the database is still in use; it is repaired at the next start");
    }
}

/// How many connections may wait to be accepted, if the system lets them (`net.core.somaxconn`): a
/// machine that finds no room there tries again only after a second.
const BACKLOG: u32 = 4096;

/// Listens as a section of the configuration says.
fn listen(
    host_ip: IpAddr,
    port: u16,
    section: &'static str,
) -> Result<(TcpListener, SocketAddr), AppError> {
    let address = SocketAddr::new(host_ip, port);
    let bind = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind().map_err(|source| AppError::Listen {
        address,
        section,
        source,
    })
}
