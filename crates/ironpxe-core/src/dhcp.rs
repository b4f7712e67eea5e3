//! DHCP options that lead a machine's firmware to its boot script.
//!
//! Firmware other than iPXE gets iPXE as its loader; iPXE gets the URL of the machine's script. The
//! options are Ironic's (`common/pxe_utils.py`, `dhcp_options_for_instance`) except for one value:
//! Ironic names a script file on a conductor's disk, this names the URL that generates the script
//! (ironic-specs `ipxe-dynamic-config`).

pub mod example;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::boot::{Refusal, check_capabilities, instance_capability, node_capability};
use crate::boot_token::BootToken;
use crate::id::NodeUuid;
use crate::mask::mask_urls;
use crate::node::Node;

/// The longest value of one DHCP option, in bytes; also Neutron's limit.
const LONGEST_VALUE: usize = 255;

/// The longest boot file name that every server and firmware accepts, in bytes: the field `file` of
/// a DHCP packet is NUL-terminated (RFC 2131).
const LONGEST_FILE: usize = 127;

/// Why DHCP cannot carry this file name; `None` if it can.
pub fn file_name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > LONGEST_FILE {
        return Some("DHCP carries at most 127 bytes here");
    }
    if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("only printable ASCII characters without spaces are allowed");
    }
    if name.contains([',', '"', '\\']) {
        return Some("commas, quotation marks and \\ have a special meaning to DHCP servers");
    }
    ["tag:", "net:", "set:"]
        .into_iter()
        .any(|prefix| name.starts_with(prefix))
        .then_some("dnsmasq would read it as a tag")
}

/// One option, as Ironic hands it to a DHCP provider, and as Neutron takes it in
/// `extra_dhcp_opts`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct DhcpOption {
    /// The option's number, with the tags of the clients that get it: `tag:!ipxe,67`.
    pub opt_name: String,
    /// Its value.
    pub opt_value: String,
    /// The DHCP version it belongs to.
    pub ip_version: IpVersion,
}

/// Without the boot token of a script's URL.
impl fmt::Debug for DhcpOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            opt_name,
            opt_value,
            ip_version,
        } = self;
        f.debug_struct("DhcpOption")
            .field("opt_name", opt_name)
            .field("opt_value", &mask_urls(opt_value))
            .field("ip_version", ip_version)
            .finish()
    }
}

/// An IP version and its DHCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpVersion {
    /// Both versions, in the order in which their options are listed.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// 4 or 6.
    pub fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }

    /// The option for the boot file name (RFC 2132, RFC 5970).
    fn boot_file(self) -> &'static str {
        match self {
            Self::V4 => "67",
            Self::V6 => "59",
        }
    }

    /// The tag of iPXE clients.
    fn ipxe_tag(self) -> &'static str {
        match self {
            Self::V4 => "ipxe",
            Self::V6 => "ipxe6",
        }
    }
}

impl Serialize for IpVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

/// A machine's boot mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BootMode {
    /// A PC's BIOS, or UEFI that behaves like one.
    Bios,
    /// UEFI.
    #[default]
    Uefi,
}

impl BootMode {
    /// Parses Ironic's name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "bios" => Some(Self::Bios),
            "uefi" => Some(Self::Uefi),
            _ => None,
        }
    }

    /// Ironic's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
        }
    }
}

impl fmt::Display for BootMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How firmware loads iPXE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// By TFTP: boot interface `ipxe`.
    Tftp,
    /// By HTTP: boot interface `http-ipxe`.
    Http,
}

/// The configuration that the options depend on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DhcpSettings {
    /// The API's base URL as machines reach it, without a trailing slash (`[api]public_endpoint`).
    pub api_url: String,
    /// The TFTP server with the loaders (`[pxe]tftp_server`, an address).
    pub tftp_server: String,
    /// The same host for machines that boot over IPv6 (`[DEFAULT]my_ipv6`).
    pub my_ipv6: Option<String>,
    /// The base URL of the loaders, without a trailing slash (`[deploy]http_url`).
    pub http_url: Option<String>,
    /// `[deploy]default_boot_mode`.
    pub default_boot_mode: BootMode,
    /// The loader for each firmware.
    pub loaders: Loaders,
}

/// The file names of the loaders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaders {
    /// For BIOS (`[pxe]ipxe_bootfile_name`).
    pub bios: String,
    /// For UEFI (`[pxe]uefi_ipxe_bootfile_name`).
    pub uefi: String,
    /// By `<architecture>-<boot mode>` or `<architecture>`; these take precedence
    /// (`[pxe]ipxe_bootfile_name_by_arch`).
    pub by_arch: BTreeMap<String, String>,
}

impl Default for Loaders {
    fn default() -> Self {
        Self {
            bios: "undionly.kpxe".to_owned(),
            uefi: "snponly.efi".to_owned(),
            by_arch: BTreeMap::new(),
        }
    }
}

impl Loaders {
    /// The loader for a machine of this architecture.
    pub fn get(&self, arch: Option<&str>, mode: BootMode) -> &str {
        let by_arch = arch.and_then(|arch| {
            let exact = self.by_arch.get(&format!("{arch}-{mode}"));
            exact.or_else(|| self.by_arch.get(arch))
        });
        match (by_arch, mode) {
            (Some(name), _) => name,
            (None, BootMode::Bios) => &self.bios,
            (None, BootMode::Uefi) => &self.uefi,
        }
    }
}

/// The options for a node: IPv4 first, then IPv6.
///
/// `knows_ipxe` says that the server sets the tag `ipxe` (`ipxe6`) for iPXE clients; for other
/// servers, option 175 that iPXE sends identifies them. `token` is for the script's URL.
pub fn dhcp_options(
    node: &Node,
    settings: &DhcpSettings,
    transport: Transport,
    knows_ipxe: bool,
    token: Option<BootToken>,
) -> Result<Vec<DhcpOption>, Refusal> {
    let mode = boot_mode(node, settings.default_boot_mode)?;
    let script = script_url(&settings.api_url, &node.driver, node.uuid);
    let script = token.map_or(script.clone(), |token| token.on_url(&script));
    let files = Files {
        loader: settings.loaders.get(cpu_arch(node), mode),
        script: Some(&script),
    };
    let options = options_for(files, settings, transport, knows_ipxe)?;
    refuse_unusable(&options)?;
    Ok(options)
}

/// The files that firmware is directed to.
#[derive(Debug, Clone, Copy)]
struct Files<'a> {
    loader: &'a str,
    /// The URL for iPXE itself; other loaders have their own files (Ironic's boot interfaces `pxe`
    /// and `http`).
    script: Option<&'a str>,
}

fn options_for(
    Files { loader, script }: Files<'_>,
    settings: &DhcpSettings,
    transport: Transport,
    knows_ipxe: bool,
) -> Result<Vec<DhcpOption>, Refusal> {
    let mut options = Vec::new();
    for &ip_version in IpVersion::ALL {
        let loader = match (transport, ip_version) {
            (Transport::Http, _) => {
                let http_url = settings.http_url.as_deref();
                let http_url = http_url.ok_or_else(|| Refusal::Missing {
                    fields: "[deploy]http_url".to_owned(),
                })?;
                format!("{http_url}/{loader}")
            }
            (Transport::Tftp, IpVersion::V4) => loader.to_owned(),
            // DHCPv6 has no option for a server: the name is a URL.
            (Transport::Tftp, IpVersion::V6) => {
                let host = settings.my_ipv6.as_ref().unwrap_or(&settings.tftp_server);
                format!("tftp://{}/{loader}", bracketed(host))
            }
        };
        let (file, tag) = (ip_version.boot_file(), ip_version.ipxe_tag());
        let mut add = |opt_name: String, opt_value: &str| {
            options.push(DhcpOption {
                opt_name,
                opt_value: opt_value.to_owned(),
                ip_version,
            });
        };
        match script {
            None => add(file.to_owned(), &loader),
            Some(script) if knows_ipxe => {
                add(format!("tag:!{tag},{file}"), &loader);
                add(format!("tag:{tag},{file}"), script);
            }
            Some(script) => {
                add(format!("!175,{file}"), &loader);
                add(file.to_owned(), script);
            }
        }
        match (ip_version, transport) {
            // RFC 2132, RFC 5859, and dnsmasq's word for the `siaddr` of BOOTP.
            (IpVersion::V4, Transport::Tftp) => {
                for name in ["66", "150", "255"] {
                    add(name.to_owned(), &settings.tftp_server);
                }
            }
            // By this, UEFI knows an answer to its HTTP boot.
            (IpVersion::V4, Transport::Http) => add("60".to_owned(), "HTTPClient"),
            (IpVersion::V6, _) => {}
        }
    }
    Ok(options)
}

/// The URL of a node's boot script.
pub fn script_url(api_url: &str, driver: &str, node: NodeUuid) -> String {
    format!("{api_url}/v1/drivers/{driver}/vendor_passthru/ipxe_config?node_uuid={node}")
}

/// The boot mode of a node.
///
/// Source: Ironic's `boot_mode_utils.get_boot_mode` (its order of precedence).
pub fn boot_mode(node: &Node, default: BootMode) -> Result<BootMode, Refusal> {
    check_capabilities(node)?;
    if instance_capability(node, "secure_boot")?.as_deref() == Some("true") {
        return Ok(BootMode::Uefi);
    }
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let chosen = [
        (
            "instance_info.capabilities",
            instance_capability(node, "boot_mode")?,
        ),
        (
            "instance_info.deploy_boot_mode",
            text(node.instance_info.get("deploy_boot_mode")),
        ),
        (
            "properties.capabilities",
            node_capability(node, "boot_mode")?,
        ),
        (
            "driver_internal_info.deploy_boot_mode",
            text(node.driver_internal_info.get("deploy_boot_mode")),
        ),
    ]
    .into_iter()
    .find_map(|(field, word)| Some((field, word.filter(|word| !word.is_empty())?)));
    let Some((field, word)) = chosen else {
        return Ok(default);
    };
    BootMode::from_name(&word).ok_or_else(|| Refusal::BadValue {
        field: field.to_owned(),
        problem: format!("boot mode {word:?} is neither bios nor uefi"),
    })
}

fn cpu_arch(node: &Node) -> Option<&str> {
    node.properties.get("cpu_arch").and_then(Value::as_str)
}

/// An IPv6 address as written in URLs.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// Rejects values that DHCP cannot carry, or that servers would misinterpret.
fn refuse_unusable(options: &[DhcpOption]) -> Result<(), Refusal> {
    for DhcpOption {
        opt_name,
        opt_value,
        ..
    } in options
    {
        let shown = mask_urls(opt_value);
        let problem = if opt_value.len() > LONGEST_VALUE {
            format!(
                "{shown:?} has {} characters; DHCP carries at most {LONGEST_VALUE}",
                opt_value.len()
            )
        } else if opt_value.is_empty() {
            "it is empty".to_owned()
        } else if let Some(odd) = opt_value
            .chars()
            .find(|it| !it.is_ascii_graphic() || matches!(it, ',' | '"' | '\\'))
        {
            format!("{shown:?} contains {odd:?}, which has a special meaning to DHCP servers")
        } else {
            continue;
        };
        return Err(Refusal::BadValue {
            field: format!("DHCP option {opt_name}"),
            problem,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
