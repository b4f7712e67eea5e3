//! Simple requests, answered without hyper and axum.
//!
//! Almost every request of a machine is a `GET` of a few lines whose response is cached. For such a
//! request the general parts of an HTTP framework (bodies, streams, layers, header maps) cost more
//! than the response, and as much as the system calls. So each connection starts here: a
//! [`FastPath`] writes responses into one buffer. At the first request that is anything else (another
//! method, a body, another version of HTTP, another path), hyper takes over the connection, with the
//! bytes that were read. ADR 9 has the measurements.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{self, Poll, ready};

use httparse::Status;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::connection_limit::ConnectionPermit;
use super::response_writer::ResponseWriter;

/// The size of reads, in bytes. A request with a longer head falls back to hyper.
const READ: usize = 4096;
/// A request with more headers falls back to hyper.
const HEADERS: usize = 32;

/// Answers simple requests.
pub(crate) trait FastPath: Send + Sync + 'static {
    /// Answers a request, or lets it fall back.
    fn answer(&self, request: &SimpleGet<'_>, reply: ResponseWriter<'_>) -> FastPathResult;
}

/// A response that is not available yet. It is dropped when the client disconnects.
pub(super) type PendingResponse = Pin<Box<dyn Future<Output = EncodeResponse> + Send>>;

/// Encodes a response that has become available.
pub(crate) type EncodeResponse = Box<dyn FnOnce(ResponseWriter<'_>) + Send>;

/// The result of [`FastPath::answer`].
pub(crate) enum FastPathResult {
    /// The response was written.
    Handled,
    /// The response follows.
    Pending(PendingResponse),
    /// hyper takes over, for all further requests of the connection, too.
    Fallback,
}

/// An HTTP/1.1 `GET` without a body, and without headers that need a framework.
#[derive(Debug)]
pub(crate) struct SimpleGet<'r> {
    /// The path with its query.
    pub target: &'r str,
    /// All headers.
    pub headers: &'r [httparse::Header<'r>],
    /// The client.
    pub peer: SocketAddr,
}

impl<'r> SimpleGet<'r> {
    /// The first header with this name.
    pub(crate) fn header(&self, name: &str) -> Option<&'r [u8]> {
        let mut headers = self.headers.iter();
        let header = headers.find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| header.value)
    }

    /// Whether no header needs a framework.
    fn is_simple(&self) -> bool {
        self.headers.iter().all(|header| {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("connection") {
                return header.value.eq_ignore_ascii_case(b"keep-alive");
            }
            if is("content-length") {
                return header.value == b"0";
            }
            !is("transfer-encoding") && !is("expect") && !is("upgrade")
        })
    }
}

/// The parameters of a connection.
pub(super) struct ConnConfig<'c> {
    pub(super) fast_path: &'c dyn FastPath,
    pub(super) peer: SocketAddr,
    pub(super) permit: &'c ConnectionPermit,
    pub(super) stopping: &'c CancellationToken,
}

/// What to do after a read.
enum Step {
    /// Write this, then read more.
    Continue(Vec<u8>),
    /// Write `out`, wait for the response, then parse `rest`.
    Wait {
        out: Vec<u8>,
        answer: PendingResponse,
        rest: Vec<u8>,
    },
    /// Write `out`, then hyper takes over with `rest`.
    Fallback { out: Vec<u8>, rest: Vec<u8> },
    /// Write this, then close the connection.
    Close(Vec<u8>),
}

/// How the fast path ends.
pub(super) enum Exit {
    /// hyper takes over, with the bytes that were read.
    Fallback(Vec<u8>),
    /// The connection is closed.
    Closed,
}

/// The response to all but simple requests on a connection that is reserved for boot scripts.
fn no_connection() -> Vec<u8> {
    const BODY: &str = "All general connections are in use; the remaining ones are reserved for boot \
                        scripts.\n";
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{BODY}",
        BODY.len()
    )
    .into_bytes()
}

/// Answers simple requests, up to the first that is not.
pub(super) async fn serve<S>(stream: &mut S, config: &ConnConfig<'_>) -> io::Result<Exit>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut partial = Vec::new();
    let mut since = Instant::now();
    let mut head_timeout = pin!(sleep_until(since + config.permit.head_timeout()));
    let mut stopping = pin!(config.stopping.cancelled());
    loop {
        let next = std::future::poll_fn(|context| {
            if let Poll::Ready(step) = poll(stream, &mut partial, config, context) {
                return Poll::Ready(step);
            }
            if stopping.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(Step::Close(Vec::new())));
            }
            // Reset only when it fires: requests are more frequent.
            while head_timeout.as_mut().poll(context).is_ready() {
                let due = since + config.permit.head_timeout();
                if due <= Instant::now() {
                    return Poll::Ready(Ok(Step::Close(Vec::new())));
                }
                head_timeout.as_mut().reset(due);
            }
            Poll::Pending
        });
        let mut step = next.await?;
        loop {
            match step {
                Step::Continue(out) => {
                    if !out.is_empty() {
                        stream.write_all(&out).await?;
                        since = Instant::now();
                        config.permit.set_idle();
                    }
                    break;
                }
                Step::Wait {
                    mut out,
                    answer,
                    mut rest,
                } => {
                    stream.write_all(&out).await?;
                    out.clear();
                    config.permit.set_working();
                    let written = tokio::select! {
                        biased;
                        written = answer => written,
                        gone = until_gone(stream, &mut rest) => return gone.map(|()| Exit::Closed),
                    };
                    config.permit.set_idle();
                    let last = config.closes_after_response();
                    written(ResponseWriter::new(&mut out, last));
                    if last {
                        step = Step::Close(out);
                        continue;
                    }
                    stream.write_all(&out).await?;
                    since = Instant::now();
                    step = config.process(&rest, &mut partial);
                }
                Step::Fallback { out, rest } => {
                    stream.write_all(&out).await?;
                    if config.permit.is_reserved() {
                        step = Step::Close(no_connection());
                        continue;
                    }
                    return Ok(Exit::Fallback(rest));
                }
                Step::Close(out) => {
                    stream.write_all(&out).await?;
                    stream.shutdown().await?;
                    return Ok(Exit::Closed);
                }
            }
        }
    }
}

/// Returns when the client has disconnected; until then reads what it sends, up to [`READ`].
async fn until_gone<S: AsyncRead + Unpin>(stream: &mut S, rest: &mut Vec<u8>) -> io::Result<()> {
    while rest.len() < READ {
        if stream.read_buf(rest).await? == 0 {
            return Ok(());
        }
    }
    std::future::pending().await
}

/// Reads, and answers the requests that are complete.
fn poll<S: AsyncRead + Unpin>(
    stream: &mut S,
    partial: &mut Vec<u8>,
    config: &ConnConfig<'_>,
    context: &mut task::Context<'_>,
) -> Poll<io::Result<Step>> {
    // On the stack: most connections are idle, and would keep a buffer for nothing.
    let mut space = [MaybeUninit::uninit(); READ];
    let mut buffer = ReadBuf::uninit(&mut space);
    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
    let read = buffer.filled();
    let step = if read.is_empty() {
        Step::Close(Vec::new())
    } else if partial.is_empty() {
        config.process(read, partial)
    } else {
        let mut all = std::mem::take(partial);
        all.extend_from_slice(read);
        config.process(&all, partial)
    };
    Poll::Ready(Ok(step))
}

impl ConnConfig<'_> {
    /// Whether to close the connection after the next response.
    fn closes_after_response(&self) -> bool {
        !self.permit.may_keep_alive() || self.stopping.is_cancelled()
    }

    /// Answers the requests that were read, and stores an incomplete one in `partial`.
    fn process(&self, read: &[u8], partial: &mut Vec<u8>) -> Step {
        let mut out = Vec::new();
        let mut rest = read;
        while !rest.is_empty() {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS];
            let mut request = httparse::Request::new(&mut headers);
            let length = match request.parse(rest) {
                Ok(Status::Complete(length)) => length,
                Ok(Status::Partial) if rest.len() < READ => {
                    *partial = rest.to_vec();
                    break;
                }
                // hyper words the error.
                Ok(Status::Partial) | Err(_) => return fall_back(out, rest),
            };
            let (Some("GET"), Some(1), Some(target)) =
                (request.method, request.version, request.path)
            else {
                return fall_back(out, rest);
            };
            let simple = SimpleGet {
                target,
                headers: request.headers,
                peer: self.peer,
            };
            if !simple.is_simple() {
                return fall_back(out, rest);
            }
            let last = self.closes_after_response();
            let result = self
                .fast_path
                .answer(&simple, ResponseWriter::new(&mut out, last));
            let after = rest.get(length..).unwrap_or_default();
            match result {
                FastPathResult::Handled if last => return Step::Close(out),
                FastPathResult::Handled => rest = after,
                FastPathResult::Pending(answer) => {
                    let rest = after.to_vec();
                    return Step::Wait { out, answer, rest };
                }
                FastPathResult::Fallback => return fall_back(out, rest),
            }
        }
        Step::Continue(out)
    }
}

fn fall_back(out: Vec<u8>, rest: &[u8]) -> Step {
    let rest = rest.to_vec();
    Step::Fallback { out, rest }
}

#[cfg(test)]
mod tests;
