//! Scripts and kickstarts that are only for requests with a boot token.

use std::time::Duration;

use ironpxe_core::boot::{
    LocalBoot, LocalBootMethod, UnknownAction, UnknownActions, UnknownResponse,
};
use ironpxe_core::boot_token::BootToken;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::interface::InterfaceKind;

use super::fast_path::on_the_wire;
use super::*;
use crate::boot::{BootTokens, UnknownPolicy};
use crate::clock;
use crate::url_key::UrlKey;

const PASSTHRU: &str = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";
const OTHER_NODE: &str = "11111111-2222-4333-8444-555555555555";
const AGENT_TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn tokens(lifetime: Duration) -> BootTokens {
    BootTokens::new(UrlKey::new("a key of tests"), Vec::new(), lifetime)
}

fn fresh(node: &str) -> BootToken {
    let node: NodeUuid = node.parse().unwrap();
    tokens(Duration::from_hours(1)).sign(node, clock::now())
}

fn expired(node: NodeUuid) -> BootToken {
    tokens(Duration::ZERO).sign(node, clock::now())
}

fn app() -> TestAppBuilder {
    TestApp::builder().boot(|settings| {
        settings.tokens = Some(tokens(Duration::from_hours(1)));
        settings.boot.boot_tokens = true;
        settings.restrict_boot_config = true;
    })
}

async fn service(state: ProvisionState) -> Service {
    Service::with(state, app()).await
}

/// What depends on neither the node nor the request.
fn shown(response: &Response) -> (StatusCode, Vec<(String, String)>, String) {
    let id = response.request_id();
    let headers = response.headers.iter();
    let mut headers: Vec<(String, String)> = headers
        .map(|(name, value)| {
            let value = value.to_str().unwrap().replace(id, "ID");
            (name.to_string(), value)
        })
        .collect();
    headers.sort();
    (response.status, headers, response.body.replace(id, "ID"))
}

/// Every way to name a node, and how to give a token with it.
fn requests(uuid: &str, mac: &str) -> Vec<String> {
    let hyphens = mac.replace(':', "-");
    vec![
        format!("{PASSTHRU}?node_uuid={uuid}"),
        format!("{PASSTHRU}?node_uuid={}", uuid.to_uppercase()),
        format!("/v1/drivers/fake-hardware/vendor_passthru?method=ipxe_config&node_uuid={uuid}"),
        format!("{PASSTHRU}?port_address={mac}"),
        format!("{PASSTHRU}?port_address={}", mac.replace(':', "%3A")),
        format!("/v1/boot/{mac}/boot.ipxe?a=b"),
        format!("/v1/boot/{mac}/boot.ipxe?unknown=next"),
        format!("//v1//boot/{mac}/boot.ipxe?a=b"),
        format!("/pxelinux.cfg/{hyphens}?a=b"),
        format!("/pxelinux.cfg/01-{hyphens}?unknown=next"),
    ]
}

#[tokio::test]
async fn token_of_the_node_gets_its_script_in_every_notation_of_the_node() {
    let service = service(ProvisionState::DeployWait).await;
    let uuid = service.node.uuid.to_string();
    let token = fresh(&uuid);
    for request in requests(&uuid, MAC) {
        let url = token.on_url(&request);
        let response = service.machine(&url).await;
        // Anyone can know an address: it proves nothing, and needs the database to find the node.
        let is_booted = request.contains("node_uuid");
        assert_eq!(response.body.contains("deploy ramdisk"), is_booted, "{url}");
    }
    // The token before the node, as nobody writes it.
    let url = token.on_url(PASSTHRU);
    let url = format!("{url}&node_uuid={uuid}");
    assert!(service.machine(&url).await.body.contains("deploy ramdisk"));
}

#[tokio::test]
async fn refusal_without_a_token_is_the_same_for_every_machine() {
    let refuse = UnknownActions::refuse();
    let local = UnknownAction::LocalDisk(LocalBoot {
        bios: LocalBootMethod::Sanboot,
        uefi: LocalBootMethod::Exit,
    });
    for unknown in [
        UnknownResponse::Script(refuse),
        UnknownResponse::Script(UnknownActions::always(local)),
        UnknownResponse::NotFound,
    ] {
        for state in [ProvisionState::DeployWait, ProvisionState::Available] {
            let app = app().boot(|settings| {
                settings.unknown_machines = UnknownPolicy::new(unknown.clone(), Vec::new());
                // Nothing is asked for that could fail.
                settings.cache_bytes = 0;
            });
            let service = Service::with(state, app).await;
            let uuid = service.node.uuid;
            let text = fresh(&uuid.to_string()).on_url("http://h/");
            let text = text.split_once("token=").unwrap().1;
            let tokens = [
                String::new(),
                "&token=".to_owned(),
                "&token=x".to_owned(),
                "&token=1800000000-AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
                BootToken::EXAMPLE.on_url("?").replace('?', ""),
                expired(uuid).on_url("?").replace('?', ""),
                fresh(OTHER_NODE).on_url("?").replace('?', ""),
                format!("&token={}", text.to_ascii_uppercase()),
                format!("&token={}", &text[..text.len() - 1]),
                format!("&token={text}A"),
                format!("&token={text}%20"),
                format!("&token=+{text}"),
                format!("&token={text}&token=x"),
                format!("&Token={text}"),
            ];
            service.db.close().await;
            let known = requests(&uuid.to_string(), MAC).into_iter();
            // The token of the known node is of another one here.
            let others = requests("99999999-2222-4333-8444-555555555555", UNKNOWN);
            for (known, other) in known.zip(others) {
                for token in &tokens {
                    for agent in ["iPXE/1.21.1", "curl/7"] {
                        let known = format!("{known}{token}");
                        let is_own = token.starts_with("&token=") && token.ends_with("token=x");
                        let other = format!("{other}{token}");
                        let one = service.ask("GET", &known, agent).await;
                        let two = service.ask("GET", &other, agent).await;
                        // A second argument or another name is a mistake in the URL, and refused
                        // before anything else.
                        assert_eq!(shown(&one), shown(&two), "{known} {is_own}");
                        assert!(!one.body.contains("bm-1"), "{known}: {}", one.body);
                        assert!(
                            !one.body.contains(&uuid.to_string()),
                            "{known}: {}",
                            one.body
                        );
                        assert!(!one.body.contains(text), "{known}: {}", one.body);
                        assert_ne!(one.status, StatusCode::SERVICE_UNAVAILABLE, "{known}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn refusal_without_a_token_is_that_of_an_unknown_machine() {
    let with = service(ProvisionState::DeployWait).await;
    let without = Service::new(ProvisionState::DeployWait, true).await;
    for next in ["", "?unknown=next"] {
        for agent in ["iPXE/1.21.1", "curl/7"] {
            let refused = format!("/v1/boot/{MAC}/boot.ipxe{next}");
            let unknown = format!("/v1/boot/{UNKNOWN}/boot.ipxe{next}");
            let refused = with.ask("GET", &refused, agent).await;
            let unknown = without.ask("GET", &unknown, agent).await;
            assert_eq!(shown(&refused), shown(&unknown), "{next} {agent}");
        }
    }
}

#[tokio::test]
async fn token_lets_the_console_show_the_reason() {
    let service = service(ProvisionState::Available).await;
    let uuid = service.node.uuid.to_string();
    let url = fresh(&uuid).on_url(&format!("{PASSTHRU}?node_uuid={uuid}"));
    for _ in 0..2 {
        let response = service.machine(&url).await;
        assert!(response.body.contains("\"available\""), "{}", response.body);
    }
    let url = fresh(OTHER_NODE).on_url(&format!("{PASSTHRU}?node_uuid={OTHER_NODE}"));
    let response = service.machine(&url).await;
    assert!(
        response.body.contains("nothing to boot"),
        "{}",
        response.body
    );
}

#[tokio::test]
async fn fast_path_and_framework_verify_the_same() {
    for state in [ProvisionState::DeployWait, ProvisionState::Available] {
        let service = service(state).await;
        let uuid = service.node.uuid.to_string();
        let by_node = format!("{PASSTHRU}?node_uuid={uuid}");
        let good = fresh(&uuid).on_url(&by_node);
        for endpoint in [
            good.clone(),
            good.clone(),
            format!("{good}x"),
            good.replace("node_uuid", "Node_uuid"),
            expired(service.node.uuid).on_url(&by_node),
            fresh(OTHER_NODE).on_url(&by_node),
            fresh(&uuid).on_url(&format!("/v1/boot/{MAC}/boot.ipxe")),
            fresh(&uuid).on_url(&format!("{PASSTHRU}?port_address={MAC}")),
            by_node,
            format!("/v1/boot/{MAC}/boot.ipxe"),
            format!("/v1/boot/{MAC}/boot.ipxe?unknown=next"),
        ] {
            for agent in ["iPXE/1.21.1", "curl/7"] {
                let request =
                    format!("GET {endpoint} HTTP/1.1\r\nHost: h\r\nUser-Agent: {agent}\r\n\r\n");
                let slow = on_the_wire(&service, false, &request).await;
                let fast = on_the_wire(&service, true, &request).await;
                assert_eq!(fast, slow, "{request}");
                let is_told = slow.1.contains("bm-1");
                assert_eq!(is_told, endpoint == good, "{request}: {}", slow.1);
            }
        }
    }
}

/// Without tokens, one in a URL does no harm: DHCP options may still have it.
#[tokio::test]
async fn token_is_ignored_if_there_are_none() {
    let service = Service::new(ProvisionState::DeployWait, true).await;
    let uuid = service.node.uuid.to_string();
    for request in requests(&uuid, MAC) {
        let url = expired(service.node.uuid).on_url(&request);
        let body = service.machine(&url).await.body;
        assert!(body.contains("deploy ramdisk"), "{url}: {body}");
        let request = format!("GET {url} HTTP/1.1\r\nHost: h\r\nUser-Agent: iPXE/1\r\n\r\n");
        let (_, body) = on_the_wire(&service, true, &request).await;
        assert!(body.contains("deploy ramdisk"), "{url}: {body}");
    }
}

#[tokio::test]
async fn kickstart_needs_the_token_that_the_script_has() {
    let service = service(ProvisionState::DeployWait).await;
    let uuid = service.node.uuid.to_string();
    let install = |node: &mut Node| {
        node.interfaces.set(InterfaceKind::Deploy, "anaconda");
        for key in ["image_source", "kernel", "ramdisk", "stage2"] {
            let url = json!(format!("http://h/{key}"));
            node.instance_info.insert(key.into(), url);
        }
        node.driver_internal_info
            .insert("agent_secret_token".into(), json!(AGENT_TOKEN));
        Ok(())
    };
    let changed = service.db.node_change(service.node.uuid, install).await;
    changed.unwrap();
    let url = fresh(&uuid).on_url(&format!("{PASSTHRU}?node_uuid={uuid}"));
    for _ in 0..2 {
        let script = service.machine(&url).await.body;
        let (_, rest) = script.split_once(" inst.ks=http://127.0.0.1:6385").unwrap();
        let path = rest.split(' ').next().unwrap();
        let bare = format!("/v1/boot/{uuid}/ks.cfg");
        assert!(path.starts_with(&format!("{bare}?token=")), "{path}");
        let kickstart = service.person(path).await;
        assert_eq!(kickstart.status, StatusCode::OK, "{path}");
        assert!(kickstart.body.contains(AGENT_TOKEN));

        let nobody = service
            .person("/v1/boot/99999999-2222-4333-8444-555555555555/ks.cfg")
            .await;
        for refused in [
            bare.clone(),
            format!("{bare}?token=x"),
            format!("{path}x"),
            format!("{bare}?Token=x"),
            expired(service.node.uuid).on_url(&bare),
            fresh(OTHER_NODE).on_url(&bare),
            path.replace(&uuid, OTHER_NODE),
            path.replace(&uuid, MAC),
        ] {
            let response = service.person(&refused).await;
            assert_eq!(shown(&response), shown(&nobody), "{refused}");
        }
    }
    // The next one has a token of its own: it is not cached with the first one's expiry.
    let preview = service
        .send(
            "GET",
            &format!("/v1/nodes/{uuid}/boot_script"),
            "curl/7",
            Some(json!({})),
        )
        .await;
    let example = format!("/v1/boot/{uuid}/ks.cfg?token=******");
    assert!(preview.body.contains(&example), "{}", preview.body);
    assert!(
        preview.body.contains("[pxe]boot_token_lifetime is set"),
        "{}",
        preview.body
    );
}
