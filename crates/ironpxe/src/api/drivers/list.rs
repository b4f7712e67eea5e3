//! `GET /v1/drivers`.

use axum::Json;
use axum::extract::State;
use ironpxe_core::policy::{Rule, Target};
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::drivers::{select, view};
use crate::api::error::{ApiError, Result};

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    args.only(&["detail", "fields", "type"])?;
    let kind = args.text("type")?;
    let detail = args.flag("detail")?;
    let fields = args.list("fields")?;
    if fields.is_some() && detail == Some(true) {
        return Err(ApiError::invalid(
            "Can not specify ?detail=True and fields in the same request.",
        ));
    }
    if kind.is_some() || detail.is_some() {
        call.requires_version(30)?;
    }
    if fields.is_some() {
        call.not_acceptable_before(77)?;
    }
    call.authorize(Rule::DriverGet, &Target::NONE)?;
    let drivers = match kind.as_deref() {
        None | Some("dynamic") => state.conductor.drivers(&call.ctx).await?,
        // Classic drivers were removed years ago.
        Some("classic") => Vec::new(),
        Some(_) => {
            return Err(ApiError::invalid(
                "\"type\" filter must be one of \"classic\" or \"dynamic\", if specified.",
            ));
        }
    };
    let detail = detail == Some(true);
    let drivers = drivers
        .iter()
        .map(|driver| select(view(&call, driver, detail), fields.as_deref()))
        .collect::<Result<Vec<Value>>>()?;
    Ok(Json(json!({ "drivers": drivers })))
}
