//! `POST /v1/volume/targets`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use ironpxe_core::JsonMap;
use ironpxe_core::field::value::Field;
use ironpxe_core::id::{NodeUuid, VolumeTargetUuid};
use ironpxe_core::patch::volume_target_fields::{self, CREATABLE, REQUIRED};
use ironpxe_core::volume::VolumeTarget;
use serde_json::Value;

use crate::api::AppState;
use crate::api::body::JsonBody;
use crate::api::error::Result;
use crate::api::mask;
use crate::api::request::Call;
use crate::api::schema;
use crate::api::volume::targets::view;
use crate::api::volume::{SINCE, check_node, not_created};
use crate::{clock, ident};

pub(super) async fn post(
    State(state): State<AppState>,
    call: Call,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    call.not_found_before(SINCE)?;
    let body = schema::object("target", body, &REQUIRED, &CREATABLE)?;
    let target = read(&body)?;
    if let Some(properties) = body.get("properties") {
        mask::refuse_mask("properties", properties)?;
    }
    let node = target.node_uuid;
    check_node(&state, node).await?;
    let target = state
        .conductor
        .volume_target_create(&call.ctx, target)
        .await
        .map_err(|fault| not_created(fault, node))?;
    let location = call.links.v1(&format!("volume/targets/{}", target.uuid));
    let shown = view::show(&call, &target, None);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(shown),
    )
        .into_response())
}

/// Parses the target in the body.
fn read(body: &JsonMap) -> Result<VolumeTarget> {
    let field = |name: &'static str, value| Field {
        resource: "target",
        name,
        value,
    };
    let uuid = field("uuid", body.get("uuid").unwrap_or(&Value::Null)).uuid()?;
    let mut target = VolumeTarget {
        uuid: VolumeTargetUuid(uuid.unwrap_or_else(ident::uuid)),
        node_uuid: NodeUuid(uuid::Uuid::nil()),
        volume_type: String::new(),
        boot_index: 0,
        volume_id: String::new(),
        properties: JsonMap::new(),
        extra: JsonMap::new(),
        created_at: clock::now(),
        updated_at: None,
    };
    for name in CREATABLE.into_iter().filter(|name| *name != "uuid") {
        if let Some(value) = body.get(name) {
            volume_target_fields::set(&mut target, &field(name, value))?;
        }
    }
    Ok(target)
}
