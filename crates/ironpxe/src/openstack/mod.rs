//! The OpenStack services that ironpxe asks: Keystone for a token, Glance for images, Swift's
//! temporary URLs for images that machines fetch there, Neutron for ports.
//!
//! Each client is thin: the calls we need, and of an answer what we read. Clones share their
//! connections and their token. What all of them do alike is below them: `session.rs` keeps a
//! token, `service.rs` asks (with a deadline, again after a token that was refused, again after a
//! fault that may pass), `http.rs` is one request, which goes nowhere else and reads no more than
//! it should.
//!
//! Source: the API references of Identity v3, Image v2 and Networking v2.0; which settings there
//! are, keystoneauth's.

mod error;
mod glance;
mod http;
mod keystone;
mod neutron;
mod service;
mod session;
mod settings;
mod temp_url;
#[cfg(test)]
mod tests;

pub use self::error::{Cause, OpenStackError};
pub use self::glance::{Glance, Image};
pub use self::neutron::{ExtraDhcpOption, FixedIp, Neutron, NeutronPort};
pub use self::settings::{Auth, Domain, Project, Secret, Settings, SetupError};
pub use self::temp_url::{TempUrlSettings, TempUrls};
