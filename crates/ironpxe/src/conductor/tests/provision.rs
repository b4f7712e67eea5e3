//! Where each verb leads.

use ironpxe_core::power_state::PowerState;
use ironpxe_core::provision::{Action, Event, EventKind, Progress, Request};
use ironpxe_core::provision_state::{MACHINE, ProvisionState};

use ironpxe_core::id::VolumeTargetUuid;
use ironpxe_core::volume::VolumeTarget;

use super::*;
use crate::db::testing::TestDb;

#[tokio::test]
async fn agent_deployment_stops_in_wait_call_back() {
    let app = TestApp::new().await;
    let node = app.enrol("direct").await;
    assert_eq!(
        app.walk(node, &["manage", "provide", "active"]).await,
        ["manageable", "available", "wait call-back"]
    );
    let node = app.settled(node).await;
    assert_eq!(node.target_provision_state.as_deref(), Some("active"));
    assert_eq!(node.power_state, Some(PowerState::On));
    assert!(node.provision_updated_at.is_some());
}

#[tokio::test]
async fn ramdisk_deployment_is_active_immediately_and_can_be_torn_down() {
    let app = TestApp::new().await;
    let node = app.enrol("ramdisk").await;
    assert_eq!(
        app.walk(
            node,
            &["manage", "provide", "deploy", "rebuild", "undeploy"]
        )
        .await,
        ["manageable", "available", "active", "active", "available"]
    );
    let node = app.settled(node).await;
    assert!(node.instance_info.is_empty());
    assert_eq!(node.power_state, Some(PowerState::Off));
}

#[tokio::test]
async fn rescue_inspection_and_adoption_reach_their_states() {
    let app = TestApp::new().await;
    let node = app.enrol("ramdisk").await;
    assert_eq!(
        app.walk(
            node,
            &["manage", "inspect", "abort", "inspect", "abort", "manage"]
        )
        .await,
        [
            "manageable",
            "inspect wait",
            "inspect failed",
            "inspect wait",
            "inspect failed",
            "manageable"
        ]
    );
    assert_eq!(
        app.walk(node, &["adopt", "rescue", "abort", "unrescue"])
            .await,
        ["active", "rescue wait", "rescue failed", "active"]
    );
    let node = app.settled(node).await;
    assert!(!node.instance_info.contains_key("rescue_password"));
}

#[tokio::test]
async fn automated_cleaning_follows_configuration_and_node() {
    let app = TestApp::new().await;
    let node = app.enrol("direct").await;
    let clean = |value| {
        move |node: &mut Node| {
            node.automated_clean = value;
            Ok(())
        }
    };
    // The configuration says yes, and the node has no word of its own.
    app.db.node_change(node, clean(None)).await.unwrap();
    assert_eq!(
        app.walk(node, &["manage", "provide"]).await,
        ["manageable", "clean wait"]
    );
    assert_eq!(
        app.walk(node, &["abort", "manage"]).await,
        ["clean failed", "manageable"]
    );
    // A fake deploy interface has nothing to clean with.
    let fake = |node: &mut Node| {
        node.interfaces.set(InterfaceKind::Deploy, "fake");
        Ok(())
    };
    app.db.node_change(node, fake).await.unwrap();
    assert_eq!(app.walk(node, &["provide"]).await, ["available"]);
}

#[tokio::test]
async fn manual_cleaning_keeps_the_target_manageable() {
    let app = TestApp::new().await;
    let node = app.enrol("direct").await;
    assert_eq!(
        app.walk(node, &["manage", "clean"]).await,
        ["manageable", "clean wait"]
    );
    let waiting = app.settled(node).await;
    assert_eq!(
        waiting.target_provision_state.as_deref(),
        Some("manageable")
    );
    app.walk(node, &["abort"]).await;
    let aborted = app.settled(node).await;
    assert_eq!(
        aborted.target_provision_state.as_deref(),
        Some("manageable")
    );
    assert!(aborted.last_error.unwrap().contains("aborted"));
}

#[tokio::test]
async fn cleaning_without_a_ramdisk_image_fails_with_the_reason() {
    let app = TestApp::new().await;
    let node = app.enrol("direct").await;
    let forget = |node: &mut Node| {
        node.driver_info.clear();
        node.automated_clean = Some(true);
        Ok(())
    };
    app.db.node_change(node, forget).await.unwrap();
    assert_eq!(
        app.walk(node, &["manage", "provide"]).await,
        ["manageable", "clean failed"]
    );
    let error = app.settled(node).await.last_error.unwrap();
    assert!(error.contains("driver_info.deploy_kernel"), "{error}");
}

#[tokio::test]
async fn unbootable_deployment_is_refused_and_changes_nothing() {
    let app = TestApp::new().await;
    let node = app.enrol("direct").await;
    app.walk(node, &["manage", "provide"]).await;
    let forget = |node: &mut Node| {
        node.driver_info.clear();
        Ok(())
    };
    app.db.node_change(node, forget).await.unwrap();
    let before = app.settled(node).await;
    let fault = app.ask(node, "active").await.unwrap_err();
    assert!(matches!(&fault, Fault::InstanceDeployFailure(text) if text.contains("deploy_kernel")));
    assert_eq!(app.settled(node).await, before);
}

/// Each verb under each of its words.
fn words() -> impl Iterator<Item = (Verb, &'static str)> {
    let verbs = Verb::ALL.iter().copied();
    verbs.flat_map(|verb| verb.row().words.iter().map(move |(word, _)| (verb, *word)))
}

/// Every verb in every state: accepted exactly where Ironic's machine has its event.
#[tokio::test]
async fn verbs_are_accepted_exactly_where_the_state_machine_allows() {
    let app = TestApp::new().await;
    let node = app.enrol("ramdisk").await;
    for row in &MACHINE {
        for (verb, word) in words() {
            let put = |node: &mut Node| {
                node.provision_state = row.state.into();
                Ok(())
            };
            app.db.node_change(node, put).await.unwrap();
            let asked = app.ask(node, word).await;
            let allowed = row.state.on(verb.row().event).is_some();
            assert_eq!(asked.is_ok(), allowed, "{word} in {}: {asked:?}", row.name);
            if let Err(fault) = asked {
                let expected = format!(
                    "The requested action \"{word}\" can not be performed on node \"{node}\" \
                     while it is in state \"{}\".",
                    row.name
                );
                assert_eq!(fault.to_string(), expected);
            }
            // Work may still be going on; put everything back for the next verb.
            app.settled(node).await;
            let restore = |node: &mut Node| {
                for key in ["image_source", "kernel", "ramdisk"] {
                    node.instance_info
                        .insert(key.into(), json!(format!("http://h/{key}")));
                }
                Ok(())
            };
            app.db.node_change(node, restore).await.unwrap();
        }
    }
}

#[tokio::test]
async fn node_in_an_unknown_state_is_not_changed() {
    let app = TestApp::new().await;
    let node = app.enrol("direct").await;
    let put = |node: &mut Node| {
        node.provision_state = ironpxe_core::provision_state::StoredState::Unknown("odd".into());
        Ok(())
    };
    app.db.node_change(node, put).await.unwrap();
    for (_, word) in words() {
        assert!(app.ask(node, word).await.is_err(), "{word}");
    }
}

#[tokio::test]
async fn one_of_two_simultaneous_verbs_is_accepted() {
    let app = TestApp::new().await;
    for _ in 0..20 {
        let node = app.enrol("ramdisk").await;
        app.walk(node, &["manage", "provide"]).await;
        let (a, b) = tokio::join!(app.ask(node, "active"), app.ask(node, "active"));
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        let lost = a.and(b).unwrap_err();
        assert!(
            matches!(
                lost,
                Fault::NodeLocked { .. } | Fault::InvalidStateRequested { .. }
            ),
            "{lost:?}"
        );
        assert_eq!(app.settled(node).await.provision_state.name(), "active");
    }
}

#[tokio::test]
async fn verbs_are_refused_for_protected_maintained_and_retired_nodes() {
    let app = TestApp::new().await;
    let node = app.enrol("ramdisk").await;
    app.walk(node, &["manage"]).await;
    let flag = |set: fn(&mut Node)| {
        move |node: &mut Node| {
            set(node);
            Ok(())
        }
    };
    app.db
        .node_change(node, flag(|node| node.retired = true))
        .await
        .unwrap();
    assert!(matches!(
        app.ask(node, "provide").await,
        Err(Fault::NodeIsRetired { .. })
    ));
    app.db
        .node_change(node, flag(|node| node.retired = false))
        .await
        .unwrap();
    app.walk(node, &["provide"]).await;
    app.db
        .node_change(node, flag(|node| node.maintenance = true))
        .await
        .unwrap();
    assert!(matches!(
        app.ask(node, "active").await,
        Err(Fault::NodeInMaintenance { .. })
    ));
    app.db
        .node_change(node, flag(|node| node.maintenance = false))
        .await
        .unwrap();
    app.walk(node, &["active"]).await;
    app.db
        .node_change(node, flag(|node| node.protected = true))
        .await
        .unwrap();
    for word in ["deleted", "rebuild"] {
        assert!(
            matches!(app.ask(node, word).await, Err(Fault::NodeProtected(_))),
            "{word}"
        );
    }
}

/// A client may hang up at any moment; the node is never left reserved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_verb_is_completed_after_its_client_disconnects() {
    let app = TestApp::new().await;
    let mut accepted = 0;
    let mut timeout = Duration::from_micros(20);
    let mut next = app.enrol("ramdisk").await;
    // Clients that wait ever longer, until several have waited long enough.
    while accepted < 10 {
        let node = next;
        app.walk(node, &["manage", "provide"]).await;
        let _ = tokio::time::timeout(timeout, app.ask(node, "active")).await;
        timeout = timeout.mul_f64(1.1);
        // Is written after what was under way.
        next = app.enrol("ramdisk").await;
        let node = app.settled(node).await;
        let state = node.provision_state.name();
        assert!(matches!(state, "available" | "active"), "{state}");
        accepted += usize::from(state == "active");
    }
}

/// A node whose instance lives on a remote volume needs no agent to write it, and boots from the
/// volume until it is torn down.
#[tokio::test]
async fn volume_instance_is_active_immediately() {
    let app = TestApp::new().await;
    let uuid = app.enrol("direct").await;
    let external = |node: &mut Node| {
        node.interfaces.set(InterfaceKind::Storage, "external");
        node.instance_info.clear();
        Ok(())
    };
    app.db.node_change(uuid, external).await.unwrap();
    let mut target = VolumeTarget {
        uuid: VolumeTargetUuid(ident::uuid()),
        node_uuid: uuid,
        volume_type: "iscsi".into(),
        boot_index: 0,
        volume_id: "1".into(),
        properties: ironpxe_core::JsonMap::new(),
        extra: ironpxe_core::JsonMap::new(),
        created_at: clock::now(),
        updated_at: None,
    };
    app.db.volume_create(&target).await.unwrap();
    app.walk(uuid, &["manage", "provide"]).await;
    // A volume that cannot be attached is refused before anything starts.
    let fault = app.ask(uuid, "active").await.unwrap_err().to_string();
    assert!(fault.contains("target_portal"), "{fault}");

    app.db
        .volume_destroy::<VolumeTarget>(target.uuid, |_| Ok(()))
        .await
        .unwrap();
    target.properties = json!({
        "target_portal": "192.0.2.1:3260", "target_iqn": "iqn.2026-01.example:root", "target_lun": 0,
    })
    .as_object()
    .cloned()
    .unwrap();
    app.db.volume_create(&target).await.unwrap();
    assert_eq!(app.walk(uuid, &["active"]).await, ["active"]);
    let ident = BootIdent::Node(uuid);
    let script = app.script(ident).await.unwrap();
    assert!(
        script.contains("sanhook --drive 0x80 iscsi:192.0.2.1::3260:0:"),
        "{script}"
    );

    assert_eq!(app.walk(uuid, &["undeploy"]).await, ["available"]);
    let script = app.script(ident).await.unwrap();
    assert!(!script.contains("iscsi"), "{script}");
}

/// Steps and flags of earlier work, as Ironic leaves them in a row, say nothing of the work that
/// begins: neither when it is validated nor when the machine asks.
#[tokio::test]
async fn steps_and_flags_of_earlier_work_are_ignored() {
    let app = TestApp::new().await;
    let node = app.enrol("direct").await;
    app.walk(node, &["manage"]).await;
    let leave = |node: &mut Node| {
        node.automated_clean = Some(true);
        node.deploy_step = json!({"step": "boot_instance", "priority": 20})
            .as_object()
            .unwrap()
            .clone();
        for key in ["cleaning_disable_ramdisk", "service_disable_ramdisk"] {
            node.driver_internal_info.insert(key.into(), json!(true));
        }
        Ok(())
    };
    let boots = async || {
        let ident = BootIdent::Node(node);
        let script = app.script(ident).await;
        let script = script.unwrap();
        let title = script.lines().find(|line| line.contains(" -> "));
        title.unwrap_or(&script).to_owned()
    };
    app.db.node_change(node, leave).await.unwrap();
    assert_eq!(app.walk(node, &["provide"]).await, ["clean wait"]);
    let said = boots().await;
    assert!(said.ends_with("clean wait -> deploy ramdisk"), "{said}");

    for (state, verb, waits) in [
        (ProvisionState::Available, "active", "wait call-back"),
        (ProvisionState::Active, "rebuild", "wait call-back"),
    ] {
        let enter = |node: &mut Node| {
            node.provision_state = state.into();
            leave(node)
        };
        app.db.node_change(node, enter).await.unwrap();
        assert_eq!(app.walk(node, &[verb]).await, [waits]);
        let said = boots().await;
        assert!(said.ends_with("wait call-back -> deploy ramdisk"), "{said}");
        let deploy_step = app.settled(node).await.deploy_step;
        assert!(deploy_step.is_empty(), "{verb}: {deploy_step:?}");
    }

    // What the operator says of the work that begins is another matter.
    for (disable_ramdisk, state) in [(false, "service wait"), (true, "active")] {
        let enter = |node: &mut Node| {
            node.provision_state = ProvisionState::Active.into();
            leave(node)
        };
        app.db.node_change(node, enter).await.unwrap();
        let args = ProvisionArgs {
            target: "service".to_owned(),
            disable_ramdisk,
            ..ProvisionArgs::default()
        };
        let conductor = &app.conductor;
        conductor
            .provision(&context(), node, Verb::Service, args)
            .await
            .unwrap();
        let settled = app.settled(node).await;
        assert_eq!(settled.provision_state.name(), state);
        let info = &settled.driver_internal_info;
        assert!(!info.contains_key("service_disable_ramdisk"), "{info:?}");
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a change to a node")]
fn with_image_in_a_file(node: &mut Node) -> Result<()> {
    for key in ["deploy_kernel", "deploy_ramdisk"] {
        node.driver_info
            .insert(key.to_owned(), json!("file:///srv/gone"));
    }
    node.provision_state = ProvisionState::Available.into();
    Ok(())
}

/// What validation found in its place may be gone when the work begins.
#[tokio::test]
async fn image_deleted_meanwhile_fails_the_deployment() {
    let app = TestApp::new().await;
    let uuid = app.enrol("direct").await;
    app.db
        .node_change(uuid, with_image_in_a_file)
        .await
        .unwrap();
    let args = ProvisionArgs::default();
    let request = Request {
        verb: Verb::Deploy,
        args: &args,
        boot_volume: None,
    };
    let (ctx, kind) = (context(), EventKind::Verb(request));
    let accepted = app.conductor.advance(&ctx, uuid, clock::now(), kind);
    app.conductor.start_task(&ctx, accepted.await.unwrap());
    let failed = app.settled(uuid).await;
    assert_eq!(failed.provision_state, ProvisionState::DeployFailed.into());
    let error = failed.last_error.unwrap();
    assert!(
        error.contains("Cannot deploy the image: kernel file:///srv/gone"),
        "{error}"
    );
}

/// The database goes away while the work runs, and comes back.
#[tokio::test]
async fn work_continues_after_a_database_outage() {
    let Some(site) = TestDb::postgres().await else {
        return;
    };
    let db = site.open().await;
    let app = TestApp::builder().start_on(db).await;
    let uuid = app.enrol("direct").await;
    app.walk(uuid, &["manage", "provide"]).await;
    // As a server says that is being stopped. What a sequence has given is not taken back.
    app.db.sql("CREATE SEQUENCE saves").await;
    app.db
        .sql(
            "CREATE FUNCTION stopping() RETURNS trigger AS $$ BEGIN \
             IF nextval('saves') <= 2 THEN RAISE 'stopping' USING ERRCODE = '57P01'; END IF; \
             RETURN NEW; END $$ LANGUAGE plpgsql",
        )
        .await;
    app.db
        .sql(
            "CREATE TRIGGER stopping BEFORE UPDATE ON nodes FOR EACH ROW \
             WHEN (OLD.reservation IS NOT NULL) EXECUTE FUNCTION stopping()",
        )
        .await;
    app.ask(uuid, "active").await.unwrap();
    let node = app.settled(uuid).await;
    assert_eq!(node.provision_state, ProvisionState::DeployWait.into());
    let saves = app.db.rows_of("saves WHERE last_value > 2").await;
    assert_eq!(saves, 1, "two saves failed, and a later one succeeded");
}

/// The connection may break after the database has committed and before it says so. While the node
/// stays in its state, saving again changes nothing; a new state is recognised by its time.
#[tokio::test]
async fn committed_save_with_a_lost_reply_is_recognized() {
    let app = TestApp::new().await;
    let uuid = app.enrol("ramdisk").await;
    app.db
        .node_change(uuid, with_image_in_a_file)
        .await
        .unwrap();
    let (ctx, args, at) = (context(), ProvisionArgs::default(), clock::now());
    let deploy = EventKind::Verb(Request {
        verb: Verb::Deploy,
        args: &args,
        boot_volume: None,
    });
    let accepted = app.conductor.advance(&ctx, uuid, at, deploy);
    let since = accepted.await.unwrap().node.provision_updated_at;
    let later = at + time::Duration::SECOND;
    let event = |progress: &Progress| Event {
        at: later,
        kind: EventKind::Task {
            since,
            progress: progress.clone(),
        },
    };
    let save = async |progress: &Progress| {
        let saved = app
            .conductor
            .advance(&ctx, uuid, later, event(progress).kind);
        saved.await.unwrap()
    };

    let started = save(&Progress::Started).await;
    let again = save(&Progress::Started).await;
    assert_eq!(started.action, Some(Action::CheckImage));
    assert_eq!(again.action, started.action);
    assert_eq!(again.node, again.before);

    let before = again.node;
    let failed = Progress::Failed(Action::CheckImage, "it is gone".to_owned());
    let committed = async || app.conductor.committed(&ctx, &before, event(&failed)).await;
    assert!(committed().await.is_none());
    let lost = save(&failed).await;
    let found = committed().await.unwrap().unwrap();
    assert_eq!(
        found.node.provision_state,
        ProvisionState::DeployFailed.into()
    );
    assert_eq!(
        (found.before, found.node, found.action),
        (lost.before, lost.node, lost.action)
    );
}
