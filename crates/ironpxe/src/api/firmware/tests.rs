//! The endpoints, asked as a machine and as a person would, with real parts behind them.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::json;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::api;
use crate::api::testing::{self, MAC};
use crate::boot;
use crate::db::Db;
use crate::server::FastPath;

mod allocations;
mod fast_path;
mod images;
mod no_script;

const UNKNOWN: &str = "52:54:00:aa:00:09";

struct Service {
    router: Router,
    fast_path: Arc<dyn FastPath>,
    db: Db,
    node: Node,
    _folder: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
}

impl Answer {
    /// What every answer to a machine must be, whatever it says.
    fn check_wire(&self) {
        assert_eq!(
            self.headers[header::CONTENT_LENGTH],
            self.body.len().to_string().as_str()
        );
        if self.status == StatusCode::OK {
            assert!(self.body.starts_with("#!ipxe\n"), "{}", self.body);
            assert_eq!(self.headers[header::CACHE_CONTROL], "no-store");
        }
        assert!(!self.headers.contains_key(header::LOCATION));
        assert!(!self.headers.contains_key(header::CONTENT_ENCODING));
    }

    fn request_id(&self) -> &str {
        self.headers["openstack-request-id"].to_str().unwrap()
    }
}

impl Service {
    async fn new(state: ProvisionState, restrict_boot_config: bool) -> Self {
        let settings = boot::Settings {
            restrict_boot_config,
            ..boot::testing::settings()
        };
        Self::with(state, settings, api::Settings::default()).await
    }

    async fn with(
        state: ProvisionState,
        boot_settings: boot::Settings,
        api_settings: api::Settings,
    ) -> Self {
        let (db, folder) = crate::db::testing::scratch().await;
        let service = testing::Service::start(db, state, boot_settings, api_settings).await;
        Self {
            router: service.site.router,
            fast_path: service.site.fast_path.unwrap(),
            db: service.db,
            node: service.node,
            _folder: folder,
        }
    }

    async fn ask(&self, method: &str, path: &str, user_agent: &str) -> Answer {
        self.send(method, path, user_agent, None).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        user_agent: &str,
        body: Option<serde_json::Value>,
    ) -> Answer {
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
        let request = request.body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn machine(&self, path: &str) -> Answer {
        let answer = self
            .ask("GET", path, "iPXE/1.0.0+git-20190125.36a4c85-5.1")
            .await;
        answer.check_wire();
        answer
    }

    async fn person(&self, path: &str) -> Answer {
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
async fn requests_over_the_limit_are_told_to_come_back() {
    let settings = boot::Settings {
        max_requests: 0,
        ..boot::testing::settings()
    };
    let service = Service::with(
        ProvisionState::DeployWait,
        settings,
        api::Settings::default(),
    )
    .await;
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
async fn every_door_leads_to_the_nodes_script() {
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
async fn a_machine_is_shown_every_refusal() {
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
    let nobody = "11111111-2222-4333-8444-555555555555";
    for (path, status, part) in [
        (format!("/v1/boot/{UNKNOWN}/boot.ipxe"), 404, UNKNOWN),
        (format!("{passthru}?port_address={UNKNOWN}"), 404, UNKNOWN),
        (format!("{passthru}?node_uuid={nobody}"), 404, nobody),
        (passthru.to_owned(), 400, "node_uuid and port_address"),
        (format!("{passthru}?node_uuid=zz"), 400, "node_uuid: zz"),
        (
            format!("{passthru}?port_address=zz"),
            400,
            "port_address: zz",
        ),
        (
            format!("{passthru}?port_address={MAC}&node_uuid={nobody}"),
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
async fn head_is_get_without_the_body() {
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
async fn other_methods_are_refused() {
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
async fn the_loop_over_all_nics_is_one_script_for_everybody() {
    let service = Service::new(ProvisionState::Enroll, false).await;
    let answer = service.machine("/boot.ipxe").await;
    // With hyphens: iPXE takes what stands before the first colon of a relative URL for a scheme.
    let chain = " v1/boot/${net${netid}/mac:hexhyp}/boot.ipxe";
    assert!(answer.body.contains(chain), "{}", answer.body);
    assert_eq!(service.machine("/autoexec.ipxe").await.body, answer.body);
}

#[tokio::test]
async fn pxelinux_gets_404_for_what_is_no_address() {
    let service = Service::new(ProvisionState::DeployWait, false).await;
    for file in ["default", "C0A80001", "01-zz"] {
        let answer = service.machine(&format!("/pxelinux.cfg/{file}")).await;
        assert_eq!(answer.status, 404, "{file}");
    }
}

#[tokio::test]
async fn a_change_counts_at_the_next_request() {
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
    let new_door = format!("/v1/boot/{moved}/boot.ipxe");
    assert!(
        service
            .machine(&new_door)
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
            .machine(&new_door)
            .await
            .body
            .contains("no port has the address")
    );
}

/// With `[api]restrict_boot_config` a client cannot tell a node that boots nothing from no node.
#[tokio::test]
async fn strangers_learn_nothing_where_it_is_restricted() {
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
async fn what_cannot_be_decided_now_is_asked_again() {
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

/// The installer's endpoint: a text that is no script, and only while the node is being installed.
#[tokio::test]
async fn a_kickstart_is_there_while_its_installer_runs_and_then_never() {
    let service = Service::new(ProvisionState::DeployWait, false).await;
    let endpoint = format!("/v1/boot/{}/ks.cfg", service.node.uuid);
    // Being deployed, but by an agent.
    assert_eq!(
        service.person(&endpoint).await.status,
        StatusCode::NOT_FOUND
    );

    let token = "0123456789abcdef0123456789abcdef";
    let install = |node: &mut Node| {
        node.interfaces
            .set(ironpxe_core::interface::InterfaceKind::Deploy, "anaconda");
        for key in ["image_source", "kernel", "ramdisk", "stage2"] {
            let url = json!(format!("http://h/{key}"));
            node.instance_info.insert(key.into(), url);
        }
        node.driver_internal_info
            .insert("agent_secret_token".into(), json!(token));
        Ok(())
    };
    service
        .db
        .node_change(service.node.uuid, install)
        .await
        .unwrap();
    for path in [
        endpoint.clone(),
        endpoint.replace("/v1/", "//v1//"),
        endpoint
            .to_uppercase()
            .replace("/V1/BOOT", "/v1/boot")
            .replace("KS.CFG", "ks.cfg"),
    ] {
        let answer = service.person(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(
            answer.headers[header::CONTENT_TYPE],
            "text/plain; charset=utf-8"
        );
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(
            answer.headers[header::CONTENT_LENGTH],
            answer.body.len().to_string().as_str()
        );
        assert!(answer.body.contains(token));
        // Firmware would run it as machine code: to that, only `#!ipxe` begins a script.
        let firmware = service.ask("GET", &path, "iPXE/1.21.1").await;
        assert!(firmware.body.starts_with("#!ipxe\n"), "{}", firmware.body);
        assert!(!firmware.body.contains(token));
    }
    let head = service.ask("HEAD", &endpoint, "curl/7").await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
    let length: usize = head.headers[header::CONTENT_LENGTH]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(length, service.person(&endpoint).await.body.len());
    assert_eq!(service.ask("POST", &endpoint, "curl/7").await.status, 405);
    // The machine's script leads there.
    let script = service.machine(&format!("/v1/boot/{MAC}/boot.ipxe")).await;
    assert!(
        script
            .body
            .contains(&format!(" inst.ks=http://127.0.0.1:6385{endpoint} ")),
        "{}",
        script.body
    );

    let nobody = "11111111-2222-4333-8444-555555555555";
    let mut refused = Vec::new();
    for path in [
        format!("/v1/boot/{nobody}/ks.cfg"),
        "/v1/boot/bm-1/ks.cfg".to_owned(),
    ] {
        refused.push(service.person(&path).await);
    }
    let all = ProvisionState::all();
    let others = all.filter(|state| {
        !matches!(
            state,
            ProvisionState::Deploying | ProvisionState::DeployWait
        )
    });
    for state in others {
        let enter = |node: &mut Node| {
            node.provision_state = state.into();
            Ok(())
        };
        service
            .db
            .node_change(service.node.uuid, enter)
            .await
            .unwrap();
        refused.push(service.person(&endpoint).await);
    }
    // Nobody learns from it which nodes there are, or what they do.
    for answer in &refused {
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.body, refused[0].body);
        assert!(!answer.body.contains(token));
    }
}
