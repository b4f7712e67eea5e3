//! JSON-RPC bodies that are answered at once, against the usual way of reading and answering.

use std::sync::Arc;

use serde_json::Value;

use crate::fuzzing::service::{MAC, service};
use crate::rpc::server::{Served, answer_at_once, answer_usually};
use crate::server::RequestMemory;

/// The data are a body. What is answered at once is what would have been answered anyway.
pub(super) fn check(data: &[u8]) {
    let service = service();
    let served = served();
    service.runtime.block_on(async {
        keep(&served).await;
        // All others are answered in the usual way anyway, and may change something.
        if let Some(fast) = answer_at_once(&served, data) {
            let usual = answer_usually(&served, data).await;
            assert_eq!(
                Some(json(&fast)),
                usual.as_deref().map(json),
                "{:?} is answered otherwise at once",
                String::from_utf8_lossy(data)
            );
        }
    });
}

fn served() -> Served {
    Served {
        conductor: Arc::new(service().conductor.clone()),
        users: None,
        max_body_bytes: 1 << 20,
        memory: RequestMemory::unshared(1 << 20, "a check"),
    }
}

/// Sees to it that scripts are kept, so that there is something to answer at once.
async fn keep(served: &Served) {
    let body = known();
    // The conductor may write something of itself meanwhile.
    for _ in 0..10 {
        if answer_at_once(served, body.as_bytes()).is_some() {
            return;
        }
        answer_usually(served, body.as_bytes()).await;
    }
    panic!("no script is ever kept");
}

/// An id as an API gives it: no other is put into a script that is kept.
const ID: &str = "req-aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";

fn known() -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"driver_vendor_passthru\",\"params\":{{\
         \"driver_name\":\"fake-hardware\",\"driver_method\":\"ipxe_config\",\
         \"http_method\":\"GET\",\"info\":{{\"port_address\":\"{MAC}\"}},\
         \"context\":{{\"request_id\":\"{ID}\"}},\"rpc.version\":\"1.0\"}},\"id\":\"{ID}\"}}"
    )
}

fn json(answer: &[u8]) -> Value {
    serde_json::from_slice(answer).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_bodies_are_answered_alike() {
        let known = known();
        check(known.as_bytes());
        for (part, other) in [
            ("eeee\"}", "eeee\\u000a\"}"),
            ("\"id\":\"req", "\"id\":\"\",\"other\":\""),
            ("\"id\":\"req", "\"id\":\"a\",\"id\":\"b"),
            ("\"id\":\"req", "\"id\":\"another"),
            ("\"rpc.version\"", "\"ident\":null,\"rpc.version\""),
            ("fake-hardware", "fake-hardware\\u0020"),
            ("\"GET\"", "\"GET\",\"http_method\":\"POST\""),
            (MAC, "52-54-00-AA-00-01"),
            ("\"port_address\"", "\"node_uuid\":null,\"port_address\""),
        ] {
            let body = known.replace(part, other);
            assert_ne!(body, known);
            check(body.as_bytes());
        }
    }
}
