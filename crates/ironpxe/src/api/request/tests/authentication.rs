//! Which requests need credentials, by whatever spelling of their path.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request};
use http_body_util::BodyExt;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::api;
use crate::api::testing::{NODE, Response, TestApp};
use crate::auth::{Authenticator, Users};

const USER: &str = "admin";
const PASSWORD: &str = "pass:word";

async fn app() -> TestApp {
    let builder = TestApp::builder();
    let file = builder.folder().join("htpasswd");
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    std::fs::write(&file, format!("{USER}:{hash}\n")).unwrap();
    builder.authenticator(users(&file)).start().await
}

fn users(file: &Path) -> Authenticator {
    Authenticator::HttpBasic(Users::read(file).unwrap())
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

async fn send(app: &TestApp, method: &Method, path: &str, auth: Option<&str>) -> Response {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("X-OpenStack-Ironic-API-Version", "1.90");
    if let Some(auth) = auth {
        request = request.header("Authorization", auth);
    }
    let request = request.body(Body::empty()).unwrap();
    let router = app.http_service.router.clone();
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// The path of every endpoint, as the router has them.
fn paths() -> BTreeSet<String> {
    let routes = format!("{:?}", api::routes(&api::Settings::default()));
    let texts = routes.split('"').filter(|text| text.starts_with('/'));
    texts
        .map(|text| {
            let segments = text.split('/').map(|segment| match segment {
                "{node}" | "{ident}" => NODE,
                "{driver}" => "fake-hardware",
                segment if segment.starts_with('{') => "a",
                segment => segment,
            });
            segments.collect::<Vec<_>>().join("/")
        })
        .collect()
}

/// The endpoints that answer without credentials.
fn is_public(path: &str) -> bool {
    let exactly = [
        "/",
        "/v1",
        "/v1/lookup",
        "/healthz",
        "/readyz",
        "/boot.ipxe",
        "/autoexec.ipxe",
    ];
    let below = [
        "/v1/boot/",
        "/v1/images/",
        "/pxelinux.cfg",
        "/v1/heartbeat/",
    ];
    exactly.contains(&path) || below.iter().any(|below| path.starts_with(below))
}

#[tokio::test]
async fn every_route_that_is_not_public_needs_credentials() {
    let app = app().await;
    let node = app.add_node(ProvisionState::Available).await;
    let paths = paths();
    assert!(paths.len() > 50, "{paths:?}");
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::TRACE,
    ];
    for path in &paths {
        for method in &methods {
            let response = send(&app, method, path, None).await;
            let status = response.status.as_u16();
            if is_public(path) {
                assert_ne!(status, 401, "{method} {path}");
                continue;
            }
            assert_eq!(status, 401, "{method} {path}: {}", response.body);
            assert!(response.headers.contains_key("openstack-request-id"));
            let version = "x-openstack-ironic-api-version";
            assert!(!response.headers.contains_key(version), "{method} {path}");
        }
    }
    // Nothing was done.
    let same = app.db.node_get(node.uuid).await.unwrap().unwrap();
    assert_eq!(same, node);
}

#[tokio::test]
async fn no_spelling_of_a_path_gets_around_authentication() {
    let app = app().await;
    app.add_node(ProvisionState::Available).await;
    let node = format!("/v1/nodes/{NODE}");
    let mut spellings = Vec::new();
    for path in [
        "/v1/nodes",
        &node,
        "/v1/ports",
        "/v1/drivers",
        "/v1/conductors",
    ] {
        let short = path.strip_prefix("/v1").unwrap();
        let percent = path.replace('n', "%6e").replace('o', "%6F");
        spellings.extend([
            path.to_owned(),
            short.to_owned(),
            format!("/{path}"),
            format!("{path}/"),
            format!("{path}//"),
            format!("{path}.json"),
            format!("{path}?x=/v1/lookup"),
            format!("{path}#/v1"),
            format!("//v1/{short}"),
            format!("/v1/.{short}"),
            format!("/v1/lookup/..{short}"),
            format!("/v1/lookup/%2e%2e{short}"),
            format!("/boot.ipxe/..{short}"),
            format!("/v1/boot/../..{path}"),
            format!("/%76%31{short}"),
            path.to_uppercase(),
            percent,
            path.replace('/', "%2F").replacen("%2F", "/", 1),
            format!("http://h{path}"),
            format!("http://h{short}"),
            format!("http://h/{path}"),
            format!("http://h/v1/lookup/..{short}"),
        ]);
    }
    let right = basic(USER, PASSWORD);
    let mut reached = 0;
    for spelling in &spellings {
        let open = send(&app, &Method::GET, spelling, None).await;
        let authenticated = send(&app, &Method::GET, spelling, Some(&right)).await;
        assert_ne!(authenticated.status.as_u16(), 401, "{spelling}");
        // What serves something with credentials serves nothing without.
        if authenticated.status.is_success() {
            reached += 1;
            assert_eq!(open.status.as_u16(), 401, "{spelling}");
        }
        assert!(!open.status.is_success(), "{spelling}: {}", open.body);
        assert!(
            !open.body.contains(NODE) || open.status.as_u16() == 401 || spelling.contains("..")
        );
    }
    assert!(reached > 20, "{reached}");
}

#[tokio::test]
async fn methods_of_a_driver_other_than_the_script_need_credentials() {
    let app = app().await;
    let base = "/v1/drivers/fake-hardware/vendor_passthru";
    let script = format!("{base}/ipxe_config?port_address=52:54:00:aa:00:09");
    let by_query = format!("{base}?method=ipxe_config&port_address=52:54:00:aa:00:09");
    for path in [&script, &by_query] {
        assert_ne!(
            send(&app, &Method::GET, path, None).await.status,
            401,
            "{path}"
        );
        assert_eq!(
            send(&app, &Method::POST, path, None).await.status,
            401,
            "{path}"
        );
    }
    for path in [
        format!("{base}/methods"),
        format!("{base}/erase"),
        format!("{base}/ipxe_config/x"),
        format!("{base}?method=erase"),
        // Names two methods: whichever counts, it must be the script.
        format!("{base}?method=erase&method=ipxe_config"),
        format!("{base}/erase?method=ipxe_config"),
    ] {
        let status = send(&app, &Method::GET, &path, None).await.status.as_u16();
        assert!(status == 401 || status == 400, "{path}: {status}");
    }
}

#[tokio::test]
async fn passwords_are_answered_as_by_ironic() {
    let app = app().await;
    let challenge = "Basic realm=\"Baremetal API\"";
    let required = json!({ "error": { "message": "Authorization required", "code": 401 } });
    let wrong = json!({ "error": { "message": "Incorrect username or password", "code": 401 } });
    for (auth, expected) in [
        (None, &required),
        (Some(basic(USER, "pass")), &wrong),
        (Some(basic("nobody", PASSWORD)), &wrong),
        (Some(basic("", "")), &wrong),
    ] {
        let response = send(&app, &Method::GET, "/v1/nodes", auth.as_deref()).await;
        assert_eq!(response.status, 401);
        assert_eq!(response.headers["www-authenticate"], challenge);
        assert_eq!(response.headers["content-type"], "application/json");
        assert_eq!(
            serde_json::from_str::<Value>(&response.body).unwrap(),
            *expected
        );
    }
    let response = send(&app, &Method::GET, "/v1/nodes", Some("Bearer x")).await;
    assert_eq!(response.status, 400);
    assert!(!response.headers.contains_key("www-authenticate"));
    let right = basic(USER, PASSWORD);
    assert_eq!(
        send(&app, &Method::GET, "/v1/nodes", Some(&right))
            .await
            .status,
        200
    );
    // A bad one does no harm where none is needed.
    assert_eq!(
        send(&app, &Method::GET, "/v1", Some("Bearer x"))
            .await
            .status,
        200
    );
    assert_eq!(
        send(&app, &Method::OPTIONS, "/v1/nodes", None).await.status,
        200
    );
    // An unknown URL is not told apart.
    assert_eq!(
        send(&app, &Method::GET, "/v1/nosuch", None).await.status,
        401
    );
    assert_eq!(
        send(&app, &Method::GET, "/v1/nosuch", Some(&right))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn without_ramdisk_endpoints_agents_get_404_and_others_401() {
    let builder = TestApp::builder();
    let settings = api::Settings {
        enable_ramdisk_endpoints: false,
        ..api::Settings::default()
    };
    let file = builder.folder().join("htpasswd");
    std::fs::write(
        &file,
        format!("{USER}:{}\n", bcrypt::hash(PASSWORD, 4).unwrap()),
    )
    .unwrap();
    let app = builder
        .api(settings)
        .authenticator(users(&file))
        .start()
        .await;
    let right = basic(USER, PASSWORD);
    for path in ["/v1/lookup?addresses=52:54:00:aa:00:01", "/v1/heartbeat/a"] {
        assert_eq!(send(&app, &Method::GET, path, None).await.status, 401);
        assert_eq!(
            send(&app, &Method::GET, path, Some(&right)).await.status,
            404
        );
    }
}
