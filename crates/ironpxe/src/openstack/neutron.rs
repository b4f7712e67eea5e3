//! Neutron's Networking API v2.0: ports, and the DHCP options that they are given.

use std::net::IpAddr;

use percent_encoding::utf8_percent_encode;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::OpenStackError;
use super::service::{Question, SEGMENT, Service};
use super::settings::{Settings, SetupError};

/// A Neutron.
#[derive(Debug, Clone)]
pub struct Neutron {
    service: Service,
}

/// A port, as Neutron describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NeutronPort {
    /// Its UUID.
    pub id: String,
    /// Its MAC address, in Neutron's spelling.
    pub mac_address: String,
    /// Its addresses.
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
    /// What DHCP tells it besides.
    #[serde(default)]
    pub extra_dhcp_opts: Vec<ExtraDhcpOption>,
}

/// An address of a port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FixedIp {
    /// The address.
    pub ip_address: IpAddr,
    /// The subnet that it is of.
    pub subnet_id: String,
}

/// A DHCP option of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraDhcpOption {
    /// Its name or number, with tags before it: `tag:ipxe,67`.
    pub opt_name: String,
    /// What DHCP answers. `None`, in a change: the option is deleted.
    pub opt_value: Option<String>,
    /// 4 or 6.
    pub ip_version: u8,
}

#[derive(Debug, Deserialize)]
struct OnePort {
    port: NeutronPort,
}

#[derive(Debug, Deserialize)]
struct Ports {
    ports: Vec<NeutronPort>,
}

impl Neutron {
    /// A client; nobody is asked yet.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        Ok(Self {
            service: Service::new("Neutron", "network", "/v2.0", settings)?,
        })
    }

    /// Asks what a port is.
    pub async fn port(&self, id: &str) -> Result<NeutronPort, OpenStackError> {
        let question = Question::get(format!("for port {id}"), path(id));
        let OnePort { port } = self.service.json(&question).await?;
        Ok(port)
    }

    /// Asks for the ports with a MAC address.
    pub async fn ports_by_mac(&self, mac: &str) -> Result<Vec<NeutronPort>, OpenStackError> {
        let question = Question::get(
            format!("for ports with the address {mac}"),
            format!("/ports?mac_address={}", utf8_percent_encode(mac, SEGMENT)),
        );
        let Ports { ports } = self.service.json(&question).await?;
        Ok(ports)
    }

    /// Sets DHCP options of a port, and deletes those without a value. Others stay as they are.
    /// Doing it twice is as good as once, so it is repeated when it is not known whether it was
    /// done, and when somebody else changed the port at the same time.
    pub async fn set_extra_dhcp_opts(
        &self,
        id: &str,
        options: &[ExtraDhcpOption],
    ) -> Result<NeutronPort, OpenStackError> {
        let question = Question {
            method: Method::PUT,
            body: Some(json!({ "port": { "extra_dhcp_opts": options } })),
            conflicts_pass: true,
            ..Question::get(format!("to set the DHCP options of port {id}"), path(id))
        };
        let OnePort { port } = self.service.json(&question).await?;
        Ok(port)
    }
}

fn path(id: &str) -> String {
    format!("/ports/{}", utf8_percent_encode(id, SEGMENT))
}
