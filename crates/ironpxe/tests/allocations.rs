//! What an answer costs, without a clock: how much memory it asks for, and how often.
//!
//! A machine's second request finds its script kept. If that one begins to wait for the database
//! again, to render, or to copy what it need not, these numbers grow, on any machine alike.
//!
//! A binary of its own, because its allocator counts.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may stop at anything unexpected")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use ironpxe::api::{self, AppState};
use ironpxe::boot::{self, BootService, HardwareTypes, Templates};
use ironpxe::conductor::{self, LocalConductor};
use ironpxe::db::{self, Db};
use ironpxe::drivers::Drivers;
use ironpxe::images::{self, Images, Key, Relayed};
use ironpxe::lifecycle::Tasks;
use ironpxe::server::{FastPath, Reply, SimpleGet, Verdict};
use ironpxe::{clock, ident, telemetry};
use ironpxe_core::boot::{BootSettings, Kickstarts, Scripts};
use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const MAC: &str = "52:54:00:aa:00:01";

/// How often an answer may ask for memory. What it is today, and a little.
const ALLOCATIONS: u64 = 4;
/// How many bytes it may ask for, all in all.
const BYTES: u64 = 2_500;

struct Service {
    router: Router,
    fast_path: Arc<dyn FastPath>,
    db: Db,
    node: NodeUuid,
    _folder: TempDir,
}

impl Service {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let settings = db::Settings {
            location: db::Location::Sqlite(folder.path().join("ironpxe.sqlite")),
            limits: db::Limits {
                max_pool_size: 1,
                statement_timeout: Duration::from_secs(20),
            },
            heartbeat_timeout: Duration::from_mins(1),
        };
        let db = Db::open(&settings).await.unwrap();
        let drivers = Drivers::new(&["fake-hardware".into()], None).unwrap();
        let boot = BootSettings::default();
        let images = Images::new(images::Settings {
            relay: Relayed::Never,
            relay_allowed: Vec::new(),
            own: images::OwnService::default(),
            key: Key::new("a key"),
            base: "http://127.0.0.1:6385".to_owned(),
            url_lifetime: Duration::from_mins(1),
            idle_timeout: Duration::from_secs(10),
            downloads: 10,
            allowed_paths: Vec::new(),
            cafile: None,
            glance: None,
            temp_urls: None,
            temp_url_lifetime: Duration::from_mins(1),
        })
        .unwrap();
        let boot_settings = boot::Settings {
            boot: boot.clone(),
            restrict_boot_config: false,
            max_requests: 1000,
            cache_bytes: 1 << 20,
            templates: Templates::new(Scripts::new(boot.downloads).unwrap()),
            images: images.clone(),
            kickstarts: Arc::new(Kickstarts::built_in().unwrap()),
            hardware_types: HardwareTypes::enabled(drivers.names()),
        };
        let settings = conductor::Settings {
            host: "conductor-1".into(),
            conductor_group: String::new(),
            automated_clean: true,
            allow_provisioning_in_maintenance: true,
            // Nobody commits anything meanwhile.
            heartbeat_interval: Duration::from_hours(1),
            take_over_interval: Duration::from_hours(1),
            callback_timeouts: conductor::CallbackTimeouts::default(),
            history: conductor::HistorySettings::default(),
            endpoint: String::new(),
            boot,
            images: images.clone(),
            dhcp: ironpxe::dhcp::Dhcp::None,
            dhcp_options: ironpxe_core::dhcp::DhcpSettings::default(),
        };
        let mut node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
        node.name = Some("bm-1".into());
        node.provision_state = ProvisionState::DeployWait.into();
        for key in ["deploy_kernel", "deploy_ramdisk"] {
            node.driver_info.insert(key.into(), json!("http://h/x"));
        }
        db.node_create(&node).await.unwrap();
        let mac = MAC.parse().unwrap();
        let port = Port::new(PortUuid(ident::uuid()), node.uuid, mac, clock::now());
        db.port_create(&port).await.unwrap();
        let boot = BootService::new(&db, boot_settings, &Tasks::new());
        let conductor =
            LocalConductor::start(db.clone(), drivers, boot.clone(), settings, Tasks::new());
        let state = AppState {
            db: db.clone(),
            boot,
            conductor: Arc::new(conductor.await.unwrap()),
            settings: Arc::new(api::Settings::default()),
            images,
            stopping: CancellationToken::new(),
        };
        let site = api::site(state);
        Self {
            router: site.router,
            fast_path: site.fast_path.unwrap(),
            db,
            node: node.uuid,
            _folder: folder,
        }
    }

    /// What one answer to a machine asks for: how often, and how much. `None` if it is not known at
    /// once.
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
        let mut out = Vec::new();
        let mut verdict = Verdict::Fallback;
        let counted = allocation_counter::measure(|| {
            verdict = self.fast_path.answer(&request, Reply::new(&mut out, false));
        });
        let Verdict::Handled = verdict else {
            return None;
        };
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains("\r\n\r\n#!ipxe\n"), "{text}");
        Some((counted.count_total, counted.bytes_total))
    }

    /// What it costs to be answered at once. The conductor writes of itself now and then, most of all
    /// when it has just started: then the script has to be read anew before it is known again.
    fn cost_when_known(&self, path: &str, runtime: &Runtime) -> (u64, u64) {
        let mut costs = (0..100).map(|_| {
            runtime.block_on(self.ask(path));
            // Something is always made once, too.
            self.cost(path)?;
            self.cost(path)
        });
        costs
            .find_map(|cost| cost)
            .unwrap_or_else(|| panic!("{path}: not known at once, however often it is asked"))
    }

    /// Asks as whoever must be waited for.
    async fn ask(&self, path: &str) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
}

#[test]
fn a_kept_script_costs_no_more_than_it_did() {
    // The log is a part of the answer's cost.
    let _log = telemetry::start(false, None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let service = runtime.block_on(Service::start());
    let passthru = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";
    let paths = [
        format!("{passthru}?port_address={MAC}"),
        format!("{passthru}?node_uuid={}", service.node.0),
        format!("/v1/boot/{MAC}/boot.ipxe"),
    ];
    for path in &paths {
        let costs = (0..5).map(|_| service.cost_when_known(path, &runtime));
        let (count, bytes) = costs.min().unwrap();
        println!("{path}: {count} allocations of {bytes} bytes");
        assert!(
            count <= ALLOCATIONS && bytes <= BYTES,
            "{path} costs {count} allocations of {bytes} bytes, of {ALLOCATIONS} and {BYTES}: \
             look for what has begun to copy, or raise the budget and say why"
        );
    }
    runtime.block_on(service.db.close());
}
