//! The network that machines boot on.

// Addresses alone do no I/O.
use core::net::Ipv4Addr;
use std::fmt;

/// The network that machines boot on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The server's interface.
    pub interface: String,
    /// The network.
    pub subnet: Subnet,
    /// The first address of the range.
    pub first: Ipv4Addr,
    /// The last one.
    pub last: Ipv4Addr,
}

/// An IPv4 network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    address: Ipv4Addr,
    bits: u8,
}

/// The text is not a usable subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a subnet of unicast addresses like 192.0.2.0/24, with a prefix length of 8 to 29 and no host bits set"
)]
pub struct ParseSubnetError;

impl Subnet {
    /// Parses `192.0.2.0/24`.
    pub fn parse(text: &str) -> Result<Self, ParseSubnetError> {
        let (address, bits) = text.split_once('/').ok_or(ParseSubnetError)?;
        let address: Ipv4Addr = address.parse().map_err(|_| ParseSubnetError)?;
        if !bits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseSubnetError);
        }
        let bits = bits.parse().map_err(|_| ParseSubnetError)?;
        if !(8..=29).contains(&bits) || !is_of_hosts(address) {
            return Err(ParseSubnetError);
        }
        let subnet = Self { address, bits };
        let is_whole = address.to_bits() & !subnet.mask() == 0;
        is_whole.then_some(subnet).ok_or(ParseSubnetError)
    }

    /// The network address.
    pub fn address(self) -> Ipv4Addr {
        self.address
    }

    fn mask(self) -> u32 {
        // The prefix length is 8 to 29.
        u32::MAX
            .checked_shl(32_u32.saturating_sub(self.bits.into()))
            .unwrap_or(0)
    }

    /// Whether the address is a host's in this subnet.
    pub fn holds(self, address: Ipv4Addr) -> bool {
        let host = address.to_bits() & !self.mask();
        address.to_bits() & self.mask() == self.address.to_bits()
            && host != 0
            && host != !self.mask()
    }

    /// The netmask, as dnsmasq and ISC dhcpd have it.
    pub fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.mask())
    }

    /// The default range: the upper half of the subnet without its last address, at most
    /// [`MOST_ADDRESSES`].
    pub fn upper_half(self) -> (Ipv4Addr, Ipv4Addr) {
        let last = !self.mask();
        let half = (last >> 1).min(MOST_ADDRESSES - 1);
        let start = self.address.to_bits();
        let address = |offset: u32| Ipv4Addr::from_bits(start | offset);
        (address(last - half), address(last - 1))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// The default size of the range: dhcpd allocates memory for each address when it starts.
const MOST_ADDRESSES: u32 = 1 << 15;

/// Whether the address's block has ordinary hosts: not loopback, unspecified or multicast (RFC
/// 1122, RFC 1112).
fn is_of_hosts(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    !matches!(first, 0 | 127 | 224..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnet_is_parsed_and_its_upper_half_is_the_dhcp_range() {
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
        let large = Subnet::parse("10.0.0.0/8").unwrap();
        assert_eq!(
            large.upper_half(),
            (
                Ipv4Addr::new(10, 255, 128, 0),
                Ipv4Addr::new(10, 255, 255, 254)
            )
        );
        assert_eq!(large.to_string(), "10.0.0.0/8");
        for bits in 8..=29 {
            let subnet = Subnet::parse(&format!("10.0.0.0/{bits}")).unwrap();
            let (first, last) = subnet.upper_half();
            assert!(first < last && subnet.holds(first) && subnet.holds(last));
        }
        for (address, is_there) in [
            ("192.0.2.0", false),
            ("192.0.2.1", true),
            ("192.0.2.254", true),
            ("192.0.2.255", false),
            ("192.0.3.1", false),
        ] {
            assert_eq!(
                subnet.holds(address.parse().unwrap()),
                is_there,
                "{address}"
            );
        }
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.1/24",
            "10.0.0.0/30",
            "10.0.0.0/7",
            "0.0.0.0/0",
            "10.0.0.0/33",
            "10.0.0.0/32",
            "10.0.0.0/255",
            "10.0.0.0/256",
            "10.0.0.0/+24",
            "10.0.0.0/",
            "10.0.0.0/24/24",
            " 10.0.0.0/24",
            "0.0.0.0/8",
            "127.0.0.0/8",
            "224.0.0.0/24",
            "255.255.255.0/24",
            "fd00::/64",
        ] {
            assert_eq!(Subnet::parse(bad), Err(ParseSubnetError), "{bad}");
        }
    }
}
