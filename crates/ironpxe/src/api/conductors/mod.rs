//! `/v1/conductors`.

use axum::Router;
use axum::routing::get;
use ironpxe_core::conductor::Conductor;
use ironpxe_core::timestamp;
use serde_json::{Map, Value, json};

use crate::api::AppState;
use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::fields;

mod list;
mod show;

/// The minor version that introduced conductors.
const SINCE: u16 = 49;

/// The fields in Ironic's order, including `links`.
const FIELDS: [&str; 7] = [
    "created_at",
    "updated_at",
    "hostname",
    "conductor_group",
    "drivers",
    "links",
    "alive",
];

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/conductors", get(list::get))
        .route("/v1/conductors/{hostname}", get(show::get))
}

fn check_fields(fields: Option<&[String]>) -> Result<()> {
    fields::check_known(fields.unwrap_or_default(), |name| FIELDS.contains(&name))
}

/// A conductor as JSON, with all fields, or with `fields` and the links.
fn view(call: &Call, conductor: &Conductor, fields: Option<&[&str]>) -> Value {
    let body = FIELDS
        .into_iter()
        .filter(|name| fields.is_none_or(|fields| *name == "links" || fields.contains(name)))
        .map(|name| {
            let value = match name {
                "created_at" => timestamp::show(Some(conductor.created_at)),
                "updated_at" => timestamp::show(conductor.updated_at),
                "hostname" => json!(conductor.hostname),
                "conductor_group" => json!(conductor.conductor_group),
                "drivers" => json!(conductor.drivers),
                "links" => call
                    .links
                    .pair(&format!("conductors/{}", conductor.hostname)),
                _ => json!(conductor.alive),
            };
            (name.to_owned(), value)
        })
        .collect::<Map<_, _>>();
    Value::Object(body)
}
