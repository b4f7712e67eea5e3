//! `[images]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::networks::Networks;
use super::section::section;
use super::values::Secret;

section! {
    /// How machines get images. See `docs/images.md`.
    ["images"] pub struct Images {
        /// Which `http://` and `https://` images are relayed by this service, because machines
        /// cannot reach their servers or have no TLS: `never`, `https` or `always`. Glance images
        /// (unless `[pxe]ipxe_use_swift` is set) and files are always relayed.
        pub relay: Relay = Relay::Never;
        /// Networks that `relay` may fetch images from, besides public addresses: those of your
        /// image servers, such as `["10.20.0.0/24", "fd00:20::/64"]`. Other private addresses are
        /// refused, because clients that set a node's image could otherwise read from everything
        /// that this host reaches: management networks, a cloud's metadata service, services of
        /// this host.
        pub relay_allowed: Networks = Networks::default();
        /// The key of signed image URLs: at least 32 characters, the same for all replicas. Not
        /// set: a generated secret in the database.
        pub url_key: Option<Secret> = None;
        /// The lifetime of an image URL in a boot script, in seconds.
        pub url_lifetime: u32 = 3600, in 60..=604_800;
        /// The idle timeout of an image's server or file system, in seconds.
        pub timeout: u32 = 30, in 1..=3600;
        /// The trusted CA certificates for relaying `https://` images, as PEM. Not set: those of
        /// the system.
        pub cafile: Option<PathBuf> = None;
        /// The maximum number of concurrently relayed images. Requests beyond it get 503 and are
        /// retried.
        pub max_downloads: u32 = 1000, in 1..=100_000;
    }
}

/// Which images are relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Relay {
    /// None.
    Never,
    /// Those of `https://`.
    Https,
    /// All.
    Always,
}
