//! The endpoints for machines, asked by firmware and by other HTTP clients.

use std::ops::Deref;

use http::{StatusCode, header};
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::json;

use crate::api::testing::{MAC, Response, TestApp, TestAppBuilder};

mod allocations;
mod boot_tokens;
mod fast_path;
mod images;
mod kickstart;
mod no_script;
mod unknown_machines;

const UNKNOWN: &str = "52:54:00:aa:00:09";

/// A service with one node that has a port.
struct Service {
    app: TestApp,
    node: Node,
}

impl Deref for Service {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.app
    }
}

/// What every response to firmware must be, whatever it says.
fn check_wire(response: &Response) {
    assert_eq!(
        response.headers[header::CONTENT_LENGTH],
        response.body.len().to_string().as_str()
    );
    if response.status == StatusCode::OK {
        assert!(response.body.starts_with("#!ipxe\n"), "{}", response.body);
        assert_eq!(response.headers[header::CACHE_CONTROL], "no-store");
    }
    assert!(!response.headers.contains_key(header::LOCATION));
    assert!(!response.headers.contains_key(header::CONTENT_ENCODING));
}

impl Service {
    async fn new(state: ProvisionState, restrict_boot_config: bool) -> Self {
        let app = TestApp::builder()
            .boot(|settings| settings.restrict_boot_config = restrict_boot_config);
        Self::with(state, app).await
    }

    async fn with(state: ProvisionState, app: TestAppBuilder) -> Self {
        let app = app.start().await;
        let node = app.add_node(state).await;
        Self { app, node }
    }

    async fn ask(&self, method: &str, path: &str, user_agent: &str) -> Response {
        self.send(method, path, user_agent, None).await
    }

    async fn machine(&self, path: &str) -> Response {
        let answer = self
            .ask("GET", path, "iPXE/1.0.0+git-20190125.36a4c85-5.1")
            .await;
        check_wire(&answer);
        answer
    }

    async fn person(&self, path: &str) -> Response {
        self.ask("GET", path, "curl/7.88.1").await
    }

    /// Every endpoint that leads to this service's node.
    fn endpoints(&self) -> Vec<String> {
        let passthru = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";
        vec![
            format!("{passthru}?node_uuid={}", self.node.uuid),
            format!(
                "{passthru}?node_uuid={}",
                self.node.uuid.to_string().to_uppercase()
            ),
            format!("{passthru}?port_address={MAC}"),
            format!("{passthru}?port_address=52%3A54%3A00%3AAA%3A00%3A01"),
            format!("{passthru}?port_address=52-54-00-aa-00-01"),
            format!("{passthru}?port_address=525400aa0001"),
            format!("/v1/boot/{MAC}/boot.ipxe"),
            "/v1/boot/52-54-00-AA-00-01/boot.ipxe".to_owned(),
            "//v1//boot/52%3A54%3A00%3Aaa%3A00%3A01/boot.ipxe".to_owned(),
            "/pxelinux.cfg/52-54-00-aa-00-01".to_owned(),
            "/pxelinux.cfg/01-52-54-00-aa-00-01".to_owned(),
        ]
    }
}

#[tokio::test]
async fn requests_over_the_limit_get_503_with_retry_after() {
    let app = TestApp::builder().boot(|settings| settings.max_requests = 0);
    let service = Service::with(ProvisionState::DeployWait, app).await;
    for endpoint in service.endpoints() {
        for answer in [
            service.machine(&endpoint).await,
            service.person(&endpoint).await,
        ] {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{endpoint}");
            assert_eq!(answer.headers[header::RETRY_AFTER], "5", "{endpoint}");
        }
    }
    // What needs no database is answered all the same.
    let script = service.machine("/boot.ipxe").await;
    assert_eq!(script.status, StatusCode::OK);
}

#[tokio::test]
async fn every_endpoint_serves_the_nodes_script() {
    let service = Service::new(ProvisionState::DeployWait, false).await;
    for endpoint in service.endpoints() {
        let answer = service.machine(&endpoint).await;
        assert_eq!(answer.status, StatusCode::OK, "{endpoint}");
        assert!(
            answer.body.contains("wait call-back -> deploy ramdisk"),
            "{endpoint}\n{}",
            answer.body
        );
        assert!(answer.body.contains(answer.request_id()), "{endpoint}");
        // A person sees what the machine would.
        let person = service.person(&endpoint).await;
        assert_eq!(
            person.body.replace(person.request_id(), ""),
            answer.body.replace(answer.request_id(), ""),
            "{endpoint}"
        );
    }
}

#[tokio::test]
async fn firmware_gets_a_refusal_script_and_other_clients_the_status() {
    let service = Service::new(ProvisionState::Available, false).await;
    for endpoint in service.endpoints() {
        let answer = service.machine(&endpoint).await;
        assert_eq!(answer.status, StatusCode::OK, "{endpoint}");
        for part in [
            "bm-1",
            "\"available\"",
            &service.node.uuid.to_string(),
            answer.request_id(),
        ] {
            assert!(
                answer.body.contains(part),
                "{endpoint}: no {part} in\n{}",
                answer.body
            );
        }
        assert_eq!(
            service.person(&endpoint).await.status,
            StatusCode::OK,
            "{endpoint}"
        );
    }
    let passthru = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";
    let unknown_node = "11111111-2222-4333-8444-555555555555";
    for (path, status, part) in [
        (format!("/v1/boot/{UNKNOWN}/boot.ipxe"), 404, UNKNOWN),
        (format!("{passthru}?port_address={UNKNOWN}"), 404, UNKNOWN),
        (
            format!("{passthru}?node_uuid={unknown_node}"),
            404,
            unknown_node,
        ),
        (passthru.to_owned(), 400, "node_uuid and port_address"),
        (format!("{passthru}?node_uuid=zz"), 400, "node_uuid: zz"),
        (
            format!("{passthru}?port_address=zz"),
            400,
            "port_address: zz",
        ),
        (
            format!("{passthru}?port_address={MAC}&node_uuid={unknown_node}"),
            400,
            "not both",
        ),
        (format!("{passthru}?port_address={MAC}&mac=1"), 400, "mac"),
        ("/v1/boot/zz/boot.ipxe".to_owned(), 400, "address: zz"),
        (
            "/v1/drivers/nosuch/vendor_passthru/ipxe_config".to_owned(),
            404,
            "nosuch",
        ),
        (
            "/v1/drivers/fake-hardware/vendor_passthru/nosuch".to_owned(),
            400,
            "nosuch",
        ),
    ] {
        let answer = service.machine(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(
            answer.body.contains(part),
            "{path}: no {part} in\n{}",
            answer.body
        );
        assert!(answer.body.contains(answer.request_id()), "{path}");
        let person = service.person(&path).await;
        assert_eq!(person.status.as_u16(), status, "{path}\n{}", person.body);
        assert!(
            person.body.contains(part) && person.body.contains("error_message"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn head_answers_like_get_without_the_body() {
    let service = Service::new(ProvisionState::DeployWait, false).await;
    for endpoint in service
        .endpoints()
        .into_iter()
        .chain(["/boot.ipxe".to_owned()])
    {
        let get = service.machine(&endpoint).await;
        let head = service.ask("HEAD", &endpoint, "UefiHttpBoot/1.0").await;
        assert_eq!(head.status, StatusCode::OK, "{endpoint}");
        assert_eq!(
            head.headers[header::CONTENT_LENGTH],
            get.headers[header::CONTENT_LENGTH],
            "{endpoint}"
        );
        assert_eq!(head.body, "", "{endpoint}");
    }
}

#[tokio::test]
async fn other_methods_get_405() {
    let service = Service::new(ProvisionState::DeployWait, false).await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let endpoint = format!("/v1/boot/{MAC}/boot.ipxe");
        assert_eq!(
            service.ask(method, &endpoint, "curl/7").await.status,
            405,
            "{method}"
        );
        let passthru =
            format!("/v1/drivers/fake-hardware/vendor_passthru/ipxe_config?port_address={MAC}");
        assert_eq!(
            service.ask(method, &passthru, "curl/7").await.status,
            400,
            "{method}"
        );
    }
}

#[tokio::test]
async fn nic_loop_is_one_script_for_every_machine() {
    let service = Service::new(ProvisionState::Enroll, false).await;
    let answer = service.machine("/boot.ipxe").await;
    // With hyphens: iPXE takes what stands before the first colon of a relative URL for a scheme.
    let chain = " v1/boot/${net${netid}/mac:hexhyp}/boot.ipxe";
    assert!(answer.body.contains(chain), "{}", answer.body);
    assert_eq!(service.machine("/autoexec.ipxe").await.body, answer.body);
}

#[tokio::test]
async fn pxelinux_cfg_without_mac_address_answers_404() {
    let service = Service::new(ProvisionState::DeployWait, false).await;
    for file in ["default", "C0A80001", "01-zz"] {
        let answer = service.machine(&format!("/pxelinux.cfg/{file}")).await;
        assert_eq!(answer.status, 404, "{file}");
    }
}

#[tokio::test]
async fn change_is_served_at_the_next_request() {
    let service = Service::new(ProvisionState::DeployWait, false).await;
    let endpoint = format!("/v1/boot/{MAC}/boot.ipxe");
    let moved = "52:54:00:aa:00:02".parse().unwrap();
    assert!(
        service
            .machine(&endpoint)
            .await
            .body
            .contains("deploy ramdisk")
    );

    let port = service
        .db
        .node_get_by_address(MAC.parse().unwrap())
        .await
        .unwrap()
        .unwrap()
        .1;
    let change = |port: &mut Port| {
        port.address = moved;
        Ok(())
    };
    service.db.port_change(port.uuid, change).await.unwrap();
    assert!(
        service
            .machine(&endpoint)
            .await
            .body
            .contains("no port has the address")
    );
    let moved_endpoint = format!("/v1/boot/{moved}/boot.ipxe");
    assert!(
        service
            .machine(&moved_endpoint)
            .await
            .body
            .contains("deploy ramdisk")
    );

    service
        .db
        .node_destroy(service.node.uuid, |_| Ok(()))
        .await
        .unwrap();
    assert!(
        service
            .machine(&moved_endpoint)
            .await
            .body
            .contains("no port has the address")
    );
}

/// With `[api]restrict_boot_config` a client cannot tell a node that boots nothing from no node.
#[tokio::test]
async fn restrict_boot_config_hides_whether_a_node_exists() {
    let service = Service::new(ProvisionState::Available, true).await;
    let known = format!("/v1/boot/{MAC}/boot.ipxe");
    let unknown = format!("/v1/boot/{UNKNOWN}/boot.ipxe");
    let (a, b) = (
        service.machine(&known).await,
        service.machine(&unknown).await,
    );
    assert_eq!(
        a.body.replace(a.request_id(), ""),
        b.body.replace(b.request_id(), "")
    );
    let (a, b) = (service.person(&known).await, service.person(&unknown).await);
    assert_eq!((a.status, a.body), (b.status, b.body));
}

#[tokio::test]
async fn unreachable_database_answers_503_with_retry_after() {
    let service = Service::new(ProvisionState::DeployWait, false).await;
    service.db.close().await;
    for endpoint in service.endpoints() {
        let answer = service.machine(&endpoint).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{endpoint}");
        let seconds: u16 = answer.headers[header::RETRY_AFTER]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=60).contains(&seconds), "{endpoint}");
        let person = service.person(&endpoint).await;
        assert_eq!(person.status, StatusCode::SERVICE_UNAVAILABLE, "{endpoint}");
    }
}
