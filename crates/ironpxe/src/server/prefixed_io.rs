//! A connection from which some bytes have already been read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that first returns the bytes already read.
pub(super) struct PrefixedIo<S> {
    again: Vec<u8>,
    given: usize,
    stream: S,
}

impl<S> PrefixedIo<S> {
    pub(super) fn new(again: Vec<u8>, stream: S) -> Self {
        Self {
            again,
            given: 0,
            stream,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PrefixedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = self.again.get(self.given..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let (some, left) = rest.split_at(rest.len().min(buffer.remaining()));
        buffer.put_slice(some);
        let (given, all) = (some.len(), left.is_empty());
        self.given += given;
        if all {
            self.again = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PrefixedIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn prefix_is_read_first_for_any_buffer_size() {
        for piece in [1, 3, 100] {
            let rest: &[u8] = b" and the rest";
            let mut prefixed_io = PrefixedIo::new(b"already read".to_vec(), rest);
            let mut text = Vec::new();
            let mut buffer = vec![0; piece];
            loop {
                let length = prefixed_io.read(&mut buffer).await.unwrap();
                if length == 0 {
                    break;
                }
                text.extend_from_slice(&buffer[..length]);
            }
            assert_eq!(text, b"already read and the rest");
        }
    }
}
