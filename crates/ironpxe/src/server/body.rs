//! Reads request bodies: limited in size, time and memory.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;

use super::memory::{MemoryError, ReservedMemory};

/// The initial allocation for a body, in bytes.
const FIRST: usize = 1024;

/// The limits of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// The maximum size, in bytes.
    pub bytes: usize,
    /// The timeout for receiving it, so that slow clients do not hold connections.
    pub arrives_within: Duration,
}

/// Why a body was not read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It exceeds the size limit.
    TooLarge,
    /// The memory for requests is used up.
    NoMemory,
    /// It is incomplete.
    Broken(axum::Error),
    /// It timed out.
    Late,
}

/// Reads a body, taking memory from the budget as it arrives.
pub(crate) async fn read_body(
    body: &mut Body,
    limits: BodyLimits,
    memory: &ReservedMemory,
) -> Result<Bytes, BodyError> {
    let reading = tokio::time::timeout(limits.arrives_within, collect(body, limits.bytes, memory));
    reading.await.unwrap_or(Err(BodyError::Late))
}

async fn collect(
    body: &mut Body,
    limit: usize,
    memory: &ReservedMemory,
) -> Result<Bytes, BodyError> {
    // Into a single buffer rather than a list of chunks, whose overhead for one-byte chunks would
    // exceed their content.
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() else {
            continue;
        };
        let needed = read.len().saturating_add(data.len());
        if needed > limit {
            return Err(BodyError::TooLarge);
        }
        let capacity = read.capacity();
        if needed > capacity {
            let larger = needed.max(capacity.saturating_mul(2)).max(FIRST).min(limit);
            let more = larger.saturating_sub(capacity);
            memory.grow(more).map_err(|refused| match refused {
                MemoryError::UsedUp => BodyError::NoMemory,
                MemoryError::TooMuch => BodyError::TooLarge,
            })?;
            read.reserve_exact(larger.saturating_sub(read.len()));
        }
        read.extend_from_slice(&data);
    }
    Ok(Bytes::from(read))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;
    use crate::server::RequestMemory;

    fn limits(bytes: usize) -> BodyLimits {
        BodyLimits {
            bytes,
            arrives_within: Duration::from_mins(1),
        }
    }

    fn body(pieces: usize, length: usize) -> Body {
        let piece = move |_| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; length])));
        Body::new(StreamBody::new(stream::iter((0..pieces).map(piece))))
    }

    #[tokio::test]
    async fn memory_for_a_body_is_reserved_as_it_arrives() {
        let memory = RequestMemory::new(8192, "an option");
        let peer = [127, 0, 0, 1].into();
        let held = memory.begin(peer);
        let read = read_body(&mut body(3000, 1), limits(3000), &held).await;
        assert_eq!(read.unwrap().len(), 3000);
        assert_eq!(memory.used(), 3000);
        let read = read_body(&mut body(3001, 1), limits(3000), &memory.begin(peer)).await;
        assert!(matches!(read, Err(BodyError::TooLarge)), "{read:?}");
        let read = read_body(&mut body(4, 1000), limits(4000), &memory.begin(peer)).await;
        assert!(matches!(read, Err(BodyError::NoMemory)), "{read:?}");
        drop(held);
        let read = read_body(&mut body(4, 1000), limits(4000), &memory.begin(peer)).await;
        assert_eq!(read.unwrap().len(), 4000);
        assert_eq!(memory.used(), 0);
        // More than the share of one address.
        let read = read_body(&mut body(7, 1000), limits(8000), &memory.begin(peer)).await;
        assert!(matches!(read, Err(BodyError::TooLarge)), "{read:?}");
    }
}
