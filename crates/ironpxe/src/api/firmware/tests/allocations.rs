//! What an answer costs, without a clock: how much memory it asks for, and how often.
//!
//! A machine's second request finds its script in the cache. If that one begins to wait for the database
//! again, to render, or to copy what it need not, these numbers grow, on any machine alike.
//!
//! The allocator of this test binary counts what the thread asks for that measures, so that the other
//! tests do not matter.

use ironpxe_core::provision_state::ProvisionState;
use tokio::runtime::{Builder, Runtime};

use super::{MAC, Service, StatusCode};
use crate::server::{FastPathResult, ResponseWriter, SimpleGet};
use crate::telemetry;

/// How often an answer may ask for memory. What it is today, and a little.
const ALLOCATIONS: u64 = 4;
/// How many bytes it may ask for, all in all.
const BYTES: u64 = 2_500;

impl Service {
    /// What one answer to a machine asks for: how often, and how much. `None` if it is not in the
    /// cache.
    fn cost(&self, path: &str) -> Option<(u64, u64)> {
        let headers = [("User-Agent", "iPXE/1.0.0"), ("Host", "boot.example:6385")];
        let headers = headers.map(|(name, value)| httparse::Header {
            name,
            value: value.as_bytes(),
        });
        let request = SimpleGet {
            target: path,
            headers: &headers,
            peer: ([127, 0, 0, 1], 1).into(),
        };
        let fast_path = self.http_service.fast_path.as_ref().unwrap();
        let mut out = Vec::new();
        let mut result = FastPathResult::Fallback;
        // A line of the log that a thread without one came to first counts as switched off for all.
        tracing::callsite::rebuild_interest_cache();
        let counted = allocation_counter::measure(|| {
            result = fast_path.answer(&request, ResponseWriter::new(&mut out, false));
        });
        let FastPathResult::Handled = result else {
            return None;
        };
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains("\r\n\r\n#!ipxe\n"), "{text}");
        Some((counted.count_total, counted.bytes_total))
    }

    /// What it costs if it is in the cache. When the conductor has written of itself, as at its start,
    /// the script is read again first.
    fn cost_of_cached(&self, path: &str, runtime: &Runtime) -> (u64, u64) {
        let mut costs = (0..100).map(|_| {
            let waited_for = runtime.block_on(self.machine(path));
            assert_eq!(waited_for.status, StatusCode::OK, "{path}");
            // Something is always made once, too.
            self.cost(path)?;
            self.cost(path)
        });
        costs
            .find_map(|cost| cost)
            .unwrap_or_else(|| panic!("{path}: never answered from the cache"))
    }
}

#[test]
fn cached_script_allocates_no_more_than_its_budget() {
    // The log is a part of the answer's cost.
    let written = tempfile::NamedTempFile::new().unwrap();
    let log = telemetry::start_in_this_thread(written.reopen().unwrap());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let service = runtime.block_on(Service::new(ProvisionState::DeployWait, false));
    let passthru = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";
    let paths = [
        format!("{passthru}?port_address={MAC}"),
        format!("{passthru}?node_uuid={}", service.node.uuid),
        format!("/v1/boot/{MAC}/boot.ipxe"),
        format!("/v1/boot/{MAC}/boot.ipxe?unknown=next"),
    ];
    for path in &paths {
        let costs = (0..5).map(|_| service.cost_of_cached(path, &runtime));
        let (count, bytes) = costs.min().unwrap();
        println!("{path}: {count} allocations of {bytes} bytes");
        assert!(
            count <= ALLOCATIONS && bytes <= BYTES,
            "{path} costs {count} allocations of {bytes} bytes, of {ALLOCATIONS} and {BYTES}: \
             look for what has begun to copy, or raise the budget and say why"
        );
    }
    runtime.block_on(service.db.close());
    drop(log);
    let lines = std::fs::read_to_string(written.path()).unwrap();
    assert!(lines.contains(MAC), "nothing was logged: {lines}");
}
