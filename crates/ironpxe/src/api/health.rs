//! `GET /healthz` and `GET /readyz`: what a load balancer or a supervisor wants to know.
//!
//! *Healthy* means that this process answers at all: if not, restart it. *Ready* means that
//! requests sent here now are worth it: the database answers, some conductor lives, and the process
//! is not about to stop. A replica that is not ready is healthy; restarting it would not bring the
//! database back.
//!
//! A database that can be read but not written to is named, and the replica is ready: machines boot,
//! and the other replicas have the same database, so that a load balancer which takes this one out
//! would take out all.
//!
//! Both are public, and say nothing that an unknown client could use.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use ironpxe_core::conductor::Conductor;
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
    match problem(&state).await {
        None => {
            let mut body = json!({"ready": true});
            if let (Some(problem), Some(body)) = (state.db.write_problem(), body.as_object_mut()) {
                body.insert("problem".to_owned(), problem.text().into());
            }
            not_kept(Json(body).into_response())
        }
        Some(problem) => {
            let body = Json(json!({"ready": false, "problem": problem}));
            let mut response = (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
            not_kept(response)
        }
    }
}

/// Why requests should go to another replica.
async fn problem(state: &AppState) -> Option<&'static str> {
    if state.stopping.is_cancelled() {
        return Some("this service is stopping");
    }
    let conductors = match state.db.conductor_list().await {
        Ok(conductors) => conductors,
        Err(error) => {
            warn!("not ready: {error}");
            return Some("the database does not answer");
        }
    };
    let is_alive = |conductor: &Conductor| conductor.alive;
    (!conductors.iter().any(is_alive)).then_some("no conductor is alive")
}

fn not_kept(mut response: Response) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}
