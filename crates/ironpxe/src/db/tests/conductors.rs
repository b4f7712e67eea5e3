//! Conductors, and the nodes of those that are gone.

use ironpxe_core::conductor::{DriverInterfaces, Hardware};
use ironpxe_core::node::Node;

use super::*;
use crate::db::statement::Statement;
use crate::db::{Db, Registration, ReservedBy};

on_both! {
    conductors_live_as_long_as_they_are_heard_of,
    the_own_run_lives_whatever_its_heartbeat_says,
    a_name_is_taken_back_from_a_run_that_is_gone_and_from_no_other,
    a_node_is_taken_once_and_only_from_the_dead,
    a_run_takes_back_only_while_it_is_the_one_that_is_registered,
}

async fn register(db: &Db, hostname: &str, run_id: &str) {
    let entry = Registration {
        hostname,
        run_id,
        group: "",
        drivers: &[],
        interfaces: &[],
        endpoint: "",
    };
    db.conductor_register(&entry).await.unwrap();
}

async fn fall_silent(db: &Db, hostname: &str) {
    let statement = Statement::new(
        "tamper",
        "UPDATE conductors SET updated_at = $2 WHERE hostname = $1",
    )
    .bind(hostname)
    .bind(datetime!(2026-01-02 03:04:05 UTC));
    assert_eq!(db.execute(statement).await.unwrap(), 1);
}

async fn conductors_live_as_long_as_they_are_heard_of(site: TestDb) {
    let db = site.open().await;
    let drivers = ["fake-hardware".to_owned(), "manual-management".to_owned()];
    let interfaces = [Hardware {
        name: "fake-hardware".to_owned(),
        interfaces: vec![DriverInterfaces {
            kind: InterfaceKind::Boot,
            default: "ipxe".to_owned(),
            enabled: vec!["ipxe".to_owned(), "fake".to_owned()],
        }],
    }];
    let entry = Registration {
        hostname: "host-1",
        run_id: "run-1",
        group: "hall-2",
        drivers: &drivers,
        interfaces: &interfaces,
        endpoint: "host-1:8089",
    };
    db.conductor_register(&entry).await.unwrap();
    register(&db, "host-2", "run-1").await;
    let first = db.conductor_get("host-1").await.unwrap().unwrap();
    assert!(first.alive);
    assert_eq!(first.drivers, drivers);
    assert_eq!(first.interfaces, interfaces);
    assert_eq!(
        [&first.conductor_group, &first.endpoint, &first.run_id],
        ["hall-2", "host-1:8089", "run-1"]
    );

    fall_silent(&db, "host-1").await;
    fall_silent(&db, "host-2").await;
    assert!(db.conductor_touch("host-2", "run-1", true).await.unwrap());
    let alive: Vec<_> = db.conductor_list().await.unwrap();
    let alive: Vec<_> = alive
        .iter()
        .map(|one| (one.hostname.as_str(), one.alive))
        .collect();
    assert_eq!(alive, [("host-1", false), ("host-2", true)]);

    // It comes back with other hardware types, under the same name.
    let entry = Registration {
        run_id: "run-2",
        drivers: &drivers[..1],
        ..entry
    };
    db.conductor_register(&entry).await.unwrap();
    let again = site.open().await;
    let again = again.conductor_get("host-1").await.unwrap().unwrap();
    assert!(again.alive && again.created_at == first.created_at);
    assert_eq!(again.drivers, drivers[..1]);

    // What the run before it says counts no more.
    assert!(!db.conductor_touch("host-1", "run-1", false).await.unwrap());
    assert!(db.conductor_get("host-1").await.unwrap().unwrap().alive);
    assert!(db.conductor_touch("host-1", "run-2", false).await.unwrap());
    assert!(!db.conductor_get("host-1").await.unwrap().unwrap().alive);
    assert!(!db.conductor_touch("host-3", "run-1", true).await.unwrap());
}

async fn the_own_run_lives_whatever_its_heartbeat_says(site: TestDb) {
    let db = site.open().await;
    db.set_own_run("run-1");
    for (hostname, run_id) in [("host-1", "run-1"), ("host-2", "run-2")] {
        register(&db, hostname, run_id).await;
        fall_silent(&db, hostname).await;
    }
    let alive = async |hostname| db.conductor_get(hostname).await.unwrap().unwrap().alive;
    assert!(alive("host-1").await && !alive("host-2").await);
    let listed = db.conductor_list().await.unwrap();
    assert!(listed[0].alive && !listed[1].alive);
    // Not when it leaves, and not when another run has its name.
    assert!(db.conductor_touch("host-1", "run-1", false).await.unwrap());
    assert!(!alive("host-1").await);
    register(&db, "host-1", "run-9").await;
    fall_silent(&db, "host-1").await;
    assert!(!alive("host-1").await);
}

async fn a_name_is_taken_back_from_a_run_that_is_gone_and_from_no_other(site: TestDb) {
    let db = site.open().await;
    let entry = Registration {
        hostname: "host-1",
        run_id: "first",
        group: "g",
        drivers: &[],
        interfaces: &[],
        endpoint: "host-1:1",
    };
    let take = async |gone| {
        let since = db.silent_since();
        db.conductor_take_name(&entry, gone, since).await.unwrap()
    };
    register(&db, "host-1", "second").await;
    assert!(!take("second").await, "it lives");
    assert!(db.conductor_touch("host-1", "second", false).await.unwrap());
    assert!(!take("third").await, "another one is registered");
    assert!(take("second").await, "it has left");
    let taken = db.conductor_get("host-1").await.unwrap().unwrap();
    assert!(taken.alive && taken.run_id == "first" && taken.endpoint == "host-1:1");
    register(&db, "host-1", "second").await;
    fall_silent(&db, "host-1").await;
    assert!(take("second").await, "it is dead");
}

/// A node that `hostname` holds, and what becomes of it.
async fn held(db: &Db, hostname: &str) -> (Node, Node) {
    let mut before = node();
    before.provision_state = ProvisionState::Deploying.into();
    before.reservation = Some(hostname.to_owned());
    before
        .driver_internal_info
        .insert("agent_secret_token".to_owned(), "secret".into());
    db.node_create(&before).await.unwrap();
    let mut after = before.clone();
    after.provision_state = ProvisionState::DeployFailed.into();
    after.reservation = None;
    after.last_error = Some("gone".to_owned());
    (before, after)
}

async fn a_node_is_taken_once_and_only_from_the_dead(site: TestDb) {
    let db = site.open().await;
    let other = site.open().await;
    register(&db, "dead", "run-1").await;
    register(&db, "alive", "run-1").await;
    let (before, mut after) = held(&db, "dead").await;
    let (kept, _) = held(&db, "alive").await;
    let (unknown, _) = held(&db, "never-heard-of").await;

    let reserved_by = ReservedBy::SilentSince(db.silent_since());
    assert_eq!(db.node_list_reserved_by(reserved_by).await.unwrap(), []);
    assert!(
        !db.node_reclaim(&before, after.clone(), reserved_by, None)
            .await
            .unwrap()
    );

    fall_silent(&db, "dead").await;
    let reserved_by = ReservedBy::SilentSince(db.silent_since());
    let found = db.node_list_reserved_by(reserved_by).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&before));
    // It comes back in between.
    assert!(db.conductor_touch("dead", "run-1", true).await.unwrap());
    assert!(
        !db.node_reclaim(&before, after.clone(), reserved_by, None)
            .await
            .unwrap()
    );
    fall_silent(&db, "dead").await;
    // Another client changes the node in between.
    let touched = |node: &mut Node| {
        node.maintenance = true;
        Ok(())
    };
    let (changed, ()) = db.node_change(before.uuid, touched).await.unwrap();
    after.maintenance = true;
    after.driver_internal_info.clear();
    assert!(
        !db.node_reclaim(&before, after.clone(), reserved_by, None)
            .await
            .unwrap()
    );
    // Two find it.
    let (one, two) = tokio::join!(
        db.node_reclaim(&changed, after.clone(), reserved_by, None),
        other.node_reclaim(&changed, after.clone(), reserved_by, None)
    );
    assert_eq!(
        [one.unwrap(), two.unwrap()]
            .iter()
            .filter(|it| **it)
            .count(),
        1
    );
    let taken = db.node_get(before.uuid).await.unwrap().unwrap();
    assert_eq!(taken.provision_state, ProvisionState::DeployFailed.into());
    assert_eq!((taken.reservation, taken.maintenance), (None, true));
    assert!(
        taken.driver_internal_info.is_empty(),
        "what the work kept on the node goes with it"
    );
    assert_eq!(taken.revision, changed.revision + 1);
    for untouched in [kept, unknown] {
        let now = db.node_get(untouched.uuid).await.unwrap().unwrap();
        assert_eq!(now, untouched);
    }
}

async fn a_run_takes_back_only_while_it_is_the_one_that_is_registered(site: TestDb) {
    let db = site.open().await;
    register(&db, "host-1", "run-1").await;
    let (before, after) = held(&db, "host-1").await;
    let (kept, _) = held(&db, "host-2").await;
    let run = |run_id| ReservedBy::Run {
        hostname: "host-1",
        run_id,
    };
    assert_eq!(db.node_list_reserved_by(run("run-0")).await.unwrap(), []);
    assert!(
        !db.node_reclaim(&before, after.clone(), run("run-0"), None)
            .await
            .unwrap()
    );
    let found = db.node_list_reserved_by(run("run-1")).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&before));
    assert!(
        db.node_reclaim(&before, after.clone(), run("run-1"), None)
            .await
            .unwrap()
    );
    assert_eq!(db.node_get(kept.uuid).await.unwrap().unwrap(), kept);
}
