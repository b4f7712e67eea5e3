//! The fast path as a client on the wire meets it, with the framework behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Method;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::lifecycle::Tasks;
use crate::server::tests::{SOON, exchange, limits, until};
use crate::server::{Head, HttpService, Limits, RequestMemory, serve};

const REQUEST: &[u8] = b"GET /now HTTP/1.1\r\n\r\n";

/// Knows `/now…` and `/later`, and never comes to an end with `/never`.
struct Knows {
    head: Head,
    /// What those who wait for ever hold.
    held: Arc<()>,
}

impl FastPath for Knows {
    fn answer(&self, request: &SimpleGet<'_>, reply: ResponseWriter<'_>) -> FastPathResult {
        match request.target {
            "/later" => FastPathResult::Pending(Box::pin(async {
                tokio::task::yield_now().await;
                let response = http::Response::new(Bytes::from_static(b"fast path: later"));
                Box::new(move |reply: ResponseWriter<'_>| reply.send_response(&response))
                    as EncodeResponse
            })),
            "/never" => {
                let held = Arc::clone(&self.held);
                FastPathResult::Pending(Box::pin(async move {
                    let () = std::future::pending().await;
                    drop(held);
                    Box::new(|_: ResponseWriter<'_>| ()) as EncodeResponse
                }))
            }
            target if target.starts_with("/now") => {
                reply.send(&self.head, &[], format!("fast path: {target}").as_bytes());
                FastPathResult::Handled
            }
            _ => FastPathResult::Fallback,
        }
    }
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: Tasks,
    held: Arc<()>,
}

async fn start(limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let framework = |method: Method, uri: http::Uri, body: String| async move {
        format!("framework: {method} {uri} {body}")
    };
    let held = Arc::new(());
    let knows = Knows {
        head: Head::new(StatusCode::OK, &HeaderMap::new()),
        held: Arc::clone(&held),
    };
    let http_service = HttpService {
        router: Router::new().fallback(framework),
        fast_path: Some(Arc::new(knows)),
        tls: None,
        memory: RequestMemory::new(1 << 20, "a test"),
    };
    let stop = CancellationToken::new();
    let tasks = Tasks::new();
    tasks.spawn(
        "a server",
        serve(listener, http_service, limits, stop.clone()),
    );
    Running {
        address,
        stop,
        tasks,
        held,
    }
}

/// What comes until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let read = timeout(SOON, stream.read_to_string(&mut text)).await;
    read.unwrap().unwrap();
    text
}

#[tokio::test]
async fn plain_requests_use_the_fast_path_and_all_others_the_framework() {
    let running = start(limits()).await;
    let host = "Host: h\r\n";
    for (request, end) in [
        (
            format!("GET /now HTTP/1.1\r\n{host}\r\n"),
            "fast path: /now",
        ),
        (
            format!("GET /now?a=b HTTP/1.1\r\n{host}\r\n"),
            "fast path: /now?a=b",
        ),
        (
            format!("GET /later HTTP/1.1\r\n{host}\r\n"),
            "fast path: later",
        ),
        (
            format!("GET /now HTTP/1.1\r\n{host}connection: Keep-Alive\r\n\r\n"),
            "fast path: /now",
        ),
        (
            format!("GET /else HTTP/1.1\r\n{host}\r\n"),
            "framework: GET /else ",
        ),
        (
            format!("POST /now HTTP/1.1\r\n{host}Content-Length: 4\r\n\r\nbody"),
            "framework: POST /now body",
        ),
        (
            format!("GET /now HTTP/1.1\r\n{host}Content-Length: 4\r\n\r\nbody"),
            "framework: GET /now body",
        ),
        (
            format!("GET /now HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "framework: GET /now ",
        ),
        (
            format!("GET /now HTTP/1.1\r\n{host}Connection: close\r\n\r\n"),
            "framework: GET /now ",
        ),
        (
            format!("GET /now HTTP/1.0\r\n{host}\r\n"),
            "framework: GET /now ",
        ),
        (
            format!("GET /now HTTP/1.1\r\n{host}X: {}\r\n\r\n", "x".repeat(READ)),
            "framework: GET /now ",
        ),
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let answer = exchange(&mut stream, request.as_bytes(), end).await;
        assert!(answer.contains(" 200 OK\r\n"), "{request}{answer}");
        assert!(answer.contains("\r\nContent-Length: "), "{request}{answer}");
    }
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"what is this?\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn connection_is_kept_across_pieces_pipelining_and_fallback() {
    let running = start(limits()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let whole = "GET /now1 HTTP/1.1\r\nHost: h\r\n\r\n";
    // The beginning of a request is sent behind another one: when that is answered, the beginning
    // has been read, and the rest is read alone.
    for cut in [1, 10, whole.len() - 1] {
        let (one, two) = whole.split_at(cut);
        let sent = format!("{whole}{one}");
        exchange(&mut stream, sent.as_bytes(), "fast path: /now1").await;
        exchange(&mut stream, two.as_bytes(), "fast path: /now1").await;
    }
    // Many at once, one of which takes longer, and the beginning of another.
    let later = "GET /later HTTP/1.1\r\n\r\n";
    let many = format!("{whole}{later}{}GET /now3", whole.replace("now1", "now2"));
    let mut answers = exchange(&mut stream, many.as_bytes(), "fast path: /now2").await;
    answers += &exchange(&mut stream, b" HTTP/1.1\r\n\r\n", "fast path: /now3").await;
    let lines = answers.split("fast path: ").skip(1);
    let order: Vec<&str> = lines
        .map(|line| line.split("HTTP").next().unwrap())
        .collect();
    assert_eq!(order, ["/now1", "later", "/now2", "/now3"]);
    // From here on it is the framework's, for good.
    let many = format!("{whole}GET /else HTTP/1.1\r\n\r\n{whole}");
    let answers = exchange(&mut stream, many.as_bytes(), "GET /now1 ").await;
    assert!(answers.contains("fast path: /now1"), "{answers}");
    assert!(answers.contains("framework: GET /else "), "{answers}");
}

#[tokio::test]
async fn shutdown_closes_an_idle_connection() {
    let running = start(limits()).await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    exchange(&mut idle, REQUEST, "fast path: /now").await;
    running.stop.cancel();
    assert_eq!(rest(&mut idle).await, "");
    assert!(running.tasks.stop(SOON).await);
}

#[tokio::test]
async fn head_timeout_closes_a_connection_and_restarts_with_each_response() {
    let running = start(Limits {
        head_timeout: Duration::from_secs(2),
        ..limits()
    })
    .await;
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    // Its timeout begins later: when it is closed, the first one of `busy` is over, too.
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    slow.write_all(b"GET /no").await.unwrap();
    let both_closed = async {
        assert_eq!(rest(&mut silent).await, "");
        assert_eq!(rest(&mut slow).await, "");
    };
    let mut both_closed = pin!(both_closed);
    let mut are_closed = false;
    while !are_closed {
        exchange(&mut busy, REQUEST, "fast path: /now").await;
        are_closed = timeout(Duration::from_millis(1), &mut both_closed)
            .await
            .is_ok();
    }
    exchange(&mut busy, REQUEST, "fast path: /now").await;
    assert_eq!(rest(&mut busy).await, "");
}

#[tokio::test]
async fn crowded_server_closes_each_connection_after_one_response() {
    let running = start(Limits {
        connections: 1,
        ..limits()
    })
    .await;
    for target in ["/now", "/later"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        assert!(answer.contains("fast path: "), "{answer}");
    }
}

#[tokio::test]
async fn work_ends_when_its_client_disconnects() {
    let running = start(limits()).await;
    // The test's and the server's.
    let idle = 2;
    let work =
        async |count: usize| until(|| Arc::strong_count(&running.held) == idle + count).await;
    let request = "GET /never HTTP/1.1\r\n\r\n";
    let mut stays = TcpStream::connect(running.address).await.unwrap();
    stays.write_all(request.as_bytes()).await.unwrap();
    let mut goes = TcpStream::connect(running.address).await.unwrap();
    // Whatever it has said besides.
    let more = format!("{request}{request}");
    goes.write_all(more.as_bytes()).await.unwrap();
    work(2).await;
    drop(goes);
    work(1).await;
}
