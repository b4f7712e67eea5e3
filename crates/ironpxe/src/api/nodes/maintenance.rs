//! `PUT` and `DELETE /v1/nodes/<node>/maintenance`.

use axum::extract::{Path, State};
use http::StatusCode;
use ironpxe_core::patch::NodeChange;
use ironpxe_core::policy::Rule;

use crate::api::AppState;
use crate::api::args::{Args, BodyArgs};
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::resolve::{check_ident, find};

pub(super) async fn put(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    BodyArgs(args): BodyArgs,
) -> Result<StatusCode> {
    check_ident(&ident)?;
    args.only(&["reason"])?;
    let reason = args.text("reason")?;
    // The limit of Ironic's database column is 64 KiB.
    if reason.as_ref().is_some_and(|reason| reason.len() > 65_535) {
        return Err(ApiError::invalid("The reason for maintenance is too long"));
    }
    set(
        &state,
        &call,
        &ident,
        NodeChange::Maintenance { on: true, reason },
        Rule::NodeSetMaintenance,
    )
    .await
}

pub(super) async fn delete(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<StatusCode> {
    check_ident(&ident)?;
    args.only(&[])?;
    set(
        &state,
        &call,
        &ident,
        NodeChange::Maintenance {
            on: false,
            reason: None,
        },
        Rule::NodeClearMaintenance,
    )
    .await
}

async fn set(
    state: &AppState,
    call: &Call,
    ident: &str,
    change: NodeChange,
    rule: Rule,
) -> Result<StatusCode> {
    let node = find(state, call, ident, rule).await?;
    state
        .conductor
        .node_update(&call.ctx, node.uuid, change, false)
        .await?;
    Ok(StatusCode::ACCEPTED)
}
