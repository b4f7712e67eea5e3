//! What a machine without a port gets, by the network it asks from.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use ironpxe_core::boot::{UnknownActions, UnknownResponse};

/// The configured responses to unknown machines.
#[derive(Debug, Clone)]
pub(crate) struct UnknownPolicy {
    default: UnknownResponse,
    /// Longest prefix first.
    by_network: Vec<(IpNet, UnknownResponse)>,
    /// For `/boot.ipxe`, which is a script in any case.
    refuse: UnknownActions,
}

impl UnknownPolicy {
    /// The response to machines of these networks, and to all others.
    pub(crate) fn new(
        default: UnknownResponse,
        mut by_network: Vec<(IpNet, UnknownResponse)>,
    ) -> Self {
        by_network.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix_len()));
        Self {
            default,
            by_network,
            refuse: UnknownActions::refuse(),
        }
    }

    /// The response to a client with this address.
    pub(super) fn of(&self, client: Option<IpAddr>) -> &UnknownResponse {
        let client = client.map(|address| address.to_canonical());
        let found = client.and_then(|client| {
            let mut networks = self.by_network.iter();
            networks.find(|(network, _)| network.contains(&client))
        });
        found.map_or(&self.default, |(_, response)| response)
    }

    /// What the script for all NICs of this client does in the end.
    pub(super) fn actions_of(&self, client: Option<IpAddr>) -> &UnknownActions {
        match self.of(client) {
            UnknownResponse::NotFound => &self.refuse,
            UnknownResponse::Script(actions) => actions,
        }
    }

    /// A sentence for a preview, with the settings.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("an unknown machine {} ([pxe]unknown_machines", self.default);
        if matches!(&self.default, UnknownResponse::Script(it) if !it.by_arch.is_empty()) {
            text.push_str(" and unknown_machines_by_arch");
        }
        text.push(')');
        for (network, response) in &self.by_network {
            // Writing to a string cannot fail.
            let _ = write!(text, "; in {network} it {response}");
        }
        if !self.by_network.is_empty() {
            text.push_str(" ([pxe]unknown_machines_by_network)");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use ironpxe_core::boot::UnknownAction;

    use super::*;

    #[test]
    fn longest_prefix_of_the_clients_address_counts() {
        let refuse = || UnknownResponse::Script(UnknownActions::refuse());
        let chain = |url: &str| {
            let url = ironpxe_core::boot::ImageUrl::parse(url).unwrap();
            UnknownResponse::Script(UnknownActions::always(UnknownAction::Chain(url)))
        };
        let policy = UnknownPolicy::new(
            refuse(),
            vec![
                ("10.0.0.0/8".parse().unwrap(), UnknownResponse::NotFound),
                ("10.1.0.0/16".parse().unwrap(), chain("http://wide/")),
                ("10.1.2.0/24".parse().unwrap(), chain("http://narrow/")),
                ("fd00::/8".parse().unwrap(), chain("http://six/")),
            ],
        );
        for (client, expected) in [
            (Some("10.9.9.9"), UnknownResponse::NotFound),
            (Some("10.1.9.9"), chain("http://wide/")),
            (Some("10.1.2.3"), chain("http://narrow/")),
            // As a server that listens on IPv6 sees it.
            (Some("::ffff:10.1.2.3"), chain("http://narrow/")),
            (Some("fd00::1"), chain("http://six/")),
            (Some("192.0.2.1"), refuse()),
            (None, refuse()),
        ] {
            let address = client.map(|it| it.parse().unwrap());
            assert_eq!(*policy.of(address), expected, "{client:?}");
        }
        let somewhere = Some("10.9.9.9".parse().unwrap());
        assert!(policy.actions_of(somewhere).only_refuse());
        assert_eq!(
            policy.describe(),
            "an unknown machine is refused ([pxe]unknown_machines); in 10.1.2.0/24 it is chained \
             to http://narrow/; in 10.1.0.0/16 it is chained to http://wide/; in 10.0.0.0/8 it \
             gets 404, to use its own file; in fd00::/8 it is chained to http://six/ \
             ([pxe]unknown_machines_by_network)"
        );
    }
}
