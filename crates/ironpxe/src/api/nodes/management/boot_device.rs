//! `/v1/nodes/<node>/management/boot_device`: the boot device of the machine.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use ironpxe_core::boot_device::BootDevice;
use ironpxe_core::policy::Rule;
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::args::{Args, BodyArgs};
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::resolve::{check_ident, find};

pub(in crate::api::nodes) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(node): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    check_ident(&node)?;
    args.only(&[])?;
    let node = find(&state, &call, &node, Rule::NodeGetBootDevice).await?;
    let (device, persistent) = state
        .conductor
        .boot_device_get(&call.ctx, node.uuid)
        .await?;
    let device = device.map(BootDevice::name);
    Ok(Json(
        json!({ "boot_device": device, "persistent": persistent }),
    ))
}

pub(in crate::api::nodes) async fn supported(
    State(state): State<AppState>,
    call: Call,
    Path(node): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    check_ident(&node)?;
    args.only(&[])?;
    let node = find(&state, &call, &node, Rule::NodeGetBootDevice).await?;
    let devices = state
        .conductor
        .boot_device_supported(&call.ctx, node.uuid)
        .await?;
    let names: Vec<&str> = devices.into_iter().map(BootDevice::name).collect();
    Ok(Json(json!({ "supported_boot_devices": names })))
}

pub(in crate::api::nodes) async fn put(
    State(state): State<AppState>,
    call: Call,
    Path(node): Path<String>,
    BodyArgs(args): BodyArgs,
) -> Result<StatusCode> {
    check_ident(&node)?;
    args.only(&["boot_device", "persistent"])?;
    let name = args.required_text("boot_device")?;
    let persistent = args.flag("persistent")?.unwrap_or(false);
    let node = find(&state, &call, &node, Rule::NodeSetBootDevice).await?;
    let Some(device) = BootDevice::from_name(&name) else {
        return Err(ApiError::invalid(format!(
            "Invalid boot device {name} specified."
        )));
    };
    state
        .conductor
        .boot_device_set(&call.ctx, node.uuid, device, persistent)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
