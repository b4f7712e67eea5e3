//! `DELETE /v1/nodes/<node>`.

use axum::extract::{Path, State};
use http::StatusCode;
use ironpxe_core::policy::Rule;

use crate::api::AppState;
use crate::api::access::of_node;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::resolve::{check_ident, find_item};

pub(super) async fn delete(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<StatusCode> {
    check_ident(&ident)?;
    args.only(&[])?;
    let node = find_item(&state, &call, &ident, Rule::NodeGet).await?;
    let is_self_owned = state.common.settings.project_admin_can_manage_own_nodes
        && !call.may(Rule::NodeDelete, &of_node(&node));
    let rule = if is_self_owned {
        Rule::NodeDeleteSelfOwnedNode
    } else {
        Rule::NodeDelete
    };
    call.authorize_node(rule, &node)?;
    state.conductor.node_destroy(&call.ctx, node.uuid).await?;
    Ok(StatusCode::NO_CONTENT)
}
