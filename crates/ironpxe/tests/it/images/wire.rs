//! HTTP as it is on the wire: spelled as it is sent, and cut off where it is cut off.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};

/// What came.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    /// The status line and the headers, as they were sent.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    /// Whether the body is as long as the head promised.
    pub(super) complete: bool,
}

impl Got {
    /// A header, by its name in just this spelling.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            (found == name).then_some(value)
        })
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request; the connection, with nothing read from it.
pub(super) fn ask(
    base: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<TcpStream> {
    let address = base.strip_prefix("http://").context("no http://")?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in headers {
        let header = format!("{name}: {value}\r\n");
        request.push_str(&header);
    }
    request.push_str("Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}

/// Asks, and reads to the end.
pub(super) fn fetch(base: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Got> {
    let mut stream = ask(base, method, path, headers)?;
    let mut all = Vec::new();
    let ended = stream.read_to_end(&mut all);
    let end = all.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.with_context(|| format!("no head, but {} bytes; {ended:?}", all.len()))?;
    let body = all.split_off(end + 4);
    let head = String::from_utf8(all)?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let mut got = Got {
        status,
        head,
        body,
        complete: false,
    };
    let length: usize = got
        .header("Content-Length")
        .with_context(|| format!("no Content-Length in {}", got.head))?
        .parse()?;
    got.complete = method == "HEAD" || got.body.len() == length;
    Ok(got)
}
