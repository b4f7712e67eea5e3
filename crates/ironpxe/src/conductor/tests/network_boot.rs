//! What the boot interface does around the work: the DHCP server knows, the boot device is set,
//! and if that cannot be, the work fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ironpxe_core::boot_device::BootDevice;
use ironpxe_core::driver::management;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::patch::PortChange;

use super::*;
use crate::db::{Page, PortFilter};
use crate::dhcp::Dnsmasq;

struct NetworkBootFixture {
    app: TestApp,
    folder: PathBuf,
}

impl NetworkBootFixture {
    /// A conductor that writes for a dnsmasq.
    async fn new() -> Self {
        let builder = TestApp::builder();
        let folder = builder.folder().to_owned();
        for name in ["hosts", "opts"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        let dnsmasq = Dnsmasq::new(folder.join("hosts"), folder.join("opts"));
        let app = builder.conductor(|settings| {
            settings.dhcp = Dhcp::Dnsmasq(dnsmasq);
            settings.dhcp_options.api_url = "http://192.0.2.1:6385".to_owned();
            settings.dhcp_options.tftp_server = "192.0.2.1".to_owned();
        });
        let app = app.start().await;
        Self { app, folder }
    }

    fn files(&self, kind: &str) -> BTreeMap<String, String> {
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        fs::read_dir(self.folder.join(kind))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                (
                    path.file_name().unwrap().to_str().unwrap().to_owned(),
                    read(&path),
                )
            })
            .collect()
    }

    /// The line of the only card.
    fn card(&self) -> String {
        let cards = self.files("hosts");
        assert_eq!(cards.len(), 1, "{cards:?}");
        let (name, line) = cards.into_iter().next().unwrap();
        let address = name
            .strip_prefix("ironic-")
            .unwrap()
            .strip_suffix(".conf")
            .unwrap();
        assert!(line.starts_with(address), "{name}: {line}");
        line
    }

    async fn port(&self, node: NodeUuid) -> Port {
        let filter = PortFilter {
            node_uuid: Some(node),
            ..PortFilter::default()
        };
        let ports = self.app.db.port_list(&filter, &Page::default()).await;
        ports.unwrap().into_iter().next().unwrap()
    }

    async fn device(&self, node: NodeUuid) -> (BootDevice, bool) {
        management::get(&self.app.settled(node).await)
    }

    async fn change(&self, node: NodeUuid, change: impl Fn(&mut Node) + Send + Sync) {
        let change = |node: &mut Node| {
            change(node);
            Ok(())
        };
        self.app.db.node_change(node, change).await.unwrap();
    }
}

#[tokio::test]
async fn dhcp_files_exist_from_the_first_ramdisk_to_the_end_of_the_instance() {
    let site = NetworkBootFixture::new().await;
    let node = site.app.enrol("direct").await;
    site.app.walk(node, &["manage", "provide"]).await;
    assert_eq!(site.files("hosts").len() + site.files("opts").len(), 0);

    assert_eq!(site.app.walk(node, &["active"]).await, ["wait call-back"]);
    assert!(site.card().ends_with(&format!(",set:{node},set:ironic\n")));
    let opts = site.files("opts");
    let options = &opts[&format!("ironic-{node}.conf")];
    let script = format!(
        "tag:{node},tag:ipxe,67,http://192.0.2.1:6385/v1/drivers/fake-hardware/vendor_passthru/\
         ipxe_config?node_uuid={node}\n"
    );
    assert!(options.contains(&script), "{options}");
    assert!(options.starts_with(&format!("tag:{node},tag:!ipxe,67,snponly.efi\n")));
    assert_eq!(site.device(node).await, (BootDevice::Pxe, false));
    let known = site.app.settled(node).await;
    assert_eq!(
        known.driver_internal_info["dnsmasq_tag"],
        json!(node.to_string())
    );

    assert_eq!(site.app.walk(node, &["undeploy"]).await, ["available"]);
    assert!(site.card().ends_with(",ignore\n"));
    assert!(site.files("opts").is_empty());
    let cleared = site.app.settled(node).await;
    assert!(!cleared.driver_internal_info.contains_key("dnsmasq_tag"));
}

#[tokio::test]
async fn cleaning_after_undeploy_boots_from_the_network() {
    let site = NetworkBootFixture::new().await;
    let node = site.app.enrol("ramdisk").await;
    site.app.walk(node, &["manage", "provide", "deploy"]).await;
    assert_eq!(site.device(node).await, (BootDevice::Pxe, true));
    site.change(node, |node| node.automated_clean = Some(true))
        .await;
    assert_eq!(site.app.walk(node, &["undeploy"]).await, ["clean wait"]);
    assert!(site.card().ends_with(",set:ironic\n"));
    assert_eq!(site.device(node).await, (BootDevice::Pxe, false));
}

#[tokio::test]
async fn disk_instance_boots_from_the_disk_after_rescue() {
    let site = NetworkBootFixture::new().await;
    let node = site.app.enrol("direct").await;
    site.change(node, |node| {
        for key in ["kernel", "ramdisk"] {
            node.instance_info.remove(key);
        }
    })
    .await;
    let states = site.app.walk(node, &["manage", "adopt"]).await;
    assert_eq!(states, ["manageable", "active"]);
    // What runs already is left alone.
    let adopted = site.app.settled(node).await;
    assert!(
        !adopted
            .driver_internal_info
            .contains_key("fake_boot_device")
    );
    assert_eq!(site.app.walk(node, &["rescue"]).await, ["rescue wait"]);
    assert_eq!(site.device(node).await, (BootDevice::Pxe, false));
    assert!(site.card().ends_with(",set:ironic\n"));
    let states = site.app.walk(node, &["abort", "unrescue"]).await;
    assert_eq!(states, ["rescue failed", "active"]);
    assert_eq!(site.device(node).await, (BootDevice::Disk, true));
}

#[tokio::test]
async fn installer_boots_from_the_network_until_it_is_done() {
    let site = NetworkBootFixture::new().await;
    let node = site.app.enrol("anaconda").await;
    let states = site.app.walk(node, &["manage", "provide", "active"]).await;
    assert_eq!(states.last().unwrap(), "wait call-back");
    assert_eq!(site.device(node).await, (BootDevice::Pxe, true));
}

#[tokio::test]
async fn unwritable_dhcp_file_fails_the_work_with_the_reason() {
    for (verb, before, state) in [
        ("deploy", &["manage", "provide"][..], "deploy failed"),
        ("clean", &["manage"], "clean failed"),
        ("inspect", &["manage"], "inspect failed"),
        ("rescue", &["manage", "adopt"], "rescue failed"),
        ("service", &["manage", "adopt"], "service failed"),
    ] {
        let site = NetworkBootFixture::new().await;
        let node = site.app.enrol("direct").await;
        site.app.walk(node, before).await;
        for name in ["opts", "hosts"] {
            fs::remove_dir_all(site.folder.join(name)).unwrap();
        }
        assert_eq!(site.app.walk(node, &[verb]).await, [state]);
        let failed = site.app.settled(node).await;
        let error = failed.last_error.clone().unwrap_or_default();
        assert!(
            error.starts_with("Cannot configure DHCP for the machine's boot: ")
                && error.contains("[dnsmasq]dhcp_optsdir"),
            "{verb}: {error}"
        );
        assert_eq!(failed.reservation, None);
    }
}

#[tokio::test]
async fn failed_undeploy_sets_the_error_state() {
    let site = NetworkBootFixture::new().await;
    let node = site.app.enrol("direct").await;
    site.app.walk(node, &["manage", "provide", "active"]).await;
    fs::remove_dir_all(site.folder.join("hosts")).unwrap();
    assert_eq!(site.app.walk(node, &["undeploy"]).await, ["error"]);
    let failed = site.app.settled(node).await;
    assert!(
        failed
            .last_error
            .unwrap()
            .contains("[dnsmasq]dhcp_hostsdir")
    );
}

#[tokio::test]
async fn port_changes_reach_the_dhcp_server_immediately() {
    let site = NetworkBootFixture::new().await;
    let node = site.app.enrol("direct").await;
    site.app.walk(node, &["manage", "provide", "active"]).await;
    let before = site.port(node).await;
    let moved: MacAddress = "52:54:00:00:00:99".parse().unwrap();
    let patch = json!([{"op": "replace", "path": "/address", "value": moved.to_string()}]);
    let change = PortChange(serde_json::from_value(patch).unwrap());
    let conductor = &site.app.conductor;
    let ctx = context();
    conductor
        .port_update(&ctx, before.uuid, change)
        .await
        .unwrap();
    let cards = site.files("hosts");
    assert_eq!(
        cards[&format!("ironic-{moved}.conf")],
        format!("{moved},set:{node},set:ironic\n")
    );
    // dnsmasq is given time to read that the other one has no node any more.
    let old = &cards[&format!("ironic-{}.conf", before.address)];
    assert_eq!(old, &format!("{}\n", before.address));

    let added: MacAddress = "52:54:00:00:00:98".parse().unwrap();
    let port = Port::new(PortUuid(ident::uuid()), node, added, clock::now());
    conductor.port_create(&ctx, port.clone()).await.unwrap();
    assert!(
        site.files("hosts")
            .contains_key(&format!("ironic-{added}.conf"))
    );
    conductor.port_destroy(&ctx, port.uuid).await.unwrap();
    assert_eq!(
        site.files("hosts")[&format!("ironic-{added}.conf")],
        format!("{added}\n")
    );
}

#[tokio::test]
async fn dhcp_files_of_a_deleted_node_are_removed() {
    let site = NetworkBootFixture::new().await;
    let node = site.app.enrol("direct").await;
    site.app.walk(node, &["manage", "provide", "active"]).await;
    site.change(node, |node| node.maintenance = true).await;
    let conductor = &site.app.conductor;
    conductor.node_destroy(&context(), node).await.unwrap();
    // The rest is removed in the background.
    assert!(conductor.tasks.stop(Duration::from_secs(20)).await);
    assert_eq!(site.files("hosts"), BTreeMap::new());
    assert_eq!(site.files("opts"), BTreeMap::new());
}

#[tokio::test]
async fn unusable_boot_interface_fails_validation() {
    let site = NetworkBootFixture::new().await;
    let node = site.app.enrol("direct").await;
    site.change(node, |node| {
        node.interfaces.set(InterfaceKind::Boot, "http-ipxe");
    })
    .await;
    let problem = |found: Vec<crate::rpc::InterfaceValidation>| {
        let boot = found.into_iter().find(|it| it.kind == InterfaceKind::Boot);
        boot.unwrap().problem.unwrap_or_default()
    };
    let found = site.app.conductor.node_validate(&context(), node).await;
    assert_eq!(
        problem(found.unwrap()),
        "[deploy]http_url not set; set [deploy]http_url"
    );
}
