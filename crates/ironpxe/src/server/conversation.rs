//! One connection, from its first request to its last.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;

use super::express::{self, Express, Terms};
use super::rewound::Rewound;
use super::stall::Impatient;

/// How much of a request's head or of an answer is in memory at once, in bytes.
const BUFFER: usize = 64 * 1024;

/// A connection, and how it is treated.
pub(super) struct Conversation {
    pub(super) peer: SocketAddr,
    pub(super) router: Router,
    pub(super) express: Option<Arc<dyn Express>>,
    pub(super) head_timeout: Duration,
    pub(super) stall_timeout: Duration,
    pub(super) keep_alive: bool,
    pub(super) stopping: CancellationToken,
}

impl Conversation {
    /// Answers the connection's requests. When it is to stop, the request under way is the last.
    pub(super) async fn go_on(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let mut stream = Impatient::new(stream, self.stall_timeout);
        let read = match &self.express {
            None => Vec::new(),
            Some(express) => {
                let terms = Terms {
                    express: express.as_ref(),
                    peer: self.peer,
                    patience: self.head_timeout,
                    keep_alive: self.keep_alive,
                    stopping: &self.stopping,
                };
                match express::go_on(&mut stream, &terms).await {
                    Ok(Some(read)) => read,
                    Ok(None) => return,
                    Err(error) => return ended(self.peer, &error),
                }
            }
        };
        // Boxed: much larger than what most connections need.
        Box::pin(self.go_on_in_the_framework(Rewound::new(read, stream))).await;
    }

    async fn go_on_in_the_framework(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        let Self {
            peer,
            router,
            head_timeout,
            keep_alive,
            stopping,
            ..
        } = self;
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            let router = router.clone();
            async move { Ok::<_, Infallible>(unfailing(router.oneshot(request).await)) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .keep_alive(keep_alive)
            // How much of an answer is kept for a client that does not take it. (And how long a
            // request's head may be.)
            .max_buf_size(BUFFER)
            .title_case_headers(true)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let result = tokio::select! {
            biased;
            result = connection.as_mut() => result,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            ended(peer, &error);
        }
    }
}

fn ended(peer: SocketAddr, error: &dyn Error) {
    debug!(%peer, "connection ended: {error}");
}

fn unfailing<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
