//! Answering HTTP/1.1 connections.
//!
//! A loop of our own instead of a framework's, because booting firmware and long-lived API
//! clients meet here: headers are written in title case (some firmware looks for
//! `Content-Length` in just that spelling), slow or silent clients lose their place after a
//! while, or when others want it, and the number of connections and the memory for what they send
//! have an end.

mod body;
mod connection;
mod fast_path;
#[cfg(any(test, feature = "fuzzing"))]
mod first_answer;
mod memory;
mod places;
mod prefixed_io;
mod reply;
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

pub use self::body::{BodyLimits, BodyRefused, read_body};
use self::connection::Connection;
pub use self::fast_path::{Answer, FastPath, SimpleGet, Verdict, Written};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::first_answer::first_answer;
pub use self::memory::{HeldMemory, MemoryRefused, RequestMemory};
use self::places::Places;
pub use self::reply::{Head, Reply};
use crate::lifecycle::Tasks;

/// How connections are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many connections are open at once. For whoever comes later, the one goes that has waited
    /// the longest for its client.
    pub connections: usize,
    /// How long a client may take to send a request's head, and how long a connection may stay
    /// open without a request, as long as there are places enough.
    pub head_timeout: Duration,
    /// How long a client may take nothing of what it asked for.
    pub stall_timeout: Duration,
    /// How long requests that are under way at the end may take.
    pub drain: Duration,
}

impl Limits {
    /// What suits a process that may have so many files open as this one.
    pub fn of_this_process() -> Result<Self, TooFewFiles> {
        Self::of_files(open_files())
    }

    fn of_files(files: usize) -> Result<Self, TooFewFiles> {
        if files < FEWEST_FILES {
            return Err(TooFewFiles { files });
        }
        // Half of the connections may each need one more, for the image that goes over it.
        let connections = (files.saturating_sub(OWN_FILES) / 3 * 2).min(8192);
        Ok(Self {
            connections,
            head_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_mins(2),
            drain: Duration::from_secs(10),
        })
    }
}

/// How many files the process needs beside those for connections: for the database, for asking
/// others, and for connections that are about to be closed.
const OWN_FILES: usize = 100;
/// With fewer files than these, too few machines could boot at once.
const FEWEST_FILES: usize = 200;

/// The process may not have enough files open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process may have {files} files open (RLIMIT_NOFILE), which leaves too few for \
     connections: at least {FEWEST_FILES} are needed, and 16384 are used if they are allowed. Raise \
     the limit: `ulimit -n 16384`, or LimitNOFILE=16384 in the systemd unit"
)]
pub struct TooFewFiles {
    /// How many it may have open.
    pub files: usize,
}

/// How many files this process may have open: as many as it can get, up to what it can use. (The
/// limit that is in force at the start is low for the sake of programs that use select(2).)
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

/// What answers at an address.
#[derive(Clone)]
pub struct Site {
    /// All requests.
    pub router: Router,
    /// Those that need no framework, before the router is asked.
    pub fast_path: Option<Arc<dyn FastPath>>,
    /// How the server shows who it is, if it speaks TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The memory for what clients send.
    pub memory: RequestMemory,
}

/// Answers the connections that `listener` gets until `stop`, then those that are under way.
pub async fn serve(listener: TcpListener, site: Site, limits: Limits, stop: CancellationToken) {
    let Site {
        router,
        fast_path,
        tls,
        memory,
    } = site;
    let tls = tls.map(TlsAcceptor::from);
    let connections = Tasks::new();
    let places = Places::new(limits.connections, fast_path.is_some(), limits.head_timeout);
    // Whoever waits to be accepted is not heard at all: so all are, before others get their turn.
    while let Some((stream, peer)) = tokio::task::unconstrained(accept(&listener, &stop)).await {
        let place = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            place = places.enter(peer.ip()) => place,
        };
        let Some(place) = place.map(Arc::new) else {
            debug!(%peer, "closed: its address has as many connections as it may have, all at work");
            continue;
        };
        let connection = Connection {
            peer,
            router: router.clone(),
            fast_path: fast_path.clone(),
            stall_timeout: limits.stall_timeout,
            place: Arc::clone(&place),
            memory: memory.clone(),
            // Its own: each is looked at whenever something moves on its connection.
            stopping: connections.stopping().child_token(),
        };
        let tls = tls.clone();
        connections.spawn("connection", async move {
            // Answers are small, and machines wait for them.
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%peer, "TCP_NODELAY not set: {error}");
            }
            let answering = async {
                match tls {
                    None => connection.go_on(stream).await,
                    Some(tls) => {
                        let timeout = place.head_timeout();
                        match tokio::time::timeout(timeout, tls.accept(stream)).await {
                            Ok(Ok(stream)) => connection.go_on(stream).await,
                            Ok(Err(error)) => debug!(%peer, "no TLS: {error}"),
                            Err(_) => debug!(%peer, "no TLS in time"),
                        }
                    }
                }
            };
            tokio::select! {
                biased;
                () = place.is_ended() => debug!(%peer, "closed for the sake of others: it waited"),
                () = answering => {}
            }
        });
    }
    drop(listener);
    if !connections.stop(limits.drain).await {
        warn!(
            "some requests took longer than {} s and were cut off",
            limits.drain.as_secs()
        );
    }
}

/// The next connection; `None` when it is time to stop.
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
                    // Out of files or memory, most likely: it will pass, but not at once.
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
