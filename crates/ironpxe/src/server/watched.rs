//! Observes a connection in hyper: what it is waiting for, and the size of the head being read.
//!
//! hyper does not report when a request begins and ends, so this wraps its I/O and the bodies of
//! requests and responses.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection_limit::ConnectionPermit;
use super::memory::{MemoryError, RequestMemory, ReservedMemory};

/// The maximum length of a request's head, in bytes.
pub(super) const LONGEST_HEAD: usize = 64 * 1024;
/// The part of hyper's buffer that is not counted.
const USUAL_HEAD: usize = 4 * 1024;
/// How much of the rest after a rejected head is discarded before the connection is closed: a
/// client that is still sending would not read the response.
const DISCARDED: usize = 1024 * 1024;

const TOO_LONG: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";
const NO_MEMORY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

/// The observed state of a connection. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    permit: Arc<ConnectionPermit>,
    memory: RequestMemory,
    peer: std::net::IpAddr,
    head: Mutex<Head>,
    /// A write is blocked.
    is_blocked: AtomicBool,
}

/// The head being read, if any.
#[derive(Debug)]
enum Head {
    Read {
        bytes: usize,
        held: Option<ReservedMemory>,
    },
    Complete,
}

impl Watch {
    /// A connection before its first request.
    pub(super) fn new(
        permit: Arc<ConnectionPermit>,
        memory: RequestMemory,
        peer: std::net::IpAddr,
    ) -> Self {
        let head = Mutex::new(Head::BEGINNING);
        Self(Arc::new(Watched {
            permit,
            memory,
            peer,
            head,
            is_blocked: AtomicBool::new(false),
        }))
    }

    /// A request's head has been read.
    pub(super) fn begins(&self) {
        self.0.permit.set_working();
        *self.head() = Head::Complete;
    }

    /// A response is complete; the client may not have received it yet.
    fn ends(&self) {
        *self.head() = Head::BEGINNING;
        if !self.0.is_blocked.load(Ordering::Relaxed) {
            self.0.permit.set_idle();
        }
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.0.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The remaining limit of the head; `None` if no head is being read.
    fn remaining(&self) -> Option<usize> {
        match &*self.head() {
            Head::Read { bytes, .. } => Some(LONGEST_HEAD.saturating_sub(*bytes)),
            Head::Complete => None,
        }
    }

    /// Counts bytes of a head, and takes memory for a long one.
    fn count(&self, more: usize) -> Result<(), MemoryError> {
        let mut head = self.head();
        let Head::Read { bytes, held } = &mut *head else {
            return Ok(());
        };
        let before = needed(*bytes);
        *bytes = bytes.saturating_add(more);
        let grown = needed(*bytes).saturating_sub(before);
        if grown == 0 {
            return Ok(());
        }
        held.get_or_insert_with(|| self.0.memory.begin(self.0.peer))
            .grow(grown)
    }
}

/// The memory that hyper uses for a head, beyond that of every connection.
fn needed(bytes: usize) -> usize {
    if bytes <= USUAL_HEAD {
        return 0;
    }
    bytes.next_power_of_two()
}

impl Head {
    const BEGINNING: Self = Self::Read {
        bytes: 0,
        held: None,
    };
}

/// The I/O of hyper.
pub(super) struct WatchedStream<S> {
    stream: S,
    watch: Watch,
    /// How much was discarded after a rejected head.
    discarded: Option<usize>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WatchedStream<S> {
    pub(super) fn new(stream: S, watch: Watch) -> Self {
        Self {
            stream,
            watch,
            discarded: None,
        }
    }

    /// Rejects the head being read. No response is in progress, because hyper reads a head after
    /// the previous request.
    fn refuse(&mut self, context: &mut Context<'_>, answer: &[u8]) -> Poll<io::Result<()>> {
        if !self.watch.0.is_blocked.load(Ordering::Relaxed) {
            // It fits any socket buffer; otherwise the connection is closed without it.
            let _ = Pin::new(&mut self.stream).poll_write(context, answer);
            let _ = Pin::new(&mut self.stream).poll_flush(context);
        }
        self.discarded = Some(0);
        self.discard(context)
    }

    fn discard(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; 4096];
        while let Some(discarded) = self.discarded.filter(|it| *it < DISCARDED) {
            let mut buffer = ReadBuf::new(&mut space);
            let read = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            let length = buffer.filled().len();
            if !matches!(read, Poll::Ready(Ok(()))) || length == 0 {
                break;
            }
            self.discarded = Some(discarded.saturating_add(length));
        }
        Poll::Ready(Err(io::Error::other("the head of a request was refused")))
    }

    fn judge<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let is_blocked = written.is_pending();
        let Watched {
            permit,
            is_blocked: known,
            ..
        } = &*self.watch.0;
        let was_blocked = known.swap(is_blocked, Ordering::Relaxed);
        if is_blocked && !was_blocked {
            permit.set_blocked();
        } else if !is_blocked && was_blocked {
            // The end of a response may be written after its request is over.
            if self.watch.remaining().is_some() {
                permit.set_idle();
            } else {
                permit.set_resumed();
            }
        }
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.discarded.is_some() {
            return this.discard(context);
        }
        let Some(remaining) = this.watch.remaining() else {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        };
        if remaining == 0 {
            return this.refuse(context, TOO_LONG);
        }
        let before = buffer.filled().len();
        if remaining < buffer.remaining() {
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(remaining));
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
            let read = part.filled().len();
            buffer.advance(read);
        } else {
            ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        }
        match this
            .watch
            .count(buffer.filled().len().saturating_sub(before))
        {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_) => this.refuse(context, NO_MEMORY),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.judge(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The body of a request: waiting for it means waiting for the client.
pub(super) struct RequestBody<B> {
    body: B,
    watch: Watch,
    /// When its first part was awaited.
    since: Option<Instant>,
    waits: bool,
}

impl<B> RequestBody<B> {
    pub(super) fn new(body: B, watch: Watch) -> Self {
        Self {
            body,
            watch,
            since: None,
            waits: false,
        }
    }
}

impl<B: Body + Unpin> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_pending() {
            // A client that sends single bytes counts as slow from the beginning.
            let since = *self.since.get_or_insert_with(Instant::now);
            self.waits = true;
            self.watch.0.permit.set_slow_since(since);
        } else if self.waits {
            self.waits = false;
            self.watch.0.permit.set_resumed();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response. When hyper has all of it, the next request may begin.
pub(super) struct ResponseBody<B> {
    body: B,
    watch: Watch,
}

impl<B> ResponseBody<B> {
    pub(super) fn new(body: B, watch: Watch) -> Self {
        Self { body, watch }
    }
}

impl<B> Drop for ResponseBody<B> {
    fn drop(&mut self) {
        self.watch.ends();
    }
}

impl<B: Body + Unpin> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
