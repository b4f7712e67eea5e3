//! The endpoints on the wire, with the fast path and without it.

use std::sync::Arc;
use std::time::Duration;

use ironpxe_core::boot::{UnknownActions, UnknownResponse};
use ironpxe_core::node::Node;
use ironpxe_core::provision_state::ProvisionState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{MAC, Service, UNKNOWN};
use crate::api::testing::TestApp;
use crate::boot::UnknownPolicy;
use crate::lifecycle::Tasks;
use crate::server::{self, HttpService, Limits};

/// What a client is answered on the wire, with or without the fast path: headers sorted, and
/// with the id and the day taken out.
pub(super) async fn on_the_wire(
    service: &Service,
    fast_path: bool,
    request: &str,
) -> (Vec<String>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let http_service = HttpService {
        router: service.http_service.router.clone(),
        fast_path: fast_path.then(|| Arc::clone(service.http_service.fast_path.as_ref().unwrap())),
        tls: None,
        memory: crate::server::RequestMemory::new(1 << 20, "a test"),
    };
    let tasks = Tasks::new();
    let stop = CancellationToken::new();
    let limits = Limits::of_this_process().unwrap();
    tasks.spawn(
        "a server",
        server::serve(listener, http_service, limits, stop.clone()),
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    let body = loop {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "{request}");
        text.extend_from_slice(&buffer[..length]);
        let so_far = std::str::from_utf8(&text).unwrap();
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else {
            continue;
        };
        let (_, length) = head.split_once("\r\nContent-Length: ").unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if body.len() == length {
            break so_far.to_owned();
        }
    };
    stop.cancel();
    tasks.stop(Duration::from_mins(1)).await;
    let (head, body) = body.split_once("\r\n\r\n").unwrap();
    let id = head.split_once("Openstack-Request-Id: ").unwrap().1;
    let id = id.lines().next().unwrap();
    let mut lines: Vec<String> = head
        .replace(id, "ID")
        .lines()
        .filter(|line| !line.starts_with("Date: "))
        .map(str::to_owned)
        .collect();
    lines.sort();
    (lines, body.replace(id, "ID"))
}

#[tokio::test]
async fn fast_path_and_framework_give_the_same_answer() {
    for (hidden, is_404) in [(false, false), (true, false), (false, true)] {
        for state in [ProvisionState::DeployWait, ProvisionState::Available] {
            let app = TestApp::builder().boot(|settings| {
                settings.restrict_boot_config = hidden;
                if is_404 {
                    // The clients of this test.
                    let networks =
                        vec![("127.0.0.0/8".parse().unwrap(), UnknownResponse::NotFound)];
                    let refuse = UnknownResponse::Script(UnknownActions::refuse());
                    settings.unknown_machines = UnknownPolicy::new(refuse, networks);
                }
            });
            let service = Service::with(state, app).await;
            let passthru = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";
            let more = [
                "/boot.ipxe".to_owned(),
                format!("/v1/boot/{UNKNOWN}/boot.ipxe"),
                format!("/v1/boot/{UNKNOWN}/boot.ipxe?unknown=next"),
                format!("/v1/boot/{MAC}/boot.ipxe?unknown=next"),
                format!("/v1/boot/{MAC}/boot.ipxe?a=b&unknown=next"),
                format!("/v1/boot/{UNKNOWN}/boot.ipxe?a=b&unknown=next"),
                format!("/pxelinux.cfg/01-{}?unknown=next", MAC.replace(':', "-")),
                "/pxelinux.cfg/52-54-00-aa-00-09?unknown=next".to_owned(),
                "/pxelinux.cfg/default?unknown=next".to_owned(),
                format!("{passthru}?port_address={UNKNOWN}"),
                format!("{passthru}?port_address=zz"),
                passthru.to_owned(),
                format!("/v1/drivers/nosuch/vendor_passthru/ipxe_config?port_address={MAC}"),
                "/pxelinux.cfg/default".to_owned(),
                "/".to_owned(),
                "/v1/nodes".to_owned(),
                "/menu.ipxe".to_owned(),
                "/v1/boot//boot.ipxe".to_owned(),
                format!("{passthru}?port_address="),
            ];
            for endpoint in service.endpoints().into_iter().chain(more) {
                for headers in [
                    "User-Agent: iPXE/1.0.0\r\n",
                    "User-Agent: curl/7\r\n",
                    "X-OpenStack-Ironic-API-Version: 1.50\r\n",
                    "OpenStack-API-Version: baremetal 9.9\r\n",
                ] {
                    let request = format!("GET {endpoint} HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
                    let slow = on_the_wire(&service, false, &request).await;
                    let fast = on_the_wire(&service, true, &request).await;
                    assert_eq!(fast, slow, "{request}");
                    let is_unknown = endpoint.contains("aa-00-09") || endpoint.contains(UNKNOWN);
                    if is_404 && is_unknown && headers.contains("iPXE") {
                        let status = if endpoint.contains("unknown=next") {
                            "HTTP/1.1 200 OK"
                        } else {
                            "HTTP/1.1 404 Not Found"
                        };
                        assert!(slow.0.contains(&status.to_owned()), "{request}: {slow:?}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn fast_path_serves_every_change() {
    let service = Service::new(ProvisionState::DeployWait, false).await;
    let request = format!("GET /v1/boot/{MAC}/boot.ipxe HTTP/1.1\r\nHost: h\r\n\r\n");
    for state in [
        ProvisionState::DeployWait,
        ProvisionState::Available,
        ProvisionState::CleanWait,
    ] {
        let enter = |node: &mut Node| {
            node.provision_state = state.into();
            Ok(())
        };
        let entered = service.db.node_change(service.node.uuid, enter).await;
        entered.unwrap();
        for _ in 0..2 {
            let (_, script) = on_the_wire(&service, true, &request).await;
            assert!(script.contains(&state.to_string()), "{state}: {script}");
        }
    }
}

/// What decides besides the state: the step of a deployment, the flags of work without a ramdisk.
#[tokio::test]
async fn fast_path_follows_the_progress_of_work() {
    type Change = fn(&mut Node);
    let service = Service::new(ProvisionState::Deploying, false).await;
    let request = format!("GET /v1/boot/{MAC}/boot.ipxe HTTP/1.1\r\nHost: h\r\n\r\n");
    let changes: [(Change, &str); 7] = [
        (|_| (), "deploying -> deploy ramdisk"),
        (
            |node| {
                node.deploy_step
                    .insert("step".into(), "boot_instance".into());
            },
            "deploying -> local disk",
        ),
        (
            |node| node.deploy_step.clear(),
            "deploying -> deploy ramdisk",
        ),
        (
            |node| node.provision_state = ProvisionState::Servicing.into(),
            "servicing -> deploy ramdisk",
        ),
        (
            |node| {
                let info = &mut node.driver_internal_info;
                info.insert("service_disable_ramdisk".into(), true.into());
            },
            "servicing -> local disk",
        ),
        (
            |node| node.provision_state = ProvisionState::Cleaning.into(),
            "cleaning -> deploy ramdisk",
        ),
        (
            |node| {
                let info = &mut node.driver_internal_info;
                info.insert("cleaning_disable_ramdisk".into(), true.into());
            },
            "cleaning_disable_ramdisk is true",
        ),
    ];
    for (change, boots) in changes {
        let changed = service
            .db
            .node_change(service.node.uuid, |node| {
                change(node);
                Ok(())
            })
            .await;
        changed.unwrap();
        for _ in 0..2 {
            let (_, script) = on_the_wire(&service, true, &request).await;
            assert!(script.contains(boots), "{boots}: {script}");
        }
    }
}
