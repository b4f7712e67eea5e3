//! `[dnsmasq]`

use std::path::PathBuf;

use super::section::section;

section! {
    /// The dnsmasq that is told about machines, if `[dhcp]dhcp_provider` is `dnsmasq`. Conductors
    /// must be able to write into both folders.
    ["dnsmasq"] pub struct Dnsmasq {
        /// Its `dhcp-optsdir`: the options of each node.
        pub dhcp_optsdir: PathBuf = PathBuf::from("/etc/dnsmasq.d/optsdir.d");
        /// Its `dhcp-hostsdir`: which cards are whose.
        pub dhcp_hostsdir: PathBuf = PathBuf::from("/etc/dnsmasq.d/hostsdir.d");
    }
}
