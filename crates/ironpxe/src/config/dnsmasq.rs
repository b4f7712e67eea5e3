//! `[dnsmasq]`

use std::path::PathBuf;

use super::section::section;

section! {
    /// The dnsmasq that `[dhcp]dhcp_provider = "dnsmasq"` configures. Conductors need write access
    /// to both directories.
    ["dnsmasq"] pub struct Dnsmasq {
        /// Its `dhcp-optsdir`: the options of each node.
        pub dhcp_optsdir: PathBuf = PathBuf::from("/etc/dnsmasq.d/optsdir.d");
        /// Its `dhcp-hostsdir`: the node of each NIC.
        pub dhcp_hostsdir: PathBuf = PathBuf::from("/etc/dnsmasq.d/hostsdir.d");
    }
}
