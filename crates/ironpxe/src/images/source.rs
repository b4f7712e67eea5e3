//! The source of an image's bytes.

use bytes::{Bytes, BytesMut};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::error_chain::error_chain;

/// The size of reads from a file, in bytes.
const PIECE: usize = 64 * 1024;

/// The source of the bytes.
#[derive(Debug)]
pub(super) enum Source {
    /// A file, from its current position.
    File(File),
    /// A server's response.
    Answer(Box<reqwest::Response>),
}

impl Source {
    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        match self {
            Self::File(file) => {
                let mut piece = BytesMut::with_capacity(PIECE);
                let read = file.read_buf(&mut piece).await;
                let read = read.map_err(|error| format!("cannot read it: {error}"))?;
                Ok((read > 0).then(|| piece.freeze()))
            }
            Self::Answer(answer) => {
                let piece = answer.chunk().await;
                let aborted = "its server aborted the response";
                piece.map_err(|error| format!("{aborted}: {}", error_chain(&error)))
            }
        }
    }
}
