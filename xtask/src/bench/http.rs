//! HTTP/1.1 in the little that the load needs: a request as bytes, and an answer as it comes in.

use anyhow::{Context, Result, bail};

/// The bytes of a request. `body` is JSON.
pub(super) fn request(method: &str, path: &str, body: Option<&str>) -> Vec<u8> {
    let length = body.map_or_else(String::new, |body| {
        let length = body.len();
        format!("Content-Type: application/json\r\nContent-Length: {length}\r\n")
    });
    let body = body.unwrap_or_default();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: bench\r\nX-OpenStack-Ironic-API-Version: 1.100\r\n\
         Accept: application/json\r\n{length}\r\n{body}"
    );
    text.into_bytes()
}

/// The bytes of a request as firmware sends it.
pub(super) fn firmware_request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: iPXE/1.0.0\r\n\r\n").into_bytes()
}

/// An answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// When to come back, in seconds, if it said so.
    pub(super) retry_after: Option<u64>,
    /// What came, or its beginning.
    pub(super) body: Vec<u8>,
    /// How long the body was.
    pub(super) length: usize,
}

/// An answer as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    head: Vec<u8>,
    answer: Answer,
    /// How long the body will be, once that is known; `None` behind a head: until the end.
    expected: Option<usize>,
    in_body: bool,
    pub(super) closes: bool,
}

/// Of a body, so much is kept. Scripts and answers of the API are shorter.
const KEPT: usize = 16 * 1024;
const LONGEST_HEAD: usize = 16 * 1024;

impl Incoming {
    /// Takes more bytes; `true` when the answer is complete.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<bool> {
        if self.in_body {
            self.take_body(bytes);
            return Ok(self.is_complete());
        }
        // The end may be in two pieces.
        let from = self.head.len().saturating_sub(3);
        self.head.extend_from_slice(bytes);
        let Some(end) = find(self.head.get(from..).unwrap_or_default(), b"\r\n\r\n") else {
            if self.head.len() > LONGEST_HEAD {
                bail!("the head of the answer does not end");
            }
            return Ok(false);
        };
        let body = self.head.split_off(from + end + 4);
        self.read_head()?;
        self.in_body = true;
        self.take_body(&body);
        Ok(self.is_complete())
    }

    /// The connection has ended; `true` if that is how the answer ends.
    pub(super) fn ended(&self) -> bool {
        self.in_body && self.expected.is_none()
    }

    pub(super) fn into_answer(self) -> Answer {
        self.answer
    }

    fn is_complete(&self) -> bool {
        self.expected == Some(self.answer.length)
    }

    fn take_body(&mut self, bytes: &[u8]) {
        self.answer.length += bytes.len();
        let room = KEPT.saturating_sub(self.answer.body.len()).min(bytes.len());
        self.answer.body.extend(bytes.iter().take(room));
    }

    fn read_head(&mut self) -> Result<()> {
        let head = std::str::from_utf8(&self.head).context("the head is no text")?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        self.answer.status = status
            .and_then(|it| it.parse().ok())
            .with_context(|| format!("no answer of HTTP: {head:?}"))?;
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                self.expected = Some(value.parse().context("no length")?);
            } else if name.eq_ignore_ascii_case("retry-after") {
                self.answer.retry_after = value.parse().ok();
            } else if name.eq_ignore_ascii_case("connection") {
                self.closes = value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                bail!("an answer in chunks, which is not understood");
            }
        }
        if self.answer.status == 204 || self.answer.status == 304 {
            self.expected = Some(0);
        }
        Ok(())
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|it| it == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_whatever_pieces() {
        let whole = b"HTTP/1.1 503 No\r\nRetry-After: 5\r\ncontent-length: 4\r\n\r\n\r\n\r\n";
        for first in 1..whole.len() {
            let mut incoming = Incoming::default();
            assert!(!incoming.take(&whole[..first]).unwrap());
            assert!(incoming.take(&whole[first..]).unwrap());
            let answer = incoming.into_answer();
            assert_eq!((answer.status, answer.retry_after), (503, Some(5)));
            assert_eq!(answer.body, b"\r\n\r\n");
        }
    }

    #[test]
    fn an_answer_without_a_length_ends_with_its_connection() {
        let mut incoming = Incoming::default();
        assert!(!incoming.ended());
        let head = b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nab";
        assert!(!incoming.take(head).unwrap());
        assert!(incoming.ended() && incoming.closes);
        assert!(Incoming::default().take(b"SSH-2.0\r\n\r\n").is_err());
    }
}
