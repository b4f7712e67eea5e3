//! `[neutron]`

use super::openstack::openstack_section;

openstack_section! {
    /// Neutron, which answers the machines' DHCP requests with `[dhcp]dhcp_provider = "neutron"`.
    ["neutron"] pub struct Neutron {
        /// How long Neutron may take to answer, in seconds.
        pub request_timeout: u32 = 45, in 1..=600;
        /// How often a request that failed for a reason that may pass is repeated.
        pub retries: u32 = 3, in 0..=10;
        /// How long to wait after Neutron has taken a change, for its agents to set it up, in
        /// seconds. With Open vSwitch 15 are said to be enough.
        pub port_setup_delay: u32 = 0, in 0..=600;
    }
}
