//! What unknown machines get: `[pxe]unknown_machines` and its forms by network and architecture.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use ironpxe_core::boot::{
    ImageUrl, LocalBoot, UnknownAction, UnknownActions, UnknownArch, UnknownResponse,
};
use ironpxe_core::mask::mask_text;
use serde::{Deserialize, Serialize};

use super::endpoint::host_of;
use super::load::Loader;
use super::networks::Network;
use super::{Config, Pxe};

/// What an unknown machine gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AsWritten", into = "String")]
pub(crate) enum UnknownMachines {
    /// `404`: no script.
    NotFound,
    /// Anything else: a script.
    Script(UnknownScript),
}

/// What the script of an unknown machine does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AsWritten", into = "String")]
pub(crate) enum UnknownScript {
    /// `refuse`
    Refuse,
    /// `local`
    Local,
    /// A URL.
    Chain(String),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected 404, refuse, local or a URL")]
enum AsWritten {
    Number(u32),
    Text(String),
}

impl fmt::Display for AsWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text.trim_ascii()),
        }
    }
}

const NOT_FOUND: &str = "404";

impl TryFrom<AsWritten> for UnknownMachines {
    type Error = String;

    fn try_from(written: AsWritten) -> Result<Self, Self::Error> {
        match written.to_string().as_str() {
            NOT_FOUND => Ok(Self::NotFound),
            text => UnknownScript::parse(text, "expected 404, refuse, local or a URL to chain to")
                .map(Self::Script),
        }
    }
}

impl TryFrom<AsWritten> for UnknownScript {
    type Error = String;

    fn try_from(written: AsWritten) -> Result<Self, Self::Error> {
        match written.to_string().as_str() {
            NOT_FOUND => Err(
                "the machine has got a script before its architecture is known, so 404 is not \
                 possible here: expected refuse, local or a URL to chain to"
                    .to_owned(),
            ),
            text => Self::parse(text, "expected refuse, local or a URL to chain to"),
        }
    }
}

impl UnknownScript {
    fn parse(text: &str, expected: &str) -> Result<Self, String> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "local" => Ok(Self::Local),
            _ => ImageUrl::parse(text)
                .map(|url| Self::Chain(url.as_str().to_owned()))
                .map_err(|problem| {
                    format!(
                        "{:?} cannot be used: {problem}; {expected}",
                        mask_text(text)
                    )
                }),
        }
    }

    fn action(&self, local: LocalBoot) -> UnknownAction {
        match self {
            Self::Refuse => UnknownAction::Refuse,
            Self::Local => UnknownAction::LocalDisk(local),
            // It was checked when it was read.
            Self::Chain(url) => {
                ImageUrl::parse(url).map_or(UnknownAction::Refuse, UnknownAction::Chain)
            }
        }
    }
}

impl From<UnknownMachines> for String {
    fn from(unknown: UnknownMachines) -> Self {
        match unknown {
            UnknownMachines::NotFound => NOT_FOUND.to_owned(),
            UnknownMachines::Script(script) => script.into(),
        }
    }
}

impl From<UnknownScript> for String {
    fn from(script: UnknownScript) -> Self {
        match script {
            UnknownScript::Refuse => "refuse".to_owned(),
            UnknownScript::Local => "local".to_owned(),
            UnknownScript::Chain(url) => url,
        }
    }
}

impl Config {
    /// `[pxe]unknown_machines` or its default. Beside another Ironic that has a script for them.
    fn unknown_machines(&self) -> UnknownMachines {
        let default = || match self.beside.source {
            None => UnknownMachines::Script(UnknownScript::Refuse),
            Some(_) => UnknownMachines::NotFound,
        };
        self.pxe.unknown_machines.clone().unwrap_or_else(default)
    }

    /// What unknown machines get that are in none of the networks of
    /// [`Self::unknown_responses_by_network`].
    pub(crate) fn unknown_response(&self) -> UnknownResponse {
        let local = self.local_boot();
        match self.unknown_machines() {
            UnknownMachines::NotFound => UnknownResponse::NotFound,
            UnknownMachines::Script(script) => {
                let by_arch = self.pxe.unknown_machines_by_arch.iter();
                UnknownResponse::Script(UnknownActions {
                    other: script.action(local),
                    by_arch: by_arch
                        .filter_map(|(arch, script)| {
                            Some((UnknownArch::from_name(arch)?, script.action(local)))
                        })
                        .collect(),
                })
            }
        }
    }

    /// What unknown machines of a network get, whatever their architecture.
    pub(crate) fn unknown_responses_by_network(&self) -> Vec<(IpNet, UnknownResponse)> {
        let local = self.local_boot();
        let by_network = self.pxe.unknown_machines_by_network.iter();
        by_network
            .map(|(Network(network), unknown)| {
                let response = match unknown {
                    UnknownMachines::NotFound => UnknownResponse::NotFound,
                    UnknownMachines::Script(script) => {
                        UnknownResponse::Script(UnknownActions::always(script.action(local)))
                    }
                };
                (*network, response)
            })
            .collect()
    }
}

impl Loader {
    /// Checks for actions of unknown machines that are impossible.
    pub(super) fn check_unknown_machines(&mut self) {
        let Pxe {
            unknown_machines,
            unknown_machines_by_network: by_network,
            unknown_machines_by_arch: by_arch,
            ..
        } = &self.config.pxe;
        let mut problems = Vec::new();
        for arch in by_arch.keys() {
            if UnknownArch::from_name(arch).is_none() {
                let known: Vec<&str> = UnknownArch::ALL.iter().map(|it| it.name()).collect();
                let message = format!("expected an architecture: {}", known.join(" or "));
                problems.push((format!("unknown_machines_by_arch.{arch}"), message));
            }
        }
        if !by_arch.is_empty() && self.config.unknown_machines() == UnknownMachines::NotFound {
            let message =
                "with [pxe]unknown_machines = 404 a machine gets no script that could tell \
                           its architecture: set that to refuse, local or a URL, for the machines \
                           of other architectures"
                    .to_owned();
            problems.push(("unknown_machines_by_arch".to_owned(), message));
        }
        let scripts = unknown_machines
            .iter()
            .map(|it| ("unknown_machines".to_owned(), it))
            .chain(
                by_network
                    .iter()
                    .map(|(network, it)| (format!("unknown_machines_by_network.{network}"), it)),
            )
            .filter_map(|(key, unknown)| match unknown {
                UnknownMachines::NotFound => None,
                UnknownMachines::Script(script) => Some((key, script)),
            })
            .chain(
                by_arch
                    .iter()
                    .map(|(arch, script)| (format!("unknown_machines_by_arch.{arch}"), script)),
            );
        for (key, script) in scripts {
            if let UnknownScript::Chain(url) = script
                && let Some(problem) = self.chain_problem(url)
            {
                problems.push((key, problem.to_owned()));
            }
        }
        for (key, message) in problems {
            self.about(&format!("[pxe]{key}"), message);
        }
    }

    /// Why no machine could be chained to this URL.
    fn chain_problem(&self, url: &str) -> Option<&'static str> {
        let own = self.config.api.public_endpoint.as_ref();
        let is_own = own.and_then(|it| url.strip_prefix(it.0.as_str()));
        if is_own.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) {
            return Some(
                "this is a URL of this service ([api]public_endpoint), which would send the machine \
                 here again, for ever",
            );
        }
        let ip = host_of(url).parse::<IpAddr>().ok()?.to_canonical();
        super::endpoint::is_of_no_host(ip)
            .then_some("this is not the address of a host; use one that machines can reach")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machines(text: &str) -> Result<UnknownMachines, String> {
        UnknownMachines::try_from(AsWritten::Text(text.to_owned()))
    }

    #[test]
    fn value_is_a_word_or_a_url_that_ipxe_takes_literally() {
        use UnknownMachines::{NotFound, Script};
        let url = "http://192.0.2.1/inspector.ipxe?site=a&rack=b";
        for (written, expected) in [
            ("404", NotFound),
            ("refuse", Script(UnknownScript::Refuse)),
            (" local\n", Script(UnknownScript::Local)),
            (url, Script(UnknownScript::Chain(url.to_owned()))),
        ] {
            assert_eq!(machines(written), Ok(expected), "{written}");
        }
        assert_eq!(
            UnknownMachines::try_from(AsWritten::Number(404)),
            Ok(NotFound)
        );
        for (written, why) in [
            ("403", "expected 404, refuse, local or a URL"),
            ("Refuse", "expected 404, refuse, local or a URL"),
            ("", "must be an http:// or https:// URL"),
            (
                "tftp://h/inspector.ipxe",
                "must be an http:// or https:// URL",
            ),
            ("inspector.ipxe", "must be an http:// or https:// URL"),
            ("http://h/${net0/mac}", "iPXE would expand"),
            ("http://h/a b", "write %20"),
            ("http://h/a\nreboot", "line feed"),
            ("http://u:hush@h/a b", "http://******@h"),
        ] {
            let error = machines(written).unwrap_err();
            assert!(error.contains(why), "{written}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
        let by_arch = UnknownScript::try_from(AsWritten::Number(404)).unwrap_err();
        assert!(by_arch.contains("404 is not possible here"), "{by_arch}");
    }
}
