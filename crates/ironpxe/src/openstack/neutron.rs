//! Neutron's Networking API v2.0: ports and their DHCP options.

use std::fmt;
use std::net::IpAddr;

use ironpxe_core::mask::mask_urls;
use percent_encoding::utf8_percent_encode;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::OpenStackError;
use super::service::{ApiRequest, SEGMENT, Service};
use super::settings::{Settings, SetupError};

/// A Neutron client.
#[derive(Debug, Clone)]
pub(crate) struct Neutron {
    service: Service,
}

/// A Neutron port.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct NeutronPort {
    /// Its UUID.
    pub id: String,
    /// Its MAC address, in Neutron's notation.
    pub mac_address: String,
    /// Its addresses.
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
    /// Its additional DHCP options.
    #[serde(default)]
    pub extra_dhcp_opts: Vec<ExtraDhcpOption>,
}

/// An address of a port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct FixedIp {
    /// The address.
    pub ip_address: IpAddr,
    /// The subnet of the address.
    pub subnet_id: String,
}

/// A DHCP option of a port.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExtraDhcpOption {
    /// Its name or number, prefixed by tags: `tag:ipxe,67`.
    pub opt_name: String,
    /// The value. `None` in a change deletes the option.
    pub opt_value: Option<String>,
    /// 4 or 6.
    pub ip_version: u8,
}

/// Without the boot token of a script's URL.
impl fmt::Debug for ExtraDhcpOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            opt_name,
            opt_value,
            ip_version,
        } = self;
        f.debug_struct("ExtraDhcpOption")
            .field("opt_name", opt_name)
            .field("opt_value", &opt_value.as_deref().map(mask_urls))
            .field("ip_version", ip_version)
            .finish()
    }
}

#[derive(Debug, Deserialize)]
struct OnePort {
    port: NeutronPort,
}

impl Neutron {
    /// Builds a client without connecting.
    pub(crate) fn new(settings: &Settings) -> Result<Self, SetupError> {
        Ok(Self {
            service: Service::new("Neutron", "network", "/v2.0", settings)?,
        })
    }

    /// Fetches a port.
    pub(crate) async fn port(&self, id: &str) -> Result<NeutronPort, OpenStackError> {
        let question = ApiRequest::get(format!("for port {id}"), path(id));
        let OnePort { port } = self.service.json(&question).await?;
        Ok(port)
    }

    /// Sets DHCP options of a port, and deletes those without a value. Others stay unchanged.
    /// Idempotent, so it is retried if its outcome is unknown, and after a concurrent change of the
    /// port.
    pub(crate) async fn set_extra_dhcp_opts(
        &self,
        id: &str,
        options: &[ExtraDhcpOption],
    ) -> Result<NeutronPort, OpenStackError> {
        let question = ApiRequest {
            method: Method::PUT,
            body: Some(json!({ "port": { "extra_dhcp_opts": options } })),
            conflicts_pass: true,
            ..ApiRequest::get(format!("to set the DHCP options of port {id}"), path(id))
        };
        let OnePort { port } = self.service.json(&question).await?;
        Ok(port)
    }
}

fn path(id: &str) -> String {
    format!("/ports/{}", utf8_percent_encode(id, SEGMENT))
}
