//! Which hardware types a vendor passthru URL may name, in a process without a conductor.

use ironpxe_core::error::Fault;

use super::*;
use crate::boot::tokens::PresentedToken;
use crate::db::Registration;

async fn register(db: &Db, hostname: &str, drivers: &[&str]) {
    let drivers: Vec<String> = drivers.iter().map(|&name| name.to_owned()).collect();
    let entry = Registration {
        hostname,
        run_id: "r",
        group: "",
        drivers: &drivers,
        interfaces: &[],
        endpoint: "127.0.0.1:1",
    };
    db.conductor_register(&entry).await.unwrap();
}

fn without_conductor(db: &Db) -> BootService {
    let settings = BootServiceSettings {
        hardware_types: HardwareTypes::registered(db.clone()),
        ..settings()
    };
    BootService::new(BootFacts::new(db), settings, &Tasks::new())
}

async fn asked(boot: &BootService, driver: &str) -> BootBody {
    let request = BootRequest {
        driver: Some(driver),
        machine: Ok(BootIdent::Address(MAC)),
        tries_next: false,
        token: PresentedToken::Absent,
    };
    let id = ident::request_id();
    boot.answer(&id, Client::OTHER, request).await.body
}

#[tokio::test]
async fn type_stays_known_after_its_conductors_died_or_left() {
    let (db, _folder) = crate::db::testing::scratch().await;
    let node = waiting("one");
    db.node_create(&node).await.unwrap();
    db.port_create(&port_of(&node)).await.unwrap();
    let unknown = |body: BootBody| matches!(body, BootBody::Fault(Fault::DriverUnknown(_)));
    let script = |body: BootBody| matches!(body, BootBody::Script(_));

    let boot = without_conductor(&db);
    let BootBody::Fault(fault) = asked(&boot, "fake-hardware").await else {
        panic!("no conductor has registered it")
    };
    assert_eq!(fault.code(), 503);

    register(&db, "c1", &["fake-hardware"]).await;
    let boot = without_conductor(&db);
    assert!(script(asked(&boot, "fake-hardware").await));
    assert!(unknown(asked(&boot, "nosuch").await));
    // It is cached by now, and the type is looked up all the same.
    assert!(script(asked(&boot, "fake-hardware").await));
    assert!(unknown(asked(&boot, "nosuch").await));

    assert!(db.conductor_touch("c1", "r", false).await.unwrap());
    let boot = without_conductor(&db);
    assert!(script(asked(&boot, "fake-hardware").await));
    let BootBody::Fault(fault) = asked(&boot, "nosuch").await else {
        panic!("no conductor has registered it")
    };
    assert_eq!(fault.code(), 503, "a conductor that comes may have it");

    register(&db, "c2", &["redfish"]).await;
    let boot = without_conductor(&db);
    for driver in ["fake-hardware", "redfish"] {
        assert!(script(asked(&boot, driver).await), "{driver}");
    }
    assert!(unknown(asked(&boot, "nosuch").await));
}

#[tokio::test]
async fn conductor_knows_only_its_enabled_types() {
    let (db, _folder) = crate::db::testing::scratch().await;
    register(&db, "other", &["redfish"]).await;
    let boot = service(&db);
    let unknown = Fault::DriverUnknown("redfish".to_owned());
    assert_eq!(asked(&boot, "redfish").await, BootBody::Fault(unknown));
    let address = Fault::PortNotFound(MAC.to_string());
    assert_eq!(
        asked(&boot, "fake-hardware").await,
        BootBody::Fault(address)
    );
}

#[tokio::test]
async fn last_list_is_used_while_the_database_is_unreachable() {
    let (db, _folder) = crate::db::testing::scratch().await;
    register(&db, "c1", &["fake-hardware"]).await;
    let types = HardwareTypes::registered(db.clone());
    assert_eq!(types.check("fake-hardware").await, Ok(()));
    db.close().await;
    for name in ["fake-hardware", "nosuch"] {
        types.expire();
        let known = types.check(name).await;
        let expected = match name {
            "nosuch" => Err(Fault::DriverUnknown(name.to_owned())),
            _ => Ok(()),
        };
        assert_eq!(known, expected);
    }
    let never_read = HardwareTypes::registered(db);
    let refused = never_read.check("fake-hardware").await;
    assert!(
        matches!(refused, Err(Fault::Unavailable { .. })),
        "{refused:?}"
    );
}
