//! MAC addresses in the notations used by firmware and operators.

use std::fmt;
use std::str::FromStr;

/// A 48-bit Ethernet address.
///
/// Parses `52:54:00:aa:00:01`, `52-54-00-aa-00-01` and `525400aa0001` in any case; prints Ironic's
/// form (lower case, colons).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress([u8; 6]);

/// The text was not a MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a MAC address")]
pub struct ParseMacError(pub String);

impl MacAddress {
    /// The length of its text, in bytes.
    pub const LENGTH: usize = 17;

    /// The address with the given octets.
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// The six octets in wire order.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Parses only the form Ironic accepts in a port: colons, any case.
    pub fn parse_colons(text: &str) -> Result<Self, ParseMacError> {
        if text.len() == 17 && text.bytes().skip(2).step_by(3).all(|byte| byte == b':') {
            return text.parse();
        }
        Err(ParseMacError(text.to_owned()))
    }

    /// Writes the address's text into `letters` without allocating.
    pub fn encode(self, letters: &mut [u8; Self::LENGTH]) -> &str {
        *letters = [b':'; Self::LENGTH];
        for (pair, octet) in letters.chunks_mut(3).zip(self.0) {
            for (letter, digit) in pair.iter_mut().zip([octet >> 4, octet & 0xf]) {
                *letter = digit + if digit < 10 { b'0' } else { b'a' - 10 };
            }
        }
        std::str::from_utf8(letters).unwrap_or_default()
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; Self::LENGTH]))
    }
}

impl FromStr for MacAddress {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        parse(text.as_bytes())
            .map(Self)
            .ok_or_else(|| ParseMacError(text.to_owned()))
    }
}

fn parse(text: &[u8]) -> Option<[u8; 6]> {
    // 12 hexadecimal digits, bare or with 5 separators of one kind.
    let stride = match (text.len(), text.get(2)) {
        (12, _) => 2,
        (17, Some(separator @ (b':' | b'-'))) => {
            if !text.iter().skip(2).step_by(3).all(|byte| byte == separator) {
                return None;
            }
            3
        }
        _ => return None,
    };
    let mut octets = [0; 6];
    for (octet, pair) in octets.iter_mut().zip(text.chunks(stride)) {
        let [high, low, ..] = *pair else { return None };
        *octet = (hex_digit(high)? << 4) | hex_digit(low)?;
    }
    Some(octets)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_supported_form_is_parsed_to_the_same_address() {
        let expected = MacAddress::new([0x52, 0x54, 0, 0xaa, 0, 1]);
        for text in [
            "52:54:00:aa:00:01",
            "52:54:00:AA:00:01",
            "52-54-00-aa-00-01",
            "525400aa0001",
            "525400AA0001",
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        assert_eq!(expected.to_string(), "52:54:00:aa:00:01");
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "zz",
            "52:54:00:aa:00",
            "52:54:00:aa:00:01:02",
            "52:54:00-aa:00:01",
            "52:54:00:aa:00:0g",
            "525400aa000",
            "+2:54:00:aa:00:01",
            "52 54 00 aa 00 01",
            "01-52-54-00-aa-00-01",
            "é2:54:00:aa:00:1",
        ] {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
        assert!(MacAddress::parse_colons("52-54-00-aa-00-01").is_err());
        assert!(MacAddress::parse_colons("525400aa0001").is_err());
    }

    proptest! {
        #[test]
        fn printed_address_parses_to_the_same_address(octets: [u8; 6]) {
            let mac = MacAddress::new(octets);
            prop_assert_eq!(mac.to_string().parse(), Ok(mac));
            prop_assert_eq!(mac.to_string().replace(':', "-").parse(), Ok(mac));
        }

        #[test]
        fn parsing_any_text_does_not_panic(text in "\\PC{0,20}") {
            let _ = text.parse::<MacAddress>();
        }
    }
}
