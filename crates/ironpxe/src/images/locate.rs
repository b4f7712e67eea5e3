//! Locates the images of a machine's plan.
//!
//! An `http://` image is its own location. An image that this service relays is checked first, so
//! that a missing one is reported on the machine's console.

use ironpxe_core::boot::{
    BootPlan, GlanceImage, ImageKind, ImageRef, ImageUrl, Location, Refusal, ResolvedPlan,
    image_field,
};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;

use super::{ImageError, Images, Relayed};
use crate::clock;

/// The purpose of a resolved plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A machine boots by it.
    Boot,
    /// To check whether a machine could boot by it; its URLs are not valid.
    Check,
    /// To show it, even if no other service is reachable; its URLs are not valid, and Glance is not
    /// queried.
    Preview,
}

/// An image is temporarily unavailable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {image}: {problem}", .kind.name())]
pub struct LocateError {
    /// What the machine uses it for.
    pub kind: ImageKind,
    /// The image.
    pub image: String,
    /// The error.
    pub problem: String,
    /// When to retry, in seconds.
    pub retry_after: u16,
}

impl From<LocateError> for Refusal {
    fn from(problem: LocateError) -> Self {
        Self::Image {
            kind: problem.kind,
            image: problem.image,
            problem: problem.problem,
        }
    }
}

impl Images {
    /// Whether machines fetch this image through this service.
    fn is_relayed(&self, image: &ImageRef) -> bool {
        match (image, self.0.relayed) {
            (ImageRef::Http(_), Relayed::Never) => false,
            (ImageRef::Http(url), Relayed::Https) => url.is_https(),
            (ImageRef::Http(_), Relayed::Always) | (ImageRef::Glance(_) | ImageRef::File(_), _) => {
                true
            }
        }
    }

    /// Locates the images of a plan that always resolves to the same URLs; `None` for others.
    pub(crate) fn locate_fixed(&self, plan: BootPlan) -> Option<ResolvedPlan> {
        let mut elsewhere = Vec::new();
        for (kind, image) in plan.images() {
            if let Some(location) = self.mapped(image) {
                elsewhere.push((kind, location.ok()?));
            } else if self.is_relayed(image) {
                return None;
            }
        }
        Some(ResolvedPlan::new(plan, elsewhere))
    }

    /// The URL of a file on a path that machines reach by a web server (`[beside]file_urls`).
    fn mapped(&self, image: &ImageRef) -> Option<Result<Location, ImageError>> {
        let ImageRef::File(file) = image else {
            return None;
        };
        let url = self.0.file_urls.url(file)?;
        let url = url.map_err(|error| {
            ImageError::NotAvailable(format!("its URL by [beside]file_urls: {error}"))
        });
        Some(url.map(|url| Location {
            url,
            expires_at: None,
            explanation: "the URL of this file by [beside]file_urls".to_owned(),
        }))
    }

    /// Locates the images of a node's plan. A missing image turns it into a refusal.
    pub(crate) async fn locate(
        &self,
        plan: BootPlan,
        node: &Node,
        purpose: Purpose,
    ) -> Result<ResolvedPlan, LocateError> {
        let mut elsewhere = Vec::new();
        for (kind, image) in plan.images() {
            if !self.is_relayed(image) {
                continue;
            }
            let name = plan.image_name(kind);
            match self.location(node, kind, image, name, purpose).await {
                Ok(location) => elsewhere.push((kind, location)),
                Err(ImageError::Unavailable {
                    problem,
                    retry_after,
                }) => {
                    return Err(LocateError {
                        kind,
                        image: image.to_string(),
                        problem,
                        retry_after,
                    });
                }
                Err(error @ (ImageError::NotAvailable(_) | ImageError::Range { .. })) => {
                    return Ok(ResolvedPlan::refused(Refusal::Image {
                        kind,
                        image: image.to_string(),
                        problem: error.to_string(),
                    }));
                }
            }
        }
        Ok(ResolvedPlan::new(plan, elsewhere))
    }

    async fn location(
        &self,
        node: &Node,
        kind: ImageKind,
        image: &ImageRef,
        name: &str,
        purpose: Purpose,
    ) -> Result<Location, ImageError> {
        if let Some(mapped) = self.mapped(image) {
            return mapped;
        }
        let explanation = match image {
            ImageRef::Http(url) => {
                // Names are only resolved when the image is fetched, not for every boot script.
                let checked = self.0.relay.check(url);
                checked.map_err(|error| match image_field(node, kind, image) {
                    Some(field) => ImageError::NotAvailable(format!("{error} ({field})")),
                    None => error,
                })?;
                "relayed by this service, because of [images]relay".to_owned()
            }
            ImageRef::File(file) => {
                let (_, length) = self.file(file).await?;
                format!("relayed by this service from the file of {length} bytes")
            }
            ImageRef::Glance(image) if self.0.glances.by_temp_urls() => {
                return self.in_swift(image, name, purpose).await;
            }
            ImageRef::Glance(image) => {
                if purpose != Purpose::Preview {
                    self.described(image).await?;
                }
                "relayed by this service from Glance".to_owned()
            }
        };
        self.via_this_service(node.uuid, kind, image, name, purpose, explanation)
    }

    /// A temporary URL of Swift, whose lifetime starts now.
    async fn in_swift(
        &self,
        image: &GlanceImage,
        name: &str,
        purpose: Purpose,
    ) -> Result<Location, ImageError> {
        let glances = &self.0.glances;
        let explanation = "from Swift, by a temporary URL that is generated on request".to_owned();
        if purpose == Purpose::Preview {
            let url = format!("http://swift.invalid/{}/{name}", image.id);
            let url = ImageUrl::parse(&url)
                .map_err(|error| ImageError::NotAvailable(error.to_string()))?;
            let expires_at = None;
            return Ok(Location {
                url,
                expires_at,
                explanation,
            });
        }
        match glances.image(image).await {
            // Swift may have the image even if Glance is unavailable.
            Ok(_) | Err(ImageError::Unavailable { .. }) => {}
            Err(error) => return Err(error),
        }
        let url = glances.temp_url(image).await?;
        let expires_at = Some(clock::now() + self.0.temp_url_lifetime);
        Ok(Location {
            url,
            expires_at,
            explanation,
        })
    }

    fn via_this_service(
        &self,
        node: NodeUuid,
        kind: ImageKind,
        image: &ImageRef,
        name: &str,
        purpose: Purpose,
        explanation: String,
    ) -> Result<Location, ImageError> {
        let signer = &self.0.signer;
        let made = match purpose {
            Purpose::Boot => {
                let made = signer.url(node, kind, image, name, clock::now());
                made.map(|(url, expires_at)| (url, Some(expires_at)))
            }
            Purpose::Check | Purpose::Preview => {
                let made = signer.example(node, kind, image, name);
                made.map(|url| (url, None))
            }
        };
        let (url, expires_at) = made.ok_or_else(|| {
            ImageError::NotAvailable(
                "no valid URL can be built from [api]public_endpoint".to_owned(),
            )
        })?;
        Ok(Location {
            url,
            expires_at,
            explanation,
        })
    }
}
