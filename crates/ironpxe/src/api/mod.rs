//! The REST API: Ironic's, so that its clients work unchanged.
//!
//! The tree of files is the tree of URLs, one endpoint per file. Handlers parse, check the API
//! version, ask the [`Conductor`] (everything that changes something) or read the [`Db`]
//! (everything that does not), and word the answer. They hold no state.
//!
//! Around them: [`request`] is the outermost layer, [`version`] negotiates the microversion,
//! [`error`] turns faults into HTTP, [`args`] and [`body`] read what a client sent. [`firmware`]
//! has the doors that machines knock on.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use ironpxe_core::boot::Scripts;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use crate::db::Db;
use crate::images::Images;
use crate::rpc::Conductor;

pub(crate) mod args;
pub(crate) mod body;
mod conductors;
mod drivers;
mod empty;
pub(crate) mod error;
pub mod firmware;
mod health;
mod heartbeat;
pub(crate) mod links;
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
mod time;
mod version;
mod volume;

pub use self::settings::Settings;

use self::error::ApiError;

/// What every handler works with.
#[derive(Clone)]
pub struct AppState {
    /// Where resources are read.
    pub db: Db,
    /// Who does what is asked.
    pub conductor: Arc<dyn Conductor>,
    /// How the API shall behave.
    pub settings: Arc<Settings>,
    /// Passes images on.
    pub images: Images,
    /// Words what firmware is told when no machine's own script can be.
    pub scripts: Arc<Scripts>,
    /// Cancelled when the process is about to stop.
    pub stopping: CancellationToken,
}

/// The whole API.
pub fn router(state: AppState) -> Router {
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
        .method_not_allowed_fallback(no_method)
        .fallback(no_route)
        .layer(from_fn(version::layer));
    let inner = Router::new()
        .merge(firmware::routes())
        .merge(health::routes())
        .method_not_allowed_fallback(no_method)
        .fallback_service(api.with_state(state.clone()))
        .with_state(state.clone());
    // The router looks at the path before any of its layers runs. The outermost layer rewrites
    // the path, so that it stands around the router as a whole.
    Router::new()
        .fallback_service(inner)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state, request::layer))
}

async fn no_route() -> ApiError {
    ApiError::NoRoute
}

async fn no_method() -> ApiError {
    ApiError::NoMethod
}

/// A panic is a fault of this service, whatever it says of itself.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer wants a function of this form"
)]
fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<&'static str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    let fault = ironpxe_core::error::Fault::Internal(format!("a handler panicked: {text}"));
    ApiError::from(fault).into_response()
}

#[cfg(test)]
mod tests {
    use ironpxe_core::error::Fault;

    use super::*;
    use crate::api::error::Failure;

    #[test]
    fn a_panic_is_a_fault_of_ours_and_its_words_are_for_the_log() {
        let panics: [Box<dyn std::any::Any + Send>; 2] =
            [Box::new("boom"), Box::new("boom".to_owned())];
        for panic in panics {
            let response = panicked(panic);
            assert_eq!(response.status(), 500);
            let Some(Failure(ApiError::Fault(Fault::Internal(cause)))) =
                response.extensions().get::<Failure>()
            else {
                panic!("{response:?}")
            };
            assert_eq!(cause, "a handler panicked: boom");
        }
    }
}
