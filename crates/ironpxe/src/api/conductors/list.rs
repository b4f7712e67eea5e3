//! `GET /v1/conductors`. There are few conductors, so they are sorted and paged in memory.

use axum::Json;
use axum::extract::State;
use ironpxe_core::conductor::Conductor;
use ironpxe_core::error::Fault;
use ironpxe_core::policy::{Rule, Target};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::conductors::{SINCE, check_fields, view};
use crate::api::error::{ApiError, Result};
use crate::api::fields;
use crate::api::paging::{self, Paging};
use crate::db::SortDirection;

/// The fields of a short list.
const SUMMARY: [&str; 3] = ["hostname", "conductor_group", "alive"];

const SORTABLE: [&str; 4] = ["conductor_group", "created_at", "hostname", "updated_at"];

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    call.not_found_before(SINCE)?;
    let known: Vec<&str> = paging::ARGUMENTS
        .into_iter()
        .chain(["detail", "fields"])
        .collect();
    args.only(&known)?;
    let fields = args.list("fields")?;
    check_fields(fields.as_deref())?;
    let detail = args.flag("detail")? == Some(true);
    if fields.is_some() && detail {
        return Err(ApiError::invalid(
            "Can not specify ?detail=True and fields in the same request.",
        ));
    }
    let fields = fields::listed(fields.as_deref(), detail, &SUMMARY);
    let paging = Paging::read(&args, &state.common.settings, &SORTABLE)?;
    call.authorize(Rule::ConductorGet, &Target::NONE)?;
    let mut conductors = state.store.conductors().await?;
    sort(&mut conductors, &paging);
    let mut conductors = conductors.into_iter();
    if let Some(marker) = args.text("marker")? {
        let missing = || Fault::ConductorNotFound(marker.clone());
        conductors
            .find(|conductor| conductor.hostname == marker)
            .ok_or_else(missing)?;
    }
    let limit = usize::try_from(paging.limit).unwrap_or(usize::MAX);
    let page: Vec<Conductor> = conductors.take(limit).collect();

    let last = (
        page.len(),
        page.last().map(|conductor| conductor.hostname.clone()),
    );
    let shown = page
        .iter()
        .map(|conductor| view(&call, conductor, fields.as_deref()))
        .collect();
    let next = paging.next(&call, "conductors", fields.as_deref(), &args, last);
    Ok(paging::body("conductors", shown, next))
}

fn sort(conductors: &mut [Conductor], paging: &Paging) {
    match paging.sort_key {
        Some("hostname") => conductors.sort_by(|a, b| a.hostname.cmp(&b.hostname)),
        Some("conductor_group") => {
            conductors.sort_by(|a, b| a.conductor_group.cmp(&b.conductor_group));
        }
        Some("updated_at") => conductors.sort_by_key(|conductor| conductor.updated_at),
        _ => conductors.sort_by_key(|conductor| conductor.created_at),
    }
    if paging.sort_dir == SortDirection::Descending {
        conductors.reverse();
    }
}
