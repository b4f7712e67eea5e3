//! `PUT /v1/nodes/<node>/states/power`.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use ironpxe_core::error::Fault;
use ironpxe_core::policy::Rule;
use ironpxe_core::power_state::PowerTarget;
use ironpxe_core::provision_state::ProvisionState;

use crate::api::AppState;
use crate::api::args::BodyArgs;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::resolve::{check_ident, find};

pub(in crate::api::nodes) async fn put(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    BodyArgs(args): BodyArgs,
) -> Result<Response> {
    check_ident(&ident)?;
    args.only(&["target", "timeout"])?;
    let word = args.required_text("target")?;
    let timeout = args.integer("timeout")?;
    let node = find(&state, &call, &ident, Rule::NodeSetPowerState).await?;

    let target = PowerTarget::from_name(&word);
    if timeout.is_some() || matches!(target, Some(PowerTarget::SoftOff | PowerTarget::SoftReboot)) {
        call.not_acceptable_before(27)?;
    }
    if timeout.is_some_and(|timeout| timeout < 1) {
        return Err(ApiError::invalid("timeout has to be positive integer"));
    }
    let refused = |state: &str| Fault::InvalidStateRequested {
        action: word.clone(),
        node: node.uuid,
        state: state.to_owned(),
    };
    let Some(target) = target else {
        let state = node.power_state.map_or("None", |state| state.name());
        return Err(refused(state).into());
    };
    // The ramdisk must not lose power during cleaning.
    let cleaning = [ProvisionState::Cleaning, ProvisionState::CleanWait];
    if node
        .provision_state
        .known()
        .is_some_and(|state| cleaning.contains(&state))
    {
        return Err(refused(node.provision_state.name()).into());
    }
    if node.disable_power_off && matches!(target, PowerTarget::Off | PowerTarget::SoftOff) {
        return Err(ApiError::Conflict(format!(
            "Failed to set node power state to {word}."
        )));
    }
    // Saturates at 136 years.
    let timeout = timeout.map(|timeout| u32::try_from(timeout).unwrap_or(u32::MAX));
    state
        .conductor
        .change_power_state(&call.ctx, node.uuid, target, timeout)
        .await?;
    let location = call.links.v1(&format!("nodes/{ident}/states"));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)]).into_response())
}
