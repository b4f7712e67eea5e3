//! A server that gives the recorded answers of Ironic's API, or worse ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::{RwLock, RwLockWriteGuard};

use crate::beside::Ironic;
use crate::openstack::{self, Auth, Secret, Settings};

const VERSION: &str = "x-openstack-ironic-api-version";

/// What the server answers to a path that begins with this, instead of what was recorded.
type Answers = BTreeMap<&'static str, Replaced>;

#[derive(Clone)]
struct Replaced {
    status: StatusCode,
    body: String,
    is_ironics: bool,
}

/// A path with its query, and the user and password.
type Asked = (String, Option<String>);

#[derive(Clone, Default)]
pub(crate) struct RecordedApi {
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    in_progress: Arc<AtomicUsize>,
    most_in_progress: Arc<AtomicUsize>,
    /// Held for reading by each answer.
    gate: Arc<RwLock<()>>,
}

impl RecordedApi {
    /// Starts the server, and gives a source that asks it.
    pub(crate) async fn serve() -> (Self, Ironic) {
        let server = Self::default();
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let routes = Router::new().fallback(answer).with_state(server.clone());
        crate::lifecycle::Tasks::new().spawn("Ironic", async move {
            axum::serve(socket, routes).await.unwrap();
        });
        (server, api_at(address))
    }

    /// Answers with this as Ironic.
    pub(crate) fn set(&self, path: &'static str, status: u16, body: &str) {
        self.replace(path, status, body, true);
    }

    /// Answers with this as a proxy in front of Ironic.
    pub(crate) fn set_proxy(&self, path: &'static str, status: u16, body: &str) {
        self.replace(path, status, body, false);
    }

    fn replace(&self, path: &'static str, status: u16, body: &str, is_ironics: bool) {
        let answer = Replaced {
            status: StatusCode::from_u16(status).unwrap(),
            body: body.to_owned(),
            is_ironics,
        };
        self.answers.lock().unwrap().insert(path, answer);
    }

    pub(crate) fn clear(&self) {
        self.answers.lock().unwrap().clear();
    }

    /// The paths that were asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.into_iter().map(|(path, _)| path).collect()
    }

    /// The authorization of all requests.
    pub(crate) fn users(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// No request is answered until the result is dropped.
    pub(crate) async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    pub(crate) fn in_progress(&self) -> usize {
        self.in_progress.load(Ordering::SeqCst)
    }

    /// The most requests that were in progress at the same time.
    pub(crate) fn most_in_progress(&self) -> usize {
        self.most_in_progress.load(Ordering::SeqCst)
    }
}

pub(crate) fn recorded_nodes() -> BTreeMap<String, Value> {
    let text = include_str!("../../../../ironpxe-core/tests/oracle/ironic-db/rest.json");
    serde_json::from_str(text).unwrap()
}

async fn answer(State(server): State<RecordedApi>, request: Request) -> Response {
    let path = request.uri().to_string();
    let headers = request.headers();
    assert_eq!(headers[VERSION], "1.72");
    let user = headers.get("authorization");
    let user = user.map(|user| user.to_str().unwrap().to_owned());
    server.asked.lock().unwrap().push((path.clone(), user));
    let in_progress = server.in_progress.fetch_add(1, Ordering::SeqCst) + 1;
    server
        .most_in_progress
        .fetch_max(in_progress, Ordering::SeqCst);
    let response = {
        let _open = server.gate.read().await;
        server.response(&path)
    };
    server.in_progress.fetch_sub(1, Ordering::SeqCst);
    response
}

impl RecordedApi {
    fn response(&self, path: &str) -> Response {
        let replaced = self.answers.lock().unwrap();
        let replaced = replaced
            .iter()
            .find(|(prefix, _)| path.starts_with(**prefix));
        let (status, body, is_ironics) = match replaced {
            Some((_, it)) => (it.status, it.body.clone(), it.is_ironics),
            None => match recorded_answer(path) {
                Some(body) => (StatusCode::OK, body.to_string(), true),
                None => (StatusCode::NOT_FOUND, "{}".to_owned(), true),
            },
        };
        let mut response = (status, body).into_response();
        if is_ironics {
            let version = "1.72".parse().unwrap();
            response.headers_mut().insert(VERSION, version);
        }
        response
    }
}

fn recorded_answer(path: &str) -> Option<Value> {
    let nodes = recorded_nodes();
    let of = |found: &dyn Fn(&Value) -> Option<Value>| nodes.values().find_map(found);
    if let Some(mac) = path.strip_prefix("/v1/ports/detail?address=") {
        let port = of(&|node| node["ports_detail"].get(mac).cloned());
        Some(port.unwrap_or_else(|| json!({"ports": []})))
    } else if let Some(uuid) = path.strip_prefix("/v1/nodes/") {
        of(&|node| (node["node"]["uuid"] == uuid).then(|| node["node"].clone()))
    } else if let Some(rest) = path.strip_prefix("/v1/volume/") {
        let (kind, uuid) = rest.split_once("?node=").unwrap();
        let uuid = uuid.strip_suffix("&detail=true").unwrap();
        let kind = format!("volume_{kind}");
        of(&|node| (node["node"]["uuid"] == uuid).then(|| node[&kind].clone()))
    } else {
        path.starts_with("/v1/conductors")
            .then(|| json!({"conductors": [], "next": null}))
    }
}

/// A source that asks the API at this address.
pub(crate) fn api_at(address: SocketAddr) -> Ironic {
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
