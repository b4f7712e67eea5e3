//! Plain requests, answered without a framework.
//!
//! Almost every request of a machine is a `GET` of a few lines whose answer is known at once. For
//! such a request the framework's general parts (bodies, streams, layers, maps of headers) cost
//! more than the answer itself, and as much as the system's own work of reading and writing. So
//! each connection begins here: a [`FastPath`] answers what it knows, into the one piece
//! that is then written. With the first request that is anything else (another method, a body,
//! another version of HTTP, a path that nobody here knows), the connection goes on in the framework,
//! as if nothing had been read.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{self, Poll, ready};

use httparse::Status;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::places::Place;
use super::reply::Reply;

/// How much is read at once. A request's head that is longer is the framework's.
const READ: usize = 4096;
/// A request with more headers is the framework's.
const HEADERS: usize = 32;

/// Who answers plain requests.
pub trait FastPath: Send + Sync + 'static {
    /// Answers a request, or leaves it to others.
    fn answer(&self, request: &SimpleGet<'_>, reply: Reply<'_>) -> Verdict;
}

/// An answer that is still to come. It is dropped if the client does not wait for it.
pub type Answer = Pin<Box<dyn Future<Output = Written> + Send>>;

/// What writes an answer that has come.
pub type Written = Box<dyn FnOnce(Reply<'_>) + Send>;

/// What becomes of a request.
pub enum Verdict {
    /// It is answered.
    Handled,
    /// It is answered with this, when it comes.
    Pending(Answer),
    /// It is left to the framework, with all that comes after it on the connection.
    Fallback,
}

/// A `GET` by HTTP/1.1 that has no body and expects nothing but its answer.
#[derive(Debug)]
pub struct SimpleGet<'r> {
    /// The path with its query.
    pub target: &'r str,
    /// All headers.
    pub headers: &'r [httparse::Header<'r>],
    /// Who asks.
    pub peer: SocketAddr,
}

impl<'r> SimpleGet<'r> {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&'r [u8]> {
        let mut headers = self.headers.iter();
        let header = headers.find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| header.value)
    }

    /// Whether headers say nothing that the framework should see to.
    fn is_plain(&self) -> bool {
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

/// How a connection is treated.
pub(super) struct ConnConfig<'c> {
    pub(super) fast_path: &'c dyn FastPath,
    pub(super) peer: SocketAddr,
    /// Says how long it may stay without a request, or with half of one, and whether it may stay at
    /// all after an answer.
    pub(super) place: &'c Place,
    pub(super) stopping: &'c CancellationToken,
}

/// How it goes on after something was read.
enum Step {
    /// More must be read, after this is written.
    On(Vec<u8>),
    /// This is written, and then the rest of what was read is looked at, when there is an answer
    /// to what came before it.
    Wait {
        out: Vec<u8>,
        answer: Answer,
        rest: Vec<u8>,
    },
    /// This is written, and the rest is the framework's.
    Leave { out: Vec<u8>, rest: Vec<u8> },
    /// This is written last.
    End(Vec<u8>),
}

/// How a connection leaves the fast path.
pub(super) enum Left {
    /// It goes on in the framework, with what was read already.
    For(Vec<u8>),
    /// It has ended.
    Ended,
}

/// What is answered to all but plain requests in a place that is kept for those.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 75\r\nConnection: close\r\n\r\n\
    All connections are in use, and the last are kept for boot scripts. Retry.\n";

/// Answers plain requests until there is one that is not: then, what was read of it.
pub(super) async fn go_on<S>(stream: &mut S, config: &ConnConfig<'_>) -> io::Result<Left>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut early = Vec::new();
    let mut since = Instant::now();
    let mut impatient = pin!(sleep_until(since + config.place.head_timeout()));
    let mut stopping = pin!(config.stopping.cancelled());
    loop {
        let next = std::future::poll_fn(|context| {
            if let Poll::Ready(step) = poll(stream, &mut early, config, context) {
                return Poll::Ready(step);
            }
            if stopping.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(Step::End(Vec::new())));
            }
            // Set anew only when it rings, which is seldom; requests are many.
            while impatient.as_mut().poll(context).is_ready() {
                let due = since + config.place.head_timeout();
                if due <= Instant::now() {
                    return Poll::Ready(Ok(Step::End(Vec::new())));
                }
                impatient.as_mut().reset(due);
            }
            Poll::Pending
        });
        let mut step = next.await?;
        loop {
            match step {
                Step::On(out) => {
                    if !out.is_empty() {
                        stream.write_all(&out).await?;
                        since = Instant::now();
                        config.place.waits();
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
                    config.place.works();
                    let written = tokio::select! {
                        biased;
                        written = answer => written,
                        gone = until_gone(stream, &mut rest) => return gone.map(|()| Left::Ended),
                    };
                    config.place.waits();
                    let last = config.is_over();
                    written(Reply::new(&mut out, last));
                    if last {
                        step = Step::End(out);
                        continue;
                    }
                    stream.write_all(&out).await?;
                    since = Instant::now();
                    step = config.take(&rest, &mut early);
                }
                Step::Leave { out, rest } => {
                    stream.write_all(&out).await?;
                    if config.place.is_kept() {
                        step = Step::End(NO_PLACE.to_vec());
                        continue;
                    }
                    return Ok(Left::For(rest));
                }
                Step::End(out) => {
                    stream.write_all(&out).await?;
                    stream.shutdown().await?;
                    return Ok(Left::Ended);
                }
            }
        }
    }
}

/// Ends when the client has gone, and reads on meanwhile, as far as there is room.
async fn until_gone<S: AsyncRead + Unpin>(stream: &mut S, rest: &mut Vec<u8>) -> io::Result<()> {
    while rest.len() < READ {
        if stream.read_buf(rest).await? == 0 {
            return Ok(());
        }
    }
    std::future::pending().await
}

/// Reads, and answers what there is.
fn poll<S: AsyncRead + Unpin>(
    stream: &mut S,
    early: &mut Vec<u8>,
    config: &ConnConfig<'_>,
    context: &mut task::Context<'_>,
) -> Poll<io::Result<Step>> {
    // Not kept with the connection, most of which wait for something most of the time.
    let mut space = [MaybeUninit::uninit(); READ];
    let mut buffer = ReadBuf::uninit(&mut space);
    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
    let read = buffer.filled();
    let step = if read.is_empty() {
        Step::End(Vec::new())
    } else if early.is_empty() {
        config.take(read, early)
    } else {
        let mut all = std::mem::take(early);
        all.extend_from_slice(read);
        config.take(&all, early)
    };
    Poll::Ready(Ok(step))
}

impl ConnConfig<'_> {
    /// Whether the next answer is the last.
    fn is_over(&self) -> bool {
        !self.place.may_stay() || self.stopping.is_cancelled()
    }

    /// Answers the requests that were read. The beginning of one that is not complete yet is put
    /// aside.
    fn take(&self, read: &[u8], early: &mut Vec<u8>) -> Step {
        let mut out = Vec::new();
        let mut rest = read;
        while !rest.is_empty() {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS];
            let mut request = httparse::Request::new(&mut headers);
            let length = match request.parse(rest) {
                Ok(Status::Complete(length)) => length,
                Ok(Status::Partial) if rest.len() < READ => {
                    *early = rest.to_vec();
                    break;
                }
                // What is wrong with it is for the framework to say.
                Ok(Status::Partial) | Err(_) => return leave(out, rest),
            };
            let (Some("GET"), Some(1), Some(target)) =
                (request.method, request.version, request.path)
            else {
                return leave(out, rest);
            };
            let plain = SimpleGet {
                target,
                headers: request.headers,
                peer: self.peer,
            };
            if !plain.is_plain() {
                return leave(out, rest);
            }
            let last = self.is_over();
            let verdict = self.fast_path.answer(&plain, Reply::new(&mut out, last));
            let after = rest.get(length..).unwrap_or_default();
            match verdict {
                Verdict::Handled if last => return Step::End(out),
                Verdict::Handled => rest = after,
                Verdict::Pending(answer) => {
                    let rest = after.to_vec();
                    return Step::Wait { out, answer, rest };
                }
                Verdict::Fallback => return leave(out, rest),
            }
        }
        Step::On(out)
    }
}

fn leave(out: Vec<u8>, rest: &[u8]) -> Step {
    let rest = rest.to_vec();
    Step::Leave { out, rest }
}

#[cfg(test)]
mod tests;
