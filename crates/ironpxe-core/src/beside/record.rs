//! Records of Ironic: what the columns of its tables, which are the fields of its API, mean here.

use std::str::FromStr;

use serde_json::Value;
use time::OffsetDateTime;

use super::problem::Problem;
use crate::JsonMap;
use crate::driver::boot::BootInterface;
use crate::id::NodeUuid;
use crate::interface::InterfaceKind;
use crate::mac::MacAddress;
use crate::mask::is_hidden_text;
use crate::node::Node;
use crate::port::Port;
use crate::power_state::PowerState;
use crate::provision_state::{ProvisionState, StoredState};
use crate::volume::{VolumeConnector, VolumeTarget};

/// A node's name for messages, if it is one, else its UUID.
pub(super) fn label(name: Option<&str>, uuid: &str) -> String {
    let is_plain = |text: &&str| {
        let fits = (1..=255).contains(&text.len());
        fits && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let label = name.filter(is_plain).or(Some(uuid).filter(is_plain));
    label.unwrap_or("without a UUID").to_owned()
}

/// Creation times are not read.
const SOME_TIME: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// One record. Each value can be `None`: in the database `NULL`, in the API `null` or absent.
pub(super) trait Record {
    fn raw_text(&self, field: &'static str) -> Result<Option<String>, Problem>;
    fn flag(&self, field: &'static str) -> Result<Option<bool>, Problem>;
    fn number(&self, field: &'static str) -> Result<Option<i64>, Problem>;
    fn json(&mut self, field: &'static str) -> Result<Option<Value>, Problem>;

    /// The name of a field in messages.
    fn name(&self, field: &'static str) -> String;
    /// The node's name or UUID in messages.
    fn node(&self) -> String;

    fn invalid(&self, field: &'static str, problem: impl Into<String>) -> Problem {
        Problem::Value {
            node: self.node(),
            field: self.name(field),
            problem: problem.into(),
        }
    }

    /// A text that no API has hidden.
    fn text(&self, field: &'static str) -> Result<Option<String>, Problem> {
        match self.raw_text(field)? {
            Some(text) if is_hidden_text(&text) => Err(Problem::Masked {
                node: self.node(),
                field: self.name(field),
            }),
            text => Ok(text),
        }
    }

    /// A text that every record has.
    fn set_text(&self, field: &'static str) -> Result<String, Problem> {
        self.text(field)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| self.invalid(field, "is not set"))
    }

    /// An identifier that every record has.
    fn id<T: FromStr>(&self, field: &'static str) -> Result<T, Problem> {
        let id = self.set_text(field)?.parse();
        id.map_err(|_| self.invalid(field, "is not a UUID"))
    }

    /// A JSON object. `NULL` is an empty one.
    fn object(&mut self, field: &'static str) -> Result<JsonMap, Problem> {
        match self.json(field)? {
            None | Some(Value::Null) => Ok(JsonMap::new()),
            Some(Value::Object(map)) => Ok(map),
            Some(_) => Err(self.invalid(field, "must be a JSON object")),
        }
    }
}

/// What is certain of a node whose record cannot be used.
pub(super) fn outline(record: &impl Record, uuid: NodeUuid) -> Node {
    let readable = |field| record.text(field).ok().flatten();
    let driver = readable("driver").unwrap_or_default();
    let mut node = Node::enroll(uuid, driver, SOME_TIME);
    node.name = readable("name");
    node.conductor_group = readable("conductor_group").unwrap_or_default();
    if let Some(state) = readable("provision_state") {
        node.provision_state = StoredState::from_name(&state);
    }
    node
}

pub(super) fn node(record: &mut impl Record) -> Result<Node, Problem> {
    let mut node = Node::enroll(record.id("uuid")?, record.set_text("driver")?, SOME_TIME);
    node.name = record.text("name")?;
    let state = record.text("provision_state")?;
    node.provision_state = match state {
        // Of nodes from before Ironic had states.
        None => ProvisionState::Available.into(),
        Some(state) => StoredState::from_name(&state),
    };
    let power_state = record.text("power_state")?;
    node.power_state =
        power_state.map(|name| PowerState::from_name(&name).unwrap_or(PowerState::Error));
    node.maintenance = record.flag("maintenance")?.unwrap_or(false);
    node.fault = record.text("fault")?;
    for kind in [InterfaceKind::Boot, InterfaceKind::Deploy] {
        if let Some(implementation) = record.text(kind.field())? {
            node.interfaces.set(kind, implementation);
        }
    }
    let deploy = node.interface(InterfaceKind::Deploy);
    if deploy.is_empty() && BootInterface::of(&node).transport().is_some() {
        // It decides what is booted; Ironic's default is the conductor's.
        return Err(record.invalid("deploy_interface", "is not set"));
    }
    node.conductor_group = record.text("conductor_group")?.unwrap_or_default();
    node.resource_class = record.text("resource_class")?;
    let instance = record.text("instance_uuid")?;
    let instance = instance.map(|text| text.parse()).transpose();
    node.instance_uuid = instance.map_err(|_| record.invalid("instance_uuid", "is not a UUID"))?;
    node.properties = record.object("properties")?;
    node.extra = record.object("extra")?;
    node.driver_info = record.object("driver_info")?;
    node.instance_info = record.object("instance_info")?;
    node.driver_internal_info = record.object("driver_internal_info")?;
    node.deploy_step = record.object("deploy_step")?;
    Ok(node)
}

pub(super) fn port(record: &impl Record, node: NodeUuid) -> Result<Port, Problem> {
    let address = MacAddress::parse_colons(&record.set_text("address")?)
        .map_err(|_| record.invalid("address", "is not a MAC address"))?;
    let mut port = Port::new(record.id("uuid")?, node, address, SOME_TIME);
    // As in Ironic, where NULL is not true.
    port.pxe_enabled = record.flag("pxe_enabled")?.unwrap_or(false);
    Ok(port)
}

pub(super) fn target(record: &mut impl Record, node: NodeUuid) -> Result<VolumeTarget, Problem> {
    let boot_index = record.number("boot_index")?;
    Ok(VolumeTarget {
        uuid: record.id("uuid")?,
        node_uuid: node,
        volume_type: record.set_text("volume_type")?,
        boot_index: boot_index.ok_or_else(|| record.invalid("boot_index", "is not set"))?,
        volume_id: record.text("volume_id")?.unwrap_or_default(),
        properties: record.object("properties")?,
        extra: JsonMap::new(),
        created_at: SOME_TIME,
        updated_at: None,
    })
}

/// A connector of type `iqn`, the only one that boots a machine.
pub(super) fn connector(record: &impl Record, node: NodeUuid) -> Result<VolumeConnector, Problem> {
    Ok(VolumeConnector {
        uuid: record.id("uuid")?,
        node_uuid: node,
        kind: IQN.to_owned(),
        connector_id: record.set_text("connector_id")?,
        extra: JsonMap::new(),
        created_at: SOME_TIME,
        updated_at: None,
    })
}

pub(super) const IQN: &str = "iqn";
