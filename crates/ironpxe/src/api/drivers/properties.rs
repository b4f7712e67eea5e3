//! `GET /v1/drivers/<driver>/properties`: the `driver_info` fields of a hardware type.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::policy::{Rule, Target};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::Result;

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(driver): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    args.only(&[])?;
    call.authorize(Rule::DriverGetProperties, &Target::NONE)?;
    let properties = state
        .conductor
        .driver_properties(&call.ctx, &driver)
        .await?;
    Ok(Json(Value::Object(properties)))
}

/// `GET /v1/drivers/properties?driver_name=<driver>`
pub(super) async fn by_query(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    args.only(&["driver_name"])?;
    let driver = args.required_text("driver_name")?;
    call.authorize(Rule::DriverGetProperties, &Target::NONE)?;
    let properties = state
        .conductor
        .driver_properties(&call.ctx, &driver)
        .await?;
    Ok(Json(Value::Object(properties)))
}
