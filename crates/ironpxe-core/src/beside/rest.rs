//! Machines from the answers of Ironic's API, asked with microversion 1.72 (Ironic 17.0).
//!
//! A machine takes two requests: `GET /v1/ports/detail?address=` ([`port`]) and `GET
//! /v1/nodes/UUID` ([`machine`]); and two more if it boots from a volume: `GET
//! /v1/volume/targets?node=UUID&detail=true` and `GET /v1/volume/connectors?node=UUID&detail=true`
//! ([`with_volumes`]). Each answer is of another moment, so that each says what it is about, which is
//! compared with what was asked.

use serde_json::Value;

use super::IronicMachine;
use super::problem::Problem;
use super::record::{self, IQN, Record};
use crate::JsonMap;
use crate::id::NodeUuid;
use crate::mac::MacAddress;
use crate::port::Port;
use crate::volume::Volumes;

/// The port with this address, whose `node_uuid` is the node to ask for; `None` if there is none,
/// or none that the account may see.
pub fn port(address: MacAddress, body: &[u8]) -> Result<Option<Port>, Problem> {
    let request = format!("GET /v1/ports/detail?address={address}");
    let mut ports = list(&request, "ports", body)?;
    let Some(map) = ports.pop() else {
        return Ok(None);
    };
    if !ports.is_empty() {
        return Err(unexpected(&request, "has more than one port"));
    }
    let node = map.get("node_uuid").and_then(Value::as_str);
    let label = record::label(None, node.unwrap_or_default());
    let body = Body::new(request, label, map);
    body.requires(&["uuid", "address", "node_uuid", "pxe_enabled"])?;
    let port = body
        .id("node_uuid")
        .and_then(|node| record::port(&body, node));
    // Of which machine it is cannot be said without a node.
    let port = port.map_err(|problem| body.unexpected(&format!("cannot be used: {problem}")))?;
    if port.address != address {
        return Err(body.unexpected(&format!("has port {}", port.address)));
    }
    Ok(Some(port))
}

/// The machine of this node, with its port but without its volumes. If it boots from one
/// ([`boots_from_volume`](crate::boot::boots_from_volume)), [`with_volumes`] adds them.
pub fn machine(uuid: NodeUuid, port: Option<Port>, body: &[u8]) -> Result<IronicMachine, Problem> {
    let request = format!("GET /v1/nodes/{uuid}");
    let map = parsed(&request, body)?;
    let label = record::label(map.get("name").and_then(Value::as_str), &uuid.to_string());
    let mut body = Body::new(request, label, map);
    body.requires(&NEEDED)?;
    match body.id::<NodeUuid>("uuid") {
        Ok(of) if of == uuid => {}
        Ok(of) => return Err(body.unexpected(&format!("is node {of}"))),
        Err(_) => return Err(body.unexpected("has no UUID")),
    }
    let outline = record::outline(&body, uuid);
    let node = record::node(&mut body).and_then(|node| Ok((node, body.text("conductor")?)));
    match node {
        Ok((node, conductor)) => Ok(IronicMachine::new(node, conductor, port, None)),
        Err(problem) => Ok(IronicMachine::unusable(outline, problem.into_refusal()?)),
    }
}

/// The UUID in the answer to `GET /v1/nodes/NAME?fields=uuid`.
pub fn node_uuid(body: &[u8]) -> Result<NodeUuid, Problem> {
    let request = "GET /v1/nodes/NAME?fields=uuid";
    uuid_in(request, "uuid", &parsed(request, body)?)
}

/// The ports in the answer to `GET /v1/ports/detail?node=UUID`.
pub fn ports(node: NodeUuid, body: &[u8]) -> Result<Vec<Port>, Problem> {
    let request = format!("GET /v1/ports/detail?node={node}");
    let ports = list(&request, "ports", body)?.into_iter();
    let port = |map| {
        let body = Body::new(request.clone(), node.to_string(), map);
        body.requires(&["uuid", "address", "pxe_enabled"])?;
        record::port(&body, node)
    };
    ports.map(port).collect()
}

/// A port in a list of all ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPort {
    /// Its UUID.
    pub uuid: String,
    /// Its node.
    pub node_uuid: NodeUuid,
    /// Its address.
    pub address: String,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Whether another page follows.
    pub has_next: bool,
}

/// UUIDs and names in a page of `GET /v1/nodes?fields=uuid,name`.
pub fn listed_nodes(body: &[u8]) -> Result<Page<(NodeUuid, Option<String>)>, Problem> {
    let request = "GET /v1/nodes?fields=uuid,name";
    let node = |map: JsonMap| {
        let name = map.get("name").and_then(Value::as_str);
        Ok((uuid_in(request, "uuid", &map)?, name.map(str::to_owned)))
    };
    page(request, "nodes", body, node)
}

/// A page of `GET /v1/ports?fields=uuid,address,node_uuid`.
pub fn listed_ports(body: &[u8]) -> Result<Page<ListedPort>, Problem> {
    let request = "GET /v1/ports?fields=uuid,address,node_uuid";
    let port = |map: JsonMap| {
        let text = |field: &str| map.get(field).and_then(Value::as_str).map(str::to_owned);
        let missing = || unexpected(request, "has a port without UUID or address");
        Ok(ListedPort {
            uuid: text("uuid").ok_or_else(missing)?,
            address: text("address").ok_or_else(missing)?,
            node_uuid: uuid_in(request, "node_uuid", &map)?,
        })
    };
    page(request, "ports", body, port)
}

/// Whether the body is an answer to `GET /v1/conductors`.
pub fn conductors(body: &[u8]) -> Result<(), Problem> {
    page("GET /v1/conductors", "conductors", body, Ok).map(drop)
}

/// The newest microversion in the answer to `GET /v1/`.
pub fn newest_version(body: &[u8]) -> Result<String, Problem> {
    let document = serde_json::from_slice::<Value>(body).ok();
    let version = document
        .as_ref()
        .and_then(|it| it.get("version")?.get("version")?.as_str());
    let version = version.map(str::to_owned);
    version.ok_or_else(|| unexpected("GET /v1/", "does not say the API's version"))
}

fn uuid_in(request: &str, field: &str, map: &JsonMap) -> Result<NodeUuid, Problem> {
    let uuid = map.get(field).and_then(Value::as_str);
    let uuid = uuid.and_then(|uuid| uuid.parse().ok());
    uuid.ok_or_else(|| unexpected(request, &format!("has no valid {field}")))
}

/// The fields of a node that decide what it boots.
const NEEDED: [&str; 13] = [
    "uuid",
    "driver",
    "provision_state",
    "power_state",
    "maintenance",
    "fault",
    "boot_interface",
    "deploy_interface",
    "properties",
    "driver_info",
    "instance_info",
    "driver_internal_info",
    "deploy_step",
];

/// The machine with its volumes.
pub fn with_volumes(
    machine: IronicMachine,
    targets: &[u8],
    connectors: &[u8],
) -> Result<IronicMachine, Problem> {
    match volumes(machine.node.uuid, targets, connectors) {
        Ok(volumes) => Ok(IronicMachine {
            volumes: Some(volumes),
            ..machine
        }),
        Err(problem) => Ok(IronicMachine {
            unusable: Some(problem.into_refusal()?),
            ..machine
        }),
    }
}

fn volumes(node: NodeUuid, targets: &[u8], connectors: &[u8]) -> Result<Volumes, Problem> {
    let bodies = |kind: &str, body| {
        let request = format!("GET /v1/volume/{kind}?node={node}&detail=true");
        let bodies = list(&request, kind, body)?.into_iter();
        bodies
            .map(|map| {
                let body = Body::new(request.clone(), node.to_string(), map);
                body.requires(&["uuid", "node_uuid"])?;
                match body.id::<NodeUuid>("node_uuid")? {
                    of if of == node => Ok(body),
                    of => Err(body.unexpected(&format!("has one of node {of}"))),
                }
            })
            .collect::<Result<Vec<_>, _>>()
    };
    let mut volumes = Volumes::default();
    for mut body in bodies("targets", targets)? {
        body.requires(&["boot_index", "volume_type", "properties"])?;
        volumes.targets.push(record::target(&mut body, node)?);
    }
    volumes.targets.sort_by_key(|target| target.boot_index);
    for body in bodies("connectors", connectors)? {
        body.requires(&["type", "connector_id"])?;
        if body.text("type")?.as_deref() == Some(IQN) {
            volumes.connectors.push(record::connector(&body, node)?);
        }
    }
    Ok(volumes)
}

/// A JSON object of an answer.
struct Body {
    request: String,
    node: String,
    map: JsonMap,
}

impl Body {
    fn new(request: String, node: String, map: JsonMap) -> Self {
        Self { request, node, map }
    }

    fn unexpected(&self, problem: &str) -> Problem {
        unexpected(&self.request, problem)
    }

    /// All of these fields must be there, if only as `null`: a field that an old API does not show
    /// may have a value.
    fn requires(&self, fields: &[&str]) -> Result<(), Problem> {
        let missing = fields.iter().find(|field| !self.map.contains_key(**field));
        match missing {
            None => Ok(()),
            Some(field) => Err(self.unexpected(&format!(
                "has no field {field}, which Ironic 17.0 and newer give with microversion 1.72"
            ))),
        }
    }

    fn value<T>(
        &self,
        field: &str,
        what: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        match self.map.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(self.unexpected(&format!("has a {field} that is not {what}"))),
            },
        }
    }
}

impl Record for Body {
    fn raw_text(&self, field: &'static str) -> Result<Option<String>, Problem> {
        self.value(field, "a string", |it| it.as_str().map(str::to_owned))
    }

    fn flag(&self, field: &'static str) -> Result<Option<bool>, Problem> {
        self.value(field, "true or false", Value::as_bool)
    }

    fn number(&self, field: &'static str) -> Result<Option<i64>, Problem> {
        self.value(field, "an integer", Value::as_i64)
    }

    fn json(&mut self, field: &'static str) -> Result<Option<Value>, Problem> {
        Ok(self.map.remove(field))
    }

    fn name(&self, field: &'static str) -> String {
        field.to_owned()
    }

    fn node(&self) -> String {
        self.node.clone()
    }
}

fn unexpected(request: &str, problem: &str) -> Problem {
    Problem::Answer {
        from: request.to_owned(),
        problem: format!("the answer {problem}"),
    }
}

/// The objects of a list, which must be complete.
fn list(request: &str, name: &str, body: &[u8]) -> Result<Vec<JsonMap>, Problem> {
    let map = parsed(request, body)?;
    if map.get("next").is_some_and(|next| !next.is_null()) {
        return Err(unexpected(request, "is only the first page of a list"));
    }
    objects(request, name, map)
}

fn page<T>(
    request: &str,
    name: &str,
    body: &[u8],
    item: impl Fn(JsonMap) -> Result<T, Problem>,
) -> Result<Page<T>, Problem> {
    let map = parsed(request, body)?;
    let has_next = map.get("next").is_some_and(|next| !next.is_null());
    let items = objects(request, name, map)?.into_iter().map(item);
    Ok(Page {
        items: items.collect::<Result<_, _>>()?,
        has_next,
    })
}

fn objects(request: &str, name: &str, mut map: JsonMap) -> Result<Vec<JsonMap>, Problem> {
    let objects = map
        .remove(name)
        .and_then(|it| serde_json::from_value(it).ok());
    objects.ok_or_else(|| unexpected(request, &format!("has no list of {name}")))
}

fn parsed(request: &str, body: &[u8]) -> Result<JsonMap, Problem> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(unexpected(request, "is not a JSON object")),
        Err(error) => Err(match body.trim_ascii_start() {
            [] => unexpected(request, "is empty"),
            [b'<', ..] => unexpected(request, "is HTML, as of a proxy or another server"),
            _ => unexpected(request, &format!("is not JSON: {error}")),
        }),
    }
}
