//! `ironpxe dhcp`: example configurations of DHCP servers.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use ironpxe_core::dhcp::example::{DhcpServer, Network, Placeholders, Subnet, example};

use super::{CliError, load, offline_flags};
use crate::config::{Config, ConfigError, Flag, Names, PublicEndpoint};

/// A placeholder for an unconfigured address; invalid, so that it is noticed.
const NO_API: &str = "http://IRONPXE:6385";
/// A placeholder for the TFTP server if the DHCP server requires an IP address (RFC 5737).
const NO_TFTP_SERVER: &str = "192.0.2.1";
const NO_SUBNET: &str = "192.0.2.0/24";
const NO_INTERFACE: &str = "eth1";

#[derive(Debug, Subcommand)]
pub(super) enum DhcpCommand {
    /// Print an example DHCP server configuration
    Example(ExampleArgs),
}

#[derive(Debug, Args)]
pub(super) struct ExampleArgs {
    /// The DHCP server
    server: Server,
    /// The service's configuration file (URL and loader names)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where machines find the service (`[api]public_endpoint`)
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// The network that machines boot on; 192.0.2.0/24 as a placeholder if not given
    #[arg(long, value_name = "CIDR", value_parser = Subnet::parse)]
    subnet: Option<Subnet>,
    /// The first address for machines; the upper half of the network if not given
    #[arg(long, value_name = "IP", requires = "last")]
    first: Option<Ipv4Addr>,
    /// The last address for machines
    #[arg(long, value_name = "IP", requires = "first")]
    last: Option<Ipv4Addr>,
    /// The server's interface on that network; eth1 as a placeholder if not given
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Server {
    Dnsmasq,
    /// ISC DHCP (dhcpd)
    Isc,
    Kea,
    /// Neutron's DHCP agent
    Neutron,
}

pub(super) fn run(command: &DhcpCommand) -> Result<(), CliError> {
    let DhcpCommand::Example(args) = command;
    let mut flags = offline_flags("(dhcp)", None);
    if let Some(url) = &args.api_url {
        flags.push(Flag {
            name: "--api-url",
            section: "api",
            key: "public_endpoint",
            value: url.clone(),
        });
    }
    let (config, _) = load(args.config.as_deref(), &flags)?;
    let api_url = api_url(&config)?;
    let Names(drivers) = &config.general.enabled_hardware_types;
    let driver = drivers.first().map_or("fake-hardware", String::as_str);
    let server = match args.server {
        Server::Dnsmasq => DhcpServer::Dnsmasq,
        Server::Isc => DhcpServer::Isc,
        Server::Kea => DhcpServer::Kea,
        Server::Neutron => DhcpServer::Neutron,
    };
    let takes_names = matches!(server, DhcpServer::Dnsmasq | DhcpServer::Neutron);
    let placeholders = Placeholders {
        api_url: api_url.is_none(),
        tftp_server: api_url.is_none() && config.pxe.tftp_server.is_none() && !takes_names,
        subnet: args.subnet.is_none(),
        interface: args.interface.is_none(),
    };
    let mut settings = config.dhcp_settings(api_url.unwrap_or_else(|| NO_API.to_owned()));
    if placeholders.tftp_server {
        NO_TFTP_SERVER.clone_into(&mut settings.tftp_server);
    }
    let subnet = match args.subnet {
        Some(subnet) => subnet,
        None => Subnet::parse(NO_SUBNET).map_err(CliError::Subnet)?,
    };
    let (first, last) = args.first.zip(args.last).unwrap_or(subnet.upper_half());
    let network = Network {
        interface: args.interface.as_deref().unwrap_or(NO_INTERFACE).to_owned(),
        subnet,
        first,
        last,
    };
    let text = example(server, &settings, driver, &network, placeholders)?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(CliError::Output)
}

/// The service's URL for machines: as configured, or its listening address if other hosts can
/// reach it.
fn api_url(config: &Config) -> Result<Option<String>, ConfigError> {
    const KEY: &str = "[api]public_endpoint";
    let api = &config.api;
    match &api.public_endpoint {
        Some(endpoint) if endpoint.is_loopback() => {
            let PublicEndpoint(url) = endpoint;
            let message = format!(
                "{url:?} is a loopback address, which machines cannot reach; set the address or name \
                 under which machines reach this service"
            );
            Err(config.problem(KEY, &message).into())
        }
        Some(PublicEndpoint(url)) => Ok(Some(url.clone())),
        None => Ok(listens_at(api.host_ip, api.port)),
    }
}

fn listens_at(ip: IpAddr, port: u16) -> Option<String> {
    let is_reached = !ip.is_loopback() && !ip.is_unspecified() && port > 0;
    is_reached.then(|| format!("http://{}", SocketAddr::new(ip, port)))
}
