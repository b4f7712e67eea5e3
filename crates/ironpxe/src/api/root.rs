//! `/` and `/v1`: the service's description and API versions.

use axum::Json;
use axum::Router;
use axum::routing::get;
use ironpxe_core::microversion::Microversion;
use serde_json::{Map, Value, json};

use crate::api::AppState;
use crate::api::call::{Call, PublicCall};

pub(super) fn routes() -> Router<AppState> {
    // Ironic accepts every method at `/`. CONNECT and TRACE do not apply to the resource: a 200
    // would promise a tunnel.
    let root = get(root).post(root).put(root).patch(root).delete(root);
    Router::new().route("/", root).route("/v1", get(v1))
}

/// The links in `/v1`, with the minor version that introduced each.
const LINKED: [(&str, u16); 12] = [
    ("portgroups", 23),
    ("volume", 32),
    ("lookup", 22),
    ("heartbeat", 22),
    ("conductors", 49),
    ("allocations", 52),
    ("events", 54),
    ("deploy_templates", 55),
    ("shards", 82),
    ("runbooks", 92),
    ("inspection_rules", 96),
    ("continue_inspection", 84),
];

async fn root(PublicCall(call): PublicCall) -> Json<Value> {
    let version = version(&call);
    Json(json!({
        "name": "OpenStack Ironic API",
        "description": "Ironic is an OpenStack project which enables the provision and management \
                        of baremetal machines.",
        "default_version": version,
        "versions": [version],
    }))
}

async fn v1(PublicCall(call): PublicCall) -> Json<Value> {
    let mut body = Map::new();
    body.insert("id".to_owned(), json!("v1"));
    let docs = "https://docs.openstack.org//ironic/latest/contributor//webapi.html";
    body.insert(
        "links".to_owned(),
        json!([self_link(&call), { "href": docs, "rel": "describedby", "type": "text/html" }]),
    );
    body.insert(
        "media_types".to_owned(),
        json!({
            "base": "application/json",
            "type": "application/vnd.openstack.ironic.v1+json",
        }),
    );
    for name in ["chassis", "nodes", "ports", "drivers"] {
        body.insert(name.to_owned(), call.links.pair(&format!("{name}/")));
    }
    body.insert("version".to_owned(), version(&call));
    for (name, since) in LINKED {
        if call.has(since) {
            body.insert(name.to_owned(), call.links.pair(&format!("{name}/")));
        }
    }
    Json(Value::Object(body))
}

fn version(call: &Call) -> Value {
    json!({
        "id": "v1",
        "links": [self_link(call)],
        "status": "CURRENT",
        "min_version": Microversion::MIN.to_string(),
        "version": Microversion::MAX.to_string(),
    })
}

fn self_link(call: &Call) -> Value {
    json!({ "href": call.links.v1(""), "rel": "self" })
}
