//! A service to ask: one node with a port, in a state in which a machine boots something.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ironpxe_core::boot::{BootSettings, Kickstarts, Scripts};
use ironpxe_core::dhcp::DhcpSettings;
use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::boot::{self, BootService, HardwareTypes, Templates};
use crate::conductor::LocalConductor;
use crate::db::{Db, Limits, Location};
use crate::dhcp::Dhcp;
use crate::drivers::Drivers;
use crate::images::{Images, Key, Relayed};
use crate::lifecycle::Tasks;
use crate::server::Site;
use crate::{api, clock, conductor, db, images};

/// The node's UUID.
pub(super) const NODE: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
/// Its port's address.
pub(super) const MAC: &str = "52:54:00:aa:00:01";

pub(super) struct Service {
    pub(super) runtime: Runtime,
    pub(super) conductor: LocalConductor,
    pub(super) site: Site,
    _folder: TempDir,
}

/// The one service of this process.
pub(super) fn service() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(start)
}

fn start() -> Service {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let folder = TempDir::new().unwrap();
    let location = Location::Sqlite(folder.path().join("ironpxe.sqlite"));
    let (conductor, site) = runtime.block_on(set_up(location));
    Service {
        runtime,
        conductor,
        site,
        _folder: folder,
    }
}

async fn set_up(location: Location) -> (LocalConductor, Site) {
    let settings = db::Settings {
        location,
        limits: Limits {
            max_pool_size: 1,
            statement_timeout: Duration::from_mins(1),
        },
        heartbeat_timeout: Duration::from_mins(1),
    };
    let db = Db::open(&settings).await.unwrap();
    let images = Images::new(images::Settings {
        relay: Relayed::Never,
        relay_allowed: Vec::new(),
        own: images::OwnService::default(),
        key: Key::new("a key"),
        base: "http://127.0.0.1:6385".to_owned(),
        url_lifetime: Duration::from_mins(1),
        idle_timeout: Duration::from_secs(10),
        downloads: 1,
        allowed_paths: Vec::new(),
        cafile: None,
        glance: None,
        temp_urls: None,
        temp_url_lifetime: Duration::from_mins(1),
    })
    .unwrap();
    let boot = BootSettings::default();
    let boot_settings = boot::Settings {
        boot: boot.clone(),
        restrict_boot_config: false,
        max_requests: 1000,
        cache_bytes: 1 << 20,
        templates: Templates::new(Scripts::new(boot.downloads).unwrap()),
        images: images.clone(),
        kickstarts: Arc::new(Kickstarts::built_in().unwrap()),
        hardware_types: HardwareTypes::enabled(vec!["fake-hardware".to_owned()]),
    };
    let settings = conductor::Settings {
        host: "conductor-1".into(),
        conductor_group: String::new(),
        automated_clean: true,
        callback_timeouts: conductor::CallbackTimeouts::default(),
        history: conductor::HistorySettings::default(),
        allow_provisioning_in_maintenance: true,
        // Nobody commits anything meanwhile.
        heartbeat_interval: Duration::from_hours(1),
        take_over_interval: Duration::from_hours(1),
        endpoint: String::new(),
        boot,
        images: images.clone(),
        dhcp: Dhcp::None,
        dhcp_options: DhcpSettings::default(),
    };
    let mut node = Node::enroll(
        NODE.parse::<NodeUuid>().unwrap(),
        "fake-hardware",
        clock::now(),
    );
    node.provision_state = ProvisionState::DeployWait.into();
    for key in ["deploy_kernel", "deploy_ramdisk"] {
        node.driver_info.insert(key.into(), json!("http://h/x"));
    }
    db.node_create(&node).await.unwrap();
    let uuid: PortUuid = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee".parse().unwrap();
    let port = Port::new(uuid, node.uuid, MAC.parse().unwrap(), clock::now());
    db.port_create(&port).await.unwrap();
    let drivers = Drivers::new(&["fake-hardware".into()], None).unwrap();
    let boot = BootService::new(&db, boot_settings, &Tasks::new());
    let conductor =
        LocalConductor::start(db.clone(), drivers, boot.clone(), settings, Tasks::new())
            .await
            .unwrap();
    let site = api::site(api::AppState {
        db,
        boot,
        conductor: Arc::new(conductor.clone()),
        settings: Arc::new(api::Settings::default()),
        images,
        stopping: CancellationToken::new(),
    });
    (conductor, site)
}
