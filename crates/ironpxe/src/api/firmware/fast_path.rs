//! The script endpoints without the HTTP framework.
//!
//! A typical request of a machine whose script is cached is answered immediately, with the same
//! headers as by the framework's layers. If the script is not cached, the boot service answers as
//! it does behind the router. All other requests go to the router.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use ironpxe_core::microversion::Microversion;
use tower::ServiceExt;

use crate::api::request_log::{REQUEST_ID_ON_WIRE, RequestInfo, panicked};
use crate::api::{CommonState, version};
use crate::boot::{BootBody, BootRequest, BootResponse, BootTarget, Client, ClientKind};
use crate::ident;
use crate::server::{EncodeResponse, FastPath, FastPathResult, Head, ResponseWriter, SimpleGet};

/// The fast path of the script endpoints.
pub(crate) struct BootFastPath {
    inner: Arc<Inner>,
    router: Router,
}

struct Inner {
    state: CommonState,
    /// The response head of scripts from the vendor passthru method, which is part of the API.
    api_head: Head,
    /// The response head of scripts from the other endpoints.
    firmware_head: Head,
}

impl BootFastPath {
    /// Serves the same endpoints as `router`.
    pub(crate) fn new(state: CommonState, router: Router) -> Self {
        let script = || {
            BootResponse {
                status: StatusCode::OK,
                retry_after: None,
                body: BootBody::Script(String::new()),
            }
            .into_response()
        };
        let versioned = version::with_headers(script(), Some(Microversion::MIN));
        let inner = Arc::new(Inner {
            state,
            api_head: Head::new(StatusCode::OK, versioned.headers()),
            firmware_head: Head::new(StatusCode::OK, script().headers()),
        });
        Self { inner, router }
    }

    /// Responds with the script of a machine: immediately if it is cached, otherwise
    /// asynchronously.
    fn script(
        &self,
        request: BootRequest<'_>,
        get: &SimpleGet<'_>,
        reply: ResponseWriter<'_>,
    ) -> FastPathResult {
        let started = Instant::now();
        let id = ident::request_id();
        let inner = &self.inner;
        if let Some(script) = inner.state.boot.cached_script(&id, get.peer.ip(), &request) {
            inner.send(request.driver, &id, &script, reply);
            request_info(&id, get.target, started).log(StatusCode::OK, None);
            return FastPathResult::Handled;
        }
        let inner = Arc::clone(inner);
        let target = get.target.to_owned();
        let client = Client {
            kind: ClientKind::of_user_agent(get.header("user-agent")),
            address: Some(get.peer.ip()),
        };
        let (driver, machine) = (request.driver.map(str::to_owned), request.machine);
        let (tries_next, token) = (request.tries_next, request.token);
        FastPathResult::Pending(Box::pin(async move {
            let request = BootRequest {
                driver: driver.as_deref(),
                machine,
                tries_next,
                token,
            };
            let answering = inner.state.boot.answer(&id, client, request);
            let answered = AssertUnwindSafe(answering).catch_unwind().await;
            let info = request_info(&id, &target, started);
            let response = match answered {
                Ok(BootResponse {
                    status: StatusCode::OK,
                    body: BootBody::Script(script),
                    ..
                }) => {
                    info.log(StatusCode::OK, None);
                    let send = move |reply: ResponseWriter<'_>| {
                        inner.send(driver.as_deref(), &id, &script, reply);
                    };
                    return Box::new(send) as EncodeResponse;
                }
                Ok(response) if driver.is_some() => {
                    version::with_headers(response.into_response(), Some(Microversion::MIN))
                }
                Ok(response) => response.into_response(),
                Err(panic) => panicked(&*panic).into_response(),
            };
            buffer_response(info.answered(response)).await
        }))
    }

    /// Passes the request to the router.
    fn via_router(&self, get: &SimpleGet<'_>) -> FastPathResult {
        let mut request = Request::get(get.target).extension(ConnectInfo(get.peer));
        for header in get.headers {
            request = request.header(header.name, header.value);
        }
        let Ok(request) = request.body(Body::empty()) else {
            return FastPathResult::Fallback;
        };
        let router = self.router.clone();
        FastPathResult::Pending(Box::pin(async move {
            let response = match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            buffer_response(response).await
        }))
    }
}

impl Inner {
    /// Sends a script; `driver` is set if it was requested by the vendor passthru method.
    fn send(&self, driver: Option<&str>, id: &str, script: &str, reply: ResponseWriter<'_>) {
        let head = match driver {
            Some(_) => &self.api_head,
            None => &self.firmware_head,
        };
        let ids = REQUEST_ID_ON_WIRE.map(|name| (name, id));
        reply.send(head, &ids, script.as_bytes());
    }
}

/// The data for the log line of a request.
fn request_info<'r>(id: &'r str, target: &'r str, started: Instant) -> RequestInfo<'r> {
    RequestInfo {
        id,
        global_id: None,
        method: &Method::GET,
        path: target.split_once('?').map_or(target, |(path, _)| path),
        started,
        caller: None,
    }
}

impl FastPath for BootFastPath {
    fn answer(&self, get: &SimpleGet<'_>, reply: ResponseWriter<'_>) -> FastPathResult {
        match BootTarget::parse(get.target) {
            Some(BootTarget::Script(request)) if has_no_api_headers(get) => {
                self.script(request, get, reply)
            }
            Some(_) => self.via_router(get),
            None => FastPathResult::Fallback,
        }
    }
}

/// Whether the request has neither a version header nor a request ID.
fn has_no_api_headers(get: &SimpleGet<'_>) -> bool {
    let is_api_header = |name: &str| {
        let name = name.as_bytes();
        let name = match name {
            [b'x' | b'X', b'-', rest @ ..] => rest,
            name => name,
        };
        name.get(..9)
            .is_some_and(|begin| begin.eq_ignore_ascii_case(b"openstack"))
    };
    !get.headers.iter().any(|header| is_api_header(header.name))
}

/// Writes a response of the framework, whose body is already in memory.
async fn buffer_response(response: axum::response::Response) -> EncodeResponse {
    let (parts, body) = response.into_parts();
    let response = if let Ok(body) = body.collect().await {
        Response::from_parts(parts, body.to_bytes())
    } else {
        // Collecting a text cannot fail.
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    };
    Box::new(move |reply| reply.send_response(&response))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_with_a_version_or_an_id_header_go_to_the_router() {
        for (name, speaks) in [
            ("User-Agent", false),
            ("X-Real-IP", false),
            ("OpenStack-API-Version", true),
            ("x-openstack-ironic-api-version", true),
            ("X-Openstack-Request-Id", true),
            ("X", false),
            ("", false),
        ] {
            let headers = [httparse::Header {
                name,
                value: b"1.9",
            }];
            let get = SimpleGet {
                target: "/",
                headers: &headers,
                peer: ([127, 0, 0, 1], 1).into(),
            };
            assert_eq!(has_no_api_headers(&get), !speaks, "{name}");
        }
    }
}
