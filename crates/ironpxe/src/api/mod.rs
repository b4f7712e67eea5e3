//! The REST API: Ironic's, so that its clients work unchanged.
//!
//! The tree of files is the tree of URLs, one endpoint per file. Handlers parse, check the API
//! version, ask the [`Conductor`] (everything that changes something) or read the [`Db`]
//! (everything that does not), and word the answer. They hold no state.
//!
//! Around them: [`request`] is the outermost layer, [`version`] negotiates the microversion,
//! [`error`] turns faults into HTTP, [`args`] and [`body`] read what a client sent. [`firmware`]
//! has the endpoints for machines, whose answers are those of [`crate::boot`].

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::boot::BootService;
use crate::db::Db;
use crate::images::Images;
use crate::rpc::Conductor;
use crate::server::Site;

pub(crate) mod args;
pub(crate) mod body;
mod conductors;
mod drivers;
mod empty;
pub(crate) mod error;
pub mod firmware;
mod health;
mod heartbeat;
mod lazy_args;
pub(crate) mod links;
mod lookup;
mod nodes;
mod paging;
mod passthru;
mod patch;
mod ports;
pub(crate) mod request;
mod root;
mod schema;
pub mod settings;
mod shards;
mod version;
mod volume;

pub use self::settings::Settings;

use self::error::ApiError;
use self::request::RequestService;

/// What every handler works with.
#[derive(Clone)]
pub struct AppState {
    /// Where resources are read.
    pub db: Db,
    /// Answers machines.
    pub boot: BootService,
    /// Does what changes something, or what a driver must answer.
    pub conductor: Arc<dyn Conductor>,
    /// How the API shall behave.
    pub settings: Arc<Settings>,
    /// Passes images on.
    pub images: Images,
    /// Cancelled when the process is about to stop.
    pub stopping: CancellationToken,
}

/// The whole API.
pub fn router(state: AppState) -> Router {
    // The router looks at the path before any of its layers runs. The outermost layer rewrites
    // the path, so that it stands around the router as a whole.
    let routes = routes().with_state(state.clone());
    Router::new().fallback_service(RequestService::new(routes, state))
}

/// Every endpoint.
fn routes() -> Router<AppState> {
    let api = Router::new()
        .merge(root::routes())
        .merge(nodes::routes())
        .merge(ports::routes())
        .merge(volume::routes())
        .merge(drivers::routes())
        .merge(conductors::routes())
        .merge(shards::routes())
        .merge(empty::routes())
        .merge(heartbeat::routes())
        .merge(lookup::routes())
        .method_not_allowed_fallback(no_method)
        .fallback(no_route)
        .layer(version::Negotiation);
    let endpoints = Router::new()
        .merge(firmware::routes())
        .merge(health::routes())
        .method_not_allowed_fallback(no_method);
    api.merge(endpoints)
}

/// All that a server needs to answer for it.
pub fn site(state: AppState) -> Site {
    let router = router(state.clone());
    let memory = state.settings.memory.clone();
    Site {
        memory,
        fast_path: Some(Arc::new(firmware::BootFastPath::new(state, router.clone()))),
        router,
        tls: None,
    }
}

async fn no_route() -> ApiError {
    ApiError::NoRoute
}

async fn no_method() -> ApiError {
    ApiError::MethodNotAllowed
}
