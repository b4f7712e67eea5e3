//! The boot service: responses to boot requests, in every role.
//!
//! `request.rs` parses URLs and arguments, [`service`] turns a request into a [`BootResponse`]
//! (cache, facts, decision, images, script, log), and `response.rs` chooses status and
//! `Retry-After`. The HTTP API, its fast path and JSON-RPC only encode the response. Everything a
//! boot needs is in the database (or that of an existing Ironic) and in the configuration of every
//! process, so no conductor is involved.
//!
//! `docs/architecture.md` follows one request through these files.

mod cache;
mod facts;
mod hardware_types;
mod images;
mod kickstart;
mod limiter;
pub(crate) mod preview;
mod refused_requests;
mod rendered;
mod request;
mod response;
mod script_template;
mod selection;
mod service;
mod templates;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tokens;
mod unknown_policy;

pub(crate) use self::facts::BootFacts;
pub(crate) use self::hardware_types::HardwareTypes;
pub(crate) use self::preview::BootPreview;
pub(crate) use self::rendered::Refusals;
pub(crate) use self::request::{BootRequest, BootTarget, token_in};
pub(crate) use self::response::{BootBody, BootResponse, Client, ClientKind};
pub(crate) use self::selection::Selection;
pub(crate) use self::service::{BootService, BootServiceSettings};
pub(crate) use self::templates::Templates;
pub(crate) use self::tokens::BootTokens;
pub(crate) use self::unknown_policy::UnknownPolicy;
