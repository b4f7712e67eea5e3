//! Sources of nodes, on the recorded database of a real Ironic.

mod mariadb;
mod mysql_tls;
mod rest;

use std::fmt::Write as _;
use std::time::Duration;

use ironpxe_core::beside::IronicMachine;
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::mac::MacAddress;

use super::testing::IronicDb;
use super::*;

fn by_address(text: &str) -> BootIdent {
    BootIdent::Address(text.parse().unwrap())
}

/// The addresses of all ports.
async fn all_machines(ironic: &Ironic) -> Vec<BootIdent> {
    let nodes = answered(async || ironic.list().await).await.unwrap();
    let addresses = nodes.iter().flat_map(|node| &node.addresses);
    addresses.map(|address| by_address(address)).collect()
}

/// What a source answers that has time to: a server on a busy machine may exceed its timeouts.
async fn answered<T>(ask: impl AsyncFn() -> Result<T, SourceError>) -> Result<T, SourceError> {
    for _ in 0..100 {
        match ask().await {
            Err(SourceError::Database(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
            answer => return answer,
        }
    }
    ask().await
}

async fn machine(ironic: &Ironic, ident: BootIdent) -> Option<IronicMachine> {
    let answer = answered(async || ironic.machines(&[ident]).await).await;
    let found = answer.unwrap().found.remove(&ident);
    found.map(|found| IronicMachine::clone(&found.machine))
}

#[tokio::test]
async fn machines_read_together_are_those_read_alone() {
    let db = IronicDb::recorded().await;
    let ironic = db.source();
    let mut idents = all_machines(&ironic).await;
    assert!(idents.len() > 40, "{}", idents.len());
    idents.truncate(statements::MAX_MACHINES - 1);
    let by_node = machine(&ironic, idents[0]).await.unwrap().node.uuid;
    idents.push(BootIdent::Node(by_node));
    let together = ironic.machines(&idents).await.unwrap();
    assert_eq!(together.found.len(), idents.len());
    assert_eq!(together.version, ironic.version());
    assert!(together.version.is_some());
    let digests = ironic.digests(&idents).await.unwrap();
    for ident in idents {
        let found = &together.found[&ident];
        assert_eq!(
            machine(&ironic, ident).await.as_ref(),
            Some(&*found.machine)
        );
        assert_eq!(digests.found.get(&ident), found.digest.as_ref());
        let port = found.machine.port.as_ref().map(|port| port.address);
        let asked = match ident {
            BootIdent::Address(mac) => Some(mac),
            BootIdent::Node(_) => None,
        };
        assert_eq!(port, asked);
    }
}

#[tokio::test]
async fn node_is_found_by_name_with_its_ports() {
    let db = IronicDb::recorded().await;
    let ironic = db.source();
    let nodes = ironic.list().await.unwrap();
    let mut listed = String::new();
    for node in &nodes {
        writeln!(listed, "{:?} {:?}", node.name, node.addresses).unwrap();
        let Some(name) = &node.name else { continue };
        assert_eq!(ironic.node_by_name(name).await, Ok(Some(node.uuid)));
        let ports = ironic.ports(node.uuid).await.unwrap();
        let ports: Vec<String> = ports.iter().map(|port| port.address.to_string()).collect();
        assert_eq!(ports, node.addresses);
    }
    insta::assert_snapshot!(listed);
    assert_eq!(ironic.node_by_name("bm-nobody").await, Ok(None));
}

#[tokio::test]
async fn digest_is_of_the_rows_content() {
    let mut db = IronicDb::recorded().await;
    let ironic = db.source();
    let ident = by_address("52:54:00:be:01:01");
    let digest = async || ironic.digests(&[ident]).await.unwrap().found[&ident];
    let first = digest().await;
    db.execute("UPDATE nodes SET extra = '{\"a\": 1}' WHERE id != 1")
        .await;
    assert_eq!(digest().await, first, "another node");
    db.execute("UPDATE nodes SET driver_info = replace(driver_info, 'a', 'b') WHERE id = 1")
        .await;
    assert_ne!(digest().await, first);
}

#[tokio::test]
async fn database_that_cannot_be_read_is_an_error_and_is_read_later() {
    let mut db = IronicDb::recorded().await;
    let missing = db.path.with_file_name("later.sqlite");
    let ironic = Ironic::sqlite(&missing);
    let ident = by_address("52:54:00:be:01:01");
    let error = async || ironic.machines(&[ident]).await.unwrap_err();
    let missing_error = error().await;
    assert!(
        matches!(&missing_error, SourceError::Database(_)),
        "{missing_error}"
    );
    assert!(
        missing_error.to_string().contains("later.sqlite"),
        "{missing_error}"
    );
    assert_eq!(ironic.version(), None);
    std::fs::copy(&db.path, &missing).unwrap();
    let before = machine(&ironic, ident).await.unwrap();

    db.write_to(&missing).await;
    db.execute("BEGIN EXCLUSIVE; UPDATE nodes SET name = 'rack-1' WHERE id = 1")
        .await;
    let locked = error().await;
    assert!(locked.to_string().contains("locked"), "{locked}");
    db.execute("COMMIT").await;
    let after = machine(&ironic, ident).await.unwrap();
    assert_ne!(after.node.name, before.node.name);

    // A restored backup takes the file's place.
    std::fs::rename(&db.path, &missing).unwrap();
    assert_eq!(ironic.version(), None);
    assert_eq!(machine(&ironic, ident).await, Some(before));
    assert!(ironic.version().is_some());
}

#[tokio::test]
async fn unusable_schema_and_rows_are_named() {
    let mut db = IronicDb::recorded().await;
    let ironic = db.source();
    let ident = by_address("52:54:00:be:01:01");
    db.execute("UPDATE nodes SET driver_info = '{\"a\"' WHERE id = 1")
        .await;
    let broken = machine(&ironic, ident).await.unwrap();
    let refusal = broken.unusable.unwrap().to_string();
    assert!(
        refusal.starts_with("nodes.driver_info: is not JSON"),
        "{refusal}"
    );
    assert_eq!(broken.node.name.as_deref(), Some("bm-deploy-wait"));
    db.execute("UPDATE nodes SET driver_info = NULL, driver = NULL WHERE id = 1")
        .await;
    let refusal = machine(&ironic, ident).await.unwrap().unusable.unwrap();
    assert_eq!(refusal.to_string(), "nodes.driver: is not set");
    assert!(ironic.ping().await.is_ok());

    db.execute("ALTER TABLE nodes RENAME COLUMN deploy_step TO step")
        .await;
    for error in [
        ironic.machines(&[ident]).await.unwrap_err(),
        ironic.ping().await.unwrap_err(),
    ] {
        assert!(matches!(&error, SourceError::Schema(_)), "{error}");
        assert!(error.to_string().contains("deploy_step"), "{error}");
    }
}

#[test]
fn statements_are_for_few_sizes() {
    let mac = |last: u8| BootIdent::Address(MacAddress::new([2, 0, 0, 0, 0, last]));
    let mut texts = std::collections::BTreeSet::new();
    for count in 1..=u8::try_from(statements::MAX_MACHINES).unwrap() {
        let machines: Vec<BootIdent> = (0..count).map(mac).collect();
        for dialect in [statements::Dialect::Sqlite, statements::Dialect::Mysql] {
            let statements = statements::boot(&machines, dialect);
            let [statement] = &statements[..] else {
                panic!("{statements:?}");
            };
            assert_eq!(statement.text.matches('?').count(), statement.values.len());
            assert!(statement.values.len() >= machines.len());
            texts.insert(statement.text);
        }
    }
    assert_eq!(texts.len(), 2 * 4);
}

/// The open descriptors of files that are deleted, among those with this name.
#[cfg(target_os = "linux")]
fn deleted_descriptors(path: &std::path::Path) -> usize {
    let deleted = format!("{} (deleted)", path.display());
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
    targets
        .filter(|target| target.as_os_str() == &*deleted)
        .count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn replaced_database_is_closed() {
    let db = IronicDb::recorded().await;
    let IronicDb { path, .. } = &db;
    let backup = path.with_file_name("backup.sqlite");
    let ironic = db.source();
    ironic.ping().await.unwrap();
    // Not that of this test's own connection.
    let before = 1;
    for _ in 0..3 {
        std::fs::copy(path, &backup).unwrap();
        std::fs::rename(&backup, path).unwrap();
        ironic.ping().await.unwrap();
        assert_eq!(deleted_descriptors(path), before);
    }
}
