//! `POST /v1/volume/connectors`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use ironpxe_core::JsonMap;
use ironpxe_core::field::value::Field;
use ironpxe_core::id::{NodeUuid, VolumeConnectorUuid};
use ironpxe_core::patch::volume_connector_fields::{self, CREATABLE, REQUIRED};
use ironpxe_core::volume::VolumeConnector;
use serde_json::Value;

use crate::api::AppState;
use crate::api::body::JsonBody;
use crate::api::error::Result;
use crate::api::request::Call;
use crate::api::schema;
use crate::api::volume::connectors::view;
use crate::api::volume::{SINCE, check_node, not_created};
use crate::{clock, ident};

pub(super) async fn post(
    State(state): State<AppState>,
    call: Call,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    call.not_found_before(SINCE)?;
    let body = schema::object("connector", body, &REQUIRED, &CREATABLE)?;
    let connector = read(&body)?;
    let node = connector.node_uuid;
    check_node(&state, node).await?;
    let connector = state
        .conductor
        .volume_connector_create(&call.ctx, connector)
        .await
        .map_err(|fault| not_created(fault, node))?;
    let location = call
        .links
        .v1(&format!("volume/connectors/{}", connector.uuid));
    let shown = view::show(&call, &connector, None);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(shown),
    )
        .into_response())
}

/// Parses the connector in the body.
fn read(body: &JsonMap) -> Result<VolumeConnector> {
    let field = |name: &'static str, value| Field {
        resource: "connector",
        name,
        value,
    };
    let uuid = field("uuid", body.get("uuid").unwrap_or(&Value::Null)).uuid()?;
    let mut connector = VolumeConnector {
        uuid: VolumeConnectorUuid(uuid.unwrap_or_else(ident::uuid)),
        node_uuid: NodeUuid(uuid::Uuid::nil()),
        kind: String::new(),
        connector_id: String::new(),
        extra: JsonMap::new(),
        created_at: clock::now(),
        updated_at: None,
    };
    for name in CREATABLE.into_iter().filter(|name| *name != "uuid") {
        if let Some(value) = body.get(name) {
            volume_connector_fields::set(&mut connector, &field(name, value))?;
        }
    }
    Ok(connector)
}
