//! Temporary URLs of images that Glance stores in Swift, for machines.
//!
//! Each is generated on request, so its lifetime starts when the machine gets it.

use std::time::Duration;

use ironpxe_core::swift::{ObjectPath, TempUrlDigest, glance_container};

use super::error::{Cause, OpenStackError};
use super::glance::Glance;
use super::settings::Secret;
use crate::clock;

/// Where Glance's images are in Swift, and how their URLs are signed.
#[derive(Debug, Clone)]
pub(crate) struct TempUrlSettings {
    /// The account's `Temp-URL-Key`.
    pub key: Secret,
    /// The digest of signatures.
    pub digest: TempUrlDigest,
    /// The lifetime of a URL.
    pub duration: Duration,
    /// Swift's URL for machines: scheme, host and port. Unset: the catalog's.
    pub endpoint_url: Option<String>,
    /// The account that has the images. Unset: that of the authenticated project.
    pub account: Option<String>,
    /// The container that has the images.
    pub container: String,
    /// How images are distributed over containers; see [`glance_container`].
    pub multiple_containers_seed: usize,
}

/// Makes temporary URLs.
#[derive(Debug, Clone)]
pub(crate) struct TempUrls {
    glance: Glance,
    settings: TempUrlSettings,
}

impl TempUrls {
    /// Missing settings are taken from the catalog of `glance`.
    pub(crate) fn new(glance: Glance, settings: TempUrlSettings) -> Self {
        Self { glance, settings }
    }

    /// A URL that gives access to the image. The image itself is not checked.
    pub(crate) async fn url(&self, image: &str) -> Result<String, OpenStackError> {
        let settings = &self.settings;
        let asked = format!("for a temporary URL of image {image}");
        let is_known = settings.endpoint_url.is_some() && settings.account.is_some();
        let from_catalog = if is_known {
            None
        } else {
            let service = self.glance.service();
            Some(service.neighbour(&asked, "object-store").await?)
        };
        let wrong = |problem: String| OpenStackError {
            service: "Swift",
            asked: asked.clone(),
            cause: Cause::Settings(problem),
        };
        let catalog = from_catalog
            .as_deref()
            .and_then(|url| url.split_once("/v1/"));
        let place = match (&settings.endpoint_url, &settings.account, catalog) {
            (Some(endpoint), Some(account), _) => Some((endpoint.as_str(), account.as_str())),
            (None, Some(account), Some((endpoint, _))) => Some((endpoint, account.as_str())),
            (Some(endpoint), None, Some((_, account))) => Some((endpoint.as_str(), account)),
            (None, None, Some(place)) => Some(place),
            (_, _, None) => None,
        };
        let Some((endpoint, account)) = place else {
            let url = from_catalog.unwrap_or_default();
            return Err(wrong(format!(
                "its address {url:?} in the catalog does not end with /v1/<account>; set \
                 swift_endpoint_url and swift_account"
            )));
        };
        let seed = settings.multiple_containers_seed;
        let container = glance_container(&settings.container, seed, image);
        let path = ObjectPath::new(account, &container, image)
            .map_err(|error| wrong(error.to_string()))?;
        let expires = (clock::now() + settings.duration).unix_timestamp();
        let Secret(key) = &settings.key;
        Ok(path.temp_url(endpoint, key, settings.digest, expires))
    }
}
