//! The server as a client on the wire meets it.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

pub(super) const SOON: Duration = Duration::from_mins(1);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    done: JoinHandle<()>,
    /// Lets a request to `/slow` get its answer.
    release: Arc<Notify>,
    /// How many requests to `/slow` have begun.
    begun: Arc<AtomicUsize>,
    memory: RequestMemory,
}

async fn start(limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let release = Arc::new(Notify::new());
    let begun = Arc::new(AtomicUsize::new(0));
    let (waiting, count) = (Arc::clone(&release), Arc::clone(&begun));
    let slow = move || async move {
        let notified = waiting.notified();
        count.fetch_add(1, Ordering::SeqCst);
        notified.await;
        "at last"
    };
    let router = Router::new()
        .route(
            "/",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }),
        )
        .route("/slow", get(slow))
        .route("/large", get(|| async { vec![b'x'; 16 << 20] }))
        .route("/echo", axum::routing::post(|body: String| async { body }));
    let memory = RequestMemory::new(1 << 20, "a test");
    let http_service = HttpService {
        router,
        fast_path: None,
        tls: None,
        memory: memory.clone(),
    };
    #[expect(clippy::disallowed_methods, reason = "a test waits for it")]
    let done = tokio::spawn(serve(listener, http_service, limits, stop.clone()));
    Running {
        address,
        stop,
        done,
        release,
        begun,
        memory,
    }
}

impl Running {
    /// Waits until so many requests to `/slow` are being worked on.
    async fn until_begun(&self, count: usize) {
        until(|| self.begun.load(Ordering::SeqCst) >= count).await;
    }
}

/// Waits until a condition holds, while the server goes on.
pub(super) async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, waiting).await.unwrap();
}

pub(super) fn limits() -> Limits {
    Limits {
        connections: 8,
        head_timeout: Duration::from_mins(1),
        stall_timeout: Duration::from_mins(1),
        drain: SOON,
    }
}

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.address).await.unwrap()
}

/// Sends a request and reads what comes, until `end` has come.
pub(super) async fn exchange(stream: &mut TcpStream, request: &[u8], end: &str) -> String {
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut buffer = [0; 1024];
        let length = timeout(SOON, stream.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert_ne!(length, 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    text
}

/// Waits until the server has closed the connection.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is as good as an end.
    let _ = timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap();
}

#[tokio::test]
async fn connection_is_kept_alive_and_headers_are_in_title_case() {
    let running = start(limits()).await;
    let mut stream = connect(&running).await;
    for _ in 0..2 {
        let answer = exchange(&mut stream, REQUEST, "127.0.0.1").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nContent-Length: 9\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_finishes_requests() {
    let running = start(limits()).await;
    let mut fresh = connect(&running).await;
    let mut idle = connect(&running).await;
    exchange(&mut idle, REQUEST, "127.0.0.1").await;
    let mut busy = connect(&running).await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    running.until_begun(1).await;

    running.stop.cancel();
    closed(&mut fresh).await;
    closed(&mut idle).await;
    assert!(TcpStream::connect(running.address).await.is_err());
    assert!(!running.done.is_finished());
    running.release.notify_one();
    let answer = exchange(&mut busy, b"", "at last").await;
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
    closed(&mut busy).await;
    timeout(SOON, running.done).await.unwrap().unwrap();
}

#[tokio::test]
async fn slow_request_does_not_delay_shutdown_beyond_the_drain_timeout() {
    let running = start(Limits {
        drain: Duration::from_millis(50),
        ..limits()
    })
    .await;
    let mut busy = connect(&running).await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    running.until_begun(1).await;
    running.stop.cancel();
    timeout(SOON, running.done).await.unwrap().unwrap();
}

#[tokio::test]
async fn silent_connections_are_closed_after_the_head_timeout() {
    let running = start(Limits {
        // Enough for a client that does send its request.
        head_timeout: Duration::from_secs(2),
        ..limits()
    })
    .await;
    let mut silent = connect(&running).await;
    let mut slow = connect(&running).await;
    slow.write_all(b"GET / HT").await.unwrap();
    let mut idle = connect(&running).await;
    exchange(&mut idle, REQUEST, "127.0.0.1").await;
    closed(&mut silent).await;
    closed(&mut slow).await;
    closed(&mut idle).await;
}

/// A connection from another address of this host.
async fn connect_from(running: &Running, last: u8) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    socket.connect(running.address).await.unwrap()
}

#[tokio::test]
async fn new_connection_waits_while_all_others_are_busy() {
    let running = start(Limits {
        connections: 2,
        ..limits()
    })
    .await;
    let mut first = connect(&running).await;
    exchange(&mut first, REQUEST, "127.0.0.1").await;
    // Crowded: this one must not stay.
    let mut second = connect(&running).await;
    let answer = exchange(&mut second, REQUEST, "127.0.0.1").await;
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
    closed(&mut second).await;

    let slow = b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n";
    first.write_all(slow).await.unwrap();
    let mut second = connect_from(&running, 2).await;
    second.write_all(slow).await.unwrap();
    running.until_begun(2).await;
    let mut third = connect_from(&running, 3).await;
    third.write_all(REQUEST).await.unwrap();
    let mut byte = [0];
    assert!(
        timeout(Duration::from_millis(200), third.read(&mut byte))
            .await
            .is_err()
    );
    running.release.notify_waiters();
    exchange(&mut third, b"", "127.0.0.3").await;
}

/// Whatever they do not send: a request, the rest of a head, the rest of a body; or if they do not
/// take what they asked for.
#[tokio::test]
async fn connections_waiting_for_their_clients_are_evicted_for_others() {
    let slow_body = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx";
    let large = b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n";
    for begin in [&b""[..], b"GET / HTTP/1.1\r\nX: ", slow_body, large] {
        let running = start(limits()).await;
        let mut waiting = Vec::new();
        for _ in 0..20 {
            let mut stream = connect(&running).await;
            stream.write_all(begin).await.unwrap();
            waiting.push(stream);
        }
        // And a client that comes again and again is answered each time.
        for last in [1, 2, 2, 2, 3] {
            let mut stream = connect_from(&running, last).await;
            let request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
            exchange(&mut stream, request, &format!("127.0.0.{last}")).await;
        }
        let mut first = waiting.swap_remove(0);
        closed(&mut first).await;
    }
}

#[tokio::test]
async fn too_long_head_is_refused_for_any_segment_size() {
    let head = |length: usize| {
        let begin = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX: ";
        format!("{begin}{}\r\n\r\n", "x".repeat(length - begin.len() - 4))
    };
    for (length, status) in [(64 * 1024, "200 OK"), (64 * 1024 + 1, "431 ")] {
        for piece in [1000, 9000, 100_000] {
            let running = start(limits()).await;
            let mut stream = connect(&running).await;
            for part in head(length).as_bytes().chunks(piece) {
                stream.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut answer = String::new();
            let read = timeout(SOON, stream.read_to_string(&mut answer)).await;
            read.unwrap().unwrap();
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{length} in pieces of {piece}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn long_heads_share_one_memory_budget() {
    let running = start(Limits {
        connections: 100,
        ..limits()
    })
    .await;
    // A budget of 1 MiB, of which one address has three quarters: twelve heads of 64 KiB.
    let half = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(50_000));
    let mut held = Vec::new();
    for _ in 0..12 {
        let mut stream = connect(&running).await;
        stream.write_all(half.as_bytes()).await.unwrap();
        held.push(stream);
    }
    let answer = async |last| {
        let mut stream = connect_from(&running, last).await;
        stream.write_all(half.as_bytes()).await.unwrap();
        stream
            .write_all(b"\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        let read = timeout(SOON, stream.read_to_string(&mut answer)).await;
        read.unwrap().unwrap();
        answer
    };
    until(|| running.memory.used() >= 12 * 65_536).await;
    let refused = answer(1).await;
    assert!(
        refused.starts_with("HTTP/1.1 503 ") && refused.contains("\r\nRetry-After: 5\r\n"),
        "{refused}"
    );
    assert!(answer(2).await.starts_with("HTTP/1.1 200 "));
    drop(held);
    until(|| running.memory.used() == 0).await;
    assert!(answer(1).await.starts_with("HTTP/1.1 200 "));
}

#[test]
fn connection_limit_follows_the_file_limit_and_has_a_minimum() {
    let connections = |files| Limits::of_files(files).map(|it| it.connections);
    assert_eq!(connections(199), Err(FileLimitError { files: 199 }));
    assert_eq!(connections(200), Ok(66));
    assert_eq!(connections(256), Ok(104));
    assert_eq!(connections(1_000_000), Ok(8192));
}
