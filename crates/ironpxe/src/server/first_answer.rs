//! The response of a service to bytes, without a socket, for `crate::fuzzing`.
#![expect(
    clippy::unwrap_used,
    reason = "a check stops at anything unexpected, and is no part of the service"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::HttpService;
use super::connection::Connection;
use super::connection_limit::ConnectionLimit;

/// The timeout of a response.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The response to the first request in `request`.
pub(crate) async fn first_answer(http_service: &HttpService, request: &[u8]) -> Vec<u8> {
    let peer = IpAddr::from(Ipv4Addr::LOCALHOST);
    let limit = ConnectionLimit::new(8, http_service.fast_path.is_some(), TIMEOUT);
    let connection = Connection {
        peer: (peer, 1).into(),
        router: http_service.router.clone(),
        fast_path: http_service.fast_path.clone(),
        stall_timeout: TIMEOUT,
        permit: Arc::new(limit.acquire(peer).await.unwrap()),
        memory: http_service.memory.clone(),
        stopping: CancellationToken::new(),
    };
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let asking = async move {
        // A rejected request may not be read completely.
        let _ = client.write_all(request).await;
        let mut answer = Vec::new();
        while !is_complete(&answer) {
            if client.read_buf(&mut answer).await.unwrap_or_default() == 0 {
                break;
            }
        }
        answer
    };
    let both = async { tokio::join!(connection.serve(server), asking) };
    let ((), answer) = tokio::time::timeout(TIMEOUT, both).await.unwrap();
    answer
}

/// Whether there is a complete response of known length.
fn is_complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is = name.eq_ignore_ascii_case("content-length");
        is.then(|| value.parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}
