//! What a conductor answers to callers of every kind, byte by byte.

use axum::body::Body;
use axum::response::Response;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Value,
}

pub(super) async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let response: Response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    }
}

pub(super) fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post("/").body(body.into()).unwrap()
}

pub(super) fn router(site: &RpcFixture) -> Router {
    server::router(RpcServer {
        conductor: Arc::new(site.local.clone()),
        users: None,
        max_body_bytes: 64 * 1024,
        memory: memory(),
    })
}

fn passthru(id: &Value, info: &Value) -> String {
    json!({
        "jsonrpc": "2.0",
        "method": "driver_vendor_passthru",
        "params": {
            "driver_name": "fake-hardware",
            "driver_method": "ipxe_config",
            "http_method": "GET",
            "info": info,
            "context": {"request_id": "req-7", "roles": []},
            "rpc.version": "1.20",
            "newer": {"is": "ignored"},
        },
        "id": id,
    })
    .to_string()
}

#[tokio::test]
async fn call_is_answered_like_the_conductor_of_ironic() {
    let site = RpcFixture::new().await;
    site.waiting_node().await;
    let router = router(&site);
    let answer = ask(
        &router,
        post(passthru(&json!("req-7"), &json!({"port_address": MAC}))),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.headers[header::CONTENT_TYPE],
        "application/json; charset=UTF-8"
    );
    let result = &answer.body["result"];
    assert_eq!(answer.body["jsonrpc"], "2.0");
    assert_eq!(answer.body["id"], "req-7");
    assert_eq!(
        (&result["async"], &result["attach"]),
        (&json!(false), &json!(true))
    );
    let script = result["return"].as_str().unwrap();
    assert!(
        script.starts_with("#!ipxe\n") && script.contains("req-7"),
        "{script}"
    );

    let unknown = json!({"port_address": "52:54:00:aa:00:09"});
    let answer = ask(&router, post(passthru(&json!("req-7"), &unknown))).await;
    assert_eq!(answer.status, StatusCode::OK);
    let error = &answer.body["error"];
    assert_eq!(error["code"], 404);
    assert_eq!(
        error["message"],
        "Port 52:54:00:aa:00:09 could not be found."
    );
    assert_eq!(
        error["data"]["class"],
        "ironic.common.exception.PortNotFound"
    );
    assert_eq!(answer.body["result"], Value::Null);
}

#[tokio::test]
async fn cast_is_executed_without_a_result() {
    let site = RpcFixture::new().await;
    let node = site.waiting_node().await;
    let cast = |method: &str| {
        json!({ "jsonrpc": "2.0", "method": method, "params": { "node_id": node } }).to_string()
    };
    let router = router(&site);
    let answer = ask(&router, post(cast("nosuch"))).await;
    assert_eq!(
        (answer.status, answer.body),
        (StatusCode::NO_CONTENT, Value::Null)
    );
    let maintain = json!({
        "jsonrpc": "2.0",
        "method": "update_node",
        "params": {
            "node_id": node,
            "change": {"maintenance": {"on": true, "reason": null}},
            "reset_interfaces": false,
        },
    });
    let answer = ask(&router, post(maintain.to_string())).await;
    assert_eq!(
        (answer.status, answer.body),
        (StatusCode::NO_CONTENT, Value::Null)
    );
    assert!(site.db.node_get(node).await.unwrap().unwrap().maintenance);
}

#[tokio::test]
async fn malformed_calls_are_refused() {
    let site = RpcFixture::new().await;
    let router = router(&site);
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD] {
        let request = Request::builder().method(&method).body(Body::empty());
        let answer = ask(&router, request.unwrap()).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    let call = |method: &str, params: Value| {
        json!({ "jsonrpc": "2.0", "method": method, "params": params, "id": "1" }).to_string()
    };
    for (body, code, part) in [
        (String::new(), -32700, "Invalid JSON"),
        ("{".to_owned(), -32700, "Invalid JSON"),
        ("\u{0}".to_owned(), -32700, "Invalid JSON"),
        ("[]".to_owned(), -32600, "expected an object"),
        (
            call("nosuch", json!({})),
            -32601,
            "Method nosuch was not found",
        ),
        (call("init_host", json!({})), -32601, "init_host"),
        (call("destroy_node", json!([1])), -32600, "named"),
        (
            call("destroy_node", json!({})),
            -32602,
            "node_id is missing",
        ),
        (
            call("destroy_node", json!({"node_id": 7})),
            -32602,
            "node_id: ",
        ),
        (
            call("destroy_node", json!({"node_id": "x"})),
            -32602,
            "node_id: ",
        ),
        (
            call("create_node", json!({"node_obj": {}})),
            -32602,
            "missing field `uuid`",
        ),
        (
            call(
                "do_provisioning_action",
                json!({"node_id": ident::uuid(), "action": "fly"}),
            ),
            -32602,
            "\"fly\" is not a provision verb",
        ),
        (
            call("destroy_node", json!({"rpc.version": "2.1"})),
            -32600,
            "1.x",
        ),
    ] {
        let answer = ask(&router, post(body.clone())).await;
        assert_eq!(answer.status, StatusCode::OK, "{part}");
        assert_eq!(answer.body["error"]["code"], code, "{}", answer.body);
        let message = answer.body["error"]["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let answer = ask(&router, post(deep)).await;
    assert_eq!(answer.body["error"]["code"], -32700);
    let answer = ask(&router, post("x".repeat(64 * 1024 + 1))).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(
        answer.body.to_string().contains("max_body_size"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn unauthenticated_calls_are_refused_before_they_are_parsed() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("htpasswd");
    std::fs::write(
        &file,
        format!("api:{}\n", bcrypt::hash("s3cret", 4).unwrap()),
    )
    .unwrap();
    let security = RpcSecurity {
        users: Some(Users::read(&file).unwrap()),
        tls: None,
    };
    let site = RpcFixture::guarded(security).await;
    site.waiting_node().await;
    let credentials = |password: &str| BasicCredentials {
        username: "api".to_owned(),
        password: password.to_owned(),
    };
    let known = site.remote_with(Some(&credentials("s3cret")), None);
    for _ in 0..2 {
        let asked = known.driver_properties(&context(), "fake-hardware").await;
        assert!(asked.is_ok());
    }
    for unknown in [
        site.remote(),
        site.remote_with(Some(&credentials("guess")), None),
    ] {
        let fault = unknown
            .driver_properties(&context(), "fake-hardware")
            .await
            .unwrap_err();
        assert!(
            matches!(fault, ironpxe_core::error::Fault::Unavailable { .. }),
            "{fault:?}"
        );
    }
    let served = RpcServer {
        conductor: Arc::new(site.local.clone()),
        users: Some(Users::read(&file).unwrap()),
        max_body_bytes: 64 * 1024,
        memory: memory(),
    };
    let answer = ask(&server::router(served), post("x".repeat(100_000))).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        answer.headers[header::WWW_AUTHENTICATE],
        "Basic realm=\"Baremetal API\""
    );
    assert_eq!(
        answer.body,
        json!({"error": {"message": "Authorization required", "code": 401}})
    );
}
