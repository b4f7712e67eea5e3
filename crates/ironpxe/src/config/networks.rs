//! Networks, as `address/prefix`.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// IP networks: a TOML list, or a comma-separated text. A bare address is a network of one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "AsWritten", into = "Vec<String>")]
pub struct Networks(pub Vec<IpNet>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a list of networks")]
enum AsWritten {
    List(Vec<String>),
    Text(String),
}

impl TryFrom<AsWritten> for Networks {
    type Error = String;

    fn try_from(written: AsWritten) -> Result<Self, Self::Error> {
        let texts = match written {
            AsWritten::List(texts) => texts,
            AsWritten::Text(text) if text.trim().is_empty() => Vec::new(),
            AsWritten::Text(text) => text.split(',').map(|it| it.trim().to_owned()).collect(),
        };
        texts
            .iter()
            .map(|text| network(text))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// One IP network, as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(pub IpNet);

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        network(text.trim()).map(Self)
    }
}

impl From<Network> for String {
    fn from(Network(network): Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => text.parse::<IpAddr>().map(IpNet::from).map_err(|_| {
            format!("{text:?} is not a network: expected one such as 10.0.0.0/24 or fd00:1::/64")
        })?,
    };
    if network.trunc() != network {
        return Err(format!(
            "{text:?} has host bits set: write {} for the whole network, or {} \
             for this one address",
            network.trunc(),
            network.addr()
        ));
    }
    Ok(network)
}

impl From<Networks> for Vec<String> {
    fn from(networks: Networks) -> Self {
        networks.0.iter().map(IpNet::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_parsed_and_ambiguous_ones_refused() {
        let read = |text: &str| Networks::try_from(AsWritten::Text(text.to_owned()));
        let shown = |text: &str| Vec::from(read(text).unwrap());
        assert_eq!(shown(" 10.0.0.0/8, fd00::/8 "), ["10.0.0.0/8", "fd00::/8"]);
        assert_eq!(shown("10.1.2.3,::1"), ["10.1.2.3/32", "::1/128"]);
        assert!(shown("").is_empty());
        for (text, why) in [
            ("10.0.0.0/33", "not a network"),
            ("images.example", "not a network"),
            ("10.0.0.0/8,", "\"\" is not a network"),
            ("10.1.2.3/8", "write 10.0.0.0/8"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
