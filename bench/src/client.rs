//! Requests, where wrk cannot make them: many different ones, what is in the answers, and requests
//! that are due at a given time whatever becomes of those before.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::{join_all, try_join_all};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout, timeout_at};

use crate::figures::{Latencies, number};
use crate::names;
use crate::servers::Target;

/// Of a body, so much is kept. Scripts and answers of the API are shorter.
const KEPT: usize = 16 * 1024;
/// The longest that a request may take which has to succeed.
const LIMIT: Duration = Duration::from_mins(1);
/// How many requests are under way at once where it does not matter.
const AT_ONCE: u32 = 64;

/// An answer.
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

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it is a boot script.
    pub(crate) fn is_script(&self) -> bool {
        self.status == 200 && self.body.starts_with(b"#!ipxe")
    }
}

/// A connection, which is opened when it is first used, and again after an error.
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

    /// Calls the API.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("X-OpenStack-Ironic-API-Version", "1.100");
        let request = request.header(CONTENT_TYPE, "application/json");
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(request, body.into()).await
    }

    /// Ends it. The next request opens another one.
    pub(crate) fn close(&mut self) {
        self.sender = None;
        self.driver.abort_all();
    }

    async fn send(
        &mut self,
        request: hyper::http::request::Builder,
        body: Bytes,
    ) -> Result<Answer> {
        let request = request.header(HOST, "bench").body(Full::new(body))?;
        let answer = self.exchange(request).await;
        if answer.is_err() {
            self.close();
        }
        answer
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let sender = match self.sender.take().filter(|it| !it.is_closed()) {
            Some(sender) => sender,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                self.driver.spawn(async move { drop(connection.await) });
                sender
            }
        };
        let sender = self.sender.insert(sender);
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
            let room = KEPT.saturating_sub(answer.body.len());
            answer.body.extend(data.iter().take(room));
            answer.length += data.len();
        }
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

/// Requests at even distances, and what came of them.
#[derive(Default)]
pub(crate) struct Paced {
    pub(crate) offered: usize,
    /// From when a request was due until its 200 was complete: with its wait for a connection.
    pub(crate) accepted: Latencies,
    /// From when a request was sent until its 200 was complete.
    pub(crate) accepted_since_sent: Latencies,
    /// The same of other answers.
    pub(crate) refused_since_sent: Latencies,
    pub(crate) by_status: BTreeMap<u16, usize>,
    /// Connections that failed, and answers that took too long.
    pub(crate) unanswered: usize,
    /// From when the first was due until the last was answered.
    seconds: f64,
}

impl Paced {
    pub(crate) fn accepted_per_second(&self) -> f64 {
        number(self.accepted.count()) / self.seconds
    }
}

/// Asks for scripts of random nodes, `rate` times a second for `time`, whatever is answered (open loop;
/// wrk waits for an answer before it asks again, so that it asks a slow server less). A request that is
/// due waits for one of so many `connections`, and is given up so long after it was due.
pub(crate) fn paced(
    target: &Target,
    nodes: u32,
    rate: f64,
    time: Duration,
    connections: u32,
    give_up: Duration,
) -> Result<Paced> {
    let (next, result) = (Cell::new(0), RefCell::new(Paced::default()));
    run(async {
        let start = Instant::now();
        let worker = || async {
            let mut connection = Connection::new(target.address);
            loop {
                let position = next.get();
                let after = Duration::from_secs_f64(number(position) / rate);
                if after > time {
                    return;
                }
                next.set(position + 1);
                let due = start + after;
                sleep_until(due.into()).await;
                let path = target.path(names::random(position, nodes));
                let (sent, end) = (Instant::now(), due + give_up);
                let answer = if sent < end {
                    timeout_at(end.into(), connection.get(&path)).await.ok()
                } else {
                    None
                };
                let mut result = result.borrow_mut();
                match answer {
                    Some(Ok(answer)) => {
                        *result.by_status.entry(answer.status).or_default() += 1;
                        if answer.status == 200 {
                            result.accepted.push(due.elapsed());
                            result.accepted_since_sent.push(sent.elapsed());
                        } else {
                            result.refused_since_sent.push(sent.elapsed());
                        }
                    }
                    Some(Err(_)) => result.unanswered += 1,
                    None => {
                        result.unanswered += 1;
                        connection.close();
                    }
                }
            }
        };
        join_all((0..connections).map(|_| worker())).await;
        result.borrow_mut().seconds = start.elapsed().as_secs_f64();
        Ok(())
    })?;
    let mut result = result.into_inner();
    result.offered = next.get();
    Ok(result)
}
