//! `POST /v1/volume/connectors` and `POST /v1/volume/targets`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use ironpxe_core::JsonMap;
use ironpxe_core::field;
use ironpxe_core::field::value::Field;
use serde_json::Value;

use crate::api::AppState;
use crate::api::body::JsonBody;
use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::mask;
use crate::api::schema;
use crate::api::volume::{SINCE, VolumeApi, check_node, masked_fields, not_created, view};
use crate::{clock, ident};

pub(super) async fn post<V: VolumeApi>(
    State(state): State<AppState>,
    call: Call,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    call.not_found_before(SINCE)?;
    let creatable = field::names(V::FIELDS, |field| field.is_creatable);
    let body = schema::object(V::NAME, body, V::REQUIRED, &creatable)?;
    let volume = read::<V>(&body, &creatable)?;
    for name in masked_fields::<V>() {
        mask::refuse_mask(name, body.get(name).unwrap_or(&Value::Null))?;
    }
    let node = volume.node_uuid();
    check_node(&state, &call, node).await?;
    let volume = volume
        .create(&*state.conductor, &call.ctx)
        .await
        .map_err(|fault| not_created(fault, node))?;
    let location = call.links.v1(&view::path(&volume));
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(view::show(&call, &volume, None)),
    )
        .into_response())
}

/// Parses the volume in the body.
fn read<V: VolumeApi>(body: &JsonMap, creatable: &[&'static str]) -> Result<V> {
    let field = |name, value| Field {
        resource: V::NAME,
        name,
        value,
    };
    let uuid = field("uuid", body.get("uuid").unwrap_or(&Value::Null)).uuid()?;
    let mut volume = V::new(uuid.unwrap_or_else(ident::uuid).into(), clock::now());
    for name in creatable.iter().filter(|name| **name != "uuid") {
        if let Some(value) = body.get(*name) {
            field::set(V::FIELDS, &mut volume, &field(name, value))?;
        }
    }
    Ok(volume)
}
