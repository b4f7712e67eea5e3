//! Images of Glance: what is known of them, where they are in Swift, and their data.
//!
//! When a rack of machines boots, all ask for the same images at once; Glance is asked once, and
//! again after a few seconds. (An image's data never change; what can change meanwhile is that it
//! is deleted, which its data tell.)

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ironpxe_core::boot::{GlanceImage, ImageUrl};
use reqwest::StatusCode;
use uuid::Uuid;

use super::error::{ImageError, RETRY_AFTER};
use super::range::{ByteRange, ContentRange};
use super::relay::Fetched;
use super::stream::Check;
use crate::openstack::{Cause, Glance, Image, OpenStackError, TempUrls};

/// How long what Glance said is believed, and how long what went wrong.
const BELIEVED: Duration = Duration::from_secs(10);
const DISBELIEVED: Duration = Duration::from_secs(2);
/// Of how many images something is remembered.
const REMEMBERED: usize = 1000;
/// How long a machine is kept waiting for Glance before it is told to ask again.
const WITHIN: Duration = Duration::from_secs(8);

/// Glance, if there is one.
#[derive(Debug)]
pub(super) struct Glances {
    client: Option<Glance>,
    temp_urls: Option<TempUrls>,
    known: Mutex<HashMap<Uuid, Arc<Known>>>,
}

/// What Glance said of an image, and when. Locked while it is asked.
type Known = tokio::sync::Mutex<Option<(Instant, Result<Arc<Image>, ImageError>)>>;

impl Glances {
    pub(super) fn new(client: Option<Glance>, temp_urls: Option<TempUrls>) -> Self {
        Self {
            client,
            temp_urls,
            known: Mutex::default(),
        }
    }

    /// Whether machines are sent to Swift.
    pub(super) fn by_temp_urls(&self) -> bool {
        self.temp_urls.is_some()
    }

    /// What Glance says of an image whose data can be had.
    pub(super) async fn image(&self, image: &GlanceImage) -> Result<Arc<Image>, ImageError> {
        let described = tokio::time::timeout(WITHIN, self.described(image.id));
        let described = described.await.unwrap_or_else(|_| {
            let seconds = WITHIN.as_secs();
            Err(ImageError::not_now(format!(
                "Glance has not answered within {seconds} s"
            )))
        })?;
        match described.status.as_str() {
            "active" => Ok(described),
            status @ ("queued" | "saving" | "uploading" | "importing") => Err(ImageError::not_now(
                format!("Glance does not have all of it yet: its status is \"{status}\""),
            )),
            status => Err(ImageError::Gone(format!(
                "Glance does not give it out: its status is \"{status}\""
            ))),
        }
    }

    async fn described(&self, id: Uuid) -> Result<Arc<Image>, ImageError> {
        let known = self.known(id);
        let mut known = known.lock().await;
        if let Some((when, said)) = &*known {
            let believed = if said.is_ok() { BELIEVED } else { DISBELIEVED };
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
        // Nothing can panic while it is locked.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED && !known.contains_key(&id) {
            // It costs a question each to learn it again.
            known.clear();
        }
        Arc::clone(known.entry(id).or_default())
    }

    /// A temporary URL of Swift.
    pub(super) async fn temp_url(&self, image: &GlanceImage) -> Result<ImageUrl, ImageError> {
        let Some(temp_urls) = &self.temp_urls else {
            return Err(ImageError::Gone(
                "[pxe]ipxe_use_swift is not set".to_owned(),
            ));
        };
        let id = image.id.to_string();
        let made = tokio::time::timeout(WITHIN, temp_urls.url(&id)).await;
        let made = made.map_err(|_| ImageError::not_now("Keystone does not answer"))?;
        let url = made.map_err(|error| trouble(&error))?;
        ImageUrl::parse(&url)
            .map_err(|error| ImageError::Gone(format!("its temporary URL cannot be used: {error}")))
    }

    /// Begins to fetch an image's data; with them, what they must be.
    pub(super) async fn fetch(
        &self,
        image: &GlanceImage,
        range: Option<ByteRange>,
    ) -> Result<(Fetched, Option<Check>), ImageError> {
        let described = self.image(image).await?;
        let total = described
            .size
            .ok_or_else(|| ImageError::Gone("Glance does not say how long it is".to_owned()))?;
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
                let problem = format!("Glance answers {status} for its data");
                return Err(ImageError::not_now(problem));
            }
        };
        let said = ContentRange::of(answer.headers());
        if part.is_some() && said.is_some_and(|said| said.part != part || said.total != total) {
            return Err(ImageError::not_now(
                "Glance sends another part of it than it was asked for",
            ));
        }
        let expected = part.map_or(total, |(first, last)| last - first + 1);
        if let Some(length) = answer.content_length().filter(|length| *length != expected) {
            return Err(ImageError::not_now(format!(
                "Glance sends {length} bytes of it, and should send {expected}"
            )));
        }
        let fetched = Fetched {
            answer,
            total,
            part,
        };
        Ok((fetched, check(&described)))
    }

    fn client(&self) -> Result<&Glance, ImageError> {
        self.client.as_ref().ok_or_else(|| {
            ImageError::Gone("it is an image of Glance, and [glance] is not configured".to_owned())
        })
    }
}

/// What the data must be, by the best digest that Glance has of them.
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
        return ImageError::Gone(format!("{} has no such image", error.service));
    }
    if error.is_temporary() || matches!(error.cause, Cause::NoData) {
        return ImageError::NotNow {
            problem: error.to_string(),
            retry_after: RETRY_AFTER,
        };
    }
    ImageError::Gone(error.to_string())
}
