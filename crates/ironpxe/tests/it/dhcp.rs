//! Real DHCP servers bring machines with real firmware to the real executable.
//!
//! Each test has a network of its own (`ironpxe_testkit::lan`), on which nothing but its servers
//! and its machine is. What the servers are configured with is what `ironpxe dhcp example` prints,
//! or what the service itself writes for dnsmasq.

mod checked;
mod docs;
mod fixture;
mod neutron;
mod own_server;
mod provider;
mod servers;

use std::time::Duration;

use crate::app::TIMEOUT;
use crate::firmware::MACHINES;
use fixture::DhcpFixture;

const MAC: &str = "52:54:00:dd:00:01";
const BOOT: Duration = Duration::from_mins(2);
