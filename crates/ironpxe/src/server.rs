//! Answering HTTP/1.1 connections.
//!
//! A loop of our own instead of a framework's, because booting firmware and long-lived API
//! clients meet here: headers are written in title case (some firmware looks for
//! `Content-Length` in just that spelling), slow or silent clients lose their place after a
//! while, and the number of connections has an end.

mod conversation;
mod express;
mod reply;
mod rewound;
mod stall;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::conversation::Conversation;
pub use self::express::{Answer, Express, Plain, Verdict, Written};
pub use self::reply::{Head, Reply};
use crate::lifecycle::Tasks;

/// How connections are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many connections are open at once; who comes later waits in line.
    pub connections: usize,
    /// How long a client may take to send a request's head, and how long a connection may stay
    /// open without a request.
    pub head_timeout: Duration,
    /// How long a client may take nothing of what it asked for.
    pub stall_timeout: Duration,
    /// How long requests that are under way at the end may take.
    pub drain: Duration,
}

impl Limits {
    /// What suits a process that may have so many files open as this one.
    pub fn of_this_process() -> Self {
        // Some are needed for the database and for others, and half of the connections may each
        // need one more, for the image that goes over it.
        let connections = (open_files().saturating_sub(100) / 3 * 2).clamp(50, 8192);
        Self {
            connections,
            head_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_mins(2),
            drain: Duration::from_secs(10),
        }
    }
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
    pub express: Option<Arc<dyn Express>>,
    /// How the server shows who it is, if it speaks TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// Answers the connections that `listener` gets until `stop`, then those that are under way.
pub async fn serve(listener: TcpListener, site: Site, limits: Limits, stop: CancellationToken) {
    let Site {
        router,
        express,
        tls,
    } = site;
    let tls = tls.map(TlsAcceptor::from);
    let connections = Tasks::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    // Whoever waits to be accepted is not heard at all: so all are, before others get their turn.
    while let Some((stream, peer, place)) =
        tokio::task::unconstrained(accept(&listener, &places, &stop)).await
    {
        // When it gets crowded, nobody keeps a place between two requests.
        let keep_alive = places.available_permits() > limits.connections / 4;
        let conversation = Conversation {
            peer,
            router: router.clone(),
            express: express.clone(),
            head_timeout: limits.head_timeout,
            stall_timeout: limits.stall_timeout,
            keep_alive,
            // Its own: each is looked at whenever something moves on its connection.
            stopping: connections.stopping().child_token(),
        };
        let tls = tls.clone();
        connections.spawn("connection", async move {
            // Answers are small, and machines wait for them.
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%peer, "TCP_NODELAY not set: {error}");
            }
            match tls {
                None => conversation.go_on(stream).await,
                Some(tls) => {
                    let shaken = tokio::time::timeout(limits.head_timeout, tls.accept(stream));
                    match shaken.await {
                        Ok(Ok(stream)) => conversation.go_on(stream).await,
                        Ok(Err(error)) => debug!(%peer, "no TLS: {error}"),
                        Err(_) => debug!(%peer, "no TLS in time"),
                    }
                }
            }
            drop(place);
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

/// The next connection, when there is a place for it; `None` when it is time to stop.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let next = async {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, place)),
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
