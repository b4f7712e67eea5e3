//! `[neutron]`

use super::openstack::openstack_section;

openstack_section! {
    /// Neutron, for `[dhcp]dhcp_provider = "neutron"`.
    ["neutron"] pub struct Neutron {
        /// The timeout for a response from Neutron, in seconds.
        pub request_timeout: u32 = 45, in 1..=600;
        /// How often a request is retried after a temporary error.
        pub retries: u32 = 3, in 0..=10;
        /// How long to wait after a change for Neutron's agents to apply it, in seconds. With Open
        /// vSwitch, 15 are usually enough.
        pub port_setup_delay: u32 = 0, in 0..=600;
    }
}
