//! What happens to every request, whatever it asks: the outermost layer, and what it tells the
//! handlers.
//!
//! It gives the request an id and an address to build links on, brings its path into the one form
//! the router knows, answers `OPTIONS`, words errors, and writes the request's line in the log.

use std::time::Instant;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use ironpxe_core::error::Fault;
use ironpxe_core::microversion::Microversion;

use crate::api::AppState;
use crate::api::body;
use crate::api::error::{ApiError, Failure};
use crate::api::links::Links;
use crate::ident;
use crate::rpc::Context;

/// Both names under which an answer carries its request's id.
const REQUEST_ID: [HeaderName; 2] = [
    HeaderName::from_static("x-openstack-request-id"),
    HeaderName::from_static("openstack-request-id"),
];

/// Where the API's collections begin: a path that starts with one of these may leave out `/v1`.
const COLLECTIONS: [&str; 16] = [
    "allocations",
    "chassis",
    "conductors",
    "continue_inspection",
    "deploy_templates",
    "drivers",
    "events",
    "heartbeat",
    "inspection_rules",
    "lookup",
    "nodes",
    "portgroups",
    "ports",
    "runbooks",
    "shards",
    "volume",
];

/// What a handler knows about its request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The request's id, for those who work on it.
    pub(crate) ctx: Context,
    /// Which version of the API the client speaks.
    pub(crate) version: Microversion,
    /// Where links begin.
    pub(crate) links: Links,
}

impl Call {
    /// Whether the client's API version has what version 1.`minor` brought.
    pub(crate) fn has(&self, minor: u16) -> bool {
        self.version >= Microversion::new(minor)
    }

    /// Refuses what version 1.`minor` brought to an older client, naming the version.
    pub(crate) fn need(&self, minor: u16) -> Result<(), ApiError> {
        if self.has(minor) {
            Ok(())
        } else {
            Err(Fault::NeedsVersion(minor).into())
        }
    }

    /// Refuses what version 1.`minor` brought to an older client.
    pub(crate) fn accept(&self, minor: u16) -> Result<(), ApiError> {
        if self.has(minor) {
            Ok(())
        } else {
            Err(Fault::NotAcceptable.into())
        }
    }

    /// Hides an endpoint that version 1.`minor` brought from an older client.
    pub(crate) fn exists_since(&self, minor: u16) -> Result<(), ApiError> {
        if self.has(minor) {
            Ok(())
        } else {
            Err(Fault::NotInThisVersion.into())
        }
    }
}

impl FromRequestParts<AppState> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let missing = |what: &str| ApiError::from(Fault::Internal(format!("no {what} was set")));
        let extensions = &parts.extensions;
        Ok(Self {
            ctx: extensions
                .get::<Context>()
                .cloned()
                .ok_or_else(|| missing("request id"))?,
            version: extensions
                .get::<Microversion>()
                .copied()
                .ok_or_else(|| missing("API version"))?,
            links: extensions
                .get::<Links>()
                .cloned()
                .ok_or_else(|| missing("base of links"))?,
        })
    }
}

/// The outermost layer.
pub(super) async fn layer(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let ctx = Context {
        request_id: ident::request_id(),
    };
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let global_id = global_request_id(request.headers())
        .unwrap_or_default()
        .to_owned();

    let base = state.settings.public_endpoint.clone();
    let base = base.unwrap_or_else(|| called_as(request.headers(), request.uri()));
    let base = base.trim_end_matches('/').to_owned();
    request.extensions_mut().insert(Links { base });
    request.extensions_mut().insert(ctx.clone());

    let answered = async {
        let path = normal_path(request.uri());
        if let Ok(uri) = &path {
            *request.uri_mut() = uri.clone();
        }
        let request = body::take(request, &state.settings).await?;
        path?;
        if request.method() == Method::OPTIONS {
            return Ok(StatusCode::OK.into_response());
        }
        Ok(next.run(request).await)
    };
    let mut response = answered.await.unwrap_or_else(ApiError::into_response);

    let failure = response.extensions_mut().remove::<Failure>();
    let mut cause = None;
    if let Some(Failure(error)) = failure {
        cause = error.cause();
        let mut worded = error.answer(&ctx.request_id);
        for (name, value) in response.headers() {
            if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
                worded.headers_mut().insert(name.clone(), value.clone());
            }
        }
        response = worded;
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        sort_allow(response.headers_mut());
    }
    if let Ok(id) = HeaderValue::from_str(&ctx.request_id) {
        for name in REQUEST_ID {
            response.headers_mut().insert(name, id.clone());
        }
    }

    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    if let Some(cause) = cause {
        tracing::error!(
            req.id = %ctx.request_id, req.global_id = %global_id, %method, path, status, ?elapsed,
            error = %cause, "request failed"
        );
    } else {
        tracing::debug!(
            req.id = %ctx.request_id, req.global_id = %global_id, %method, path, status, ?elapsed,
            "request answered"
        );
    }
    response
}

/// An id by which the caller follows one operation through several services: for the log only,
/// and only in the form the other services send.
fn global_request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(&REQUEST_ID[0])?.to_str().ok()?;
    let uuid = id.strip_prefix("req-")?;
    (uuid.len() == 36 && uuid::Uuid::parse_str(uuid).is_ok()).then_some(id)
}

/// How the client called us. What is no host name and no port is not repeated to anybody.
fn called_as(headers: &HeaderMap, uri: &Uri) -> String {
    let host = uri.authority().map(http::uri::Authority::as_str);
    let host = host.or_else(|| headers.get(header::HOST)?.to_str().ok());
    let host = host.filter(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
    });
    format!("http://{}", host.unwrap_or("localhost"))
}

/// The one form of a path: no empty segments, no slash at the end, and `/v1` in front of the
/// API's collections.
fn normal_path(uri: &Uri) -> Result<Uri, ApiError> {
    let mut segments: Vec<&str> = uri
        .path()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    for segment in &segments {
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
        if !decoded.is_ok_and(|text| !text.contains('\0')) {
            return Err(ApiError::BadPath(
                "The path is not valid UTF-8 text".to_owned(),
            ));
        }
    }
    if segments
        .first()
        .is_some_and(|first| COLLECTIONS.contains(first))
    {
        segments.insert(0, "v1");
    }
    let mut path = format!("/{}", segments.join("/"));
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    // The parts come from a URI, so that they make one again.
    path.parse().map_err(|_| ApiError::NoRoute)
}

/// Ironic names the allowed methods in alphabetical order, and `HEAD` goes without saying.
fn sort_allow(headers: &mut HeaderMap) {
    let Some(allow) = headers
        .get(header::ALLOW)
        .and_then(|allow| allow.to_str().ok())
    else {
        return;
    };
    let mut methods: Vec<&str> = allow
        .split(',')
        .map(str::trim)
        .filter(|method| *method != "HEAD")
        .collect();
    methods.sort_unstable();
    if let Ok(value) = HeaderValue::from_str(&methods.join(", ")) {
        headers.insert(header::ALLOW, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(path: &str) -> String {
        normal_path(&path.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn paths_have_one_form() {
        assert_eq!(normal("/"), "/");
        assert_eq!(normal("/v1/"), "/v1");
        assert_eq!(normal("/nodes"), "/v1/nodes");
        assert_eq!(normal("/nodes/?limit=1"), "/v1/nodes?limit=1");
        assert_eq!(normal("//v1//nodes/a%20b/"), "/v1/nodes/a%20b");
        assert_eq!(normal("/boot.ipxe"), "/boot.ipxe");
        assert_eq!(normal("/nope"), "/nope");
        assert_eq!(normal("http://h:1/nodes"), "/v1/nodes");
        assert!(normal_path(&"/v1/nodes/%ff".parse().unwrap()).is_err());
        assert!(normal_path(&"/v1/nodes/%00".parse().unwrap()).is_err());
    }

    #[test]
    fn links_begin_with_what_the_client_called() {
        let mut headers = HeaderMap::new();
        let uri: Uri = "/v1".parse().unwrap();
        assert_eq!(called_as(&headers, &uri), "http://localhost");
        headers.insert(header::HOST, HeaderValue::from_static("[::1]:6385"));
        assert_eq!(called_as(&headers, &uri), "http://[::1]:6385");
        headers.insert(header::HOST, HeaderValue::from_static("a\"><script>"));
        assert_eq!(called_as(&headers, &uri), "http://localhost");
        assert_eq!(
            called_as(&headers, &"http://ironic:1/".parse().unwrap()),
            "http://ironic:1"
        );
    }

    #[test]
    fn only_a_real_global_id_is_taken() {
        let mut headers = HeaderMap::new();
        assert_eq!(global_request_id(&headers), None);
        for (id, taken) in [
            ("req-aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", true),
            ("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", false),
            ("req-x", false),
        ] {
            headers.insert(&REQUEST_ID[0], HeaderValue::from_static(id));
            assert_eq!(global_request_id(&headers).is_some(), taken, "{id}");
        }
    }
}
