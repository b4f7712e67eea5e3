//! The service layer around all routes.
//!
//! It assigns a request ID, normalizes the path, authenticates, answers `OPTIONS`, encodes errors, and
//! logs the request. Handlers get its data as a [`crate::api::call::Call`].

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, Method, StatusCode, Uri};
use ironpxe_core::microversion::Microversion;
use tower::{Service, ServiceExt};

use crate::api::CommonState;
use crate::api::audit::{self, Audit};
use crate::api::body;
use crate::api::call::JsonSuffix;
use crate::api::error::ApiError;
use crate::api::firmware::Guard;
use crate::api::request_log::{REQUEST_ID, RequestInfo, panicked};
use crate::api::version;
use crate::auth::{self, AuthRequest, Caller};
use crate::ident;
use crate::rpc::Context;
use crate::server::ReservedMemory;

/// The API's collections: a path that starts with one of these may omit `/v1`.
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

/// The service layer, around all routes.
///
/// A separate service rather than an axum layer, because a layer clones the service it wraps for
/// every request.
#[derive(Clone)]
pub(super) struct RequestService {
    routes: Router,
    state: Arc<CommonState>,
}

impl RequestService {
    pub(super) fn new(routes: Router, state: CommonState) -> Self {
        Self {
            routes,
            state: Arc::new(state),
        }
    }
}

impl Service<Request> for RequestService {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { routes, state } = self.clone();
        Box::pin(async move { Ok(answer(&state, routes, request).await) })
    }
}

async fn answer(state: &CommonState, routes: Router, mut request: Request) -> Response {
    let ctx = Context {
        request_id: ident::request_id(),
    };
    let started = Instant::now();
    let method = request.method().clone();
    let asked = request.uri().clone();
    let global_id = global_request_id(request.headers()).map(str::to_owned);

    let firmware = Guard::of(&request);
    request.extensions_mut().insert(ctx.clone());
    let audit = Audit::of(&method);
    request.extensions_mut().insert(audit.clone());
    let client = client_address(&request);
    if let Some(authority) = asked.authority() {
        // The normalized path does not have it.
        request.extensions_mut().insert(authority.clone());
    }

    // Held until the response is complete.
    let mut _memory = None;
    let mut caller = None;
    let answered = async {
        if let Some(guard) = &firmware {
            guard.check_method(&ctx)?;
        }
        let without_suffix = without_json_suffix(&asked, request.headers());
        if let Some(uri) = &without_suffix {
            request.extensions_mut().insert(JsonSuffix);
            *request.uri_mut() = uri.clone();
        }
        let path = normal_path(without_suffix.as_ref().unwrap_or(&asked));
        if let Ok(Some(uri)) = &path {
            *request.uri_mut() = uri.clone();
        }
        if request.method() != Method::OPTIONS {
            let authenticated = match to_authenticate(state, &asked, &request) {
                Some(asking) => match chosen_caller(&request) {
                    Some(caller) => caller,
                    None => state.authenticator.authenticate(&asking).await?,
                },
                None => Caller::Public,
            };
            caller = Some(authenticated.clone());
            request.extensions_mut().insert(authenticated);
        }
        if !request.body().is_end_stream() {
            // Boxed, because it is much larger than the common path.
            request = Box::pin(body::take(request, &state.settings)).await?;
            _memory = request.extensions().get::<ReservedMemory>().cloned();
        }
        path?;
        if request.method() == Method::OPTIONS {
            return Ok(StatusCode::OK.into_response());
        }
        match AssertUnwindSafe(routes.oneshot(request))
            .catch_unwind()
            .await
        {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(never)) => match never {},
            Err(panic) => Err(panicked(&*panic)),
        }
    };
    let mut response = answered.await.unwrap_or_else(ApiError::into_response);
    if let Some(guard) = &firmware {
        response = guard.check_answer(state, &ctx, response);
    }
    let info = audit::Request {
        id: &ctx.request_id,
        client,
        caller: caller.as_ref(),
        method: &method,
        path: asked.path(),
    };
    audit.log(&info, response.status());
    RequestInfo {
        id: &ctx.request_id,
        global_id: global_id.as_deref(),
        method: &method,
        path: asked.path(),
        started,
        caller: caller.as_ref(),
    }
    .answered(response)
}

/// What authentication reads, unless the route is public. `asked` is its URI as the client wrote it.
fn to_authenticate<'r>(
    state: &CommonState,
    asked: &Uri,
    request: &'r Request,
) -> Option<AuthRequest<'r>> {
    let uri = request.uri();
    let ramdisk_endpoints = state.settings.enable_ramdisk_endpoints;
    if auth::is_public(request.method(), asked, uri, ramdisk_endpoints) {
        return None;
    }
    Some(AuthRequest {
        method: request.method(),
        path: uri.path(),
        headers: request.headers(),
        client: client_address(request),
    })
}

/// The address of the client.
fn client_address(request: &Request) -> Option<IpAddr> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map(|ConnectInfo(peer)| peer.ip())
}

/// The caller that a test chose.
fn chosen_caller(request: &Request) -> Option<Caller> {
    let caller = request.extensions().get::<Caller>();
    caller.filter(|_| cfg!(test)).cloned()
}

/// The ID that correlates an operation across services: only for the log, and only in the standard
/// format.
fn global_request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(&REQUEST_ID[0])?.to_str().ok()?;
    let uuid = id.strip_prefix("req-")?;
    (uuid.len() == 36 && uuid::Uuid::parse_str(uuid).is_ok()).then_some(id)
}

/// The normalized path, if it differs: without empty segments and trailing slash, with `/v1` before
/// the API's collections.
fn normal_path(uri: &Uri) -> Result<Option<Uri>, ApiError> {
    if is_normal(uri) {
        return Ok(None);
    }
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
    // The parts come from a URI, so they form one again.
    path.parse().map(Some).map_err(|_| ApiError::NoRoute)
}

/// The URI without a trailing `.json`, which Ironic ignores for versions before 1.91.
///
/// Source: Ironic's `api/middleware/json_ext.py`.
fn without_json_suffix(uri: &Uri, headers: &HeaderMap) -> Option<Uri> {
    const KEPT_SINCE: Microversion = Microversion::new(91);
    let path = uri.path().trim_end_matches('/').strip_suffix(".json")?;
    version::named(headers).filter(|version| *version < KEPT_SINCE)?;
    let query = uri.query().map(|query| format!("?{query}"));
    format!("{path}{}", query.unwrap_or_default()).parse().ok()
}

/// Whether a path is already normalized, as almost all are. May return false negatives.
fn is_normal(uri: &Uri) -> bool {
    let path = uri.path();
    let plain = |rest: &str| {
        let ends = rest.is_empty() || rest.starts_with('/') || rest.ends_with('/');
        !ends && !rest.contains("//") && !rest.contains('%') && rest.is_ascii()
    };
    path.strip_prefix("/v1/").is_some_and(plain) && uri.authority().is_none()
}

#[cfg(test)]
mod tests {
    mod authentication;

    use http::HeaderValue;
    use ironpxe_core::error::Fault;

    use super::*;
    use crate::api::Settings;
    use crate::api::request_log::masked_path;

    fn normal(path: &str) -> String {
        let uri: Uri = path.parse().unwrap();
        let normal = normal_path(&uri).unwrap().unwrap_or(uri);
        assert!(!is_normal(&normal) || normal_path(&normal).unwrap().is_none());
        normal.to_string()
    }

    #[test]
    fn paths_are_normalized() {
        assert_eq!(normal("/"), "/");
        assert_eq!(normal("/v1/"), "/v1");
        assert_eq!(normal("/nodes"), "/v1/nodes");
        assert_eq!(normal("/nodes/?limit=1"), "/v1/nodes?limit=1");
        assert_eq!(normal("//v1//nodes/a%20b/"), "/v1/nodes/a%20b");
        assert_eq!(normal("/v1//nodes?limit=1"), "/v1/nodes?limit=1");
        assert_eq!(normal("/v1/nodes?a=//b/"), "/v1/nodes?a=//b/");
        assert_eq!(normal("/v1//"), "/v1");
        assert_eq!(normal("/boot.ipxe"), "/boot.ipxe");
        assert_eq!(normal("/nope"), "/nope");
        assert_eq!(normal("http://h:1/nodes"), "/v1/nodes");
        assert!(normal_path(&"/v1/nodes/%ff".parse().unwrap()).is_err());
        assert!(normal_path(&"/v1/nodes/%00".parse().unwrap()).is_err());
    }

    #[test]
    fn json_suffix_is_accepted_from_old_clients() {
        let stripped = |path: &str, version: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(version) = version {
                let name = "x-openstack-ironic-api-version";
                headers.insert(name, HeaderValue::from_static(version));
            }
            let uri: Uri = path.parse().unwrap();
            without_json_suffix(&uri, &headers).map(|uri| uri.to_string())
        };
        for (path, shorter) in [
            ("/v1/nodes/n1.json", "/v1/nodes/n1"),
            ("/v1/nodes/n1.json/", "/v1/nodes/n1"),
            ("/v1/nodes.json?limit=1", "/v1/nodes?limit=1"),
            ("/v1/nodes/n1.json.json", "/v1/nodes/n1.json"),
        ] {
            assert_eq!(stripped(path, Some("1.90")).as_deref(), Some(shorter));
            assert_eq!(stripped(path, Some("1.91")), None);
            assert_eq!(stripped(path, Some("latest")), None);
            assert_eq!(stripped(path, None), None);
        }
        assert_eq!(stripped("/v1/nodes/n1.json/states", Some("1.90")), None);
        assert_eq!(stripped("/v1/nodes/n1?a=.json", Some("1.90")), None);
    }

    #[test]
    fn image_signature_is_not_logged() {
        let stars = "/v1/images/n/kernel/t/9/******/kernel";
        for (path, masked) in [
            (
                "/v1/boot/a/ks.cfg&token=1800000000-a_b",
                "/v1/boot/a/ks.cfg&token=******",
            ),
            ("/v1/images/n/kernel/t/9/5160/kernel", stars),
            ("/v1/images/n/kernel/t/9/%35160/kernel", stars),
            (
                "//v1//images//n/kernel/t/9//5160/kernel",
                "//v1//images//n/kernel/t/9//******/kernel",
            ),
            ("/images/n/kernel/t/9/5160", "/images/n/kernel/t/9/******"),
            ("/v1/images/n/kernel/t", "/v1/images/n/kernel/t"),
            ("/v1/nodes/images", "/v1/nodes/images"),
        ] {
            assert_eq!(masked_path(path), masked, "{path}");
        }
    }

    #[tokio::test]
    async fn panic_becomes_an_internal_fault_with_its_message() {
        let failing: [fn(); 2] = [|| panic!("boom"), || panic!("{}", "boom".to_owned())];
        for fail in failing {
            let failing = AssertUnwindSafe(async { fail() });
            let panic = failing.catch_unwind().await.unwrap_err();
            let ApiError::Fault(Fault::Internal(cause)) = panicked(&*panic) else {
                panic!("not a fault of ours")
            };
            assert_eq!(cause, "a handler panicked: boom");
        }
    }

    #[tokio::test]
    async fn panicking_handler_is_answered_with_an_error() {
        let (db, _folder) = crate::db::testing::scratch().await;
        let state = CommonState {
            boot: crate::boot::testing::service(&db),
            nodes: crate::api::NodeSource::Own(db),
            settings: Arc::new(Settings::default()),
            images: crate::images::testing::images(),
            stopping: tokio_util::sync::CancellationToken::new(),
            authenticator: auth::Authenticator::NoAuth,
        };
        let routes = Router::new().route(
            "/v1/boom",
            axum::routing::get(|| async { assert_eq!(ident::uuid(), ident::uuid(), "boom") }),
        );
        let request = http::Request::get("/v1/boom").body(axum::body::Body::empty());
        let service = RequestService::new(routes, state);
        let response = service.oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().contains_key(&REQUEST_ID[0]));
    }

    #[test]
    fn only_a_valid_global_request_id_is_accepted() {
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
