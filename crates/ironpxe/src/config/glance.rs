//! `[glance]`

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::openstack::openstack_section;
use super::values::{Secret, Word};

openstack_section! {
    /// Glance, which has images, and Swift, if Glance keeps them there.
    ["glance"] pub struct Glance {
        /// How long Glance may take to answer, and of a download each part of it, in seconds.
        pub timeout: u32 = 30, in 1..=600;
        /// How often a request that failed for a reason that may pass is repeated (in Ironic: 0).
        pub num_retries: u32 = 3, in 0..=10;
        /// The key of temporary URLs, as it was given to the account that has the images
        /// (`X-Account-Meta-Temp-URL-Key`).
        pub swift_temp_url_key: Option<Secret> = None;
        /// How long a temporary URL is good for, in seconds from when a machine gets it.
        pub swift_temp_url_duration: u32 = 1200, in 30..=604_800;
        /// How temporary URLs are signed: `sha1`, `sha256` or `sha512`. Ironic has `sha1`, which
        /// Swift is about to give up; `sha256` is known to every Swift since 2.15 (2017).
        pub swift_temp_url_digest: TempUrlDigest = TempUrlDigest::Sha256;
        /// Swift, as machines reach it: scheme, host and port. Not set: the address in the
        /// catalog.
        pub swift_endpoint_url: Option<Endpoint> = None;
        /// The account that has the images, for example `AUTH_` and the id of a project. Not set:
        /// that of the project we work in.
        pub swift_account: Option<Word> = None;
        /// The container that has the images.
        pub swift_container: Word = Word("glance".to_owned());
        /// How many digits of an image's UUID are in the name of its container: as in Glance's own
        /// option of this name. 0: there is one container.
        pub swift_store_multiple_containers_seed: u8 = 0, in 0..=32;
    }
}

/// How a temporary URL is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TempUrlDigest {
    /// As Ironic does.
    Sha1,
    /// The default.
    Sha256,
    /// The longest.
    Sha512,
}
