//! What the boot cache keeps is never what a machine boots after it has changed.

mod beside;
mod hardware_types;

use ironpxe_core::boot::{BootSettings, OperatorTemplates, Scripts, TemplateFile};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::Result;
use ironpxe_core::id::{NodeUuid, PortUuid, VolumeTargetUuid};
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::volume::VolumeTarget;
use serde_json::json;

use super::testing::{service, settings};
use super::*;
use crate::db::Db;
use crate::db::testing::{TestDb, on_both};
use crate::images::{self, Images};
use crate::lifecycle::Tasks;
use crate::{clock, ident};

on_both! {
    every_change_counts_at_once,
    a_node_that_comes_back_as_another_is_not_taken_for_the_first,
    volumes_count_at_once,
    new_templates_count_at_once,
    what_is_outside_the_database_is_looked_for_each_time,
}

const MAC: MacAddress = MacAddress::new([0x52, 0x54, 0, 0, 0, 1]);

/// A service that keeps scripts; what it says is compared with what one says that has kept nothing.
struct Pair {
    db: Db,
    settings: BootServiceSettings,
    boot: BootService,
}

impl Pair {
    async fn new(site: &TestDb) -> Self {
        Self::with(site.open().await, settings())
    }

    fn with(db: Db, settings: BootServiceSettings) -> Self {
        Self {
            boot: BootService::new(BootFacts::new(&db), settings.clone(), &Tasks::new()),
            db,
            settings,
        }
    }

    async fn script(&self, ident: BootIdent) -> Result<String> {
        let id = ident::request_id();
        let script = self.boot.script(&id, ident).await?;
        assert!(script.contains(&id), "{script}");
        Ok(script.replace(&id, "ID"))
    }

    /// What the machine boots, which is what a service that reads everything again serves.
    async fn check(&self, ident: BootIdent, about: &str) -> Result<String> {
        let kept = self.script(ident).await;
        let fresh = Self::with(self.db.clone(), self.settings.clone());
        assert_eq!(kept, fresh.script(ident).await, "{about}");
        assert_eq!(kept, self.script(ident).await, "again, {about}");
        kept
    }
}

fn waiting(name: &str) -> Node {
    let mut node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
    node.name = Some(name.to_owned());
    node.provision_state = ironpxe_core::provision_state::ProvisionState::DeployWait.into();
    for key in ["deploy_kernel", "deploy_ramdisk"] {
        node.driver_info
            .insert(key.into(), json!(format!("http://h/{key}-of-{name}")));
    }
    node
}

fn port_of(node: &Node) -> Port {
    Port::new(PortUuid(ident::uuid()), node.uuid, MAC, clock::now())
}

async fn every_change_counts_at_once(site: TestDb) {
    let pair = Pair::new(&site).await;
    let other = site.open().await;
    let (one, two) = (waiting("one"), waiting("two"));
    let ident = BootIdent::Address(MAC);
    let idents = [ident, BootIdent::Node(one.uuid), BootIdent::Node(two.uuid)];
    let mut texts = std::collections::BTreeSet::new();
    let mut check = async |about: &str| {
        for ident in idents {
            // What others commit must not hide what is checked here.
            let text = pair.check(ident, about).await;
            texts.insert(format!("{text:?}"));
        }
    };
    check("no such machine").await;
    other.node_create(&one).await.unwrap();
    check("a node").await;
    let port = port_of(&one);
    other.port_create(&port).await.unwrap();
    check("its port").await;
    other.node_create(&two).await.unwrap();
    check("another node").await;
    for state in ironpxe_core::provision_state::ProvisionState::all() {
        let set = |node: &mut Node| {
            node.provision_state = state.into();
            Ok(())
        };
        other.node_change(one.uuid, set).await.unwrap();
        check(state.name()).await;
    }
    let wait = |node: &mut Node| {
        node.provision_state = two.provision_state.clone();
        Ok(())
    };
    other.node_change(one.uuid, wait).await.unwrap();
    check("waits").await;
    let moved = |port: &mut Port| {
        port.node_uuid = two.uuid;
        Ok(())
    };
    other.port_change(port.uuid, moved).await.unwrap();
    check("the port moves").await;
    let off = |port: &mut Port| {
        port.pxe_enabled = false;
        Ok(())
    };
    other.port_change(port.uuid, off).await.unwrap();
    check("the port is off").await;
    let elsewhere = |port: &mut Port| {
        port.address = MacAddress::new([0x52, 0x54, 0, 0, 0, 2]);
        port.pxe_enabled = true;
        Ok(())
    };
    other.port_change(port.uuid, elsewhere).await.unwrap();
    check("another address").await;
    other.port_create(&port_of(&one)).await.unwrap();
    check("another port with the address").await;
    other.node_destroy(one.uuid, |_| Ok(())).await.unwrap();
    check("the node is gone").await;
    assert!(texts.len() > 30, "{} answers", texts.len());
}

/// Same UUID, same address, same revisions.
async fn a_node_that_comes_back_as_another_is_not_taken_for_the_first(site: TestDb) {
    let pair = Pair::new(&site).await;
    let mut node = waiting("first");
    for name in ["first", "second", "third"] {
        node = Node {
            uuid: node.uuid,
            ..waiting(name)
        };
        pair.db.node_create(&node).await.unwrap();
        pair.db.port_create(&port_of(&node)).await.unwrap();
        for ident in [BootIdent::Address(MAC), BootIdent::Node(node.uuid)] {
            let script = pair.check(ident, name).await.unwrap();
            assert!(
                script.contains(&format!("deploy_kernel-of-{name}")),
                "{script}"
            );
        }
        pair.db.node_destroy(node.uuid, |_| Ok(())).await.unwrap();
    }
    // A database that was set back, and went another way.
    pair.db.node_create(&node).await.unwrap();
    let kernel = async |kernel: &str| {
        let set = |node: &mut Node| {
            node.driver_info
                .insert("deploy_kernel".into(), json!(kernel));
            Ok(())
        };
        pair.db.node_change(node.uuid, set).await.unwrap();
        let script = pair
            .check(BootIdent::Node(node.uuid), kernel)
            .await
            .unwrap();
        assert!(script.contains(kernel), "{script}");
    };
    kernel("http://h/one-way").await;
    pair.db
        .sql("UPDATE nodes SET revision = revision - 1")
        .await;
    kernel("http://h/another-way").await;
}

async fn volumes_count_at_once(site: TestDb) {
    let pair = Pair::new(&site).await;
    let mut node = waiting("volumes");
    node.provision_state = ironpxe_core::provision_state::ProvisionState::Active.into();
    let target = VolumeTarget {
        uuid: VolumeTargetUuid(ident::uuid()),
        node_uuid: node.uuid,
        volume_type: "iscsi".to_owned(),
        boot_index: 0,
        volume_id: "v".to_owned(),
        properties: serde_json::from_value(json!({
            "target_portal": "192.0.2.1:3260", "target_iqn": "iqn.2026-01.example:a", "target_lun": 1,
        }))
        .unwrap(),
        extra: ironpxe_core::JsonMap::new(),
        created_at: clock::now(),
        updated_at: None,
    };
    let boots = json!(target.uuid.to_string());
    node.driver_internal_info
        .insert("boot_from_volume".into(), boots);
    let ident = BootIdent::Node(node.uuid);
    pair.db.node_create(&node).await.unwrap();
    let without = pair.check(ident, "no volume").await.unwrap();
    pair.db.volume_create(&target).await.unwrap();
    let with = pair.check(ident, "a volume").await.unwrap();
    assert_ne!(without, with);
    let set = |target: &mut VolumeTarget| {
        target.properties.insert("target_lun".into(), json!(2));
        Ok(())
    };
    pair.db
        .volume_change(target.uuid, |_| Ok(()), set)
        .await
        .unwrap();
    let changed = pair.check(ident, "another LUN").await.unwrap();
    assert_ne!(with, changed);
    pair.db
        .volume_destroy::<VolumeTarget>(target.uuid, |_| Ok(()))
        .await
        .unwrap();
    assert_eq!(pair.check(ident, "gone").await.unwrap(), without);
}

async fn new_templates_count_at_once(site: TestDb) {
    let pair = Pair::new(&site).await;
    let node = waiting("templates");
    pair.db.node_create(&node).await.unwrap();
    let ident = BootIdent::Node(node.uuid);
    let built_in = pair.check(ident, "built in").await.unwrap();
    let downloads = BootSettings::default().downloads;
    for word in ["one", "two"] {
        let source = format!(
            "#!ipxe\nimgfree\necho {{{{ node.uuid }}}} {{{{ request_id }}}}\necho {word}\n\
             echo {{{{ request_id | upper }}}}\nexit 1\n"
        );
        let file = TemplateFile {
            path: "t.j2".to_owned(),
            text: source,
        };
        let templates = OperatorTemplates {
            every: Some(file),
            ..OperatorTemplates::default()
        };
        let scripts = Scripts::with_operators(downloads, templates).unwrap();
        pair.boot.templates().replace(scripts);
        let id = ident::request_id();
        for _ in 0..2 {
            let script = pair.boot.script(&id, ident).await.unwrap();
            assert!(script.contains(word), "{script}");
            assert!(script.contains(&id.to_uppercase()), "{script}");
        }
    }
    let scripts = Scripts::new(downloads).unwrap();
    pair.boot.templates().replace(scripts);
    assert_eq!(pair.check(ident, "built in again").await.unwrap(), built_in);
}

/// A file may vanish without any commit.
async fn what_is_outside_the_database_is_looked_for_each_time(site: TestDb) {
    let folder = tempfile::tempdir().unwrap();
    let files = ["deploy_kernel", "deploy_ramdisk"].map(|key| (key, folder.path().join(key)));
    let db = site.open().await;
    let allowed = vec![folder.path().to_owned()];
    let settings = BootServiceSettings {
        images: Images::new(images::Settings {
            allowed_paths: allowed,
            ..images::testing::settings()
        })
        .unwrap(),
        ..settings()
    };
    let pair = Pair::with(db, settings);
    let mut node = waiting("one");
    for (key, path) in &files {
        std::fs::write(path, "x").unwrap();
        let url = format!("file://{}", path.display());
        node.driver_info.insert((*key).into(), json!(url));
    }
    pair.db.node_create(&node).await.unwrap();
    pair.db.port_create(&port_of(&node)).await.unwrap();
    for ident in [BootIdent::Address(MAC), BootIdent::Node(node.uuid)] {
        for _ in 0..2 {
            let script = pair.script(ident).await.unwrap();
            assert!(script.contains("deploy ramdisk"), "{script}");
        }
        let [(_, kernel), _] = &files;
        std::fs::remove_file(kernel).unwrap();
        for _ in 0..2 {
            let script = pair.script(ident).await.unwrap();
            assert!(script.contains("is not booted"), "{script}");
        }
        std::fs::write(kernel, "x").unwrap();
    }
}
