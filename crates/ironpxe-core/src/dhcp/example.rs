//! Example configuration for the operator's own DHCP server: static, and the same for all machines.
//!
//! iPXE fills in its card's address itself (`${mac}`); other firmware is given iPXE. The tests run
//! these lines with the real servers.

mod check;
mod network;

// Addresses alone do no I/O.
use core::net::Ipv4Addr;

use super::{BootMode, DhcpSettings};

pub use self::check::ExampleError;
pub use self::network::{Network, ParseSubnetError, Subnet};

/// A DHCP server with an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DhcpServer {
    /// dnsmasq.
    Dnsmasq,
    /// ISC's `dhcpd`.
    Isc,
    /// ISC Kea.
    Kea,
    /// Neutron's DHCP agent, which runs dnsmasq.
    Neutron,
}

/// A kind of firmware other than iPXE, by its client architecture in option 93 (RFC 4578).
struct Firmware<L> {
    name: &'static str,
    codes: &'static [u16],
    loader: L,
}

/// The values in the example.
struct Facts<'a> {
    /// Firmware that boots by TFTP.
    firmware: Vec<Firmware<&'a str>>,
    /// Firmware that boots by HTTP, with its loader's URL.
    http: Vec<Firmware<String>>,
    tftp_server: &'a str,
    script: String,
    network: &'a Network,
    /// The placeholders that must be replaced before use.
    placeholders: Vec<String>,
}

/// The values that were not given, so that the example has placeholders for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Placeholders {
    /// The host in [`DhcpSettings::api_url`].
    pub api_url: bool,
    /// [`DhcpSettings::tftp_server`].
    pub tftp_server: bool,
    /// The network and its interface.
    pub subnet: bool,
    /// The interface.
    pub interface: bool,
}

/// The example for a server. `driver` may be any enabled hardware type: they all share the
/// endpoint.
///
/// # Errors
///
/// Values that the server would reject or truncate, or that no machine could boot with.
pub fn example(
    server: DhcpServer,
    settings: &DhcpSettings,
    driver: &str,
    network: &Network,
    placeholders: Placeholders,
) -> Result<String, ExampleError> {
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
    // The default loader is one for x86_64.
    let arm = ["aarch64-uefi", "aarch64"]
        .into_iter()
        .find_map(|key| loaders.by_arch.get(key));
    if let Some(loader) = arm {
        firmware.push(Firmware {
            name: "uefi-arm64",
            codes: &[11],
            loader,
        });
    }
    let by_http = |name, codes, loader: &str| {
        let url = settings.http_url.as_ref()?;
        let loader = format!("{url}/{loader}");
        Some(Firmware {
            name,
            codes,
            loader,
        })
    };
    let uefi = loaders.get(Some("x86_64"), BootMode::Uefi);
    let http = by_http("http", &[16], uefi)
        .into_iter()
        .chain(arm.and_then(|loader| by_http("http-arm64", &[19], loader)))
        .collect();
    let facts = Facts {
        http,
        firmware,
        tftp_server: &settings.tftp_server,
        script: format!(
            "{}/v1/drivers/{driver}/vendor_passthru/ipxe_config?port_address=${{mac}}",
            settings.api_url
        ),
        network,
        placeholders: named(server, settings, network, placeholders),
    };
    check::check(server, &facts)?;
    let lines = match server {
        DhcpServer::Dnsmasq => dnsmasq(&facts),
        DhcpServer::Isc => isc(&facts),
        DhcpServer::Kea => return Ok(kea(&facts)),
        DhcpServer::Neutron => neutron(&facts),
    };
    let lines = lines.into_iter();
    Ok(lines.flat_map(|line| [line, "\n".to_owned()]).collect())
}

/// Comment lines that explain each placeholder.
fn named(
    server: DhcpServer,
    settings: &DhcpSettings,
    network: &Network,
    placeholders: Placeholders,
) -> Vec<String> {
    let mut lines = Vec::new();
    if placeholders.api_url {
        lines.push(format!(
            "{} is a placeholder for the API's URL as machines reach it: pass --api-url,",
            settings.api_url
        ));
        lines.push("  or set [api]public_endpoint.".to_owned());
    }
    if placeholders.tftp_server {
        lines.push(format!(
            "{} is a placeholder for the TFTP server with the loaders: set [pxe]tftp_server.",
            settings.tftp_server
        ));
    }
    // Neutron's example has no network, and ISC's no interface.
    let has_network = server != DhcpServer::Neutron;
    let has_interface = matches!(server, DhcpServer::Dnsmasq | DhcpServer::Kea);
    if placeholders.interface && has_interface {
        let name = &network.interface;
        lines.push(format!(
            "{name} is a placeholder for the interface to the machines: pass --interface."
        ));
    }
    if placeholders.subnet && has_network {
        let subnet = network.subnet;
        lines.push(format!(
            "{subnet} and its range are placeholders for their network: pass --subnet."
        ));
    }
    if !lines.is_empty() {
        lines.insert(0, "PLACEHOLDERS, replace before use:".to_owned());
    }
    lines
}

/// Lines as comments, prefixed with `mark`.
fn comments(mark: &str, lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| format!("{mark} {line}")).collect()
}

fn dnsmasq(facts: &Facts<'_>) -> Vec<String> {
    let Network {
        interface,
        subnet,
        first,
        last,
    } = facts.network;
    let mut lines = vec!["# /etc/dnsmasq.d/ironpxe.conf".to_owned()];
    lines.extend(comments("#", &facts.placeholders));
    lines.extend([
        format!("interface={interface}"),
        format!("dhcp-range={first},{last},{},1h", subnet.netmask()),
        "# Recognize iPXE, and the architecture of other firmware.".to_owned(),
        "dhcp-match=set:ipxe,175".to_owned(),
    ]);
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
    lines.push("# iPXE gets its machine's boot script from this URL.".to_owned());
    lines.push(format!("dhcp-boot=tag:ipxe,{}", facts.script));
    lines.push("# Do not wait some seconds for ProxyDHCP offers.".to_owned());
    lines.push("dhcp-option-force=tag:ipxe,encap:175,176,1b".to_owned());
    lines.push("# Other firmware gets iPXE by TFTP.".to_owned());
    if facts.tftp_server.parse::<Ipv4Addr>().is_err() {
        lines.push("# dnsmasq resolves the server's name from /etc/hosts.".to_owned());
    }
    for Firmware { name, loader, .. } in &facts.firmware {
        let server = facts.tftp_server;
        lines.push(format!("dhcp-boot=tag:!ipxe,tag:{name},{loader},,{server}"));
    }
    if !facts.http.is_empty() {
        lines.push("# UEFI HTTP boot gets it by HTTP.".to_owned());
    }
    for Firmware {
        name,
        codes,
        loader,
    } in &facts.http
    {
        for code in *codes {
            lines.push(format!("dhcp-match=set:{name},option:client-arch,{code}"));
        }
        lines.push(format!(
            "dhcp-option-force=tag:!ipxe,tag:{name},60,HTTPClient"
        ));
        lines.push(format!("dhcp-boot=tag:!ipxe,tag:{name},{loader}"));
    }
    lines
}

fn neutron(facts: &Facts<'_>) -> Vec<String> {
    let mut lines = vec![
        "# Set in dhcp_agent.ini: [DEFAULT] dnsmasq_config_file = THIS FILE".to_owned(),
        "# It applies to all networks of the agent. Neutron sets the tag ipxe for iPXE clients."
            .to_owned(),
    ];
    lines.extend(comments("#", &facts.placeholders));
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
    let mut lines = vec!["# /etc/dhcp/dhcpd.conf".to_owned()];
    lines.extend(comments("#", &facts.placeholders));
    lines.extend([
        "option client-arch code 93 = unsigned integer 16;".to_owned(),
        "option space ipxe;".to_owned(),
        "option ipxe-encap-opts code 175 = encapsulate ipxe;".to_owned(),
        "option ipxe.no-pxedhcp code 176 = unsigned integer 8;".to_owned(),
        String::new(),
        format!(
            "subnet {} netmask {} {{",
            subnet.address(),
            subnet.netmask()
        ),
        format!("  range {first} {last};"),
        format!("  next-server {};", facts.tftp_server),
        "  if exists user-class and option user-class = \"iPXE\" {".to_owned(),
        "    # iPXE gets its machine's boot script from this URL.".to_owned(),
        format!("    filename \"{}\";", facts.script),
        "    # Do not wait some seconds for ProxyDHCP offers.".to_owned(),
        "    option ipxe.no-pxedhcp 1;".to_owned(),
    ]);
    let case = |codes: &[u16]| {
        let is_one: Vec<String> = codes
            .iter()
            .map(|code| format!("option client-arch = {:02x}:{:02x}", code >> 8, code & 255))
            .collect();
        format!("  }} elsif {} {{", is_one.join(" or "))
    };
    for Firmware { codes, loader, .. } in &facts.firmware {
        lines.push(case(codes));
        lines.push(format!("    filename \"{loader}\";"));
    }
    for Firmware { codes, loader, .. } in &facts.http {
        lines.push(case(codes));
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
    let is_one = |codes: &[u16]| {
        let tests: Vec<String> = codes
            .iter()
            .map(|code| format!("option[93].hex == 0x{code:04x}"))
            .collect();
        tests.join(" or ")
    };
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
        let is_one = is_one(codes);
        classes.push(format!(
            r#"      {{
        "name": "{name}", "test": "not member('ipxe') and ({})",
        "boot-file-name": "{loader}", "next-server": "{}"
      }}"#,
            is_one, facts.tftp_server
        ));
    }
    for Firmware {
        name,
        codes,
        loader,
    } in &facts.http
    {
        let is_one = is_one(codes);
        classes.push(format!(
            r#"      {{
        "name": "{name}", "test": "not member('ipxe') and ({is_one})",
        "option-data": [
          {{ "name": "vendor-class-identifier", "data": "HTTPClient", "always-send": true }},
          {{ "name": "boot-file-name", "data": "{loader}" }}
        ]
      }}"#
        ));
    }
    format!(
        r#"// /etc/kea/kea-dhcp4.conf
{}{{
  "Dhcp4": {{
    "interfaces-config": {{ "interfaces": ["{interface}"] }},
    "lease-database": {{ "type": "memfile", "persist": false }},
    "client-classes": [
{}
    ],
    "subnet4": [
      {{
        "id": 1, "subnet": "{}",
        "pools": [ {{ "pool": "{first} - {last}" }} ]
      }}
    ]
  }}
}}
"#,
        comments("//", &facts.placeholders)
            .into_iter()
            .flat_map(|line| [line, "\n".to_owned()])
            .collect::<String>(),
        classes.join(",\n"),
        subnet,
    )
}
