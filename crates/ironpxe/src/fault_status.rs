//! The HTTP status of a fault.

use http::StatusCode;
use ironpxe_core::error::Fault;

/// The status that Ironic responds with.
pub(crate) fn status_of(fault: &Fault) -> StatusCode {
    StatusCode::from_u16(fault.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
