//! HTTP responses as bytes.

use std::cell::Cell;
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{Response, StatusCode};
use httpdate::HttpDate;

use crate::clock;

/// The status line and headers shared by many responses, encoded once.
#[derive(Debug, Clone)]
pub(crate) struct Head(Vec<u8>);

impl Head {
    /// With these headers except for `Content-Length` and `Date`, which each response adds.
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let mut text = Vec::with_capacity(256);
        let reason = status.canonical_reason().unwrap_or_default();
        // Writing to memory cannot fail, here and below.
        let _ = write!(text, "HTTP/1.1 {} {reason}\r\n", status.as_u16());
        for (name, value) in headers {
            if !matches!(
                *name,
                header::CONTENT_LENGTH | header::DATE | header::CONNECTION
            ) {
                write_name(&mut text, name);
                write_header(&mut text, "", value.as_bytes());
            }
        }
        Self(text)
    }
}

/// The destination of a response, which can be written once.
#[derive(Debug)]
pub(crate) struct ResponseWriter<'o> {
    out: &'o mut Vec<u8>,
    /// Whether the connection is closed after it.
    last: bool,
}

impl<'o> ResponseWriter<'o> {
    /// Writes to the end of `out`. If it is the `last` response, it says so.
    pub(crate) fn new(out: &'o mut Vec<u8>, last: bool) -> Self {
        Self { out, last }
    }

    /// Sends a response with additional headers.
    pub(crate) fn send(self, head: &Head, more: &[(&str, &str)], body: &[u8]) {
        let Self { out, last } = self;
        let own: usize = more
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        out.reserve(head.0.len() + own + 128 + body.len());
        out.extend_from_slice(&head.0);
        for (name, value) in more {
            write_header(out, name, value.as_bytes());
        }
        let _ = write!(out, "Content-Length: {}\r\n", body.len());
        if last {
            write_header(out, "Connection", b"close");
        }
        write_header(out, "Date", &today());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
    }

    /// Sends a response of the framework.
    pub(crate) fn send_response(self, response: &Response<Bytes>) {
        let head = Head::new(response.status(), response.headers());
        self.send(&head, &[], response.body());
    }
}

fn write_header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// In title case, because some firmware needs exactly `Content-Length`.
fn write_name(out: &mut Vec<u8>, name: &HeaderName) {
    let mut begins = true;
    for letter in name.as_str().bytes() {
        out.push(if begins {
            letter.to_ascii_uppercase()
        } else {
            letter
        });
        begins = letter == b'-';
    }
}

/// The `Date` header's value, encoded once per second.
fn today() -> [u8; 29] {
    thread_local! {
        static WRITTEN: Cell<(u64, [u8; 29])> = const { Cell::new((u64::MAX, [0; 29])) };
    }
    let second = u64::try_from(clock::now().unix_timestamp()).unwrap_or_default();
    let (of, written) = WRITTEN.get();
    if of == second {
        return written;
    }
    let mut date = [b' '; 29];
    let now = HttpDate::from(UNIX_EPOCH + Duration::from_secs(second));
    let _ = write!(date.as_mut_slice(), "{now}");
    WRITTEN.set((second, date));
    date
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn text(last: bool, answer: impl FnOnce(ResponseWriter<'_>)) -> String {
        let mut out = Vec::new();
        answer(ResponseWriter::new(&mut out, last));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn response_has_content_length_and_date() {
        let mut headers = HeaderMap::new();
        headers.insert("x-a-b", HeaderValue::from_static("c"));
        headers.insert("content-length", HeaderValue::from_static("77"));
        let head = Head::new(StatusCode::OK, &headers);
        let answer = text(false, |reply| reply.send(&head, &[("Id", "1")], b"body"));
        let (before, after) = answer.split_once("Date: ").unwrap();
        assert_eq!(
            before,
            "HTTP/1.1 200 OK\r\nX-A-B: c\r\nId: 1\r\nContent-Length: 4\r\n"
        );
        let (date, body) = after.split_once("\r\n\r\n").unwrap();
        let date = time::OffsetDateTime::from(httpdate::parse_http_date(date).unwrap());
        assert!(clock::now() - date < Duration::from_mins(1));
        assert_eq!(body, "body");
    }

    #[test]
    fn last_response_has_connection_close() {
        let mut response = Response::new(Bytes::from_static(b"full"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let retry_after = HeaderValue::from_static("5");
        response.headers_mut().insert("retry-after", retry_after);
        let answer = text(true, |reply| reply.send_response(&response));
        assert!(
            answer.starts_with(
                "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 4\r\n\
                 Connection: close\r\nDate: "
            ),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\nfull"), "{answer}");
    }
}
