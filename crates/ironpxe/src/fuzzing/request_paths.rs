//! The fast path of plain requests against the framework: a request is answered alike.
//!
//! Source of the check: RFC 9112 leaves many spellings of one request, and each parser reads some
//! of them in its own way.

use crate::fuzzing::service::running;
use crate::server::{HttpService, first_answer};

/// The data are the target of a `GET` and, behind a byte 0xFE, lines of its head.
pub(super) fn check(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0xFE);
    let target = parts.next().unwrap_or_default();
    let lines = parts.next().unwrap_or_default();
    if waits_for_a_body(lines) || waits_for_a_body(target) {
        return;
    }
    let mut request = b"GET ".to_vec();
    request.extend_from_slice(target);
    request.extend_from_slice(b" HTTP/1.1\r\nHost: h\r\n");
    request.extend_from_slice(lines);
    if !lines.is_empty() && !lines.ends_with(b"\n") {
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let running = running();
    let http_service = &running.service.http_service;
    let framework = HttpService {
        fast_path: None,
        ..http_service.clone()
    };
    let answer = |http_service| {
        running
            .runtime
            .block_on(first_answer(http_service, &request))
    };
    let expected = answer(&framework);
    // Once when it is not known yet, perhaps, and once when it is.
    for _ in 0..2 {
        let fast = answer(http_service);
        assert_eq!(
            comparable(&fast),
            comparable(&expected),
            "the fast path answers {:?} otherwise than the framework",
            String::from_utf8_lossy(&request)
        );
    }
}

/// Whether a head announces a body: then there is no response before it has arrived.
fn waits_for_a_body(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let empty = text.matches("content-length: 0\r\n").count();
    text.contains("transfer-encoding") || text.matches("content-length").count() > empty
}

/// The status, the headers in some order, and the body; without the id and the day.
fn comparable(answer: &[u8]) -> (String, Vec<String>, String) {
    let answer = String::from_utf8_lossy(answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let id = head
        .lines()
        .find_map(|line| line.strip_prefix("Openstack-Request-Id: "))
        .unwrap_or("no id");
    // Behind it there may be another answer.
    let length: Option<usize> = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    let body = length.and_then(|length| body.get(..length)).unwrap_or(body);
    let head = head.replace(id, "ID");
    let mut lines = head.lines().map(str::to_owned);
    let status = lines.next().unwrap_or_default();
    let mut headers: Vec<String> = lines.filter(|line| !line.starts_with("Date: ")).collect();
    headers.sort();
    (status, headers, body.replace(id, "ID"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::{MAC, NODE};

    #[test]
    fn usual_and_unusual_urls_get_the_same_answer() {
        let call = "vendor_passthru/ipxe_config?node_uuid=";
        for target in [
            format!("/v1/drivers/fake-hardware/{call}{NODE}"),
            format!("/v1/drivers/fake-hardware#/{call}{NODE}"),
            format!("/v1/drivers/fake-hardware?x=/{call}{NODE}"),
            format!("/v1/drivers//{call}{NODE}"),
            format!("/v1/drivers/fake-hardware/{call}{NODE}#x"),
            format!("/v1/drivers/fake-hardware/{call}{{{NODE}}}"),
            format!("/v1/boot/{MAC}/boot.ipxe"),
            format!("/v1/boot/{MAC}/boot.ipxe#"),
            format!("/v1/boot/{MAC}/boot.ipxe?"),
            format!("/pxelinux.cfg/01-{}", MAC.replace(':', "-")),
            "/boot.ipxe".to_owned(),
            "/v1/nodes".to_owned(),
            "\u{fe}".to_owned(),
        ] {
            check(target.as_bytes());
        }
        let long = format!("/boot.ipxe\u{0}X: {}", "x".repeat(70_000)).into_bytes();
        let long: Vec<u8> = long
            .iter()
            .map(|it| if *it == 0 { 0xFE } else { *it })
            .collect();
        check(&long);
    }

    /// A check that compares two errors of its own would find nothing.
    #[test]
    fn compared_answers_include_a_script() {
        let running = running();
        let request = format!("GET /v1/boot/{MAC}/boot.ipxe HTTP/1.1\r\n\r\n");
        let answer = first_answer(&running.service.http_service, request.as_bytes());
        let (status, _, script) = comparable(&running.runtime.block_on(answer));
        assert_eq!(status, "HTTP/1.1 200 OK");
        assert!(script.starts_with("#!ipxe\n"), "{script}");
    }
}
