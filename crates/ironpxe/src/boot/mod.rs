//! The boot service: what a machine is answered, in whatever process it asks.
//!
//! `request.rs` reads which machine a URL or a call names, [`service`] turns that into a
//! [`BootResponse`] (cache, facts, decision, images, script, log), and `response.rs` chooses the status
//! and `Retry-After`. The HTTP API, its fast path and JSON-RPC only encode the response. All that a
//! boot needs is in the database and in the configuration that every process has, so no conductor is
//! asked.
//!
//! `docs/architecture.md` follows one request through these files.

mod cache;
mod facts;
mod hardware_types;
mod images;
mod kickstart;
mod limiter;
pub mod preview;
mod rendered;
mod request;
mod response;
mod service;
mod templates;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod unknown_machines;

pub use self::hardware_types::HardwareTypes;
pub use self::preview::BootPreview;
pub(crate) use self::request::{BootRequest, Target};
pub(crate) use self::response::{BootBody, BootResponse, Client};
pub use self::service::{BootService, Settings};
pub use self::templates::Templates;
