//! `[glance]`

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::openstack::openstack_section;
use super::values::{Secret, Word};

openstack_section! {
    /// Glance, for images, and Swift, if Glance stores them there.
    ["glance"] pub struct Glance {
        /// The timeout for a response from Glance, and for each chunk of a download, in seconds.
        pub timeout: u32 = 30, in 1..=600;
        /// How often a request is retried after a temporary error (in Ironic: 0).
        pub num_retries: u32 = 3, in 0..=10;
        /// The key of temporary URLs, as stored in the account that has the images
        /// (`X-Account-Meta-Temp-URL-Key`).
        pub swift_temp_url_key: Option<Secret> = None;
        /// The lifetime of a temporary URL, in seconds from when a machine gets it.
        pub swift_temp_url_duration: u32 = 1200, in 30..=604_800;
        /// The digest of temporary URLs: `sha1`, `sha256` or `sha512`. Ironic uses `sha1`, which is
        /// deprecated in Swift; `sha256` is supported since Swift 2.15 (2017).
        pub swift_temp_url_digest: TempUrlDigest = TempUrlDigest::Sha256;
        /// Swift's URL for machines: scheme, host and port. Not set: the endpoint in the catalog.
        pub swift_endpoint_url: Option<Endpoint> = None;
        /// The account that has the images, for example `AUTH_` and a project ID. Not set: the
        /// account of the authenticated project.
        pub swift_account: Option<Word> = None;
        /// The container that has the images.
        pub swift_container: Word = Word("glance".to_owned());
        /// How many digits of an image's UUID its container's name contains, as in Glance's option
        /// of the same name. 0 means a single container.
        pub swift_store_multiple_containers_seed: u8 = 0, in 0..=32;
    }
}

/// The digest of temporary URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TempUrlDigest {
    /// Ironic's default.
    Sha1,
    /// The default.
    Sha256,
    /// The longest.
    Sha512,
}
