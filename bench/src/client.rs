//! Requests, where wrk cannot make them: many different ones, what is in the answers, and requests
//! that are due at a given time. Each machine keeps its connection, which no pool of connections does.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::servers::Target;

/// Of a body, so much is kept. Scripts and answers of the API are shorter.
const KEPT: usize = 16 * 1024;
/// A node that changes is looked at after this, and later after a quarter of the time it has taken.
const SHORTEST_WAIT: Duration = Duration::from_millis(2);
/// The longest that a request may take which has to succeed.
const LIMIT: Duration = Duration::from_mins(1);
/// How many requests are under way at once where it does not matter.
const AT_ONCE: u32 = 64;

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// When to come back, in seconds, if it said so.
    pub(crate) retry_after: Option<u64>,
    /// Its body, or the beginning of it.
    pub(crate) body: Vec<u8>,
    /// How long the body was.
    pub(crate) length: usize,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether it is a boot script.
    pub(crate) fn is_script(&self) -> bool {
        self.status == 200 && self.body.starts_with(b"#!ipxe")
    }
}

/// A connection, which is opened when it is first used, and again after an error or a timeout.
pub(crate) struct Connection {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// What reads and writes; it ends with this.
    driver: JoinSet<()>,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, sender: None, driver: JoinSet::new() }
    }

    /// Asks as firmware does.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer> {
        let request = Request::get(path).header(USER_AGENT, "iPXE/1.0.0");
        self.send(request, Bytes::new()).await
    }

    /// Calls the API, which has to do it. `body` is `null` where there is none.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.header("X-OpenStack-Ironic-API-Version", "1.100");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.send(request, body.into()).await?;
        let succeeded = (200..300).contains(&answer.status);
        ensure!(succeeded, "{path}: {} {}", answer.status, answer.text());
        Ok(answer)
    }

    /// Asks for a change of the node at this path, and waits until it is in `state` and not reserved.
    pub(crate) async fn provision(&mut self, node: &str, verb: &str, state: &str) -> Result<()> {
        let start = Instant::now();
        let path = format!("{node}/states/provision");
        self.call(Method::PUT, &path, &json!({ "target": verb })).await?;
        let path = format!("{node}?fields=provision_state,reservation");
        loop {
            let node = self.call(Method::GET, &path, &Value::Null).await?;
            let node: Value = serde_json::from_slice(&node.body)?;
            let is = |field| node.get(field).unwrap_or(&Value::Null);
            if is("provision_state") == state && is("reservation").is_null() {
                return Ok(());
            }
            sleep((start.elapsed() / 4).max(SHORTEST_WAIT)).await;
        }
    }

    /// Ends it. The next request opens another one.
    pub(crate) fn close(&mut self) {
        self.sender = None;
    }

    async fn send(&mut self, request: Builder, body: Bytes) -> Result<Answer> {
        let request = request.header(HOST, "bench").body(Full::new(body))?;
        // It is put back when the answer is whole: an error, or who waits no longer, ends the connection.
        let mut sender = match self.sender.take().filter(|it| !it.is_closed()) {
            Some(sender) => sender,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                self.driver = JoinSet::new();
                self.driver.spawn(async move { drop(connection.await) });
                sender
            }
        };
        sender.ready().await?;
        let (head, mut body) = sender.send_request(request).await?.into_parts();
        let retry_after = head.headers.get(RETRY_AFTER);
        let mut answer = Answer {
            status: head.status.as_u16(),
            retry_after: retry_after.and_then(|it| it.to_str().ok()?.parse().ok()),
            body: Vec::new(),
            length: 0,
        };
        while let Some(frame) = body.frame().await {
            let data = frame?.into_data().unwrap_or_default();
            answer.length += data.len();
            if answer.length <= KEPT {
                answer.body.extend_from_slice(&data);
            }
        }
        self.sender = Some(sender);
        Ok(answer)
    }
}

/// Does something that waits.
pub(crate) fn run<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().context("cannot make a runtime")?;
    runtime.block_on(work)
}

/// One request as firmware sends it, which has to be answered.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    run(async {
        let mut connection = Connection::new(address);
        timeout(LIMIT, connection.get(path)).await.with_context(|| format!("GET {path}"))?
    })
}

/// Asks for the script of every node, and hands each answer to `take`. The first that fails ends it.
pub(crate) fn each_script(
    target: &Target,
    nodes: u32,
    take: impl FnMut(u32, Answer) -> Result<()>,
) -> Result<()> {
    let (next, take) = (Cell::new(0), RefCell::new(take));
    let worker = || async {
        let mut connection = Connection::new(target.address);
        while next.get() < nodes {
            let node = next.replace(next.get() + 1);
            let answer = connection.get(&target.path(node)).await.context("no answer")?;
            ensure!(answer.is_script(), "node {node}: {} and no script", answer.status);
            take.borrow_mut()(node, answer)?;
        }
        Ok(())
    };
    run(async { try_join_all((0..AT_ONCE).map(|_| worker())).await.map(drop) })
}
