//! The same machines from a real `MariaDB`, as Ironic stored them there.

use ironpxe_testkit::mariadb::Mariadb;

use super::*;
use crate::openstack::Secret;

pub(super) fn fill(server: &Mariadb, name: &str) {
    let recorded = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/oracle/ironic-db/mariadb.sql"
    );
    server.sql_file(name, recorded.as_ref()).unwrap();
}

/// A database with the recorded nodes, and a source that may only read it. `None` where
/// `MariaDB` is not installed.
fn recorded() -> Option<(&'static Mariadb, String, Ironic)> {
    let server = Mariadb::shared()?;
    let name = server.create_database().unwrap();
    fill(server, &name);
    let ironic = Ironic::mysql(&settings(server, &name));
    Some((server, name, ironic))
}

pub(super) fn settings(server: &Mariadb, name: &str) -> MysqlSettings {
    MysqlSettings {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        socket: None,
        user: format!("{name}_reader"),
        password: Some(Secret("test/password".to_owned())),
        database: name.to_owned(),
        tls: MysqlTls::Off,
    }
}

#[tokio::test]
async fn machines_are_those_of_sqlite() {
    let Some((_, _, ironic)) = recorded() else {
        return;
    };
    let db = IronicDb::recorded().await;
    let sqlite = db.source();
    let idents = all_machines(&sqlite).await;
    assert_eq!(all_machines(&ironic).await, idents);
    for some in idents.chunks(statements::MAX_MACHINES) {
        let of_mariadb = answered(async || ironic.machines(some).await)
            .await
            .unwrap();
        let of_sqlite = answered(async || sqlite.machines(some).await)
            .await
            .unwrap();
        let digests = answered(async || ironic.digests(some).await).await.unwrap();
        assert_eq!(of_mariadb.version, None);
        for ident in some {
            let (one, other) = (&of_mariadb.found[ident], &of_sqlite.found[ident]);
            assert_eq!(digests.found.get(ident), one.digest.as_ref());
            // Both were recorded from the same Ironic, but their nodes have their own times.
            assert_eq!(one.machine.node.label(), other.machine.node.label());
            assert_eq!(
                one.machine.node.provision_state,
                other.machine.node.provision_state
            );
            assert_eq!(one.machine.unusable, other.machine.unusable);
            assert_eq!(
                one.machine.volumes.is_some(),
                other.machine.volumes.is_some()
            );
        }
    }
    let (known, unknown) = (
        by_address("52:54:00:be:01:01"),
        by_address("52:54:00:00:00:01"),
    );
    let both = [known, unknown];
    let found = answered(async || ironic.machines(&both).await).await;
    let found = found.unwrap().found;
    assert_eq!(found.keys().collect::<Vec<_>>(), [&known]);
    let node = found[&known].machine.node.uuid;
    let by_name = answered(async || ironic.node_by_name("bm-deploy-wait").await).await;
    assert_eq!(by_name, Ok(Some(node)));
    let ports = answered(async || ironic.ports(node).await).await;
    assert_eq!(ports.unwrap().len(), 1);
}

#[tokio::test]
async fn commit_is_seen_by_the_next_read_and_nothing_is_locked() {
    let Some((server, name, ironic)) = recorded() else {
        return;
    };
    let ident = by_address("52:54:00:be:01:01");
    for number in 0..20 {
        let change = format!("UPDATE nodes SET name = 'rack-{number}' WHERE id = 1");
        server.sql(&name, &change).unwrap();
        let node = machine(&ironic, ident).await.unwrap().node;
        assert_eq!(node.name, Some(format!("rack-{number}")));
        // A read transaction that is still open would make this wait.
        let alter = format!("ALTER TABLE nodes ADD COLUMN new_{number} INT");
        server.sql(&name, &alter).unwrap();
    }
}

/// The columns with JSON as `MySQL` may give them: its JSON functions have the collation
/// `utf8mb4_bin`, whose texts are sent as if they were bytes.
#[tokio::test]
async fn columns_may_be_texts_or_bytes() {
    let Some((server, name, ironic)) = recorded() else {
        return;
    };
    let idents = all_machines(&ironic).await;
    let before = decisions(&ironic, &idents).await;
    for kind in ["LONGTEXT COLLATE utf8mb4_bin", "LONGBLOB", "TEXT", "BLOB"] {
        let mut change = "ALTER TABLE nodes".to_owned();
        for column in ["instance_info", "driver_info", "driver_internal_info"] {
            write!(change, " MODIFY {column} {kind},").unwrap();
        }
        // Also one of a text that is not JSON, and an integer that cannot be negative.
        let unsigned = if kind == "LONGBLOB" { "UNSIGNED" } else { "" };
        write!(change, " MODIFY provision_state VARCHAR(15)").unwrap();
        if kind.contains("bin") {
            change.push_str(" COLLATE utf8mb4_bin");
        }
        write!(change, ", MODIFY maintenance TINYINT(1) {unsigned}").unwrap();
        server.sql(&name, &change).unwrap();
        assert_eq!(decisions(&ironic, &idents).await, before, "{kind}");
    }

    server
        .sql(
            &name,
            "ALTER TABLE nodes MODIFY instance_info LONGBLOB; \
             UPDATE nodes SET instance_info = X'7b22ff227d' WHERE id = 1",
        )
        .unwrap();
    let broken = machine(&ironic, by_address("52:54:00:be:01:01")).await;
    let why = format!("{:?}", broken.unwrap().unusable);
    assert!(
        why.contains("instance_info") && why.contains("BLOB that is not UTF-8"),
        "{idents:?}: {why}"
    );
}

/// What all these machines boot.
async fn decisions(ironic: &Ironic, idents: &[BootIdent]) -> Vec<String> {
    let settings = ironpxe_core::boot::BootSettings::default();
    let urls = std::collections::BTreeMap::new();
    let mut all = Vec::new();
    for ident in idents {
        let machine = machine(ironic, *ident).await.unwrap();
        let decided = ironpxe_core::boot::decide(machine.machine(&urls), &settings, "ID");
        all.push(format!("{decided:?}"));
    }
    all
}

#[tokio::test]
async fn account_can_be_limited_to_views_without_secrets() {
    let Some((server, name, _)) = recorded() else {
        return;
    };
    let grants = include_str!("../../../../../packaging/ironic/grants.sql");
    let views = format!("{name}_views");
    let grants = grants
        .replace("ironpxe_views", &views)
        .replace("FROM ironic.", &format!("FROM {name}."))
        .replace("'ironpxe'@'192.0.2.%'", &format!("'{views}'@'127.0.0.1'"))
        .replace("CHANGE-ME", "test/password")
        .replace("REQUIRE SSL", "");
    server.sql("", &grants).unwrap();
    let broken = "UPDATE nodes SET driver_internal_info = '{' WHERE id = 2; \
                  UPDATE nodes SET instance_info = '[' WHERE id = 3";
    server.sql(&name, broken).unwrap();
    let limited = Ironic::mysql(&MysqlSettings {
        user: views.clone(),
        database: views.clone(),
        ..settings(server, &name)
    });
    let all = Ironic::mysql(&settings(server, &name));
    for ident in all_machines(&all).await {
        let (mut limited, mut all) = (
            machine(&limited, ident).await.unwrap(),
            machine(&all, ident).await.unwrap(),
        );
        let settings = ironpxe_core::boot::BootSettings::default();
        let urls = std::collections::BTreeMap::new();
        let decide = |machine: &IronicMachine| {
            ironpxe_core::boot::decide(machine.machine(&urls), &settings, "ID")
        };
        assert_eq!(decide(&limited), decide(&all));
        for machine in [&mut limited, &mut all] {
            machine
                .node
                .driver_info
                .retain(|key, _| !key.contains("password"));
            machine.node.driver_internal_info.clear();
            let instance_info = &mut machine.node.instance_info;
            instance_info.retain(|key, _| !key.contains("password") && key != "image_url");
        }
        assert_eq!(limited.node.instance_info, all.node.instance_info);
        assert_eq!(limited.node.driver_info, all.node.driver_info);
    }
    let told = Ironic::mysql(&MysqlSettings {
        user: views,
        ..settings(server, &name)
    });
    let error = answered(async || told.ping().await).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("denied"), "{error}");
}

#[tokio::test]
async fn server_that_cannot_be_believed_or_asked_is_an_error() {
    if Mariadb::shared().is_none() {
        return;
    }
    // Of its own, because all its databases become read-only.
    let server = Mariadb::start().unwrap();
    let name = server.create_database().unwrap();
    fill(&server, &name);
    let ironic = Ironic::mysql(&settings(&server, &name));
    let ident = by_address("52:54:00:be:01:01");
    let error = async || ironic.machines(&[ident]).await.unwrap_err();
    assert!(machine(&ironic, ident).await.is_some());

    server.sql("", "SET GLOBAL read_only = 1").unwrap();
    let read_only = answered(async || Err::<(), _>(error().await)).await;
    assert_eq!(read_only, Err(SourceError::ReadOnly));
    let unknown = by_address("52:54:00:00:00:01");
    let of_unknown = answered(async || ironic.machines(&[unknown]).await).await;
    assert_eq!(of_unknown.map(|_| ()), Err(SourceError::ReadOnly));
    server.sql("", "SET GLOBAL read_only = 0").unwrap();
    assert!(machine(&ironic, ident).await.is_some());

    server
        .sql(&name, "ALTER TABLE nodes CHANGE deploy_step step TEXT")
        .unwrap();
    let schema = answered(async || Err::<(), _>(error().await))
        .await
        .unwrap_err();
    assert!(matches!(&schema, SourceError::Schema(_)), "{schema}");
    assert!(schema.to_string().contains("deploy_step"), "{schema}");
    server
        .sql(&name, "ALTER TABLE nodes CHANGE step deploy_step TEXT")
        .unwrap();
    assert!(machine(&ironic, ident).await.is_some());

    server.pause().unwrap();
    let frozen = error().await;
    assert!(matches!(&frozen, SourceError::Database(_)), "{frozen}");
    server.resume().unwrap();
    drop(server);
    let away = error().await;
    assert!(matches!(&away, SourceError::Database(_)), "{away}");
    assert!(!away.to_string().contains("test/password"), "{away}");
}
