//! The lifetime of a connection.

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

use super::connection_limit::ConnectionPermit;
use super::fast_path::{self, ConnConfig, Exit, FastPath};
use super::memory::RequestMemory;
use super::prefixed_io::PrefixedIo;
use super::watched::{LONGEST_HEAD, RequestBody, ResponseBody, Watch, WatchedStream};
use super::write_timeout::WriteTimeout;

/// The buffer for a request's head or a response, in bytes. hyper rejects a head that fills its
/// buffer only in some cases, so the head limit is lower.
const BUFFER: usize = LONGEST_HEAD + 1024;

/// A connection with its settings.
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) router: Router,
    pub(super) fast_path: Option<Arc<dyn FastPath>>,
    pub(super) stall_timeout: Duration,
    pub(super) permit: Arc<ConnectionPermit>,
    pub(super) memory: RequestMemory,
    pub(super) stopping: CancellationToken,
}

impl Connection {
    /// Serves the connection's requests. At shutdown the current request is the last one.
    pub(super) async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let mut stream = WriteTimeout::new(stream, self.stall_timeout);
        let read = match &self.fast_path {
            None => Vec::new(),
            Some(fast_path) => {
                let config = ConnConfig {
                    fast_path: fast_path.as_ref(),
                    peer: self.peer,
                    permit: &self.permit,
                    stopping: &self.stopping,
                };
                match fast_path::serve(&mut stream, &config).await {
                    Ok(Exit::Fallback(read)) => read,
                    Ok(Exit::Closed) => return,
                    Err(error) => return ended(self.peer, &error),
                }
            }
        };
        // Boxed, because it is much larger than what most connections need.
        Box::pin(self.serve_with_hyper(PrefixedIo::new(read, stream))).await;
    }

    async fn serve_with_hyper(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self {
            peer,
            router,
            permit,
            memory,
            stopping,
            ..
        } = self;
        let head_timeout = permit.head_timeout();
        let keep_alive = permit.may_keep_alive();
        let watch = Watch::new(permit, memory, peer.ip());
        let stream = WatchedStream::new(stream, watch.clone());
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            watch.begins();
            request.extensions_mut().insert(ConnectInfo(peer));
            let router = router.clone();
            let watch = watch.clone();
            async move {
                let request = request.map(|body| RequestBody::new(body, watch.clone()));
                let answer = unfailing(router.oneshot(request).await);
                Ok::<_, Infallible>(answer.map(|body| ResponseBody::new(body, watch)))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .keep_alive(keep_alive)
            // Limits the buffered response for a client that does not read it, and the head of a
            // request.
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
