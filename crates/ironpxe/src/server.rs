//! The HTTP/1.1 server.
//!
//! A custom accept loop, because it serves both booting firmware and long-lived API clients: header
//! names are in title case (some firmware needs exactly `Content-Length`), slow or idle clients are
//! disconnected after a timeout or when the server is full, and the number of connections and the
//! memory for requests are limited.

mod body;
mod connection;
mod connection_limit;
mod fast_path;
#[cfg(any(test, feature = "fuzzing"))]
mod first_answer;
mod memory;
mod prefixed_io;
mod response_writer;
mod watched;
mod write_timeout;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub(crate) use self::body::{BodyError, BodyLimits, read_body};
use self::connection::Connection;
use self::connection_limit::ConnectionLimit;
pub(crate) use self::fast_path::{EncodeResponse, FastPath, FastPathResult, SimpleGet};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::first_answer::first_answer;
pub(crate) use self::memory::{MemoryError, RequestMemory, ReservedMemory};
pub(crate) use self::response_writer::{Head, ResponseWriter};
use crate::lifecycle::Tasks;

/// The limits of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The maximum number of open connections. For a new one beyond it, the connection that has
    /// been idle the longest is closed.
    pub connections: usize,
    /// The timeout for a request's head, and for idle connections while there is capacity.
    pub head_timeout: Duration,
    /// The timeout for a client that does not read its response.
    pub stall_timeout: Duration,
    /// The timeout for requests in progress at shutdown.
    pub drain: Duration,
}

impl Limits {
    /// The limits for this process's number of file descriptors.
    pub(crate) fn of_this_process() -> Result<Self, FileLimitError> {
        Self::of_files(open_files())
    }

    fn of_files(files: usize) -> Result<Self, FileLimitError> {
        if files < FEWEST_FILES {
            return Err(FileLimitError { files });
        }
        // Half of the connections may each need another descriptor, for the image they relay.
        let connections = (files.saturating_sub(OWN_FILES) / 3 * 2).min(8192);
        Ok(Self {
            connections,
            head_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_mins(2),
            drain: Duration::from_secs(10),
        })
    }
}

/// The descriptors for other purposes: the database, outgoing requests, and connections being
/// closed.
const OWN_FILES: usize = 100;
/// With fewer descriptors, too few machines could boot concurrently.
const FEWEST_FILES: usize = 200;

/// The limit on file descriptors is too low.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the limit of {files} open files (RLIMIT_NOFILE) leaves too few for \
     connections: at least {FEWEST_FILES} are required, and 16384 are recommended. Raise \
     the limit: `ulimit -n 16384`, or LimitNOFILE=16384 in the systemd unit"
)]
pub(crate) struct FileLimitError {
    /// The current limit.
    pub files: usize,
}

/// Raises the limit on file descriptors as far as useful and returns it. (The initial soft limit is
/// low for the sake of programs that use select(2).)
fn open_files() -> usize {
    const ENOUGH: u64 = 16_384;
    let limit = getrlimit(Resource::Nofile);
    let possible = limit.maximum.map_or(ENOUGH, |most| most.min(ENOUGH));
    let mut current = limit.current.unwrap_or(ENOUGH);
    if current < possible {
        let raised = Rlimit {
            current: Some(possible),
            maximum: limit.maximum,
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => current = possible,
            Err(error) => debug!("the limit on open files stays at {current}: {error}"),
        }
    }
    usize::try_from(current).unwrap_or(usize::MAX)
}

/// A service at a listening address.
#[derive(Clone)]
pub(crate) struct HttpService {
    /// Handles all requests.
    pub router: Router,
    /// Handles requests that need no framework, before the router.
    pub fast_path: Option<Arc<dyn FastPath>>,
    /// The TLS configuration, if TLS is used.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The memory for requests.
    pub memory: RequestMemory,
}

/// Serves connections from `listener` until `stop`, then finishes those in progress.
pub(crate) async fn serve(
    listener: TcpListener,
    http_service: HttpService,
    limits: Limits,
    stop: CancellationToken,
) {
    let HttpService {
        router,
        fast_path,
        tls,
        memory,
    } = http_service;
    let tls = tls.map(TlsAcceptor::from);
    let connections = Tasks::new();
    let limit = ConnectionLimit::new(limits.connections, fast_path.is_some(), limits.head_timeout);
    // Connections in the accept queue are unknown to the limits, so they are accepted with
    // priority.
    while let Some((stream, peer)) = tokio::task::unconstrained(accept(&listener, &stop)).await {
        let permit = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            permit = limit.acquire(peer.ip()) => permit,
        };
        let Some(permit) = permit.map(Arc::new) else {
            debug!(%peer, "closed: its address has reached the connection limit, with all connections active");
            continue;
        };
        let connection = Connection {
            peer,
            router: router.clone(),
            fast_path: fast_path.clone(),
            stall_timeout: limits.stall_timeout,
            permit: Arc::clone(&permit),
            memory: memory.clone(),
            // A separate token, because each is polled with its connection.
            stopping: connections.stopping().child_token(),
        };
        let tls = tls.clone();
        connections.spawn("connection", async move {
            // Responses are small, and machines wait for them.
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%peer, "TCP_NODELAY not set: {error}");
            }
            let answering = async {
                match tls {
                    None => connection.serve(stream).await,
                    Some(tls) => {
                        let timeout = permit.head_timeout();
                        match tokio::time::timeout(timeout, tls.accept(stream)).await {
                            Ok(Ok(stream)) => connection.serve(stream).await,
                            Ok(Err(error)) => debug!(%peer, "TLS handshake failed: {error}"),
                            Err(_) => debug!(%peer, "TLS handshake timed out"),
                        }
                    }
                }
            };
            tokio::select! {
                biased;
                () = permit.evicted() => debug!(%peer, "closed to make room: idle"),
                () = answering => {}
            }
        });
    }
    drop(listener);
    if !connections.stop(limits.drain).await {
        warn!(
            "some requests were aborted after {} s",
            limits.drain.as_secs()
        );
    }
}

/// The next connection; `None` at shutdown.
async fn accept(
    listener: &TcpListener,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr)> {
    let next = async {
        loop {
            match listener.accept().await {
                Ok(accepted) => return Some(accepted),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Most likely out of descriptors or memory, which is temporary.
                    warn!("cannot accept connections: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        accepted = next => accepted,
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests;
