//! `ironpxe dhcp`: what to write into a DHCP server of one's own.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use ironpxe_core::dhcp::example::{DhcpServer, Network, Subnet, example};

use super::{CliError, load, offline_flags};
use ironpxe::config::{Endpoint, Names};

/// Stands for what nobody said. It is not an address, so that it is noticed.
const NO_API: &str = "http://IRONPXE:6385";

#[derive(Debug, Subcommand)]
pub(super) enum DhcpCommand {
    /// Print the lines that send every machine to this service
    Example(ExampleArgs),
}

#[derive(Debug, Args)]
pub(super) struct ExampleArgs {
    /// The DHCP server
    server: Server,
    /// The configuration file of the service: where it is found, and what the loaders are called
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where machines find the service ([api]`public_endpoint`)
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    api_url: Option<Endpoint>,
    /// The network that machines boot on
    #[arg(long, value_name = "CIDR", default_value = "192.0.2.0/24", value_parser = Subnet::parse)]
    subnet: Subnet,
    /// The first address for machines; the upper half of the network if not given
    #[arg(long, value_name = "IP", requires = "last")]
    first: Option<Ipv4Addr>,
    /// The last address for machines
    #[arg(long, value_name = "IP", requires = "first")]
    last: Option<Ipv4Addr>,
    /// The server's interface on that network
    #[arg(long, value_name = "NAME", default_value = "eth1")]
    interface: String,
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

fn endpoint(text: &str) -> Result<Endpoint, String> {
    Endpoint::try_from(text.to_owned())
}

pub(super) fn run(command: &DhcpCommand) -> Result<(), CliError> {
    let DhcpCommand::Example(args) = command;
    let (config, _) = load(args.config.as_deref(), &offline_flags("(dhcp)", None))?;
    let api_url = args
        .api_url
        .as_ref()
        .or(config.api.public_endpoint.as_ref());
    let api_url = api_url.map_or(NO_API, |Endpoint(url)| url).to_owned();
    let Names(drivers) = &config.general.enabled_hardware_types;
    let driver = drivers.first().map_or("fake-hardware", String::as_str);
    let (first, last) = args
        .first
        .zip(args.last)
        .unwrap_or(args.subnet.upper_half());
    let network = Network {
        interface: args.interface.clone(),
        subnet: args.subnet,
        first,
        last,
    };
    let server = match args.server {
        Server::Dnsmasq => DhcpServer::Dnsmasq,
        Server::Isc => DhcpServer::Isc,
        Server::Kea => DhcpServer::Kea,
        Server::Neutron => DhcpServer::Neutron,
    };
    let text = example(server, &config.dhcp_settings(api_url), driver, &network)?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(CliError::Output)
}
