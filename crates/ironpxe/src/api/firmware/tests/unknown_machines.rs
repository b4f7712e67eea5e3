//! What firmware and others get for a machine whose address belongs to no port.

use http::StatusCode;
use ironpxe_core::boot::{BootSettings, ImageUrl, UnknownAction, UnknownActions, UnknownResponse};
use ironpxe_core::provision_state::ProvisionState;

use super::fast_path::on_the_wire;
use super::{MAC, Service, UNKNOWN};
use crate::api::testing::TestApp;
use crate::boot::UnknownPolicy;

const INSPECTOR: &str = "http://192.0.2.9/inspector.ipxe";
const CHAIN: &str = "chain --timeout 60000 http://192.0.2.9/inspector.ipxe && exit 0 ||";
const LOCAL: &str = "sanboot --no-describe --drive 0x80 ||";

fn chain() -> UnknownResponse {
    let url = ImageUrl::parse(INSPECTOR).unwrap();
    UnknownResponse::Script(UnknownActions::always(UnknownAction::Chain(url)))
}

fn local() -> UnknownResponse {
    let local = BootSettings::default().local_boot;
    UnknownResponse::Script(UnknownActions::always(UnknownAction::LocalDisk(local)))
}

fn refuse() -> UnknownResponse {
    UnknownResponse::Script(UnknownActions::refuse())
}

/// A service with one known machine.
async fn service(default: UnknownResponse, restrict_boot_config: bool) -> Service {
    let app = TestApp::builder().boot(|settings| {
        settings.unknown_machines = UnknownPolicy::new(default, Vec::new());
        settings.restrict_boot_config = restrict_boot_config;
    });
    Service::with(ProvisionState::DeployWait, app).await
}

/// The URLs at which a machine with this address is asked for, with this query.
fn urls(mac: &str, query: &str) -> [String; 2] {
    [
        format!("/v1/boot/{mac}/boot.ipxe{query}"),
        format!("/pxelinux.cfg/01-{}{query}", mac.replace(':', "-")),
    ]
}

#[tokio::test]
async fn firmware_gets_what_is_configured_and_others_get_404() {
    for (response, status, has) in [
        (
            refuse(),
            StatusCode::OK,
            "Fix: baremetal port create --node",
        ),
        (local(), StatusCode::OK, LOCAL),
        (chain(), StatusCode::OK, CHAIN),
        (UnknownResponse::NotFound, StatusCode::NOT_FOUND, ""),
    ] {
        let service = service(response.clone(), false).await;
        let [by_path, by_file] = urls(UNKNOWN, "");
        let passthru = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";
        let by_method = format!("{passthru}?port_address={UNKNOWN}");
        let by_node = format!("{passthru}?node_uuid=11111111-2222-4333-8444-555555555555");
        for url in [&by_path, &by_file, &by_method, &by_node] {
            let place = format!("{response:?} at {url}");
            let machine = service.machine(url).await;
            assert_eq!(machine.status, status, "{place}");
            let has = match has {
                "" => "",
                // The fix is another one.
                fix if fix.starts_with("Fix") && url == &by_node => "Fix: correct node_uuid",
                has => has,
            };
            assert!(machine.body.contains(has), "{place}: {}", machine.body);
            if status == StatusCode::NOT_FOUND {
                assert_eq!(machine.body, "", "{place}");
            } else {
                assert!(!machine.body.contains("ironpxe-node"), "{place}");
                assert!(machine.body.contains(machine.request_id()), "{place}");
            }
            let person = service.person(url).await;
            assert_eq!(person.status, StatusCode::NOT_FOUND, "{place}");
            assert!(person.body.contains("could not be found"), "{place}");
        }
        // What is configured is for unknown machines only.
        for url in urls(MAC, "") {
            let known = service.machine(&url).await;
            assert!(known.body.contains("-> deploy ramdisk"), "{url}");
        }
        let invalid = service.machine("/v1/boot/zz/boot.ipxe").await;
        assert_eq!(invalid.status, StatusCode::OK, "{response:?}");
        assert!(
            invalid.body.contains("Fix: correct the boot URL"),
            "{response:?}"
        );
        assert!(
            invalid.body.contains("set ironpxe-other yes"),
            "{response:?}"
        );
    }
}

/// Whatever is configured: the script of a machine with several addresses asks for each, and acts in
/// the end.
#[tokio::test]
async fn client_that_tries_the_next_address_gets_a_script_that_exits() {
    for restricted in [false, true] {
        for response in [refuse(), local(), chain(), UnknownResponse::NotFound] {
            let acts = matches!(&response, UnknownResponse::Script(it) if !it.only_refuse());
            let service = service(response.clone(), restricted).await;
            for url in urls(UNKNOWN, "?unknown=next") {
                let place = format!("{response:?} at {url}, restricted: {restricted}");
                for answer in [service.machine(&url).await, service.person(&url).await] {
                    assert_eq!(answer.status, StatusCode::OK, "{place}");
                    let script = &answer.body;
                    assert!(script.contains("\nset ironpxe-answered yes\n"), "{place}");
                    assert!(script.ends_with("\nsleep 1\nexit 1\n"), "{place}: {script}");
                    assert!(!script.contains("ironpxe-node"), "{place}: {script}");
                    assert!(
                        !script.contains("chain") && !script.contains("sanboot"),
                        "{place}"
                    );
                    // If the reason is hidden, the end of the loop must be told only if it acts.
                    let is_told = script.contains("\nset ironpxe-unknown yes\n");
                    assert_eq!(is_told, !restricted || acts, "{place}: {script}");
                    assert_eq!(script.contains("no port has"), !restricted, "{place}");
                }
            }
            for url in urls(MAC, "?unknown=next") {
                let known = service.machine(&url).await;
                assert!(known.body.contains("-> deploy ramdisk"), "{url}");
            }
        }
    }
}

#[tokio::test]
async fn nic_loop_does_in_the_end_what_is_configured_for_the_clients_network() {
    let elsewhere = || ("10.0.0.0/8".parse().unwrap(), local());
    for (default, here, has) in [
        (refuse(), None, "Fix: baremetal port create"),
        (chain(), None, CHAIN),
        (local(), None, LOCAL),
        (
            UnknownResponse::NotFound,
            None,
            "Fix: baremetal port create",
        ),
        (refuse(), Some(chain()), CHAIN),
        (
            chain(),
            Some(UnknownResponse::NotFound),
            "Fix: baremetal port create",
        ),
    ] {
        let mut networks = vec![elsewhere()];
        networks.extend(here.clone().map(|it| ("127.0.0.0/8".parse().unwrap(), it)));
        let place = format!("{default:?}, {here:?}");
        let app = TestApp::builder().boot(|settings| {
            settings.unknown_machines = UnknownPolicy::new(default, networks);
        });
        let service = Service::with(ProvisionState::DeployWait, app).await;
        let request = "GET /boot.ipxe HTTP/1.1\r\nHost: h\r\nUser-Agent: iPXE/1\r\n\r\n";
        for fast_path in [false, true] {
            let (_, script) = on_the_wire(&service, fast_path, request).await;
            let (_, end) = script.split_once("\n:unknown\n").unwrap();
            assert!(end.contains(has), "{place}: {end}");
            let others = [CHAIN, LOCAL, "Fix: baremetal port create"];
            for other in others.into_iter().filter(|it| *it != has) {
                assert!(!end.contains(other), "{place}: {end}");
            }
        }
    }
}
