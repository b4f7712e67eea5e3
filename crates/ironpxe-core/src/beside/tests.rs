//! Machines of a real Ironic (`tests/oracle/ironic-db/`): the same from every source, and what they
//! boot is what Ironic's own files boot.

mod bad_input;
mod differences;
mod ironic_files;
mod masks;
mod recorded;
mod timelines;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;
use crate::JsonMap;
use crate::boot::{
    BootPlan, BootSettings, RamdiskImages, RenderContext, ResolvedPlan, Scripts, boots_from_volume,
    decide,
};
use crate::mac::MacAddress;

pub(super) const REQUEST: &str = "req-00000000-0000-4000-8000-000000000001";
/// The web server with the images.
pub(super) const IMAGES: &str = "http://192.0.2.20:8090";

macro_rules! oracle {
    ($file:literal) => {
        serde_json::from_str(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/oracle/ironic-db/",
            $file
        )))
        .unwrap()
    };
}
pub(super) use oracle;

/// A recorded row.
impl sql::Row for JsonMap {
    fn text(&self, column: &str) -> Result<Option<&str>, String> {
        match self.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            other => Err(format!("{other:?} is not a text")),
        }
    }

    fn integer(&self, column: &str) -> Result<Option<i64>, String> {
        match self.get(column) {
            Some(Value::Null) => Ok(None),
            Some(value) if value.is_i64() => Ok(value.as_i64()),
            other => Err(format!("{other:?} is not an integer")),
        }
    }
}

pub(super) type Rows = Vec<JsonMap>;

/// The rows by MAC address.
pub(super) fn of_sqlite() -> BTreeMap<String, Rows> {
    oracle!("sqlite.json")
}

pub(super) fn of_mariadb() -> BTreeMap<String, Rows> {
    oracle!("mariadb.json")
}

pub(super) fn from_sql(rows: &Rows) -> IronicMachine {
    sql::machine(rows).unwrap().unwrap()
}

/// The bodies by node.
pub(super) fn of_rest() -> BTreeMap<String, Value> {
    oracle!("rest.json")
}

/// The MAC addresses of a node in [`of_rest`].
pub(super) fn addresses(recorded: &Value) -> Vec<String> {
    let ports = recorded["ports_detail"].as_object().unwrap();
    ports.keys().cloned().collect()
}

/// A machine by the requests that it takes.
pub(super) fn from_rest(recorded: &Value, mac: &str) -> IronicMachine {
    let body = |value: &Value| value.to_string().into_bytes();
    let address: MacAddress = mac.parse().unwrap();
    let port = rest::port(address, &body(&recorded["ports_detail"][mac]));
    let port = port.unwrap().unwrap();
    let node = port.node_uuid;
    let machine = rest::machine(node, Some(port), &body(&recorded["node"])).unwrap();
    if boots_from_volume(&machine.node).is_none() {
        return machine;
    }
    let (targets, connectors) = (&recorded["volume_targets"], &recorded["volume_connectors"]);
    rest::with_volumes(machine, &body(targets), &body(connectors)).unwrap()
}

/// The configuration of the recorded Ironic.
pub(super) fn settings() -> BootSettings {
    let image = |name: &str| Some(format!("{IMAGES}/{name}"));
    let by_arch = |name: &str| BTreeMap::from([("aarch64".into(), format!("{IMAGES}/{name}"))]);
    BootSettings {
        api_url: "http://192.0.2.1:6385".into(),
        kernel_append_params: "nofb vga=normal console=ttyS0".into(),
        inspection_kernel_params: "ipa-inspection-collectors=default".into(),
        deploy: RamdiskImages {
            kernel: image("deploy.kernel"),
            ramdisk: image("deploy.initramfs"),
            kernel_by_arch: by_arch("arm/deploy.kernel"),
            ramdisk_by_arch: by_arch("arm/deploy.initramfs"),
        },
        rescue: RamdiskImages {
            kernel: image("rescue.kernel"),
            ramdisk: image("rescue.initramfs"),
            ..RamdiskImages::default()
        },
        ..BootSettings::default()
    }
}

pub(super) fn http_urls() -> BTreeMap<String, String> {
    BTreeMap::from([("conductor-1".into(), "http://192.0.2.10:8088".into())])
}

pub(super) fn plan(machine: &IronicMachine, settings: &BootSettings) -> BootPlan {
    decide(machine.machine(&http_urls()), settings, REQUEST)
}

pub(super) fn script(machine: &IronicMachine, plan: &BootPlan) -> String {
    static SCRIPTS: LazyLock<Scripts> =
        LazyLock::new(|| Scripts::new(settings().downloads).unwrap());
    let http_urls = http_urls();
    let context = RenderContext {
        machine: machine.machine(&http_urls),
        request_id: REQUEST,
    };
    let resolved = ResolvedPlan::direct(plan.clone());
    SCRIPTS.render(&resolved, context).unwrap()
}

#[test]
fn only_machines_that_ironic_boots_by_ipxe_are_booted_here() {
    let rows = of_mariadb();
    let not_ours: Vec<String> = rows
        .values()
        .map(from_sql)
        .filter(|machine| machine.unusable.is_some())
        .map(|machine| machine.node.label())
        .collect();
    assert_eq!(not_ours, ["bm-not-ipxe"]);
    let mut row = rows["52:54:00:be:01:01"].clone();
    row[0].insert("boot_interface".into(), Value::Null);
    let refusal = from_sql(&row).unusable.unwrap().to_string();
    assert_eq!(
        refusal,
        "boot_interface: Ironic boots this node otherwise than by iPXE"
    );
}

#[test]
fn a_node_from_before_there_were_states_is_available() {
    let mut rows = of_mariadb().remove("52:54:00:be:01:01").unwrap();
    for column in [
        "provision_state",
        "maintenance",
        "instance_info",
        "deploy_step",
    ] {
        rows[0].insert(column.into(), json!(null));
    }
    let node = from_sql(&rows).node;
    assert_eq!(node.provision_state.name(), "available");
    assert!(!node.maintenance && node.instance_info.is_empty() && node.deploy_step.is_empty());
    rows[0].insert("provision_state".into(), json!("levitating"));
    assert_eq!(from_sql(&rows).node.provision_state.name(), "levitating");
}

#[test]
fn both_statements_read_the_same_columns() {
    let by_node = sql::BY_ADDRESS
        .replace("p.uuid AS port", "NULL AS port")
        .replace("p.address AS port", "NULL AS port")
        .replace("p.pxe_enabled AS port", "NULL AS port")
        .replace(
            "FROM ports p\n  JOIN nodes n ON n.id = p.node_id",
            "FROM nodes n",
        )
        .replace("p.address = ?", "n.uuid = ?");
    assert_eq!(sql::BY_NODE, by_node);
    let mut rows = of_mariadb().remove("52:54:00:be:01:01").unwrap();
    for column in ["port_uuid", "port_address", "port_pxe_enabled"] {
        rows[0].insert(column.into(), Value::Null);
    }
    assert_eq!(from_sql(&rows).port, None);
}

#[test]
fn a_kickstart_is_that_of_a_known_conductor() {
    let rows = of_mariadb();
    let machine = rows.values().map(from_sql);
    let mut machine = machine
        .filter(|machine| machine.node.label() == "bm-anaconda-wait")
        .collect::<Vec<_>>()
        .remove(0);
    let elsewhere = BTreeMap::from([("conductor-2".to_owned(), "http://192.0.2.11".to_owned())]);
    let missing = |machine: &IronicMachine| {
        let plan = decide(machine.machine(&elsewhere), &settings(), REQUEST);
        let BootPlan::Refuse(refusal) = plan else {
            panic!("{plan:?}");
        };
        refusal.to_string()
    };
    assert_eq!(
        missing(&machine),
        "[beside]http_urls of conductor-1 not set"
    );
    machine.conductor = None;
    assert_eq!(
        missing(&machine),
        "conductor: no conductor manages the node, so that none has its kickstart"
    );
    machine.conductor = Some("conductor-2".into());
    let plan = decide(machine.machine(&elsewhere), &settings(), REQUEST);
    let BootPlan::Linux(linux) = plan else {
        panic!("{plan:?}");
    };
    let kickstart = format!("inst.ks=http://192.0.2.11/{}/ks.cfg", machine.node.uuid);
    assert!(linux.args.words().contains(&kickstart), "{linux:?}");
}
