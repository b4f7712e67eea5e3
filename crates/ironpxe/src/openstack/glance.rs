//! Glance's Image API v2: metadata and data of images.

use percent_encoding::utf8_percent_encode;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::{Cause, OpenStackError};
use super::service::{ApiRequest, SEGMENT, Service};
use super::settings::{Settings, SetupError};

/// A Glance client.
#[derive(Debug, Clone)]
pub(crate) struct Glance {
    service: Service,
}

/// An image's metadata in Glance.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Image {
    /// Its UUID.
    pub id: String,
    /// `active` if its data is available.
    pub status: String,
    /// The size of its data, in bytes; `None` if it has none yet.
    #[serde(default)]
    pub size: Option<u64>,
    /// The MD5 of its data, in hexadecimal digits.
    #[serde(default)]
    pub checksum: Option<String>,
    /// The algorithm of `os_hash_value`, for example `sha512`.
    #[serde(default)]
    pub os_hash_algo: Option<String>,
    /// A digest of its data, in hexadecimal digits.
    #[serde(default)]
    pub os_hash_value: Option<String>,
    /// `aki`, `ari`, `qcow2`, `raw`, …
    #[serde(default)]
    pub disk_format: Option<String>,
    /// The kernel of a file system image.
    #[serde(default)]
    pub kernel_id: Option<String>,
    /// The ramdisk of a file system image.
    #[serde(default)]
    pub ramdisk_id: Option<String>,
    /// `whole-disk` or `partition`, if set.
    #[serde(default)]
    pub img_type: Option<String>,
    /// All other properties.
    #[serde(flatten)]
    pub properties: Map<String, Value>,
}

impl Glance {
    /// Builds a client without connecting.
    pub(crate) fn new(settings: &Settings) -> Result<Self, SetupError> {
        Ok(Self {
            service: Service::new("Glance", "image", "/v2", settings)?,
        })
    }

    /// Fetches an image's metadata.
    pub(crate) async fn image(&self, id: &str) -> Result<Image, OpenStackError> {
        let question = ApiRequest::get(format!("for image {id}"), path(id, ""));
        self.service.json(&question).await
    }

    /// Fetches an image's data, or the bytes from `range.0` to `range.1` inclusive. The response
    /// has status 206 with a range, or 200 with all data, which is also what a store without range
    /// support (Swift's) returns. Its body is streamed, with an error after an idle timeout.
    pub(crate) async fn data(
        &self,
        id: &str,
        range: Option<(u64, Option<u64>)>,
    ) -> Result<Response, OpenStackError> {
        let asked = format!("for the data of image {id}");
        let whole = ApiRequest::get(asked.clone(), path(id, "/file"));
        let part = ApiRequest {
            range: range.map(|(first, last)| match last {
                Some(last) => format!("bytes={first}-{last}"),
                None => format!("bytes={first}-"),
            }),
            ..whole.clone()
        };
        let response = match self.service.stream(&part).await {
            // Glance's response if the store does not support ranges.
            Err(OpenStackError {
                cause: Cause::Status { status: 400, .. },
                ..
            }) if range.is_some() => self.service.stream(&whole).await?,
            answer => answer?,
        };
        if response.status() == StatusCode::NO_CONTENT {
            return Err(OpenStackError {
                service: "Glance",
                asked,
                cause: Cause::NoData,
            });
        }
        Ok(response)
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }
}

fn path(id: &str, rest: &str) -> String {
    format!("/images/{}{rest}", utf8_percent_encode(id, SEGMENT))
}
