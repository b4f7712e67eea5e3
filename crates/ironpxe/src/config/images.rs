//! `[images]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::networks::Networks;
use super::section::section;
use super::values::Secret;

section! {
    /// How images reach machines. See `docs/images.md`.
    ["images"] pub struct Images {
        /// Which `http://` and `https://` images machines get through this service, because they
        /// cannot reach their servers or do not speak TLS: `never`, `https` (those that take TLS)
        /// or `always`. Images of Glance (unless `[pxe]ipxe_use_swift` is set) and files are
        /// always passed on.
        pub relay: Relay = Relay::Never;
        /// Networks from which `relay` may fetch images, besides public addresses: those of the
        /// operator's own image servers, such as `["10.20.0.0/24", "fd00:20::/64"]`. Without them,
        /// whoever may set an image of a node could read from everything that this host reaches
        /// and they do not: management networks, a cloud's metadata, services of this host.
        pub relay_allowed: Networks = Networks::default();
        /// Signs the URLs of images that are passed on: at least 32 characters, the same for all
        /// replicas. Not set: a secret that the first replica keeps in the database.
        pub url_key: Option<Secret> = None;
        /// How long a URL in a boot script is good for, in seconds.
        pub url_lifetime: u32 = 3600, in 60..=604_800;
        /// An image whose server or file system is silent for so many seconds is given up.
        pub timeout: u32 = 30, in 1..=3600;
        /// The authorities that are believed when images are passed on from `https://`, as PEM.
        /// Not set: those of the system.
        pub cafile: Option<PathBuf> = None;
        /// How many images are passed on at once. Machines that come later are told to ask again.
        pub max_downloads: u32 = 1000, in 1..=100_000;
    }
}

/// Which images machines get through this service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relay {
    /// None.
    Never,
    /// Those of `https://`.
    Https,
    /// All.
    Always,
}
