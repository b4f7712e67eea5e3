//! Ironic's API, by a server that gives recorded answers, or worse ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::*;
use crate::openstack::{Auth, Secret, Settings};

/// What the server answers to a path that begins with this, instead of what was recorded.
type Answers = BTreeMap<&'static str, (StatusCode, String)>;

/// A path with its query, and the user and password.
type Asked = (String, Option<String>);

#[derive(Clone, Default)]
struct Recorded {
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Recorded {
    fn set(&self, path: &'static str, status: u16, body: &str) {
        let answer = (StatusCode::from_u16(status).unwrap(), body.to_owned());
        self.answers.lock().unwrap().insert(path, answer);
    }

    fn clear(&self) {
        self.answers.lock().unwrap().clear();
    }

    fn asked(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.into_iter().map(|(path, _)| path).collect()
    }
}

fn recorded() -> BTreeMap<String, Value> {
    let text = include_str!("../../../../ironpxe-core/tests/oracle/ironic-db/rest.json");
    serde_json::from_str(text).unwrap()
}

async fn answer(State(server): State<Recorded>, request: Request) -> Response {
    let path = request.uri().to_string();
    let headers = request.headers();
    assert_eq!(headers["x-openstack-ironic-api-version"], "1.72");
    let user = headers.get("authorization");
    let user = user.map(|user| user.to_str().unwrap().to_owned());
    server.asked.lock().unwrap().push((path.clone(), user));
    let changed = server.answers.lock().unwrap();
    let changed = changed
        .iter()
        .find(|(prefix, _)| path.starts_with(**prefix));
    if let Some((_, (status, body))) = changed {
        return (*status, body.clone()).into_response();
    }
    let nodes = recorded();
    let of = |found: &dyn Fn(&Value) -> Option<Value>| nodes.values().find_map(found);
    let body = if let Some(mac) = path.strip_prefix("/v1/ports/detail?address=") {
        let port = of(&|node| node["ports_detail"].get(mac).cloned());
        Some(port.unwrap_or_else(|| json!({"ports": []})))
    } else if let Some(uuid) = path.strip_prefix("/v1/nodes/") {
        of(&|node| (node["node"]["uuid"] == uuid).then(|| node["node"].clone()))
    } else if let Some(rest) = path.strip_prefix("/v1/volume/") {
        let (kind, uuid) = rest.split_once("?node=").unwrap();
        let uuid = uuid.strip_suffix("&detail=true").unwrap();
        let kind = format!("volume_{kind}");
        of(&|node| (node["node"]["uuid"] == uuid).then(|| node[&kind].clone()))
    } else if path.starts_with("/v1/conductors") {
        Some(json!({"conductors": [], "next": null}))
    } else {
        None
    };
    match body {
        Some(body) => body.to_string().into_response(),
        None => (StatusCode::NOT_FOUND, "{}").into_response(),
    }
}

async fn serve() -> (Recorded, Ironic) {
    let server = Recorded::default();
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let routes = Router::new().fallback(answer).with_state(server.clone());
    crate::lifecycle::Tasks::new().spawn("Ironic", async move {
        axum::serve(socket, routes).await.unwrap();
    });
    (server, ironic(address))
}

fn ironic(address: SocketAddr) -> Ironic {
    let api = openstack::Ironic::new(&Settings {
        auth: Auth::HttpBasic {
            username: "ironpxe".to_owned(),
            password: Secret("secret".to_owned()),
        },
        endpoint_override: Some(format!("http://{address}")),
        region_name: None,
        valid_interfaces: Vec::new(),
        cafile: None,
        timeout: Duration::from_secs(10),
        retries: 0,
        pause: Duration::ZERO,
    });
    Ironic::rest(api.unwrap())
}

const WAITS: &str = "52:54:00:be:01:01";

#[tokio::test]
async fn every_recorded_machine_is_read_by_as_few_requests_as_possible() {
    let (server, ironic) = serve().await;
    for (name, node) in recorded() {
        for mac in node["ports_detail"].as_object().unwrap().keys() {
            let found = machine(&ironic, by_address(mac)).await.unwrap();
            assert_eq!(
                found.node.name.as_deref(),
                node["node"]["name"].as_str(),
                "{name}"
            );
            let asked = server.asked();
            let expected = if found.volumes.is_some() { 4 } else { 2 };
            assert_eq!(asked.len(), expected, "{name}: {asked:?}");
            assert!(
                asked.iter().all(|path| !path.contains("lookup")),
                "{asked:?}"
            );
            let by_node = BootIdent::Node(found.node.uuid);
            assert_eq!(machine(&ironic, by_node).await.unwrap().node, found.node);
            assert_eq!(server.asked().len(), expected - 1, "{name}");
        }
    }
}

#[tokio::test]
async fn password_is_sent_with_each_request() {
    let (server, ironic) = serve().await;
    machine(&ironic, by_address(WAITS)).await.unwrap();
    for (path, user) in server.asked.lock().unwrap().iter() {
        // ironpxe:secret
        assert_eq!(
            user.as_deref(),
            Some("Basic aXJvbnB4ZTpzZWNyZXQ="),
            "{path}"
        );
    }
}

#[tokio::test]
async fn empty_list_is_believed_only_of_an_account_that_may_see_everything() {
    let (server, ironic) = serve().await;
    let nobody = by_address("52:54:00:00:00:01");
    server.set("/v1/conductors", 403, "{}");
    let error = ironic.machines(&[nobody]).await.unwrap_err();
    assert!(matches!(&error, SourceError::Scope(_)), "{error}");
    assert!(error.to_string().contains("scope system"), "{error}");
    server.clear();
    server.asked();
    for expected in [2, 1] {
        assert_eq!(machine(&ironic, nobody).await, None);
        assert_eq!(
            server.asked().len(),
            expected,
            "the right is checked once a minute"
        );
    }
    let node = BootIdent::Node(NodeUuid(uuid::Uuid::nil()));
    assert_eq!(machine(&ironic, node).await, None);
}

#[tokio::test]
async fn no_other_answer_is_an_unknown_machine() {
    let (server, ironic) = serve().await;
    let page = "<!DOCTYPE html><html><body>Bad Gateway</body></html>";
    let ports = "/v1/ports/detail";
    for (path, status, body) in [
        (ports, 401, "{}"),
        (ports, 403, "{}"),
        (ports, 404, "{}"),
        (ports, 500, "{}"),
        (ports, 502, page),
        (ports, 200, page),
        (ports, 200, ""),
        (ports, 200, "{\"ports\": {}}"),
        (ports, 200, "{\"ports\": [{}]}"),
        ("/v1/nodes/", 401, "{}"),
        ("/v1/nodes/", 404, "{}"),
        ("/v1/nodes/", 406, "{}"),
        ("/v1/nodes/", 200, "{\"uuid\": null}"),
    ] {
        server.set(path, status, body);
        let error = ironic.machines(&[by_address(WAITS)]).await;
        let error = error.map(|_| ()).unwrap_err().to_string();
        assert!(!error.contains('\n') && error.len() < 500, "{error}");
        server.clear();
        assert!(machine(&ironic, by_address(WAITS)).await.is_some());
    }
}

#[tokio::test]
async fn api_that_is_away_is_an_error() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let error = ironic(address).ping().await.unwrap_err();
    assert!(matches!(&error, SourceError::Api(_)), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}
