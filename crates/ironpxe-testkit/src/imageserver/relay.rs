//! Passes one request to the server behind, and its answer back, as a stream and untouched.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::wire::{self, Head};
use super::{Answer, Behind, Connection, Request, send};

pub(super) fn relay(
    behind: &Behind,
    head: &Head,
    reader: &mut BufReader<&TcpStream>,
    client: &TcpStream,
    request: &mut Request,
) -> io::Result<Connection> {
    let Ok(server) = TcpStream::connect(&behind.authority) else {
        wire::skip_body(head, reader)?;
        send(client, &Answer::status(502), &[], request)?;
        return Ok(Connection::after(head));
    };
    server.set_nodelay(true)?;
    let (method, rest) = head.bytes.split_at(head.word(0).len() + 1);
    let rest = rest.strip_prefix(behind.prefix.as_bytes()).unwrap_or(rest);
    (&server).write_all(method)?;
    (&server).write_all(rest)?;
    wire::copy_exactly(reader, &server, head.content_length().unwrap_or(0))?;
    let mut server = BufReader::new(&server);
    let Some(answer) = Head::read(&mut server)? else {
        // What the machine would have seen: a connection that ends without an answer.
        return Ok(Connection::Close);
    };
    request.status = answer.word(1).parse().unwrap_or_default();
    let mut client = Counter {
        inner: client,
        count: 0,
    };
    client.inner.write_all(&answer.bytes)?;
    let passed = pass_body(&answer, request, &mut server, &mut client);
    request.bytes = client.count;
    Ok(if passed? && !answer.closes() && !head.closes() {
        Connection::Keep
    } else {
        Connection::Close
    })
}

/// Returns whether the end of the body is known from something other than the end of the
/// connection.
fn pass_body(
    answer: &Head,
    request: &Request,
    server: &mut impl BufRead,
    client: &mut impl Write,
) -> io::Result<bool> {
    if request.method == "HEAD" || matches!(request.status, 204 | 304) {
        return Ok(true);
    }
    if answer.chunked() {
        return pass_chunks(server, client).map(|()| true);
    }
    if let Some(length) = answer.content_length() {
        return wire::copy_exactly(server, client, length).map(|_| true);
    }
    io::copy(server, client).map(|_| false)
}

fn pass_chunks(server: &mut impl BufRead, client: &mut impl Write) -> io::Result<()> {
    loop {
        let size = pass_line(server, client)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
        if size == 0 {
            while !pass_line(server, client)?.trim().is_empty() {}
            return Ok(());
        }
        wire::copy_exactly(server, &mut *client, size)?;
        pass_line(server, client)?;
    }
}

fn pass_line(server: &mut impl BufRead, client: &mut impl Write) -> io::Result<String> {
    let mut line = Vec::new();
    server.take(8 * 1024).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    client.write_all(&line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

struct Counter<'a> {
    inner: &'a TcpStream,
    count: u64,
}

impl Write for Counter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
