//! The JSON-RPC server for any [`Conductor`].
//!
//! Every response to a call is HTTP 200, including faults. Other statuses are for invalid requests:
//! 401 without credentials, 405 for other methods, 413 for an oversized body; 204 is for a cast.
//!
//! Source: Ironic's `common/json_rpc/server.py`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{debug, error, warn};

use ironpxe_core::error::Fault;
use ironpxe_core::json_size::{VALUE_BYTES, count_values};
use ironpxe_core::retry_after;

use super::envelope::{self, MAX_VALUES, Request, RpcError};
use super::fault::FaultOnWire;
use super::methods::{DispatchError, dispatch};
use super::{Conductor, Context};
use crate::auth::{AuthResult, Users};
use crate::ident;
use crate::server::{BodyError, BodyLimits, RequestMemory, read_body};

/// The timeout for receiving a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The state of the server.
#[derive(Clone)]
pub(crate) struct RpcServer {
    /// Executes the calls.
    pub conductor: Arc<dyn Conductor>,
    /// The authorized users; `None` disables authentication.
    pub users: Option<Users>,
    /// The maximum size of a body, in bytes.
    pub max_body_bytes: usize,
    /// The memory for requests.
    pub memory: RequestMemory,
}

/// The server.
pub(crate) fn router(served: RpcServer) -> Router {
    Router::new()
        .fallback(serve)
        .with_state(served)
        .layer(CatchPanicLayer::new())
}

async fn serve(State(served): State<RpcServer>, request: HttpRequest) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(address)| address.ip());
    if let Some(users) = &served.users {
        let header = request.headers().get(header::AUTHORIZATION);
        match users.authenticate(header, peer).await {
            AuthResult::Accepted(_) => {}
            AuthResult::Rejected => return unauthorized(),
            AuthResult::Busy { retry_after } => return busy(retry_after),
        }
    }
    if request.method() != Method::POST {
        return error_response(
            StatusCode::METHOD_NOT_ALLOWED,
            "Only POST method can be used",
        );
    }
    let held = served
        .memory
        .begin(peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
    let limits = BodyLimits {
        bytes: served.max_body_bytes,
        arrives_within: BODY_TIMEOUT,
    };
    let read = read_body(&mut request.into_body(), limits, &held).await;
    let read = read.and_then(|body| {
        let parsed = body.len().saturating_add(values_bytes(&body));
        held.grow(parsed).map_err(|_| BodyError::NoMemory)?;
        Ok(body)
    });
    match read {
        Ok(body) => match answer(&served, &body).await {
            Some(answer) => json_response(answer),
            None => StatusCode::NO_CONTENT.into_response(),
        },
        Err(refused) => refuse_body(refused, limits.bytes),
    }
}

fn unauthorized() -> Response {
    let mut answer = error_response(StatusCode::UNAUTHORIZED, "Authorization required");
    let realm = HeaderValue::from_static("Basic realm=\"Baremetal API\"");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    answer
}

fn busy(retry_after: u16) -> Response {
    let mut answer = error_response(
        StatusCode::SERVICE_UNAVAILABLE,
        "Too many passwords are being verified, or too many were wrong",
    );
    let seconds = HeaderValue::from(retry_after);
    answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    answer
}

/// The memory of a body's parsed values.
fn values_bytes(body: &Bytes) -> usize {
    let count = count_values(body);
    if count > MAX_VALUES {
        return 0;
    }
    count.saturating_mul(VALUE_BYTES)
}

fn refuse_body(refused: BodyError, limit: usize) -> Response {
    match refused {
        BodyError::TooLarge => error_response(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("The request is larger than {limit} bytes ([json_rpc]max_body_size)"),
        ),
        BodyError::NoMemory => {
            let message =
                "The requests in progress use all of the memory for requests; please retry";
            let mut answer = error_response(StatusCode::SERVICE_UNAVAILABLE, message);
            let retry_after = HeaderValue::from(retry_after::SOON);
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, retry_after);
            answer
        }
        BodyError::Broken(error) => error_response(StatusCode::BAD_REQUEST, &error.to_string()),
        BodyError::Late => error_response(
            StatusCode::REQUEST_TIMEOUT,
            "The request did not arrive in time",
        ),
    }
}

/// For a malformed request it is unknown whether it is a cast.
fn refuse(id: &Value, refused: &RpcError) -> Vec<u8> {
    warn!("invalid JSON-RPC request: {refused}");
    envelope::refusal(id, refused)
}

/// The response to a request body; `None` for a cast.
pub(crate) async fn answer(served: &RpcServer, body: &[u8]) -> Option<Vec<u8>> {
    let request = match Request::read(body) {
        Ok(request) => request,
        Err((refused, id)) => return Some(refuse(&id, &refused)),
    };
    let ctx = Context {
        request_id: request.context_id.unwrap_or_else(ident::request_id),
    };
    let Request {
        id, method, params, ..
    } = request;
    debug!(req.id = ctx.request_id, "{method}");
    let done = dispatch(served.conductor.as_ref(), &ctx, &id, &method, params).await;
    if let Err(failed) = &done {
        log(&ctx, &method, failed);
    }
    if id.is_null() {
        return None;
    }
    Some(match done {
        Ok(answer) => answer,
        Err(DispatchError::RpcError(refused)) => envelope::refusal(&id, &refused),
        Err(DispatchError::Fault(fault)) => {
            envelope::failure(&id, &FaultOnWire::from_fault(&fault))
        }
    })
}

fn log(ctx: &Context, method: &str, failed: &DispatchError) {
    match failed {
        DispatchError::RpcError(refused @ (RpcError::Method(_) | RpcError::Params { .. })) => {
            warn!(req.id = ctx.request_id, "JSON-RPC call rejected: {refused}");
        }
        DispatchError::RpcError(refused) => warn!(req.id = ctx.request_id, "{refused}"),
        DispatchError::Fault(Fault::Internal(cause)) => {
            error!(req.id = ctx.request_id, "{method} failed: {cause}");
        }
        // The API reports it to the client.
        DispatchError::Fault(fault) => debug!(req.id = ctx.request_id, "{method}: {fault}"),
    }
}

fn json_response(body: impl Into<HttpBody>) -> Response {
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    ([(header::CONTENT_TYPE, json)], body.into()).into_response()
}

fn error_response(status: StatusCode, message: &str) -> Response {
    let body = json!({ "error": { "message": message, "code": status.as_u16() } });
    let mut answer = json_response(body.to_string());
    *answer.status_mut() = status;
    answer
}
