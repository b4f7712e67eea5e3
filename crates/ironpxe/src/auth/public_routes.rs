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
