//! The server as a client on the wire meets it.

use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

pub(super) const SOON: Duration = Duration::from_secs(5);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    done: JoinHandle<()>,
    /// Lets a request to `/slow` get its answer.
    release: Arc<Notify>,
}

async fn start(limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let release = Arc::new(Notify::new());
    let waiting = Arc::clone(&release);
    let slow = move || async move {
        waiting.notified().await;
        "at last"
    };
    let router = Router::new()
        .route(
            "/",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }),
        )
        .route("/slow", get(slow));
    let site = Site {
        router,
        express: None,
        tls: None,
    };
    #[expect(clippy::disallowed_methods, reason = "a test waits for it")]
    let done = tokio::spawn(serve(listener, site, limits, stop.clone()));
    Running {
        address,
        stop,
        done,
        release,
    }
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
async fn a_connection_is_kept_and_headers_are_in_title_case() {
    let running = start(limits()).await;
    let mut stream = connect(&running).await;
    for _ in 0..2 {
        let answer = exchange(&mut stream, REQUEST, "127.0.0.1").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nContent-Length: 9\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn stopping_closes_idle_connections_and_finishes_requests() {
    let running = start(limits()).await;
    let mut fresh = connect(&running).await;
    let mut idle = connect(&running).await;
    exchange(&mut idle, REQUEST, "127.0.0.1").await;
    let mut busy = connect(&running).await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;

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
async fn a_request_that_takes_too_long_does_not_hold_up_the_end() {
    let running = start(Limits {
        drain: Duration::from_millis(50),
        ..limits()
    })
    .await;
    let mut busy = connect(&running).await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    running.stop.cancel();
    timeout(SOON, running.done).await.unwrap().unwrap();
}

#[tokio::test]
async fn silent_clients_lose_their_place() {
    let running = start(Limits {
        head_timeout: Duration::from_millis(100),
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

#[tokio::test]
async fn who_comes_when_it_is_full_waits_in_line() {
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

    let mut second = connect(&running).await;
    second
        .write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let mut third = connect(&running).await;
    third.write_all(REQUEST).await.unwrap();
    let mut byte = [0];
    assert!(
        timeout(Duration::from_millis(200), third.read(&mut byte))
            .await
            .is_err()
    );
    running.release.notify_one();
    exchange(&mut third, b"", "127.0.0.1").await;
}
