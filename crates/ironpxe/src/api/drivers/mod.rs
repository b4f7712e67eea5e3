//! `/v1/drivers`: the hardware types.

use axum::Router;
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::api::AppState;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::passthru;
use crate::rpc::DriverInfo;

mod list;
mod properties;
mod show;
mod vendor_passthru;

pub(super) fn routes() -> Router<AppState> {
    let passthru = "/v1/drivers/{driver}/vendor_passthru";
    Router::new()
        .route("/v1/drivers", get(list::get))
        .route("/v1/drivers/properties", get(properties::by_query))
        .route("/v1/drivers/{driver}", get(show::get))
        .route("/v1/drivers/{driver}/properties", get(properties::get))
        .route(
            "/v1/drivers/vendor_passthru/methods",
            get(vendor_passthru::methods_by_query),
        )
        .route(passthru, passthru::route(vendor_passthru::by_query))
        .route(
            &format!("{passthru}/methods"),
            get(vendor_passthru::methods),
        )
        .route(
            &format!("{passthru}/{{method}}"),
            passthru::route(vendor_passthru::by_path),
        )
}

/// The interfaces introduced after 1.30, with their minor version.
const LATER_INTERFACES: [(&str, u16); 4] = [
    ("storage", 33),
    ("rescue", 38),
    ("bios", 40),
    ("firmware", 86),
];

/// A hardware type as JSON, with its interfaces if `detail`.
fn view(call: &Call, driver: &DriverInfo, detail: bool) -> Map<String, Value> {
    let path = format!("drivers/{}", driver.name);
    let mut body = Map::from_iter([
        ("name".to_owned(), json!(driver.name)),
        ("hosts".to_owned(), json!(driver.hosts)),
        ("links".to_owned(), call.links.pair(&path)),
    ]);
    if call.has(14) {
        body.insert(
            "properties".to_owned(),
            call.links.pair(&format!("{path}/properties")),
        );
    }
    if !call.has(30) {
        return body;
    }
    body.insert("type".to_owned(), json!("dynamic"));
    for interfaces in driver.interfaces.iter().filter(|_| detail) {
        let kind = interfaces.kind.name();
        let since = LATER_INTERFACES.iter().find(|(name, _)| *name == kind);
        if since.is_none_or(|(_, since)| call.has(*since)) {
            body.insert(
                format!("default_{kind}_interface"),
                json!(interfaces.default),
            );
            body.insert(
                format!("enabled_{kind}_interfaces"),
                json!(interfaces.enabled),
            );
        }
    }
    body
}

/// Keeps only `fields`, and the links.
fn select(mut body: Map<String, Value>, fields: Option<&[String]>) -> Result<Value> {
    if let Some(fields) = fields {
        let unknown: Vec<&str> = fields
            .iter()
            .map(String::as_str)
            .filter(|name| !body.contains_key(*name))
            .collect();
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            return Err(ApiError::invalid(format!(
                "Field(s) \"{names}\" are not valid"
            )));
        }
        body.retain(|name, _| name == "links" || fields.contains(name));
    }
    Ok(Value::Object(body))
}
