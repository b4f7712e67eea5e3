//! Machines of an existing Ironic: what they boot is what its database says at the request.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;
use http::StatusCode;
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::Fault;

use super::*;
use crate::beside::testing::{IronicDb, RecordedApi, recorded_nodes};
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

/// What the preview says of the machine with this configuration: where it is left, and the last
/// reason.
async fn left_to_ironic(
    db: &IronicDb,
    settings: BootServiceSettings,
) -> (Option<String>, (String, String)) {
    let boot = service_of(db, settings);
    let machine = BootIdent::Address(WAITS.parse().unwrap());
    let overrides = ironpxe_core::boot::Overrides::default();
    let mut preview = boot.preview(machine, &overrides).await.unwrap();
    (
        preview.left_to_ironic.take(),
        preview.reasons.pop().unwrap(),
    )
}

#[tokio::test]
async fn preview_says_which_option_leaves_a_machine_to_ironic() {
    let mut db = IronicDb::recorded().await;
    let select = |node: &str, groups: &[&str], network: Option<&str>| BootServiceSettings {
        selection: Selection {
            nodes: vec![node.to_owned()],
            conductor_groups: groups.iter().map(|it| (*it).to_owned()).collect(),
            networks: network.map(|it| it.parse().unwrap()).into_iter().collect(),
        },
        refusals: Refusals::LeftToIronic,
        ..with_images()
    };
    for settings in [
        select("bm-deploy-wait", &[], None),
        BootServiceSettings {
            refusals: Refusals::LeftToIronic,
            ..with_images()
        },
    ] {
        let (left, (topic, _)) = left_to_ironic(&db, settings).await;
        assert_eq!(left, None);
        assert_ne!(topic, "selection");
    }

    let text = "not booted by ironpxe: the node is not in [beside]only_nodes = [\"bm-enroll\"] or \
                [beside]only_conductor_groups = [\"east\"]"
        .to_owned();
    let (left, reason) = left_to_ironic(&db, select("bm-enroll", &["east"], None)).await;
    assert_eq!(left.as_ref(), Some(&text));
    assert_eq!(reason, ("selection".to_owned(), text));

    // Its address is not known to a preview.
    let by_network = || select("bm-enroll", &[], Some("192.0.3.0/24"));
    let text = "booted by ironpxe only from addresses in [beside]only_networks = \
                [\"192.0.3.0/24\"]: the node is not in [beside]only_nodes = [\"bm-enroll\"]";
    let (left, reason) = left_to_ironic(&db, by_network()).await;
    assert_eq!(left, None);
    assert_eq!(reason, ("selection".to_owned(), text.to_owned()));

    db.execute("UPDATE nodes SET driver_info = '[]' WHERE id = 1")
        .await;
    let text = "not booted by ironpxe: a machine whose boot is refused boots Ironic's own script \
                ([beside]on_refusal = \"ironic\")";
    for settings in [select("bm-deploy-wait", &[], None), by_network()] {
        let (left, reason) = left_to_ironic(&db, settings).await;
        assert_eq!(left.as_deref(), Some(text));
        assert_eq!(reason, ("selection".to_owned(), text.to_owned()));
    }
    let shown = BootServiceSettings {
        refusals: Refusals::Shown,
        ..select("bm-deploy-wait", &[], None)
    };
    assert_eq!(left_to_ironic(&db, shown).await.0, None);
}

#[tokio::test]
async fn preview_of_an_unknown_machine_has_the_selection() {
    let db = IronicDb::recorded().await;
    let facts = BootFacts::beside(db.source(), BTreeMap::new());
    let all = Selection::default();
    let nodes = Selection {
        nodes: vec!["bm-enroll".to_owned()],
        ..Selection::default()
    };
    let networks = Selection {
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        ..nodes.clone()
    };
    let policy = "an unknown machine is refused ([pxe]unknown_machines)";
    let left = "an unknown machine gets 404, to use its own file";
    for (selection, expected) in [
        (all, policy.to_owned()),
        (
            nodes,
            format!("{left}, as do all that [beside]only_* does not select"),
        ),
        (
            networks,
            format!(
                "{left}, but from addresses in [beside]only_networks = [\"192.0.2.0/24\"]: {policy}"
            ),
        ),
    ] {
        let settings = BootServiceSettings {
            selection,
            ..with_images()
        };
        let scripts = settings.templates.current();
        let context = settings.preview_context(&scripts);
        let overrides = ironpxe_core::boot::Overrides::default();
        let mac = "52:54:00:00:00:01";
        let unknown = crate::boot::preview::preview(&facts, context, mac, &overrides).await;
        let error = unknown.err().unwrap().to_string();
        assert!(error.ends_with(&format!(": {expected}")), "{error}");
    }
}

#[tokio::test]
async fn images_and_kickstarts_are_as_bounded_as_scripts() {
    let (server, ironic) = RecordedApi::serve().await;
    let limit = ironic.max_waiting().unwrap();
    let max_questions = ironic.max_questions();
    let nodes = recorded_nodes();
    let facts = BootFacts::beside(ironic, BTreeMap::new());
    let settings = BootServiceSettings {
        max_requests: limit,
        ..with_images()
    };
    let boot = BootService::new(facts, settings, &Tasks::new());
    let uuids = nodes
        .values()
        .map(|it| it["node"]["uuid"].as_str().unwrap());
    let held = server.hold().await;
    let requests = uuids.cycle().take(limit + 40).enumerate();
    let requests = requests.map(async |(number, uuid)| {
        if number % 2 == 0 {
            return boot.kickstart_text("req-1", uuid).await.map(|_| ());
        }
        let kind = ironpxe_core::boot::ImageKind::Kernel;
        let image = boot.image("req-1", uuid.parse().unwrap(), kind).await;
        image.map(|_| ())
    });
    let answers = join_all(requests);
    let release = async {
        while server.in_progress() < max_questions {
            tokio::task::yield_now().await;
        }
        drop(held);
    };
    let (answers, ()) = tokio::join!(answers, release);
    assert_eq!(server.most_in_progress(), max_questions);
    let is_overloaded = |it: &&Result<(), Fault>| matches!(it, Err(Fault::Unavailable { .. }));
    assert_eq!(answers.iter().filter(is_overloaded).count(), 40);
}
