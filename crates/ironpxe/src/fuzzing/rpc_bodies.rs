//! JSON-RPC bodies: whatever is in one, its answer is one of JSON-RPC, to that very request.

use std::sync::Arc;

use serde_json::Value;

use crate::fuzzing::service::running;
use crate::rpc::server::{RpcServer, answer};
use crate::server::RequestMemory;

/// What is carried out: whatever changes nothing.
const METHODS: [&str; 3] = ["driver_vendor_passthru", "get_driver_properties", "ping"];

/// The data are a body.
pub(super) fn check(data: &[u8]) {
    let request: Value = serde_json::from_slice(data).unwrap_or_default();
    if let Some(method) = request["method"].as_str()
        && !METHODS.contains(&method)
    {
        return;
    }
    let running = running();
    let served = RpcServer {
        conductor: Arc::new(running.service.conductor.clone()),
        users: None,
        max_body_bytes: 1 << 20,
        memory: RequestMemory::unshared(1 << 20, "a check"),
    };
    let text = String::from_utf8_lossy(data);
    let Some(answer) = running.runtime.block_on(answer(&served, data)) else {
        assert!(request.is_object() && request["id"].is_null(), "{text}");
        return;
    };
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let object = answer.as_object().unwrap();
    let mut fields: Vec<&str> = object.keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(answer["jsonrpc"], "2.0", "{text}");
    if !fields.contains(&"result") {
        assert_eq!(fields, ["error", "id", "jsonrpc"], "{text}");
        assert!(answer["error"]["code"].is_i64(), "{text}");
        assert!(answer["error"]["message"].is_string(), "{text}");
        return;
    }
    assert_eq!(fields, ["id", "jsonrpc", "result"], "{text}");
    assert_eq!(answer["id"], request["id"], "{text}");
    if request["method"] == "driver_vendor_passthru" {
        let result = &answer["result"];
        let script = result["return"].as_str().unwrap();
        assert!(script.starts_with("#!ipxe\n"), "{text}: {script}");
        assert!(
            result["attach"] == true && result["async"] == false,
            "{text}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::MAC;

    fn known() -> String {
        format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"driver_vendor_passthru\",\"params\":{{\
             \"driver_name\":\"fake-hardware\",\"driver_method\":\"ipxe_config\",\
             \"http_method\":\"GET\",\"info\":{{\"port_address\":\"{MAC}\"}},\
             \"context\":{{\"request_id\":\"req-1\"}},\"rpc.version\":\"1.0\"}},\"id\":\"req-1\"}}"
        )
    }

    #[test]
    fn unusual_bodies_are_answered() {
        let known = known();
        check(known.as_bytes());
        for (part, other) in [
            ("req-1\"}", "req\\u000a1\"}"),
            ("\"id\":\"req", "\"id\":\"\",\"other\":\""),
            ("\"id\":\"req", "\"id\":\"a\",\"id\":\"b"),
            ("\"id\":\"req", "\"other\":\"req"),
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
