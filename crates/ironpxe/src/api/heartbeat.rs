//! `POST /v1/heartbeat/<node>`: heartbeats of an agent or an installer.
//!
//! Public: the conductor checks the node's agent token.
//!
//! Source: Ironic's `api/controllers/v1/ramdisk.py`, with the same order of checks.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use http::StatusCode;
use ironpxe_core::error::Fault;

use crate::api::AppState;
use crate::api::args::{Args, BodyArgs};
use crate::api::call::{Call, PublicCall};
use crate::api::error::{ApiError, Result};
use crate::api::resolve;
use crate::rpc::{AgentStatus, Heartbeat};

const ARGUMENTS: [&str; 7] = [
    "node_ident",
    "callback_url",
    "agent_version",
    "agent_token",
    "agent_verify_ca",
    "agent_status",
    "agent_status_message",
];

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/heartbeat", post(by_argument))
        .route("/v1/heartbeat/{node}", post(by_path))
}

/// Ironic also reads the node from the body.
async fn by_argument(
    State(state): State<AppState>,
    call: Call,
    BodyArgs(args): BodyArgs,
) -> Result<StatusCode> {
    args.only(&ARGUMENTS)?;
    let node = args.required_text("node_ident")?;
    take(&state, &call, &node, &args).await
}

async fn by_path(
    State(state): State<AppState>,
    PublicCall(call): PublicCall,
    Path(node): Path<String>,
    BodyArgs(args): BodyArgs,
) -> Result<StatusCode> {
    args.only(ARGUMENTS.get(1..).unwrap_or_default())?;
    take(&state, &call, &node, &args).await
}

async fn take(state: &AppState, call: &Call, node: &str, args: &Args) -> Result<StatusCode> {
    // To older clients this path does not exist.
    if !call.has(22) {
        return Err(Fault::NotFound.into());
    }
    let callback_url = args.required_text("callback_url")?;
    let agent_version = args.text("agent_version")?;
    let agent_token = args.text("agent_token")?;
    // Agents are not called back, so their certificate is not stored.
    let agent_verify_ca = args.text("agent_verify_ca")?;
    let agent_status = args.text("agent_status")?;
    let agent_status_message = args.text("agent_status_message")?;
    let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());

    if given(&agent_version) && !call.has(36) {
        return Err(ApiError::invalid("Field \"agent_version\" not recognised"));
    }
    if (given(&agent_status) || given(&agent_status_message)) && !call.has(72) {
        return Err(ApiError::invalid(
            "Fields \"agent_status\" and \"agent_status_message\" not recognised.",
        ));
    }
    if agent_verify_ca.is_some() && !call.has(68) {
        return Err(ApiError::invalid(
            "Field \"agent_verify_ca\" not recognised in this version",
        ));
    }
    let node = resolve::find_agent(state, call, node).await?;
    // An installer has no callback URL.
    if !callback_url.is_empty() && !is_url(&callback_url) {
        return Err(ApiError::invalid(
            "An issue with the supplied \"callback_url\" has been detected.",
        ));
    }
    let agent_token = agent_token
        .ok_or_else(|| ApiError::invalid("Agent token is required for heartbeat processing."))?;
    let agent_status = match agent_status {
        None => None,
        Some(word) => Some(AgentStatus::from_name(&word).ok_or_else(|| {
            ApiError::invalid("Agent status is invalid. Valid states are start,end,error.")
        })?),
    };
    let beat = Heartbeat {
        callback_url,
        agent_version,
        agent_token,
        agent_status,
        agent_status_message,
    };
    state.conductor.heartbeat(&call.ctx, node, beat).await?;
    Ok(StatusCode::ACCEPTED)
}

fn is_url(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    })
}
