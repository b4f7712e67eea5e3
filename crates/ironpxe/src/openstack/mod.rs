//! Clients of OpenStack services: Keystone for tokens, Glance for images, Swift's temporary URLs
//! for images that machines fetch there, Neutron for ports, and another Ironic for its nodes. Keystone
//! also validates clients' tokens.
//!
//! Each client is thin: only the calls and response fields in use. Clones share connections and the
//! token. The shared layers: `session.rs` caches a token, `service.rs` sends requests (with a
//! timeout, and retries after a refused token or a temporary error), `http.rs` sends a single
//! request with restricted redirects and limited responses.
//!
//! Source: the API references of Identity v3, Image v2 and Networking v2.0; the settings are
//! keystoneauth's.

mod error;
mod glance;
mod http;
mod ironic;
mod keystone;
mod neutron;
mod service;
mod session;
mod settings;
mod temp_url;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tokens;

pub(crate) use self::error::{Cause, OpenStackError};
pub(crate) use self::glance::{Glance, Image};
pub(crate) use self::ironic::Ironic;
pub(crate) use self::neutron::{ExtraDhcpOption, Neutron, NeutronPort};
pub(crate) use self::settings::{Auth, Domain, Project, Scope, Secret, Settings, SetupError};
pub(crate) use self::temp_url::{TempUrlSettings, TempUrls};
pub(crate) use self::tokens::{AccessRule, TokenValidator, ValidToken};
