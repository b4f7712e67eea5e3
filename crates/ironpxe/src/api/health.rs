//! `GET /healthz` and `GET /readyz`, for load balancers and supervisors.
//!
//! *Healthy* means that this process responds: if not, restart it. *Ready* means that it can serve
//! requests: the database (or the existing Ironic) is available, and the process is not stopping. A replica that is not
//! ready is still healthy; a restart would not bring the database back.
//!
//! If no conductor is alive, or the database is read-only, the response names the problem but is
//! ready: machines still boot, and all replicas share the database, so a load balancer would
//! otherwise remove all of them.
//!
//! Both are public, and reveal nothing confidential.

use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use tracing::warn;

use ironpxe_core::retry_after;

use crate::api::CommonState;
use crate::beside::Ironic;
use crate::db::Db;

/// Where the nodes of this service are.
#[derive(Clone)]
pub(crate) enum NodeSource {
    /// In its own database.
    Own(Db),
    /// In an existing Ironic.
    Ironic(Ironic),
}

pub(super) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    CommonState: FromRef<S>,
{
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
}

async fn healthy() -> Response {
    not_kept(Json(json!({"healthy": true})).into_response())
}

async fn ready(State(state): State<CommonState>) -> Response {
    match readiness(&state).await {
        Ok(None) => not_kept(Json(json!({"ready": true})).into_response()),
        Ok(Some(problem)) => {
            let body = json!({"ready": true, "problem": problem});
            not_kept(Json(body).into_response())
        }
        Err(problem) => {
            let body = Json(json!({"ready": false, "problem": problem}));
            let mut response = (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after::SOON));
            not_kept(response)
        }
    }
}

/// A problem that restricts the service, if any; the error is why requests should go to another
/// replica.
async fn readiness(state: &CommonState) -> Result<Option<&'static str>, &'static str> {
    if state.stopping.is_cancelled() {
        return Err("this service is stopping");
    }
    let db = match &state.nodes {
        NodeSource::Own(db) => db,
        NodeSource::Ironic(ironic) => {
            return ironic.ping().await.map(|()| None).map_err(|error| {
                warn!("not ready: {error}");
                "Ironic cannot be asked about nodes"
            });
        }
    };
    let conductors = db.conductor_list().await.map_err(|error| {
        warn!("not ready: {error}");
        "the database is not available"
    })?;
    if let Some(problem) = db.write_problem() {
        return Ok(Some(problem.text()));
    }
    let is_any_alive = conductors.iter().any(|conductor| conductor.alive);
    Ok((!is_any_alive)
        .then_some("no conductor is alive: machines boot, but nodes cannot be changed"))
}

fn not_kept(mut response: Response) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}
