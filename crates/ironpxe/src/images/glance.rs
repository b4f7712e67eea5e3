//! Glance images: their metadata, their location in Swift, and their data.
//!
//! When a rack of machines boots, they all request the same images at once; the metadata is fetched
//! once and cached for some seconds. (An image's data is immutable; it may have been deleted
//! meanwhile, which fetching its data shows.)

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ironpxe_core::boot::{GlanceImage, ImageUrl};
use ironpxe_core::retry_after;
use reqwest::StatusCode;
use uuid::Uuid;

use super::error::ImageError;
use super::range::{ByteRange, ContentRange};
use super::relay::FetchedImage;
use super::stream::Check;
use crate::openstack::{Cause, Glance, Image, OpenStackError, TempUrls};

/// How long metadata is cached, and how long an error.
const METADATA_TTL: Duration = Duration::from_secs(10);
const ERROR_TTL: Duration = Duration::from_secs(2);
/// The maximum number of cached images.
const MAX_CACHED: usize = 1000;
/// How long a request waits for Glance before it fails with 503.
const TIMEOUT: Duration = Duration::from_secs(8);

/// Glance, if configured.
#[derive(Debug)]
pub(super) struct GlanceSource {
    client: Option<Glance>,
    temp_urls: Option<TempUrls>,
    known: Mutex<HashMap<Uuid, Arc<Known>>>,
}

/// The metadata of an image with its time. Locked while it is fetched.
type Known = tokio::sync::Mutex<Option<(Instant, Result<Arc<Image>, ImageError>)>>;

impl GlanceSource {
    pub(super) fn new(client: Option<Glance>, temp_urls: Option<TempUrls>) -> Self {
        Self {
            client,
            temp_urls,
            known: Mutex::default(),
        }
    }

    /// Whether machines fetch images from Swift.
    pub(super) fn by_temp_urls(&self) -> bool {
        self.temp_urls.is_some()
    }

    /// The metadata of an image whose data is available.
    pub(super) async fn image(&self, image: &GlanceImage) -> Result<Arc<Image>, ImageError> {
        let described = tokio::time::timeout(TIMEOUT, self.described(image.id));
        let described = described.await.unwrap_or_else(|_| {
            let seconds = TIMEOUT.as_secs();
            Err(ImageError::unavailable(format!(
                "Glance did not respond within {seconds} s"
            )))
        })?;
        match described.status.as_str() {
            "active" => Ok(described),
            status @ ("queued" | "saving" | "uploading" | "importing") => {
                Err(ImageError::unavailable(format!(
                    "its data is not complete in Glance: status \"{status}\""
                )))
            }
            status => Err(ImageError::NotAvailable(format!(
                "Glance does not serve its data: status \"{status}\""
            ))),
        }
    }

    async fn described(&self, id: Uuid) -> Result<Arc<Image>, ImageError> {
        let known = self.known(id);
        let mut known = known.lock().await;
        if let Some((when, said)) = &*known {
            let believed = if said.is_ok() {
                METADATA_TTL
            } else {
                ERROR_TTL
            };
            if when.elapsed() < believed {
                return said.clone();
            }
        }
        let answer = self.client()?.image(&id.to_string()).await;
        let said = answer.map(Arc::new).map_err(|error| trouble(&error));
        *known = Some((Instant::now(), said.clone()));
        said
    }

    fn known(&self, id: Uuid) -> Arc<Known> {
        // Nothing panics while the lock is held.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_CACHED && !known.contains_key(&id) {
            // Fetching them again costs one request each.
            known.clear();
        }
        Arc::clone(known.entry(id).or_default())
    }

    /// A temporary URL of Swift.
    pub(super) async fn temp_url(&self, image: &GlanceImage) -> Result<ImageUrl, ImageError> {
        let Some(temp_urls) = &self.temp_urls else {
            return Err(ImageError::NotAvailable(
                "[pxe]ipxe_use_swift is not set".to_owned(),
            ));
        };
        let id = image.id.to_string();
        let made = tokio::time::timeout(TIMEOUT, temp_urls.url(&id)).await;
        let made = made.map_err(|_| ImageError::unavailable("Keystone does not respond"))?;
        let url = made.map_err(|error| trouble(&error))?;
        ImageUrl::parse(&url).map_err(|error| {
            ImageError::NotAvailable(format!("its temporary URL is invalid: {error}"))
        })
    }

    /// Starts to fetch an image's data, and returns its expected checksum.
    pub(super) async fn fetch(
        &self,
        image: &GlanceImage,
        range: Option<ByteRange>,
    ) -> Result<(FetchedImage, Option<Check>), ImageError> {
        let described = self.image(image).await?;
        let total = described.size.ok_or_else(|| {
            ImageError::NotAvailable("Glance does not report its size".to_owned())
        })?;
        let wanted = match range {
            None => None,
            Some(range) => Some(
                range
                    .within(total)
                    .ok_or(ImageError::Range { total: Some(total) })?,
            ),
        };
        let id = image.id.to_string();
        let data = self
            .client()?
            .data(&id, wanted.map(|(first, last)| (first, Some(last))));
        let answer = data.await.map_err(|error| trouble(&error))?;
        let part = match answer.status() {
            StatusCode::OK => None,
            StatusCode::PARTIAL_CONTENT if wanted.is_some() => wanted,
            status => {
                let problem = format!("Glance responds with {status} for its data");
                return Err(ImageError::unavailable(problem));
            }
        };
        let said = ContentRange::of(answer.headers());
        if part.is_some() && said.is_some_and(|said| said.part != part || said.total != total) {
            return Err(ImageError::unavailable(
                "Glance sends a different range than requested",
            ));
        }
        let expected = part.map_or(total, |(first, last)| last - first + 1);
        if let Some(length) = answer.content_length().filter(|length| *length != expected) {
            return Err(ImageError::unavailable(format!(
                "Glance sends {length} bytes instead of {expected}"
            )));
        }
        let fetched = FetchedImage {
            answer,
            total,
            part,
        };
        Ok((fetched, check(&described)))
    }

    fn client(&self) -> Result<&Glance, ImageError> {
        self.client.as_ref().ok_or_else(|| {
            ImageError::NotAvailable(
                "it is a Glance image, but [glance] is not configured".to_owned(),
            )
        })
    }
}

/// The checksum of the data, by the strongest algorithm that Glance has.
fn check(image: &Image) -> Option<Check> {
    let best = image
        .os_hash_algo
        .as_deref()
        .zip(image.os_hash_value.as_deref());
    let best = best.and_then(|(algorithm, value)| Check::new(algorithm, value));
    best.or_else(|| Check::new("md5", image.checksum.as_deref()?))
}

fn trouble(error: &OpenStackError) -> ImageError {
    if error.is_not_found() {
        return ImageError::NotAvailable(format!("{} has no such image", error.service));
    }
    if error.is_temporary() || matches!(error.cause, Cause::NoData) {
        return ImageError::Unavailable {
            problem: error.to_string(),
            retry_after: retry_after::IMAGE,
        };
    }
    ImageError::NotAvailable(error.to_string())
}
