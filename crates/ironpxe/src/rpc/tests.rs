//! Both sides of the wire, with a socket between them.

mod calls;
mod failures;
mod requests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::server::RpcServer;
use super::*;
use crate::api::testing::TestApp;
use crate::auth::{BasicCredentials, Users};
use crate::conductor::LocalConductor;
use crate::db::{Db, Registration};
use crate::lifecycle::Tasks;
use crate::server::{self as http_server, Limits};
use crate::{clock, ident, tls};

const MAC: &str = "52:54:00:aa:00:01";

/// A database, a conductor that serves it on a socket, and the API's view of that.
struct RpcFixture {
    db: Db,
    local: LocalConductor,
    tasks: Tasks,
    app: TestApp,
}

/// How the conductor is guarded.
#[derive(Default)]
struct RpcSecurity {
    users: Option<Users>,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Drop for RpcFixture {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

fn context() -> Context {
    Context {
        request_id: ident::request_id(),
    }
}

fn timeouts() -> Timeouts {
    Timeouts {
        ping: Duration::from_millis(1500),
        find: Duration::from_secs(5),
        read_try: Duration::from_secs(2),
        call: Duration::from_secs(10),
    }
}

impl RpcFixture {
    async fn new() -> Self {
        Self::guarded(RpcSecurity::default()).await
    }

    async fn guarded(security: RpcSecurity) -> Self {
        let tasks = Tasks::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = TestApp::builder()
            .conductor(|settings| settings.endpoint = address.to_string())
            .start()
            .await;
        let local = app.conductor.clone();
        let served = RpcServer {
            conductor: Arc::new(local.clone()),
            users: security.users,
            max_body_bytes: 64 * 1024,
            memory: memory(),
        };
        serve(&tasks, listener, server::router(served), security.tls);
        Self {
            db: app.db.clone(),
            local,
            tasks,
            app,
        }
    }

    fn remote(&self) -> Remote {
        self.remote_with(None, None)
    }

    fn remote_with(
        &self,
        credentials: Option<&BasicCredentials>,
        tls: Option<rustls::ClientConfig>,
    ) -> Remote {
        Remote::new(self.db.clone(), timeouts(), credentials, tls).unwrap()
    }

    /// A stand-in for a conductor, which registers like one.
    async fn stand_in(&self, host: &str, router: Router) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.register(host, listener.local_addr().unwrap()).await;
        serve(&self.tasks, listener, router, None);
    }

    async fn register(&self, hostname: &str, address: SocketAddr) {
        let entry = Registration {
            hostname,
            run_id: "run-1",
            group: "",
            drivers: &["fake-hardware".to_owned()],
            interfaces: &[],
            endpoint: &address.to_string(),
        };
        self.db.conductor_register(&entry).await.unwrap();
    }

    /// A node that waits for its ramdisk, with a port.
    async fn waiting_node(&self) -> NodeUuid {
        let mut node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
        node.provision_state = ProvisionState::DeployWait.into();
        for key in ["deploy_kernel", "deploy_ramdisk"] {
            node.driver_info.insert(key.into(), json!("http://h/x"));
        }
        let node = self.local.node_create(&context(), node).await.unwrap();
        let mac = MAC.parse().unwrap();
        let port = Port::new(PortUuid(ident::uuid()), node.uuid, mac, clock::now());
        self.local.port_create(&context(), port).await.unwrap();
        node.uuid
    }
}

fn memory() -> http_server::RequestMemory {
    http_server::RequestMemory::unshared(1 << 20, "a test")
}

fn serve(
    tasks: &Tasks,
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<rustls::ServerConfig>>,
) {
    let limits = Limits {
        connections: 100,
        head_timeout: Duration::from_secs(5),
        stall_timeout: Duration::from_secs(5),
        drain: Duration::ZERO,
    };
    let stop: CancellationToken = tasks.stopping();
    let site = http_server::HttpService {
        router,
        fast_path: None,
        tls,
        memory: memory(),
    };
    tasks.spawn("a server", http_server::serve(listener, site, limits, stop));
}
