//! Streams an image to a machine: with only a few chunks in memory, never more than announced, and
//! the last chunk only after all of it was verified.
//!
//! The machine determines the pace: the next chunk is read when the last one was sent. On an error
//! the body ends early and the connection is closed, so that the machine notices that the image is
//! incomplete.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::try_unfold;
use ironpxe_core::boot::ImageKind;
use ironpxe_core::id::NodeUuid;
use md5::Md5;
use sha2::{Digest, Sha256, Sha384, Sha512};
use tracing::{info, warn};

use super::downloads::Permit;
use super::signed_url::{bytes, hex};
use super::source::Source;

/// The expected checksum.
#[derive(Debug, Clone)]
pub(super) struct Check {
    digest: Hasher,
    name: &'static str,
    expected: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Hasher {
    Md5(Md5),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Check {
    /// From Glance's name of the algorithm and the value in hexadecimal digits. `None` for an
    /// unsupported algorithm.
    pub(super) fn new(algorithm: &str, value: &str) -> Option<Self> {
        let (digest, name, length) = match algorithm {
            "md5" => (Hasher::Md5(Md5::new()), "MD5", 16),
            "sha256" => (Hasher::Sha256(Sha256::new()), "SHA-256", 32),
            "sha384" => (Hasher::Sha384(Sha384::new()), "SHA-384", 48),
            "sha512" => (Hasher::Sha512(Sha512::new()), "SHA-512", 64),
            _ => return None,
        };
        let expected = bytes(&value.to_ascii_lowercase())?;
        (expected.len() == length).then_some(Self {
            digest,
            name,
            expected,
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        match &mut self.digest {
            Hasher::Md5(digest) => digest.update(bytes),
            Hasher::Sha256(digest) => digest.update(bytes),
            Hasher::Sha384(digest) => digest.update(bytes),
            Hasher::Sha512(digest) => digest.update(bytes),
        }
    }

    fn finish(self) -> Result<(), String> {
        let got = match self.digest {
            Hasher::Md5(digest) => digest.finalize().to_vec(),
            Hasher::Sha256(digest) => digest.finalize().to_vec(),
            Hasher::Sha384(digest) => digest.finalize().to_vec(),
            Hasher::Sha512(digest) => digest.finalize().to_vec(),
        };
        if got == self.expected {
            return Ok(());
        }
        Err(format!(
            "its {} is {} instead of {}: it is corrupt, and the machine did not get all of it",
            self.name,
            hex(&got),
            hex(&self.expected)
        ))
    }
}

/// The recipient of an image, for the log.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    /// The request ID.
    pub request_id: String,
    /// The node.
    pub node: NodeUuid,
    /// What the machine uses the image for.
    pub kind: ImageKind,
    /// The image.
    pub image: String,
}

impl Transfer {
    /// Logs why the image was not served completely.
    pub(crate) fn failed(&self, problem: &str) {
        warn!(
            req.id = self.request_id,
            node.uuid = %self.node,
            image = self.image,
            "{} not served: {problem}",
            self.kind.name(),
        );
    }
}

/// An image, or a range of it, that is open for reading.
#[derive(Debug)]
pub(crate) struct OpenImage {
    /// The size of the entire image, in bytes.
    pub total: u64,
    /// The first and last position of the range; `None` for the entire image.
    pub part: Option<(u64, u64)>,
    pub(super) source: Source,
    pub(super) check: Option<Check>,
    /// The idle timeout of the source.
    pub(super) idle_timeout: Duration,
    pub(super) permit: Permit,
}

impl OpenImage {
    /// The number of bytes to send.
    pub(crate) fn length(&self) -> u64 {
        match self.part {
            None => self.total,
            Some((first, last)) => last.saturating_sub(first).saturating_add(1),
        }
    }

    /// The bytes.
    pub(crate) fn stream(
        self,
        transfer: Transfer,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let length = self.length();
        self.permit.keep(self.source);
        let download = Download {
            left: length,
            // Only an entire image can be verified.
            check: self.check.filter(|_| self.part.is_none()),
            held: None,
            idle_timeout: self.idle_timeout,
            permit: self.permit,
            account: TransferLog {
                sent: 0,
                length: self
                    .part
                    .map_or(self.total, |(a, b)| b.saturating_sub(a) + 1),
                is_part: self.part.is_some(),
                started: Instant::now(),
                told: false,
                transfer,
            },
        };
        try_unfold(download, Download::step)
    }
}

/// The error of a download that was aborted for another one.
const ENDED: &str = "aborted for other downloads, because it was too slow or its node had too many";

/// A download in progress.
struct Download {
    /// The remaining bytes of the source.
    left: u64,
    check: Option<Check>,
    /// The latest chunk, held back until it is known not to be the last, or to be verified.
    held: Option<Bytes>,
    idle_timeout: Duration,
    /// Has the source, unless the download was aborted.
    permit: Permit,
    account: TransferLog,
}

impl Download {
    /// The next chunk for the machine, and the following state.
    async fn step(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            if self.left == 0 {
                if let Some(check) = self.check.take()
                    && let Err(problem) = check.finish()
                {
                    return Err(self.account.fail(problem));
                }
                let Some(last) = self.held.take() else {
                    self.account.end();
                    return Ok(None);
                };
                self.account.sent += size(&last);
                // A complete body is not polled again.
                self.account.end();
                return Ok(Some((last, self)));
            }
            let Some(mut source) = self.permit.source() else {
                return Err(self.account.fail(ENDED.to_owned()));
            };
            let next = tokio::select! {
                next = tokio::time::timeout(self.idle_timeout, source.next()) => next,
                () = self.permit.ended() => return Err(self.account.fail(ENDED.to_owned())),
            };
            self.permit.keep(source);
            let piece = match next {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => {
                    let problem = format!("it ended {} bytes too early", self.left);
                    return Err(self.account.fail(problem));
                }
                Ok(Err(problem)) => return Err(self.account.fail(problem)),
                Err(_) => {
                    let seconds = self.idle_timeout.as_secs();
                    let problem = format!("no data for {seconds} s");
                    return Err(self.account.fail(problem));
                }
            };
            if piece.is_empty() {
                continue;
            }
            // A file may have grown, but not beyond the announced size.
            let take = usize::try_from(self.left).map_or(piece.len(), |left| left.min(piece.len()));
            let piece = piece.slice(..take);
            self.left -= size(&piece);
            if let Some(check) = &mut self.check {
                check.update(&piece);
            }
            if let Some(before) = self.held.replace(piece) {
                self.account.sent += size(&before);
                self.permit.sent(size(&before));
                return Ok(Some((before, self)));
            }
        }
    }
}

fn size(piece: &Bytes) -> u64 {
    u64::try_from(piece.len()).unwrap_or(u64::MAX)
}

/// The accounting of a download; logged once, however it ends.
struct TransferLog {
    transfer: Transfer,
    sent: u64,
    length: u64,
    is_part: bool,
    started: Instant,
    told: bool,
}

impl TransferLog {
    fn fail(&mut self, problem: String) -> io::Error {
        self.told = true;
        let (sent, length) = (self.sent, self.length);
        self.transfer.failed(&format!(
            "{problem}; aborted after {sent} of {length} bytes"
        ));
        io::Error::other(problem)
    }

    fn end(&mut self) {
        if self.told {
            return;
        }
        self.told = true;
        // Firmware that boots an ISO image reads it in a thousand small ranges.
        if self.is_part {
            return;
        }
        info!(
            req.id = self.transfer.request_id,
            node.uuid = %self.transfer.node,
            image = self.transfer.image,
            bytes = self.length,
            elapsed = ?self.started.elapsed(),
            "{} served",
            self.transfer.kind.name(),
        );
    }
}

impl Drop for TransferLog {
    fn drop(&mut self) {
        if !self.told {
            let (sent, length) = (self.sent, self.length);
            self.transfer.failed(&format!(
                "the machine closed the connection after {sent} of {length} bytes"
            ));
        }
    }
}

#[cfg(test)]
mod tests;
