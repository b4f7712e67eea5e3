//! Reads request bodies: JSON, limited in size, depth and time, regardless of the content type.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, FromRequest, Request};
use axum::http::Method;
use http_body_util::{BodyExt, Limited};
use ironpxe_core::error::Fault;
use ironpxe_core::json_size::{VALUE_BYTES, count_values};
use ironpxe_core::retry_after;
use serde_json::Value;

use crate::api::AppState;
use crate::api::error::{ApiError, Result};
use crate::api::settings::Settings;
use crate::server::{BodyError, BodyLimits, MemoryError, ReservedMemory, read_body};

/// The timeout for receiving a body, so that slow clients do not hold connections.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);

/// How much of an oversized body is discarded, and for how long, so that the client can read the
/// error: while it is still sending, it would only see a broken connection.
const DISCARDED: usize = 16 * 1024 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the body of a request even if its handler does not use it: otherwise the connection cannot
/// be reused, and often the response cannot be sent.
pub(super) async fn take(request: Request, settings: &Settings) -> Result<Request> {
    let limits = BodyLimits {
        bytes: limit(settings, request.method(), request.uri().path()),
        arrives_within: BODY_TIMEOUT,
    };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |ConnectInfo(peer)| peer.ip());
    let memory = settings.memory.begin(peer);
    let (mut parts, mut body) = request.into_parts();
    let refused = match read_body(&mut body, limits, &memory).await {
        Ok(bytes) => {
            parts.extensions.insert(memory);
            return Ok(Request::from_parts(parts, Body::from(bytes)));
        }
        Err(BodyError::TooLarge) => ApiError::BodyTooLarge,
        Err(BodyError::NoMemory) => no_memory(),
        Err(BodyError::Broken(error)) => {
            return Err(ApiError::invalid(format!(
                "The request body is incomplete: {error}"
            )));
        }
        Err(BodyError::Late) => {
            return Err(ApiError::invalid(format!(
                "The request body did not arrive within {} s",
                BODY_TIMEOUT.as_secs()
            )));
        }
    };
    // The part read so far has been freed.
    drop(memory);
    let rest = Limited::new(body, DISCARDED);
    // The request is rejected in either case.
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, discard(rest)).await;
    Err(refused)
}

fn no_memory() -> ApiError {
    let reason = "The requests in progress use all of [api]max_request_memory";
    ApiError::Fault(Fault::unavailable(reason, retry_after::SERVICE))
}

async fn discard(mut body: Limited<Body>) {
    while let Some(Ok(_)) = body.frame().await {}
}

fn limit(settings: &Settings, method: &Method, path: &str) -> usize {
    if method == Method::PUT && path.ends_with("/states/provision") {
        settings.max_provision_body_bytes
    } else {
        settings.max_body_bytes
    }
}

/// The body of a request; `None` if it is empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JsonBody(pub(crate) Option<Value>);

impl FromRequest<AppState> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        // `take` has read and limited it.
        if HttpBody::is_end_stream(request.body()) {
            return Ok(Self(None));
        }
        let memory = request.extensions().get::<ReservedMemory>().cloned();
        let collected = request.into_body().collect().await;
        let bytes = collected
            .map_err(|error| ApiError::invalid(format!("The request body is incomplete: {error}")))?
            .to_bytes();
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        let depth = state.common.settings.max_json_body_depth;
        parse(&bytes, depth, memory.as_ref()).map(|value| Self(Some(value)))
    }
}

/// Parses a body, unless it is too deep or has values that could not be stored unchanged.
fn parse(bytes: &[u8], max_depth: usize, memory: Option<&ReservedMemory>) -> Result<Value> {
    let scan = scan(bytes);
    if scan.depth > max_depth {
        return Err(ApiError::BodyTooDeep);
    }
    let value = parse_part(bytes, memory)?;
    scan.check()?;
    Ok(value)
}

/// Validates a body whose parts are parsed later.
pub(super) fn check(bytes: &[u8], max_depth: usize) -> Result<()> {
    let scan = scan(bytes);
    if scan.depth > max_depth {
        return Err(ApiError::BodyTooDeep);
    }
    scan.check()
}

/// Parses a part of a validated body, if there is `memory` for its values.
pub(super) fn parse_part(bytes: &[u8], memory: Option<&ReservedMemory>) -> Result<Value> {
    let count = count_values(bytes);
    if count > MAX_VALUES {
        return Err(ApiError::invalid(format!(
            "The request body has {count} JSON values; at most {MAX_VALUES} are allowed"
        )));
    }
    if let Some(memory) = memory {
        let values = count.saturating_mul(VALUE_BYTES);
        memory
            .grow(bytes.len().saturating_add(values))
            .map_err(|refused| match refused {
                MemoryError::UsedUp => no_memory(),
                MemoryError::TooMuch => ApiError::BodyTooLarge,
            })?;
    }
    serde_json::from_slice(bytes).map_err(|error| not_json(&error))
}

/// The error for a body that is not JSON.
pub(super) fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::invalid(format!("The request body is not JSON: {error}"))
}

/// The maximum number of values in a body. Each takes tens of bytes of memory, however short it is.
const MAX_VALUES: usize = 100_000;

impl Scan {
    fn check(self) -> Result<()> {
        let scan = self;
        if let Some(number) = scan.too_large {
            return Err(ApiError::invalid(format!(
                "The request body has a number that is too large to be stored exactly: {number}"
            )));
        }
        if scan.nul {
            return Err(ApiError::invalid(
                "The request body has a NUL character, which no field can store",
            ));
        }
        Ok(())
    }
}

/// Properties of a body found by scanning its bytes, before a recursive parser sees it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scan {
    /// The nesting depth of brackets.
    depth: usize,
    /// An integer that does not fit 64 bits (it would silently change).
    too_large: Option<String>,
    /// Whether a string contains U+0000.
    nul: bool,
}

fn scan(bytes: &[u8]) -> Scan {
    let mut scan = Scan::default();
    let mut depth = 0_usize;
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = skip_string(after, &mut scan.nul),
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                scan.depth = scan.depth.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'0'..=b'9' | b'-' => {
                let length = after
                    .iter()
                    .take_while(|byte| {
                        matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
                    })
                    .count();
                let (tail, after) = after.split_at(length);
                rest = after;
                let number: String = std::iter::once(byte)
                    .chain(tail)
                    .map(|byte| char::from(*byte))
                    .collect();
                let integer = number
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'-');
                if integer && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
                    scan.too_large
                        .get_or_insert(number.chars().take(40).collect());
                }
            }
            _ => {}
        }
    }
    scan
}

/// The rest after the string that `bytes` begins in.
fn skip_string<'a>(bytes: &'a [u8], nul: &mut bool) -> &'a [u8] {
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => break,
            b'\\' => {
                *nul |= after.starts_with(b"u0000");
                rest = after.get(1..).unwrap_or_default();
            }
            _ => {}
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(text: &str) -> String {
        match parse(text.as_bytes(), 25, None) {
            Err(ApiError::Fault(fault)) => fault.to_string(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn json_with_brackets_in_strings_is_parsed() {
        let text = r#"{"a": ["}}{{", "\"[", 1.5e3, -12, 18446744073709551615], "é": "\u00e9"}"#;
        let expected = json!({"a": ["}}{{", "\"[", 1.5e3, -12, u64::MAX], "é": "é"});
        assert_eq!(parse(text.as_bytes(), 2, None), Ok(expected));
    }

    #[test]
    fn malformed_body_is_refused_with_line_and_column() {
        assert_eq!(
            refused("{\"driver\": "),
            "The request body is not JSON: EOF while parsing a value at line 1 column 11"
        );
        assert!(refused("{\n\"a\": x}").contains("line 2 column"));
        assert!(refused("\"\\ud800\"").contains("not JSON"));
        assert!(parse(b"\"\xff\"", 25, None).is_err());
        assert!(refused("NaN").contains("not JSON"));
        assert!(refused("1e999").contains("not JSON"));
    }

    #[test]
    fn too_deep_body_is_refused_before_parsing() {
        let deep = format!("{}{}", "[".repeat(26), "]".repeat(26));
        assert_eq!(parse(deep.as_bytes(), 25, None), Err(ApiError::BodyTooDeep));
        assert!(parse(deep.as_bytes(), 26, None).is_ok());
        assert_eq!(
            parse("[".repeat(1_000_000).as_bytes(), 25, None),
            Err(ApiError::BodyTooDeep)
        );
    }

    #[test]
    fn body_with_too_many_values_is_refused_before_parsing() {
        let lists = |count: usize| format!("[{}[]]", "[],".repeat(count));
        assert!(parse(lists(40_000).as_bytes(), 25, None).is_ok());
        assert_eq!(
            refused(&lists(60_000)),
            "The request body has 120003 JSON values; at most 100000 are allowed"
        );
    }

    #[test]
    fn number_or_text_that_cannot_be_stored_is_refused() {
        assert!(refused(r#"{"a": 18446744073709551616}"#).contains("18446744073709551616"));
        assert!(refused(r#"{"a": "x\u0000"}"#).contains("NUL"));
        assert!(parse(br#"{"a": "x\\u0000"}"#, 25, None).is_ok());
    }
}
