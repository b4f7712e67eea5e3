//! A whole service in this process, for tests and fuzzing.

#![expect(clippy::unwrap_used, reason = "no part of the service")]

use std::sync::Arc;
use std::time::Duration;

use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{AppState, Settings};
use crate::boot::{self, BootService};
use crate::clock;
use crate::conductor::{self, LocalConductor};
use crate::db::Db;
use crate::ident;
use crate::lifecycle::Tasks;
use crate::server::Site;

/// The UUID of the node.
pub(crate) const NODE: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
/// The address of its port.
pub(crate) const MAC: &str = "52:54:00:aa:00:01";

/// The API, the boot service and a conductor in one process, and one node with one port.
pub(crate) struct Service {
    pub(crate) db: Db,
    pub(crate) conductor: LocalConductor,
    pub(crate) site: Site,
    pub(crate) node: Node,
}

impl Service {
    /// On an empty database. The node is in this state.
    pub(crate) async fn start(
        db: Db,
        state: ProvisionState,
        boot_settings: boot::Settings,
        api_settings: Settings,
    ) -> Self {
        let uuid: NodeUuid = NODE.parse().unwrap();
        let mut node = Node::enroll(uuid, "fake-hardware", clock::now());
        node.name = Some("bm-1".into());
        node.provision_state = state.into();
        for key in ["deploy_kernel", "deploy_ramdisk"] {
            node.driver_info.insert(key.into(), json!("http://h/x"));
        }
        conductor::testing::drivers().compose(&mut node).unwrap();
        db.node_create(&node).await.unwrap();
        let mac = MAC.parse().unwrap();
        let port = Port::new(PortUuid(ident::uuid()), node.uuid, mac, clock::now());
        db.port_create(&port).await.unwrap();

        let images = boot_settings.images.clone();
        let boot = BootService::new(&db, boot_settings, &Tasks::new());
        let settings = conductor::Settings {
            // Nothing is committed that no request asked for.
            heartbeat_interval: Duration::from_hours(1),
            take_over_interval: Duration::from_hours(1),
            images: images.clone(),
            ..conductor::testing::settings()
        };
        let conductor = conductor::testing::start(&db, boot.clone(), settings, Tasks::new()).await;
        let site = super::site(AppState {
            db: db.clone(),
            boot,
            conductor: Arc::new(conductor.clone()),
            settings: Arc::new(api_settings),
            images,
            stopping: CancellationToken::new(),
        });
        Self {
            db,
            conductor,
            site,
            node,
        }
    }
}
