//! Glance's Image API v2: what an image is, and its data.

use percent_encoding::utf8_percent_encode;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::{Cause, OpenStackError};
use super::service::{Question, SEGMENT, Service};
use super::settings::{Settings, SetupError};

/// A Glance.
#[derive(Debug, Clone)]
pub struct Glance {
    service: Service,
}

/// An image, as Glance describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Image {
    /// Its UUID.
    pub id: String,
    /// `active` when its data can be had.
    pub status: String,
    /// The length of its data, in bytes; `None` until there are data.
    #[serde(default)]
    pub size: Option<u64>,
    /// The MD5 of its data, in hexadecimal digits.
    #[serde(default)]
    pub checksum: Option<String>,
    /// By which digest `os_hash_value` was made, for example `sha512`.
    #[serde(default)]
    pub os_hash_algo: Option<String>,
    /// A digest of its data, in hexadecimal digits.
    #[serde(default)]
    pub os_hash_value: Option<String>,
    /// `aki`, `ari`, `qcow2`, `raw`, …
    #[serde(default)]
    pub disk_format: Option<String>,
    /// The image that is its kernel, if it is a file system.
    #[serde(default)]
    pub kernel_id: Option<String>,
    /// The image that is its ramdisk, if it is a file system.
    #[serde(default)]
    pub ramdisk_id: Option<String>,
    /// `whole-disk` or `partition`, if somebody said so.
    #[serde(default)]
    pub img_type: Option<String>,
    /// Everything else that Glance says of it.
    #[serde(flatten)]
    pub properties: Map<String, Value>,
}

impl Glance {
    /// A client; nobody is asked yet.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        Ok(Self {
            service: Service::new("Glance", "image", "/v2", settings)?,
        })
    }

    /// Asks what an image is.
    pub async fn image(&self, id: &str) -> Result<Image, OpenStackError> {
        let question = Question::get(format!("for image {id}"), path(id, ""));
        self.service.json(&question).await
    }

    /// Fetches an image's data, or from its `range.0`-th byte on, up to and with the
    /// `range.1`-th. The answer's status is 206 with a part, or 200 with all of it, which is also
    /// what comes from a store that cannot give parts (Swift's cannot). Its body comes as it is
    /// read, and an error if nothing comes for too long.
    pub async fn data(
        &self,
        id: &str,
        range: Option<(u64, Option<u64>)>,
    ) -> Result<Response, OpenStackError> {
        let asked = format!("for the data of image {id}");
        let whole = Question::get(asked.clone(), path(id, "/file"));
        let part = Question {
            range: range.map(|(first, last)| match last {
                Some(last) => format!("bytes={first}-{last}"),
                None => format!("bytes={first}-"),
            }),
            ..whole.clone()
        };
        let response = match self.service.stream(&part).await {
            // How Glance says that the store cannot do it.
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
