//! A service to ask: one node with a port, in a state in which a machine boots something.

use std::sync::OnceLock;
use std::time::Duration;

use ironpxe_core::provision_state::ProvisionState;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::api::testing::TestApp;
use crate::db::{Db, Limits, Location, Settings};

/// What is asked, and what drives it.
pub(super) struct Running {
    pub(super) runtime: Runtime,
    pub(super) service: TestApp,
    _folder: TempDir,
}

/// The one service of this process.
pub(super) fn running() -> &'static Running {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    RUNNING.get_or_init(start)
}

fn start() -> Running {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let folder = TempDir::new().unwrap();
    let settings = Settings {
        location: Location::Sqlite(folder.path().join("ironpxe.sqlite")),
        limits: Limits {
            max_pool_size: 1,
            statement_timeout: Duration::from_mins(1),
        },
        heartbeat_timeout: Duration::from_mins(1),
    };
    let service = runtime.block_on(async {
        let db = Db::open(&settings).await.unwrap();
        let app = TestApp::builder().conductor(|settings| {
            // Nothing is committed that no request asked for.
            settings.heartbeat_interval = Duration::from_hours(1);
            settings.take_over_interval = Duration::from_hours(1);
        });
        let app = app.start_on(db).await;
        app.add_node(ProvisionState::DeployWait).await;
        app
    });
    Running {
        runtime,
        service,
        _folder: folder,
    }
}
