//! Just enough HTTP/1.1: heads, and bodies whose length is known.

use std::io::{self, BufRead, Read, Write};

const LONGEST_HEAD: u64 = 64 * 1024;

/// The first line and the headers of a message, as they came.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
    text: String,
}

impl Head {
    /// Reads up to the empty line. `None` when the connection ended instead.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let mut limited = reader.take(LONGEST_HEAD);
        loop {
            let before = bytes.len();
            if limited.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            let line = bytes.get(before..).unwrap_or_default();
            if before > 0 && matches!(line, b"\n" | b"\r\n") {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                return Ok(Some(Self { bytes, text }));
            }
        }
    }

    /// A word of the first line.
    pub(crate) fn word(&self, index: usize) -> &str {
        let first = self.text.lines().next().unwrap_or_default();
        first.split(' ').nth(index).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    pub(crate) fn chunked(&self) -> bool {
        self.header("transfer-encoding")
            .is_some_and(|it| it.eq_ignore_ascii_case("chunked"))
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection")
            .is_some_and(|it| it.eq_ignore_ascii_case("close"))
    }
}

/// Reads a request's body and forgets it.
pub(crate) fn skip_body(head: &Head, reader: &mut impl Read) -> io::Result<()> {
    let length = head.content_length().unwrap_or(0);
    copy_exactly(reader, io::sink(), length).map(drop)
}

/// Copies `length` bytes; an end before that is an error.
pub(crate) fn copy_exactly(
    from: &mut impl Read,
    mut to: impl Write,
    length: u64,
) -> io::Result<u64> {
    let copied = io::copy(&mut from.take(length), &mut to)?;
    if copied < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(copied)
}

pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
