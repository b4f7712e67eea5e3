//! An image's bytes on their way to a machine: never more than a few pieces of it in memory, no
//! more than was promised, and the last piece only when all of it is known to be right.
//!
//! Whoever reads decides the pace: the next piece is fetched when the last one was taken. If
//! something is wrong the body ends with an error, upon which the connection is broken off, so that
//! the machine has fewer bytes than it was told and knows it.

use std::io;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::try_unfold;
use ironpxe_core::boot::ImageKind;
use ironpxe_core::id::NodeUuid;
use md5::Md5;
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tracing::{info, warn};

use super::downloads::Permit;
use super::error::chain;
use super::signed_url::{bytes, hex};

/// How much of a file is read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A file, from where it stands.
    File(File),
    /// A server's answer.
    Answer(Box<reqwest::Response>),
}

impl Source {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        match self {
            Self::File(file) => {
                let mut piece = BytesMut::with_capacity(PIECE);
                let read = file.read_buf(&mut piece).await;
                let read = read.map_err(|error| format!("it cannot be read: {error}"))?;
                Ok((read > 0).then(|| piece.freeze()))
            }
            Self::Answer(answer) => {
                let piece = answer.chunk().await;
                piece.map_err(|error| format!("its server broke off: {}", chain(&error)))
            }
        }
    }
}

/// What the bytes must be.
#[derive(Debug, Clone)]
pub(super) struct Check {
    digest: Running,
    name: &'static str,
    expected: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Running {
    Md5(Md5),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Check {
    /// By Glance's name for the digest, and its value in hexadecimal digits. `None`: it cannot be
    /// verified here.
    pub(super) fn new(algorithm: &str, value: &str) -> Option<Self> {
        let (digest, name, length) = match algorithm {
            "md5" => (Running::Md5(Md5::new()), "MD5", 16),
            "sha256" => (Running::Sha256(Sha256::new()), "SHA-256", 32),
            "sha384" => (Running::Sha384(Sha384::new()), "SHA-384", 48),
            "sha512" => (Running::Sha512(Sha512::new()), "SHA-512", 64),
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
            Running::Md5(digest) => digest.update(bytes),
            Running::Sha256(digest) => digest.update(bytes),
            Running::Sha384(digest) => digest.update(bytes),
            Running::Sha512(digest) => digest.update(bytes),
        }
    }

    fn finish(self) -> Result<(), String> {
        let got = match self.digest {
            Running::Md5(digest) => digest.finalize().to_vec(),
            Running::Sha256(digest) => digest.finalize().to_vec(),
            Running::Sha384(digest) => digest.finalize().to_vec(),
            Running::Sha512(digest) => digest.finalize().to_vec(),
        };
        if got == self.expected {
            return Ok(());
        }
        Err(format!(
            "its {} is {} and should be {}: it is damaged, and the machine did not get all of it",
            self.name,
            hex(&got),
            hex(&self.expected)
        ))
    }
}

/// For whom an image is fetched; for the log.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// The request.
    pub request_id: String,
    /// The node.
    pub node: NodeUuid,
    /// What the image is to it.
    pub kind: ImageKind,
    /// The image.
    pub image: String,
}

impl Transfer {
    /// Tells why the image was not served, or not all of it.
    pub fn failed(&self, problem: &str) {
        warn!(
            req.id = self.request_id,
            node.uuid = %self.node,
            image = self.image,
            "{} not served: {problem}",
            self.kind.name(),
        );
    }
}

/// An image, or a part of it, that is there to be read.
#[derive(Debug)]
pub struct Opened {
    /// How long the whole image is, in bytes.
    pub total: u64,
    /// The first and the last position of the part; `None` is the whole.
    pub part: Option<(u64, u64)>,
    pub(super) source: Source,
    pub(super) check: Option<Check>,
    /// How long the source may be silent.
    pub(super) idle_timeout: Duration,
    pub(super) permit: Permit,
}

impl Opened {
    /// How many bytes come.
    pub fn length(&self) -> u64 {
        match self.part {
            None => self.total,
            Some((first, last)) => last.saturating_sub(first).saturating_add(1),
        }
    }

    /// The bytes.
    pub fn stream(
        self,
        transfer: Transfer,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let length = self.length();
        self.permit.keep(self.source);
        let download = Download {
            left: length,
            // Only the whole can be verified.
            check: self.check.filter(|_| self.part.is_none()),
            held: None,
            idle_timeout: self.idle_timeout,
            permit: self.permit,
            account: Account {
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

/// What is told of a download that was ended for the sake of another.
const ENDED: &str = "others wait, and it was too slow or one of too many of its node";

/// A download under way.
struct Download {
    /// How many bytes are still to come from the source.
    left: u64,
    check: Option<Check>,
    /// The newest piece, which is kept back until it is known not to be the last, or to be right.
    held: Option<Bytes>,
    idle_timeout: Duration,
    /// Where the bytes come from, unless it is taken away.
    permit: Permit,
    account: Account,
}

impl Download {
    /// The next piece for the machine, and what comes then.
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
                // Nobody asks again for a body that is complete.
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
                    let problem = format!("no more of it came for {seconds} s");
                    return Err(self.account.fail(problem));
                }
            };
            if piece.is_empty() {
                continue;
            }
            // What a file has grown by meanwhile is not part of what was promised.
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

/// What there is to tell of a download; told once, however it ends.
struct Account {
    transfer: Transfer,
    sent: u64,
    length: u64,
    is_part: bool,
    started: Instant,
    told: bool,
}

impl Account {
    fn fail(&mut self, problem: String) -> io::Error {
        self.told = true;
        let (sent, length) = (self.sent, self.length);
        self.transfer.failed(&format!(
            "{problem}; broken off after {sent} of {length} bytes"
        ));
        io::Error::other(problem)
    }

    fn end(&mut self) {
        if self.told {
            return;
        }
        self.told = true;
        // A firmware that reads a disc does so in a thousand small parts.
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

impl Drop for Account {
    fn drop(&mut self) {
        if !self.told {
            let (sent, length) = (self.sent, self.length);
            self.transfer.failed(&format!(
                "the machine went away after {sent} of {length} bytes"
            ));
        }
    }
}

#[cfg(test)]
mod tests;
