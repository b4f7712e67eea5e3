//! The routes that need no credentials.

use http::{Method, Uri};
use percent_encoding::percent_decode_str;

/// Ironic's public routes, which are compared with the path as the client wrote it, except for percent
/// encoding and trailing slashes: `/lookup`, `/v1//lookup` and `/v1/Lookup` need credentials.
const PUBLIC: [&str; 2] = ["", "/v1"];
/// Those for ramdisks (`[api]enable_ramdisk_endpoints`).
const RAMDISK: [&str; 2] = ["/v1/lookup", "/v1/continue_inspection"];
const HEARTBEAT: &str = "/v1/heartbeat/";

/// The endpoints for machines and supervisors that have one path, …
const BOOT: [&str; 5] = [
    "/boot.ipxe",
    "/autoexec.ipxe",
    "/pxelinux.cfg",
    "/healthz",
    "/readyz",
];
/// … and those below a path, where there are no others. The path is normalized: firmware may repeat
/// slashes.
const BOOT_BELOW: [&str; 3] = ["/v1/boot/", "/v1/images/", "/pxelinux.cfg/"];

/// Whether the request needs no credentials: whether it is for one of Ironic's public routes, for an
/// endpoint for machines, or for the service's health. `asked` is the URI as the client wrote it,
/// `normal` the one that is routed.
///
/// Source: Ironic's `api/app.py` (`public_api_routes`).
pub(crate) fn is_public(
    method: &Method,
    asked: &Uri,
    normal: &Uri,
    ramdisk_endpoints: bool,
) -> bool {
    let asked = percent_decode_str(asked.path()).decode_utf8();
    asked.is_ok_and(|path| is_public_in_ironic(&path, ramdisk_endpoints))
        || is_for_machines(method, normal)
}

fn is_public_in_ironic(path: &str, ramdisk_endpoints: bool) -> bool {
    let path = path.trim_end_matches('/');
    let path = path
        .strip_suffix(".json")
        .or_else(|| path.strip_suffix(".xml"))
        .unwrap_or(path);
    PUBLIC.contains(&path)
        || (ramdisk_endpoints
            && (RAMDISK.contains(&path) || path.strip_prefix(HEARTBEAT).is_some_and(is_node)))
}

/// Whether Ironic accepts this as a node in the URL of a heartbeat.
fn is_node(text: &str) -> bool {
    let is_valid = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    !text.is_empty() && text.bytes().all(is_valid)
}

fn is_for_machines(method: &Method, uri: &Uri) -> bool {
    let path = uri.path();
    BOOT.contains(&path)
        || BOOT_BELOW.iter().any(|below| path.starts_with(below))
        || (matches!(*method, Method::GET | Method::HEAD) && is_script_of_driver(uri))
}

/// Whether this is `/v1/drivers/<driver>/vendor_passthru/ipxe_config`, or the same by `?method=`.
/// (The handler does nothing else without credentials.)
fn is_script_of_driver(uri: &Uri) -> bool {
    let Some(rest) = uri.path().strip_prefix("/v1/drivers/") else {
        return false;
    };
    match rest.split_once('/').map(|(_, rest)| rest) {
        Some("vendor_passthru/ipxe_config") => true,
        Some("vendor_passthru") => {
            let mut arguments = uri.query().unwrap_or_default().split('&');
            arguments.any(|argument| argument == "method=ipxe_config")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_routes_are_those_of_ironic_and_the_endpoints_for_machines() {
        let public = |method: &Method, path: &str| {
            let uri: Uri = path.parse().unwrap();
            is_public(method, &uri, &uri, true)
        };
        for path in [
            "/",
            "/v1",
            "/v1/",
            "/v1.json",
            "/v1.xml",
            "/v1/lookup",
            "/v1/lookup/",
            "/v1/lookup.json",
            "/v1/%6cookup",
            "/v1/heartbeat/10000000-0000-4000-8000-000000000003",
            "/v1/continue_inspection",
            "/boot.ipxe",
            "/autoexec.ipxe",
            "/healthz",
            "/readyz",
            "/v1/boot/52:54:00:aa:00:01/boot.ipxe",
            "/v1/images/n/kernel/t/9/5160/kernel",
            "/pxelinux.cfg/52-54-00-aa-00-01",
            "/v1/drivers/redfish/vendor_passthru/ipxe_config?mac=x",
            "/v1/drivers/redfish/vendor_passthru?method=ipxe_config&mac=x",
            "http://h/v1/lookup",
        ] {
            assert!(public(&Method::GET, path), "{path}");
        }
        for path in [
            "/lookup",
            "/v1/heartbeat",
            "/v1/heartbeat/UPPER",
            "/v1/heartbeat/n_b",
            "/v1/heartbeat/a/b",
            "/v1//lookup",
            "/v1/Lookup",
            "/v1/lookup/x",
            "/healthcheck",
            "/v1/nodes",
            "/nodes",
            "/v1/nodes.json",
            "/v1/./lookup",
            "/v1/../v1/lookup",
            "/V1",
            "/v1/boot",
            "/v1/images",
            "/boot.ipxe/x",
            "/v1/drivers",
            "/v1/drivers/redfish",
            "/v1/nodes/boot.ipxe",
            "/v1/drivers/redfish/vendor_passthru",
            "/v1/drivers/redfish/vendor_passthru/erase",
            "/v1/drivers/redfish/vendor_passthru?method=erase",
            "http://h/v1/nodes",
            "/v1/%00",
            "/v1/drivers/a/vendor_passthru/ipxe_config/x",
            "/v1/lookup%00",
            "/v1/lookup.json.json",
            "/v1/nodes?method=ipxe_config",
            "/v1/nodes/%2e%2e/lookup",
        ] {
            assert!(!public(&Method::GET, path), "{path}");
        }
        // Only scripts are fetched there.
        let script = "/v1/drivers/redfish/vendor_passthru/ipxe_config";
        assert!(!public(&Method::POST, script));
    }

    #[test]
    fn ramdisk_endpoints_can_be_switched_off() {
        let public = |path: &str| {
            let uri: Uri = path.parse().unwrap();
            is_public(&Method::GET, &uri, &uri, false)
        };
        assert!(public("/v1") && public("/boot.ipxe"));
        for path in ["/v1/lookup", "/v1/heartbeat/a", "/v1/continue_inspection"] {
            assert!(!public(path), "{path}");
        }
    }
}
