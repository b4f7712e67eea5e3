//! One service for tests and fuzzing: a database, a boot service, a conductor and the API in this
//! process, with the defaults of the configuration.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "no part of the service"
)]
#![cfg_attr(
    not(test),
    expect(dead_code, reason = "fuzzing sends its requests in its own ways")
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::node::Node;
use ironpxe_core::policy::Policy;
use ironpxe_core::port::Port;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::api::{self, AppState, CommonState, NodeSource};
use crate::auth::Authenticator;
#[cfg(test)]
use crate::auth::Caller;
use crate::boot::{self, BootFacts, BootService};
use crate::conductor::{self, LocalConductor};
use crate::db::Db;
use crate::lifecycle::Tasks;
use crate::policy::CurrentPolicy;
use crate::server::HttpService;
use crate::{clock, ident};

pub(crate) use crate::conductor::testing::HOST;

/// The UUID of [`TestApp::add_node`]'s node.
pub(crate) const NODE: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
/// The address of its port.
pub(crate) const MAC: &str = "52:54:00:aa:00:01";

/// A running service.
pub(crate) struct TestApp {
    pub(crate) db: Db,
    pub(crate) conductor: LocalConductor,
    pub(crate) http_service: HttpService,
    folder: Arc<TempDir>,
}

/// What a [`TestApp`] is started with.
pub(crate) struct TestAppBuilder {
    // Boxed: large, and a part of every test's future.
    boot: Box<boot::BootServiceSettings>,
    conductor: Box<conductor::Settings>,
    api: api::Settings,
    authenticator: Authenticator,
    policy: CurrentPolicy,
    folder: Arc<TempDir>,
}

/// A response, read to its end.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn request_id(&self) -> &str {
        self.headers["openstack-request-id"].to_str().unwrap()
    }
}

impl TestApp {
    /// With the default settings and the hardware type `fake-hardware`.
    pub(crate) async fn new() -> Self {
        Self::builder().start().await
    }

    pub(crate) fn builder() -> TestAppBuilder {
        TestAppBuilder::on(Arc::new(TempDir::new().unwrap()))
    }

    /// One more service, on the database of this one.
    pub(crate) fn replica(&self) -> TestAppBuilder {
        TestAppBuilder::on(Arc::clone(&self.folder))
    }

    /// The folder of the database.
    pub(crate) fn folder(&self) -> &TempDir {
        &self.folder
    }

    /// Waits until the node is not reserved any more.
    pub(crate) async fn settled(&self, uuid: NodeUuid) -> Node {
        let released = async {
            loop {
                let node = self.db.node_get(uuid).await.unwrap().unwrap();
                if node.reservation.is_none() {
                    return node;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let released = tokio::time::timeout(Duration::from_mins(1), released).await;
        released.unwrap_or_else(|_| panic!("node {uuid} is still reserved"))
    }

    /// Stores a node in this state, with a port and the images of its ramdisk.
    pub(crate) async fn add_node(&self, state: ProvisionState) -> Node {
        let mut node = Node::enroll(NODE.parse().unwrap(), "fake-hardware", clock::now());
        node.name = Some("bm-1".into());
        node.provision_state = state.into();
        for (key, url) in [
            ("deploy_kernel", "http://h/k"),
            ("deploy_ramdisk", "http://h/r"),
        ] {
            node.driver_info.insert(key.into(), json!(url));
        }
        conductor::testing::drivers()
            .set_default_interfaces(&mut node)
            .unwrap();
        self.db.node_create(&node).await.unwrap();
        let (port, mac) = (PortUuid(ident::uuid()), MAC.parse().unwrap());
        let port = Port::new(port, node.uuid, mac, clock::now());
        self.db.port_create(&port).await.unwrap();
        node
    }

    /// Sends a request of this caller, of the latest version of the API.
    #[cfg(test)]
    pub(crate) async fn send_as(
        &self,
        caller: Caller,
        method: &str,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Response {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header("X-OpenStack-Ironic-API-Version", "1.115")
            .extension(caller)
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())));
        self.answer(request.unwrap()).await
    }

    /// Sends a request to the router; a body is sent as JSON, with a microversion.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        user_agent: &str,
        body: Option<serde_json::Value>,
    ) -> Response {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::USER_AGENT, user_agent);
        if body.is_some() {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .header("X-OpenStack-Ironic-API-Version", "1.99");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.answer(request.body(body).unwrap()).await
    }

    async fn answer(&self, request: Request<Body>) -> Response {
        let response = self
            .http_service
            .router
            .clone()
            .oneshot(request)
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

impl TestAppBuilder {
    fn on(folder: Arc<TempDir>) -> Self {
        Self {
            boot: Box::new(boot::testing::settings()),
            conductor: Box::new(conductor::testing::settings()),
            api: api::Settings::default(),
            authenticator: Authenticator::NoAuth,
            policy: CurrentPolicy::new(Policy::defaults()),
            folder,
        }
    }

    /// The folder in which the database is going to be.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn host(self, host: &str) -> Self {
        self.conductor(|settings| host.clone_into(&mut settings.host))
    }

    pub(crate) fn boot(mut self, set: impl FnOnce(&mut boot::BootServiceSettings)) -> Self {
        set(&mut self.boot);
        self
    }

    pub(crate) fn conductor(mut self, set: impl FnOnce(&mut conductor::Settings)) -> Self {
        set(&mut self.conductor);
        self
    }

    #[cfg(test)]
    pub(crate) fn policy(mut self, policy: Policy) -> Self {
        self.policy = CurrentPolicy::new(policy);
        self
    }

    pub(crate) fn api(mut self, settings: api::Settings) -> Self {
        self.api = settings;
        self
    }

    pub(crate) fn authenticator(mut self, authenticator: Authenticator) -> Self {
        self.authenticator = authenticator;
        self
    }

    /// On a database file in the folder.
    #[cfg(test)]
    pub(crate) async fn start(self) -> TestApp {
        let db = crate::db::testing::open(&self.folder).await;
        self.start_on(db).await
    }

    pub(crate) async fn start_on(self, db: Db) -> TestApp {
        let images = self.boot.images.clone();
        let boot = BootService::new(BootFacts::new(&db), *self.boot, &Tasks::new());
        let start = conductor::testing::start(&db, boot.clone(), *self.conductor, Tasks::new());
        let conductor = Box::pin(start).await;
        let http_service = api::http_service(AppState {
            store: api::Store::new(db.clone()),
            conductor: Arc::new(conductor.clone()),
            policy: self.policy,
            common: CommonState {
                boot,
                authenticator: self.authenticator,
                settings: Arc::new(self.api),
                images,
                nodes: NodeSource::Own(db.clone()),
                stopping: CancellationToken::new(),
            },
        });
        TestApp {
            db,
            conductor,
            http_service,
            folder: self.folder,
        }
    }
}
