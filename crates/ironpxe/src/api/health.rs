//! `GET /healthz` and `GET /readyz`: what a load balancer or a supervisor wants to know.
//!
//! *Healthy* means that this process answers at all: if not, restart it. *Ready* means that
//! requests sent here now are worth it: the database answers, and the process
//! is not about to stop. A replica that is not ready is healthy; restarting it would not bring the
//! database back.
//!
//! That no conductor is alive, or that the database can be read but not written to, is named, and the
//! replica is ready: machines boot, and the other replicas have the same database, so that a load
//! balancer which takes this one out would take out all.
//!
//! Both are public, and say nothing that an unknown client could use.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use tracing::warn;

use crate::api::AppState;

/// When it is worth asking again, in seconds.
const RETRY_AFTER: u16 = 1;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
}

async fn healthy() -> Response {
    not_kept(Json(json!({"healthy": true})).into_response())
}

async fn ready(State(state): State<AppState>) -> Response {
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
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
            not_kept(response)
        }
    }
}

/// What cannot be done here now, if anything; the error is why requests should go to another replica.
async fn readiness(state: &AppState) -> Result<Option<&'static str>, &'static str> {
    if state.stopping.is_cancelled() {
        return Err("this service is stopping");
    }
    let conductors = state.db.conductor_list().await.map_err(|error| {
        warn!("not ready: {error}");
        "the database does not answer"
    })?;
    if let Some(problem) = state.db.write_problem() {
        return Ok(Some(problem.text()));
    }
    let is_any_alive = conductors.iter().any(|conductor| conductor.alive);
    Ok((!is_any_alive)
        .then_some("no conductor is alive: machines boot, and nodes cannot be changed"))
}

fn not_kept(mut response: Response) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}
