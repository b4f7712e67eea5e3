//! `GET /v1/lookup`: how an agent finds out its node.
//!
//! Agents are not supported yet, so nothing is found; arguments are validated.
//!
//! Source: Ironic's `api/controllers/v1/ramdisk.py` (`LookupController`).

use axum::Router;
use axum::routing::get;
use ironpxe_core::error::Fault;
use ironpxe_core::mac::MacAddress;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::PublicCall;
use crate::api::error::{ApiError, Result};

/// The minor version that introduced it.
const SINCE: u16 = 22;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/v1/lookup", get(look_up))
}

async fn look_up(PublicCall(call): PublicCall, args: Args) -> Result<()> {
    args.only(&["addresses", "node_uuid"])?;
    let addresses = args.list("addresses")?.unwrap_or_default();
    let node = args.uuid("node_uuid")?;
    if !call.has(SINCE) {
        return Err(Fault::NotFound.into());
    }
    // Invalid addresses are ignored.
    let known = |address: &String| MacAddress::parse_colons(address).is_ok();
    if node.is_none() && !addresses.iter().any(known) {
        return Err(ApiError::invalid(
            "At least one of 'addresses' and 'node_uuid' parameters is required",
        ));
    }
    Err(Fault::NotFound.into())
}
