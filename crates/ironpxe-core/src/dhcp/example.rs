//! The few lines for a DHCP server of the operator's own: they serve every machine, and never
//! change.
//!
//! iPXE puts its card's address into the URL by itself (`${mac}`); any other firmware is given
//! iPXE. The tests run these very lines with the real servers.

// An address alone does no input or output.
use core::net::Ipv4Addr;

use super::{BootMode, DhcpSettings};

/// A DHCP server for which there is an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DhcpServer {
    /// dnsmasq.
    Dnsmasq,
    /// ISC's `dhcpd`.
    Isc,
    /// ISC Kea.
    Kea,
    /// The DHCP agent of Neutron, whose server is a dnsmasq.
    Neutron,
}

/// The network that machines boot on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The server's interface.
    pub interface: String,
    /// The network.
    pub subnet: Subnet,
    /// The first address that is given away.
    pub first: Ipv4Addr,
    /// The last one.
    pub last: Ipv4Addr,
}

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    address: Ipv4Addr,
    bits: u8,
}

/// A text that is no subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a subnet like 192.0.2.0/24, of 8 to 29 bits, without bits of a host")]
pub struct BadSubnet;

/// How long ISC's `filename` may be, in bytes: it goes into the field `file` of the packet, with a
/// zero at its end (RFC 2131).
const LONGEST_FILENAME: usize = 127;

/// A URL does not fit where ISC's server has to put it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "dhcpd's filename takes {LONGEST_FILENAME} bytes, and {url} has {}: give --api-url (or \
     [api]public_endpoint) a shorter name, or an address",
    .url.len()
)]
pub struct TooLong {
    /// The URL.
    pub url: String,
}

impl Subnet {
    /// Reads `192.0.2.0/24`.
    pub fn parse(text: &str) -> Result<Self, BadSubnet> {
        let (address, bits) = text.split_once('/').ok_or(BadSubnet)?;
        let address: Ipv4Addr = address.parse().map_err(|_| BadSubnet)?;
        let bits = bits.parse().map_err(|_| BadSubnet)?;
        let subnet = Self { address, bits };
        let is_whole = address.to_bits() & !subnet.mask() == 0;
        ((8..=29).contains(&bits) && is_whole)
            .then_some(subnet)
            .ok_or(BadSubnet)
    }

    fn mask(self) -> u32 {
        u32::MAX << (32 - u32::from(self.bits))
    }

    /// As dnsmasq and ISC's `dhcpd` have it.
    pub fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.mask())
    }

    /// Addresses to give away: the upper half of it, but for the last.
    pub fn upper_half(self) -> (Ipv4Addr, Ipv4Addr) {
        let size = !self.mask() + 1;
        let start = self.address.to_bits();
        let address = |offset: u32| Ipv4Addr::from_bits(start + offset);
        (address(size / 2), address(size - 2))
    }
}

/// One kind of firmware that is not iPXE, as it says in option 93 what it is (RFC 4578).
struct Firmware<'a> {
    name: &'static str,
    codes: &'static [u16],
    loader: &'a str,
}

/// What each server is to know.
struct Facts<'a> {
    firmware: Vec<Firmware<'a>>,
    /// Firmware that boots by HTTP, with its loader's URL.
    http: Option<String>,
    tftp_server: &'a str,
    script: String,
    network: &'a Network,
}

/// The lines for a server. `driver` is any enabled hardware type: the door is every one's.
///
/// # Errors
///
/// [`TooLong`], of ISC's server.
pub fn example(
    server: DhcpServer,
    settings: &DhcpSettings,
    driver: &str,
    network: &Network,
) -> Result<String, TooLong> {
    let loaders = &settings.loaders;
    let mut firmware = vec![
        Firmware {
            name: "bios",
            codes: &[0],
            loader: loaders.get(Some("x86_64"), BootMode::Bios),
        },
        Firmware {
            name: "uefi",
            codes: &[7, 9],
            loader: loaders.get(Some("x86_64"), BootMode::Uefi),
        },
    ];
    let arm = loaders.get(Some("aarch64"), BootMode::Uefi);
    if arm != loaders.uefi {
        firmware.push(Firmware {
            name: "uefi-arm64",
            codes: &[11],
            loader: arm,
        });
    }
    let http = settings.http_url.as_ref();
    let facts = Facts {
        http: http.map(|url| format!("{url}/{}", loaders.get(Some("x86_64"), BootMode::Uefi))),
        firmware,
        tftp_server: &settings.tftp_server,
        script: format!(
            "{}/v1/drivers/{driver}/vendor_passthru/ipxe_config?port_address=${{mac}}",
            settings.api_url
        ),
        network,
    };
    let lines = match server {
        DhcpServer::Dnsmasq => dnsmasq(&facts),
        DhcpServer::Isc if facts.script.len() > LONGEST_FILENAME => {
            return Err(TooLong { url: facts.script });
        }
        DhcpServer::Isc => isc(&facts),
        DhcpServer::Kea => return Ok(kea(&facts)),
        DhcpServer::Neutron => neutron(&facts),
    };
    let lines = lines.into_iter();
    Ok(lines.flat_map(|line| [line, "\n".to_owned()]).collect())
}

fn dnsmasq(facts: &Facts<'_>) -> Vec<String> {
    let Network {
        interface,
        subnet,
        first,
        last,
    } = facts.network;
    let mut lines = vec![
        "# /etc/dnsmasq.d/ironpxe.conf".to_owned(),
        format!("interface={interface}"),
        format!("dhcp-range={first},{last},{},1h", subnet.netmask()),
        "# Who is iPXE, and what the others are.".to_owned(),
        "dhcp-match=set:ipxe,175".to_owned(),
    ];
    lines.extend(dnsmasq_boot(facts));
    lines
}

fn dnsmasq_boot(facts: &Facts<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for Firmware { name, codes, .. } in &facts.firmware {
        for code in *codes {
            lines.push(format!("dhcp-match=set:{name},option:client-arch,{code}"));
        }
    }
    lines.push("# iPXE asks here which script its machine boots.".to_owned());
    lines.push(format!("dhcp-boot=tag:ipxe,{}", facts.script));
    lines.push("# It need not wait for other servers, which takes some seconds.".to_owned());
    lines.push("dhcp-option-force=tag:ipxe,encap:175,176,1b".to_owned());
    lines.push("# The others get iPXE by TFTP.".to_owned());
    for Firmware { name, loader, .. } in &facts.firmware {
        let server = facts.tftp_server;
        lines.push(format!("dhcp-boot=tag:!ipxe,tag:{name},{loader},,{server}"));
    }
    if let Some(loader) = &facts.http {
        lines.push("# UEFI that boots by HTTP gets it by HTTP.".to_owned());
        lines.push("dhcp-match=set:http,option:client-arch,16".to_owned());
        lines.push("dhcp-option-force=tag:!ipxe,tag:http,60,HTTPClient".to_owned());
        lines.push(format!("dhcp-boot=tag:!ipxe,tag:http,{loader}"));
    }
    lines
}

fn neutron(facts: &Facts<'_>) -> Vec<String> {
    let mut lines = vec![
        "# A file that dhcp_agent.ini names: [DEFAULT] dnsmasq_config_file = THIS FILE".to_owned(),
        "# It is for all networks of the agent. Who is iPXE (the tag ipxe), Neutron finds out."
            .to_owned(),
    ];
    lines.extend(dnsmasq_boot(facts));
    lines
}

fn isc(facts: &Facts<'_>) -> Vec<String> {
    let Network {
        subnet,
        first,
        last,
        ..
    } = facts.network;
    let mut lines = vec![
        "# /etc/dhcp/dhcpd.conf".to_owned(),
        "option client-arch code 93 = unsigned integer 16;".to_owned(),
        "option space ipxe;".to_owned(),
        "option ipxe-encap-opts code 175 = encapsulate ipxe;".to_owned(),
        "option ipxe.no-pxedhcp code 176 = unsigned integer 8;".to_owned(),
        String::new(),
        format!("subnet {} netmask {} {{", subnet.address, subnet.netmask()),
        format!("  range {first} {last};"),
        format!("  next-server {};", facts.tftp_server),
        "  if exists user-class and option user-class = \"iPXE\" {".to_owned(),
        "    # iPXE asks here which script its machine boots.".to_owned(),
        format!("    filename \"{}\";", facts.script),
        "    # It need not wait for other servers, which takes some seconds.".to_owned(),
        "    option ipxe.no-pxedhcp 1;".to_owned(),
    ];
    for Firmware { codes, loader, .. } in &facts.firmware {
        let is_one: Vec<String> = codes
            .iter()
            .map(|code| format!("option client-arch = {:02x}:{:02x}", code >> 8, code & 255))
            .collect();
        lines.push(format!("  }} elsif {} {{", is_one.join(" or ")));
        lines.push(format!("    filename \"{loader}\";"));
    }
    if let Some(loader) = &facts.http {
        lines.push("  } elsif option client-arch = 00:10 {".to_owned());
        lines.push("    option vendor-class-identifier \"HTTPClient\";".to_owned());
        lines.push(format!("    filename \"{loader}\";"));
    }
    lines.push("  }".to_owned());
    lines.push("}".to_owned());
    lines
}

fn kea(facts: &Facts<'_>) -> String {
    let Network {
        interface,
        subnet,
        first,
        last,
    } = facts.network;
    let mut classes = vec![format!(
        r#"      {{
        "name": "ipxe", "test": "option[77].hex == 'iPXE'",
        "option-data": [
          {{ "name": "boot-file-name", "data": "{}" }},
          {{ "code": 175, "csv-format": false, "data": "b00101", "always-send": true }}
        ]
      }}"#,
        facts.script
    )];
    for Firmware {
        name,
        codes,
        loader,
    } in &facts.firmware
    {
        let is_one: Vec<String> = codes
            .iter()
            .map(|code| format!("option[93].hex == 0x{code:04x}"))
            .collect();
        classes.push(format!(
            r#"      {{
        "name": "{name}", "test": "not member('ipxe') and ({})",
        "boot-file-name": "{loader}", "next-server": "{}"
      }}"#,
            is_one.join(" or "),
            facts.tftp_server
        ));
    }
    if let Some(loader) = &facts.http {
        classes.push(format!(
            r#"      {{
        "name": "http", "test": "not member('ipxe') and option[93].hex == 0x0010",
        "option-data": [
          {{ "name": "vendor-class-identifier", "data": "HTTPClient", "always-send": true }},
          {{ "name": "boot-file-name", "data": "{loader}" }}
        ]
      }}"#
        ));
    }
    format!(
        r#"// /etc/kea/kea-dhcp4.conf
{{
  "Dhcp4": {{
    "interfaces-config": {{ "interfaces": ["{interface}"] }},
    "lease-database": {{ "type": "memfile", "persist": false }},
    "client-classes": [
{}
    ],
    "subnet4": [
      {{
        "id": 1, "subnet": "{}/{}",
        "pools": [ {{ "pool": "{first} - {last}" }} ]
      }}
    ]
  }}
}}
"#,
        classes.join(",\n"),
        subnet.address,
        subnet.bits,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_is_read_and_divided() {
        let subnet = Subnet::parse("192.0.2.0/24").unwrap();
        assert_eq!(subnet.netmask(), Ipv4Addr::new(255, 255, 255, 0));
        assert_eq!(
            subnet.upper_half(),
            (Ipv4Addr::new(192, 0, 2, 128), Ipv4Addr::new(192, 0, 2, 254))
        );
        let small = Subnet::parse("10.0.0.8/29").unwrap();
        assert_eq!(
            small.upper_half(),
            (Ipv4Addr::new(10, 0, 0, 12), Ipv4Addr::new(10, 0, 0, 14))
        );
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.1/24",
            "10.0.0.0/30",
            "10.0.0.0/7",
            "fd00::/64",
        ] {
            assert_eq!(Subnet::parse(bad), Err(BadSubnet), "{bad}");
        }
    }
}
