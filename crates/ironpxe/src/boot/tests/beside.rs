//! Machines of an existing Ironic: what they boot is what its database says at the request.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use http::StatusCode;
use ironpxe_core::boot_ident::BootIdent;

use super::*;
use crate::beside::testing::IronicDb;
use crate::boot::{BootBody, Client, ClientKind};

const WAITS: &str = "52:54:00:be:01:01";
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const FIRMWARE: Client = Client {
    kind: ClientKind::Firmware,
    address: Some(PEER),
};

fn service_of(db: &IronicDb, settings: BootServiceSettings) -> BootService {
    let facts = BootFacts::beside(db.source(), BTreeMap::new());
    BootService::new(facts, settings, &Tasks::new())
}

/// With a deploy ramdisk.
fn with_images() -> BootServiceSettings {
    let mut settings = settings();
    settings.boot.deploy.kernel = Some("http://192.0.2.20/deploy.kernel".to_owned());
    settings.boot.deploy.ramdisk = Some("http://192.0.2.20/deploy.initramfs".to_owned());
    settings
}

fn request(mac: &str, tries_next: bool) -> BootRequest<'_> {
    BootRequest {
        tries_next,
        ..BootRequest::by_address(mac)
    }
}

async fn answer(boot: &BootService, mac: &str, tries_next: bool) -> (StatusCode, String) {
    let id = ident::request_id();
    let response = boot.answer(&id, FIRMWARE, request(mac, tries_next)).await;
    let script = match response.body {
        BootBody::Script(script) => script.replace(&id, "ID"),
        BootBody::Empty => String::new(),
        other => panic!("{other:?}"),
    };
    (response.status, script)
}

fn cached(boot: &BootService, mac: &str) -> Option<String> {
    boot.cached_script(&ident::request_id(), PEER, &request(mac, false))
}

#[tokio::test]
async fn cached_script_is_used_until_ironic_commits_anything() {
    let mut db = IronicDb::recorded().await;
    let boot = service_of(&db, with_images());
    assert_eq!(cached(&boot, WAITS), None);
    let (status, script) = answer(&boot, WAITS, false).await;
    assert!(
        status == StatusCode::OK && script.contains("deploy ramdisk"),
        "{script}"
    );
    assert!(cached(&boot, WAITS).is_some());

    db.execute("BEGIN IMMEDIATE; UPDATE nodes SET provision_state = 'active' WHERE id = 1")
        .await;
    assert!(cached(&boot, WAITS).is_some(), "not committed");
    db.execute("COMMIT").await;
    assert_eq!(cached(&boot, WAITS), None);
    let (_, active) = answer(&boot, WAITS, false).await;
    assert!(active.contains("active -> local disk"), "{active}");

    db.execute("UPDATE nodes SET extra = '{\"a\": 1}' WHERE id = 2")
        .await;
    assert_eq!(cached(&boot, WAITS), None);
    assert_eq!(
        answer(&boot, WAITS, false).await.1,
        active,
        "its rows are the same"
    );
    assert!(cached(&boot, WAITS).is_some());
}

#[tokio::test]
async fn scripts_of_a_replaced_database_are_not_used() {
    let db = IronicDb::recorded().await;
    let backup = db.path.with_file_name("backup.sqlite");
    std::fs::copy(&db.path, &backup).unwrap();
    let mut restored = IronicDb::recorded().await;
    restored.write_to(&backup).await;
    restored
        .execute("UPDATE nodes SET provision_state = 'active'")
        .await;
    let boot = service_of(&db, with_images());
    let other = "52:54:00:be:02:01";
    for mac in [WAITS, other] {
        answer(&boot, mac, false).await;
        assert!(cached(&boot, mac).is_some());
    }
    std::fs::rename(&backup, &db.path).unwrap();
    for mac in [WAITS, other] {
        assert_eq!(cached(&boot, mac), None);
        let (_, script) = answer(&boot, mac, false).await;
        assert!(script.contains("active"), "{script}");
    }
}

#[tokio::test]
async fn unreadable_database_makes_machines_retry() {
    let mut db = IronicDb::recorded().await;
    let boot = service_of(&db, with_images());
    assert_eq!(answer(&boot, WAITS, false).await.0, StatusCode::OK);
    db.execute("BEGIN EXCLUSIVE").await;
    for tries_next in [false, true] {
        let id = ident::request_id();
        let response = boot.answer(&id, FIRMWARE, request("52:54:00:be:02:01", tries_next));
        let response = response.await;
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.retry_after.is_some());
    }
    db.execute("COMMIT").await;
    assert_eq!(
        answer(&boot, "52:54:00:be:02:01", false).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn machines_outside_the_selection_are_left_to_ironic() {
    let db = IronicDb::recorded().await;
    let select = |nodes: &[&str], network: Option<&str>| Selection {
        nodes: nodes.iter().map(|it| (*it).to_owned()).collect(),
        networks: network.map(|it| it.parse().unwrap()).into_iter().collect(),
        ..Selection::default()
    };
    for (selection, is_selected) in [
        (select(&["bm-deploy-wait"], None), true),
        (select(&["bm-enroll"], None), false),
        (select(&[], Some("192.0.2.0/24")), true),
        (select(&[], Some("192.0.3.0/24")), false),
        (select(&["bm-enroll"], Some("192.0.2.0/24")), true),
    ] {
        let about = format!("{selection:?}");
        let settings = BootServiceSettings {
            selection,
            ..with_images()
        };
        let boot = service_of(&db, settings);
        for _ in 0..2 {
            let (status, script) = answer(&boot, WAITS, false).await;
            assert_eq!(status == StatusCode::OK, is_selected, "{about}");
            assert_eq!(script.contains("deploy ramdisk"), is_selected, "{about}");
            let (status, script) = answer(&boot, WAITS, true).await;
            assert_eq!(status, StatusCode::OK, "{about}");
            assert_eq!(
                script.contains("ironpxe-node"),
                is_selected,
                "{about}: {script}"
            );
            assert_eq!(cached(&boot, WAITS).is_some(), is_selected, "{about}");
        }
        let (unknown, _) = answer(&boot, "52:54:00:00:00:01", false).await;
        let in_network = about.contains("192.0.2.0");
        assert_eq!(unknown == StatusCode::NOT_FOUND, !in_network, "{about}");
    }
}

#[tokio::test]
async fn refused_boot_is_left_to_ironic_if_configured() {
    let mut db = IronicDb::recorded().await;
    db.execute("UPDATE nodes SET driver_info = '[]' WHERE id = 1")
        .await;
    for (refusals, expected) in [
        (Refusals::Shown, StatusCode::OK),
        (Refusals::LeftToIronic, StatusCode::NOT_FOUND),
    ] {
        let settings = BootServiceSettings {
            refusals,
            ..with_images()
        };
        let boot = service_of(&db, settings);
        for _ in 0..2 {
            let (status, script) = answer(&boot, WAITS, false).await;
            assert_eq!(status, expected);
            let shown = script.contains("nodes.driver_info: must be a JSON object");
            assert_eq!(shown, expected == StatusCode::OK, "{script}");
            let (status, script) = answer(&boot, WAITS, true).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(script.contains("ironpxe-node"), refusals == Refusals::Shown);
        }
    }
}

#[tokio::test]
async fn preview_explains_a_machine_of_ironic() {
    let db = IronicDb::recorded().await;
    let boot = service_of(&db, with_images());
    let machine = BootIdent::Address(WAITS.parse().unwrap());
    let overrides = ironpxe_core::boot::Overrides::default();
    let preview = boot.preview(machine, &overrides).await.unwrap();
    assert_eq!(preview.plan, "deploy ramdisk");
    assert_eq!(preview.provision_state, "wait call-back");
}
