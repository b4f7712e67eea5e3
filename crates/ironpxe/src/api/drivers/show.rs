//! `GET /v1/drivers/<driver>`.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::error::Fault;
use ironpxe_core::policy::{Rule, Target};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::drivers::{select, view};
use crate::api::error::Result;

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(name): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    args.only(&["fields"])?;
    let fields = args.list("fields")?;
    if fields.is_some() {
        call.not_acceptable_before(77)?;
    }
    call.authorize(Rule::DriverGet, &Target::NONE)?;
    let drivers = state.conductor.drivers(&call.ctx).await?;
    let driver = drivers.iter().find(|driver| driver.name == name);
    let driver = driver.ok_or(Fault::DriverNotFound(name))?;
    select(view(&call, driver, true), fields.as_deref()).map(Json)
}
