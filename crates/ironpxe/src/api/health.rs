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

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use ironpxe_core::retry_after;
use serde_json::json;
use tokio::sync::Mutex;
use tracing::warn;

use crate::api::CommonState;
use crate::beside::{Ironic, SourceError};
use crate::db::Db;
use crate::log_interval::LogInterval;

/// Where the nodes of this service are.
#[derive(Clone)]
pub(crate) enum NodeSource {
    /// In its own database.
    Own(Db),
    /// In an existing Ironic.
    Ironic(Arc<SharedPing>),
}

/// For how long an answer of an existing Ironic is given to further probes: it has other users.
const PING_SHARED_FOR: Duration = Duration::from_secs(1);

/// Whether an existing Ironic answers. Probes share the question.
pub(crate) struct SharedPing {
    ironic: Ironic,
    shared_for: Duration,
    /// The last answer. Locked while Ironic is asked.
    last: Mutex<Option<(Instant, Result<(), SourceError>)>>,
    failures: LogInterval,
}

impl SharedPing {
    pub(crate) fn new(ironic: Ironic) -> Self {
        Self {
            ironic,
            shared_for: PING_SHARED_FOR,
            last: Mutex::default(),
            failures: LogInterval::default(),
        }
    }

    async fn ping(&self) -> Result<(), SourceError> {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < self.shared_for
        {
            return answer.clone();
        }
        let answer = self.ironic.ping().await;
        if let Err(error) = &answer
            && self.failures.is_due()
        {
            warn!("not ready: {error}");
        }
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
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
            let answer = ironic.ping().await;
            return answer
                .map(|()| None)
                .map_err(|_| "Ironic cannot be asked about nodes");
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

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::beside::testing::RecordedApi;

    #[tokio::test]
    async fn probes_share_one_question_to_ironic() {
        let (server, ironic) = RecordedApi::serve().await;
        for (shared_for, expected) in [(Duration::MAX, 1), (Duration::ZERO, 20)] {
            let ping = SharedPing {
                shared_for,
                ..SharedPing::new(ironic.clone())
            };
            let answers = join_all((0..20).map(|_| ping.ping())).await;
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
            assert_eq!(server.asked().len(), expected, "{shared_for:?}");
        }
        server.set("/v1/conductors", 403, "{}");
        let ping = SharedPing::new(ironic);
        let answers = join_all((0..2).map(|_| ping.ping())).await;
        assert!(answers.iter().all(Result::is_err), "{answers:?}");
    }
}
