//! The REST API, compatible with Ironic's clients.
//!
//! The files mirror the URLs, one endpoint per file. Handlers parse the request, check the API
//! version, call the [`Conductor`] for changes or read the [`Store`] otherwise, and encode the
//! response. They are stateless.
//!
//! [`request`] is the outermost service layer, [`version`] negotiates the microversion, [`error`]
//! encodes faults as HTTP, [`args`] and [`body`] parse requests. [`firmware`] has the endpoints for
//! machines, which [`crate::boot`] serves. [`access`] asks the policy; [`store`] and [`resolve`] only
//! find what the caller may see.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use tokio_util::sync::CancellationToken;

use crate::auth::Authenticator;
use crate::boot::BootService;
use crate::images::Images;
use crate::policy::CurrentPolicy;
use crate::rpc::Conductor;
use crate::server::HttpService;

mod access;
pub(crate) mod args;
mod audit;
pub(crate) mod body;
mod call;
mod conductors;
mod drivers;
mod empty;
pub(crate) mod error;
mod fields;
pub(crate) mod firmware;
mod health;
mod heartbeat;
mod lazy_args;
pub(crate) mod links;
mod lookup;
mod mask;
mod node_name;
mod nodes;
mod paging;
mod passthru;
mod patch;
mod ports;
pub(crate) mod request;
mod request_log;
mod resolve;
mod root;
mod schema;
pub(crate) mod settings;
mod shards;
mod store;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod testing;
mod version;
mod volume;

pub(crate) use self::health::{NodeSource, SharedPing};
pub(crate) use self::settings::Settings;
pub(crate) use self::store::Store;

use self::error::ApiError;
use self::request::RequestService;

/// The state of all handlers.
#[derive(Clone)]
pub(crate) struct AppState {
    /// For reading resources.
    pub store: Store,
    /// For changes, and for calls of drivers.
    pub conductor: Arc<dyn Conductor>,
    /// Who may do what.
    pub policy: CurrentPolicy,
    /// The state of the endpoints for machines.
    pub common: CommonState,
}

/// The state of the endpoints that every service has: for machines, and for supervisors.
#[derive(Clone)]
pub(crate) struct CommonState {
    /// Serves boot requests.
    pub boot: BootService,
    /// Authenticates requests.
    pub authenticator: Authenticator,
    /// The settings of the API.
    pub settings: Arc<Settings>,
    /// Relays images.
    pub images: Images,
    /// Where nodes are read, for readiness.
    pub nodes: NodeSource,
    /// Cancelled when the process is stopping.
    pub stopping: CancellationToken,
}

impl FromRef<AppState> for CommonState {
    fn from_ref(state: &AppState) -> Self {
        state.common.clone()
    }
}

/// The complete API.
pub(crate) fn router(state: AppState) -> Router {
    let routes = routes(&state.common.settings).with_state(state.clone());
    wrapped(routes, state.common)
}

/// The endpoints beside an existing Ironic, which has the API.
pub(crate) fn router_beside(state: CommonState) -> Router {
    let routes = Router::new()
        .merge(firmware::routes())
        .merge(health::routes())
        .method_not_allowed_fallback(no_method)
        .fallback(no_route)
        .with_state(state.clone());
    wrapped(routes, state)
}

/// The router matches the path before its layers run. The service layer rewrites the path, so it
/// wraps the router as a whole.
fn wrapped(routes: Router, state: CommonState) -> Router {
    Router::new().fallback_service(RequestService::new(routes, state))
}

/// All endpoints.
fn routes(settings: &Settings) -> Router<AppState> {
    let ramdisk = if settings.enable_ramdisk_endpoints {
        Router::new()
            .merge(heartbeat::routes())
            .merge(lookup::routes())
    } else {
        Router::new()
    };
    let api = Router::new()
        .merge(root::routes())
        .merge(nodes::routes())
        .merge(ports::routes())
        .merge(volume::routes())
        .merge(drivers::routes())
        .merge(conductors::routes())
        .merge(shards::routes())
        .merge(empty::routes())
        .merge(ramdisk)
        .method_not_allowed_fallback(no_method)
        .fallback(no_route)
        .layer(version::Negotiation);
    let endpoints = Router::new()
        .merge(firmware::routes())
        .merge(health::routes())
        .method_not_allowed_fallback(no_method);
    api.merge(endpoints)
}

/// The HTTP service of the API.
pub(crate) fn http_service(state: AppState) -> HttpService {
    let router = router(state.clone());
    with_fast_path(router, state.common)
}

/// The HTTP service beside an existing Ironic.
pub(crate) fn http_service_beside(state: CommonState) -> HttpService {
    let router = router_beside(state.clone());
    with_fast_path(router, state)
}

fn with_fast_path(router: Router, state: CommonState) -> HttpService {
    let memory = state.settings.memory.clone();
    HttpService {
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
