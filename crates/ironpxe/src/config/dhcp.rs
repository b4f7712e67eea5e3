//! `[dhcp]`, and the settings of DHCP options.

use ironpxe_core::dhcp::{self, DhcpSettings, Loaders};
use serde::{Deserialize, Serialize};

use super::deploy::BootMode;
use super::endpoint::host_of;
use super::section::section;
use super::values::BootFile;
use super::{Config, Endpoint, Host, Pxe};

section! {
    /// The DHCP server that directs machines to this service.
    ["dhcp"] pub struct Dhcp {
        /// How it is configured: `none` (not by ironpxe; add a few lines to your server, see
        /// `ironpxe dhcp example`), `dnsmasq` (files for each node, see `[dnsmasq]`) or `neutron`
        /// (DHCP options of the machines' Neutron ports, see `[neutron]`).
        pub dhcp_provider: DhcpProvider = DhcpProvider::None;
    }
}

/// How the DHCP server is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub(crate) enum DhcpProvider {
    /// Not by this service.
    None,
    /// Files that a dnsmasq reads.
    Dnsmasq,
    /// Neutron, by the DHCP options of its ports.
    Neutron,
}

impl TryFrom<String> for DhcpProvider {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "none" => Ok(Self::None),
            "dnsmasq" => Ok(Self::Dnsmasq),
            "neutron" => Ok(Self::Neutron),
            _ => Err(format!(
                "unknown provider {name:?}; expected \"none\", \"dnsmasq\" or \"neutron\""
            )),
        }
    }
}

impl Config {
    /// The settings of DHCP options, with the API's URL `api_url`.
    pub(crate) fn dhcp_settings(&self, api_url: String) -> DhcpSettings {
        let Pxe {
            tftp_server,
            ipxe_bootfile_name,
            uefi_ipxe_bootfile_name,
            ipxe_bootfile_name_by_arch,
            ..
        } = &self.pxe;
        let file = |BootFile(name): &BootFile| name.clone();
        DhcpSettings {
            tftp_server: tftp_server
                .as_ref()
                .map_or_else(|| host_of(&api_url).to_owned(), |Host(host)| host.clone()),
            api_url,
            my_ipv6: self.general.my_ipv6.map(|address| address.to_string()),
            http_url: self
                .deploy
                .http_url
                .as_ref()
                .map(|Endpoint(url)| url.clone()),
            default_boot_mode: match self.deploy.default_boot_mode {
                BootMode::Bios => dhcp::BootMode::Bios,
                BootMode::Uefi => dhcp::BootMode::Uefi,
            },
            loaders: Loaders {
                bios: file(ipxe_bootfile_name),
                uefi: file(uefi_ipxe_bootfile_name),
                by_arch: ipxe_bootfile_name_by_arch
                    .iter()
                    .map(|(key, name)| (key.clone(), file(name)))
                    .collect(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tftp_server_defaults_to_the_host_of_the_api() {
        for (url, host) in [
            ("http://192.0.2.1:6385", "192.0.2.1"),
            ("https://ironpxe.example/baremetal", "ironpxe.example"),
            ("http://[2001:db8::1]:6385", "2001:db8::1"),
        ] {
            assert_eq!(host_of(url), host);
        }
        let mut config = Config::default();
        let tftp = |config: &Config| config.dhcp_settings("http://h:1".to_owned()).tftp_server;
        assert_eq!(tftp(&config), "h");
        config.pxe.tftp_server = Some(Host("192.0.2.9".to_owned()));
        assert_eq!(tftp(&config), "192.0.2.9");
    }
}
