//! The arguments `fields` and `detail`: which fields a view has.

use crate::api::call::Call;
use crate::api::error::{ApiError, Result};

/// The minor version that introduced `detail` in lists.
const DETAIL_SINCE: u16 = 43;

/// Rejects requested fields that are not `known`.
pub(super) fn check_known(fields: &[String], known: impl Fn(&str) -> bool) -> Result<()> {
    let names = fields.iter().map(String::as_str);
    let unknown: Vec<&str> = names
        .filter(|name| *name != "links" && !known(name))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Field(s) \"{}\" are not valid",
        unknown.join(", ")
    )))
}

/// Rejects `detail` in versions without it, and together with `fields`.
pub(super) fn check_detail(
    call: &Call,
    fields: Option<&[String]>,
    detail: Option<bool>,
) -> Result<()> {
    if let Some(detail) = detail.filter(|_| !call.has(DETAIL_SINCE)) {
        let shown = if detail { "True" } else { "False" };
        return Err(ApiError::invalid(format!(
            "Invalid query parameter ?detail={shown} received."
        )));
    }
    if fields.is_some() && detail == Some(true) {
        return Err(ApiError::invalid(
            "Can not specify ?detail=True and fields in the same request.",
        ));
    }
    Ok(())
}

/// The requested fields; without any all (`None`) if `detail`, or else those of a short list.
pub(super) fn listed<'f>(
    fields: Option<&'f [String]>,
    detail: bool,
    summary: &[&'static str],
) -> Option<Vec<&'f str>> {
    match fields {
        Some(_) => requested(fields),
        None if detail => None,
        None => Some(summary.to_vec()),
    }
}

/// The requested fields; `None` are all.
pub(super) fn requested(fields: Option<&[String]>) -> Option<Vec<&str>> {
    fields.map(|fields| fields.iter().map(String::as_str).collect())
}
