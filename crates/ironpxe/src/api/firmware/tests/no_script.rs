//! Firmware at a URL that gives no script, and with a MAC address that is none.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use http::{StatusCode, header};
use ironpxe_core::provision_state::ProvisionState;
use serde_json::{Value, json};

use super::{MAC, Response, Service};
use crate::api;
use crate::api::testing::TestApp;

const FIRMWARE: &str = "iPXE/1.0.0+git-20190125.36a4c85-5.1";
const METHODS: [&str; 8] = [
    "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE",
];

/// What is logged by this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::WARN)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// The lines since the last call.
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// The path of every endpoint, as the router has them, with something real in each place.
fn paths(service: &Service) -> BTreeSet<String> {
    let routes = format!("{:?}", api::routes(&api::Settings::default()));
    let mut paths = BTreeSet::new();
    for text in routes.split('"').filter(|text| text.starts_with('/')) {
        let path: Vec<String> = text
            .split('/')
            .map(|segment| match segment {
                "{node}" => service.node.uuid.to_string(),
                "{driver}" => "fake-hardware".to_owned(),
                "{mac}" => MAC.to_owned(),
                "{hostname}" => "conductor-1".to_owned(),
                segment if segment.starts_with('{') => "x".to_owned(),
                segment => segment.to_owned(),
            })
            .collect();
        paths.insert(path.join("/"));
    }
    assert!(paths.len() > 60, "{routes}");
    for known in ["/", "/v1", "/v1/nodes", "/healthz", "/readyz", "/boot.ipxe"] {
        assert!(paths.contains(known), "{known} is not in {paths:?}");
    }
    paths
}

/// Whether firmware can be given this.
fn is_safe(answer: &Response, method: &str) -> bool {
    let is_script = answer.body.starts_with("#!ipxe\n")
        || (method == "HEAD"
            && answer.headers[header::CONTENT_TYPE] == "text/plain; charset=utf-8");
    !answer.status.is_success() || (answer.status == StatusCode::OK && is_script)
}

#[tokio::test]
async fn every_endpoint_answers_firmware_with_a_script() {
    let service = Service::new(ProvisionState::DeployWait, false).await;
    let log = Log::default();
    let _listening = log.listen();
    let mut replaced = 0;
    for path in paths(&service) {
        for method in METHODS {
            let mut bodies = vec![None];
            if !matches!(method, "GET" | "HEAD") {
                bodies.push(Some(json!({})));
            }
            for body in bodies {
                log.take();
                let place = format!("{method} {path} {body:?}");
                let answer = service.send(method, &path, FIRMWARE, body).await;
                assert!(is_safe(&answer, method), "{place}: {}", answer.body);
                let warnings = log.take();
                if matches!(method, "GET" | "HEAD") {
                    let person = service.ask(method, &path, "curl/7").await;
                    let is_script = is_safe(&person, method);
                    if person.status.is_success() && !is_script {
                        replaced += 1;
                        assert_eq!(warnings.len(), 1, "{place}: {warnings:?}");
                        assert!(warnings[0].contains(&path), "{warnings:?}");
                    }
                } else {
                    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{place}");
                    assert_eq!(warnings.len(), 1, "{place}: {warnings:?}");
                }
            }
        }
    }
    assert!(replaced > 30, "only {replaced}");
    // Nothing of it was carried out.
    let node = service.db.node_get(service.node.uuid).await.unwrap();
    assert_eq!(node.unwrap(), service.node);
}

/// Requests that are carried out for other clients: 200, 201, 202, 204.
#[tokio::test]
async fn write_requests_from_firmware_are_refused_and_change_nothing() {
    let service = Service::new(ProvisionState::Active, false).await;
    let node = format!("/v1/nodes/{}", service.node.uuid);
    let enrol = json!({"driver": "fake-hardware", "name": "bm-2"});
    let rename = json!([{"op": "replace", "path": "/name", "value": "bm-3"}]);
    let requests: [(&str, String, Value, u16); 5] = [
        ("POST", "/v1/nodes".into(), enrol, 201),
        ("PATCH", node.clone(), rename, 200),
        (
            "PUT",
            format!("{node}/states/power"),
            json!({"target": "power on"}),
            202,
        ),
        (
            "PUT",
            format!("{node}/maintenance"),
            json!({"reason": "x"}),
            202,
        ),
        ("DELETE", format!("{node}/maintenance"), json!({}), 202),
    ];
    for (method, path, body, status) in requests {
        let before = service.db.node_get(service.node.uuid).await.unwrap();
        let answer = service
            .send(method, &path, FIRMWARE, Some(body.clone()))
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
        let after = service.db.node_get(service.node.uuid).await.unwrap();
        assert_eq!(before, after, "{method} {path}");
        let answer = service.send(method, &path, "curl/7", Some(body)).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{method} {path}: {}",
            answer.body
        );
    }
    // The name is still free: the first request with it came from firmware.
    assert_eq!(service.ask("GET", "/v1/nodes", FIRMWARE).await.status, 200);
}

#[tokio::test]
async fn url_without_a_path_shows_the_correct_url() {
    let settings = api::Settings {
        public_endpoint: Some("http://gw.example:8080/baremetal".to_owned()),
        ..api::Settings::default()
    };
    for (settings, right) in [
        (settings, "http://gw.example:8080/baremetal/boot.ipxe"),
        (api::Settings::default(), "http://HOST:PORT/boot.ipxe"),
    ] {
        let app = TestApp::builder().api(settings);
        let service = Service::with(ProvisionState::DeployWait, app).await;
        for path in ["/", "//", "/v1", "/v1/", "/v1/nodes", "/nodes", "/healthz"] {
            let answer = service.machine(path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert!(answer.body.contains(right), "{path}: {}", answer.body);
            assert!(answer.body.contains(answer.request_id()), "{path}");
            assert!(answer.body.contains("is not a boot script"), "{path}");
            let head = service.ask("HEAD", path, FIRMWARE).await;
            assert_eq!(
                (head.status, head.body.as_str()),
                (StatusCode::OK, ""),
                "{path}"
            );
            let length = &head.headers[header::CONTENT_LENGTH];
            assert_eq!(*length, answer.headers[header::CONTENT_LENGTH], "{path}");
        }
        // A path that does not exist answers 404 to firmware, too.
        let log = Log::default();
        let listening = log.listen();
        assert_eq!(service.machine("/menu.ipxe").await.status, 404);
        let warnings = log.take();
        drop(listening);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("/menu.ipxe") && warnings[0].contains("/boot.ipxe"));
    }
}

/// `${net0/mac}` that iPXE has replaced by nothing, and that was not replaced.
#[tokio::test]
async fn unset_mac_address_is_shown_and_logged() {
    let service = Service::new(ProvisionState::DeployWait, false).await;
    let passthru = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";
    let log = Log::default();
    let _listening = log.listen();
    for (path, said) in [
        ("/v1/boot//boot.ipxe".to_owned(), "it is empty"),
        (
            "/v1/boot/%24%7Bnet0%2Fmac%7D/boot.ipxe".into(),
            "did not expand",
        ),
        (
            "/v1/boot/%24%7Bnet0/mac%7D/boot.ipxe".into(),
            "did not expand",
        ),
        (
            "/v1/boot/$%7Bnet0/mac:hexhyp%7D/boot.ipxe".into(),
            "did not expand",
        ),
        ("/v1/boot/$%7Bmac%7D/boot.ipxe".into(), "did not expand"),
        ("/pxelinux.cfg/".into(), "it is empty"),
        ("/pxelinux.cfg/01-".into(), "it is empty"),
        (
            "/pxelinux.cfg/01-%24%7Bnet0/mac:hexhyp%7D".into(),
            "did not expand",
        ),
        ("/pxelinux.cfg/%24%7Bmac%7D".into(), "did not expand"),
        (format!("{passthru}?port_address="), "it is empty"),
        (
            format!("{passthru}?port_address=$%7Bnet0/mac%7D"),
            "did not expand",
        ),
        (
            format!("{passthru}?port_address=%24%7Bnet0%2Fmac%7D"),
            "did not expand",
        ),
        (format!("{passthru}?node_uuid="), "it is empty"),
        (
            format!("{passthru}?node_uuid=$%7Buuid%7D"),
            "did not expand",
        ),
    ] {
        log.take();
        let answer = service.machine(&path).await;
        let warnings = log.take();
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        let shown: Vec<&str> = answer
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("echo "))
            .collect();
        let shown = shown.join(" ");
        assert!(shown.contains(said), "{path}: {shown}");
        assert!(
            shown.contains("/boot.ipxe, which tries every NIC."),
            "{path}: {shown}"
        );
        assert_eq!(warnings.len(), 1, "{path}: {warnings:?}");
        assert!(warnings[0].contains(said), "{path}: {warnings:?}");
        assert!(
            warnings[0].contains(answer.request_id()),
            "{path}: {warnings:?}"
        );
        // Not a port that is missing.
        assert!(!answer.body.contains("ironpxe-unknown"), "{path}");
        let person = service.person(&path).await;
        assert_eq!(person.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(person.body.contains(said), "{path}: {}", person.body);
    }
    for path in ["/v1/boot/a/b/boot.ipxe", "/pxelinux.cfg/a/b"] {
        assert_eq!(service.person(path).await.status, 404, "{path}");
    }
}
