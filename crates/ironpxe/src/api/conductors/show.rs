//! `GET /v1/conductors/<hostname>`.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::error::Fault;
use ironpxe_core::policy::{Rule, Target};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::conductors::{SINCE, check_fields, view};
use crate::api::error::Result;
use crate::api::fields;

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(hostname): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    call.not_found_before(SINCE)?;
    args.only(&["fields"])?;
    let fields = args.list("fields")?;
    check_fields(fields.as_deref())?;
    call.authorize(Rule::ConductorGet, &Target::NONE)?;
    let conductor = state.store.conductor(&hostname).await?;
    let conductor = conductor.ok_or(Fault::ConductorNotFound(hostname))?;
    let fields = fields::requested(fields.as_deref());
    Ok(Json(view(&call, &conductor, fields.as_deref())))
}
