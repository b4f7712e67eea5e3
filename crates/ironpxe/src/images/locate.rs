//! Where a machine is sent for the images of its plan.
//!
//! An `http://` image is where its reference says, and costs nothing to find. What is sent through
//! our door is looked at first, so that a machine is told on its console what is missing, and not
//! sent to where it will not find it.

use ironpxe_core::boot::{BootPlan, ImageKind, ImageRef, Located, Location, Refusal};
use ironpxe_core::id::NodeUuid;

use super::{ImageError, Images, NO_GLANCE, Relayed};
use crate::clock;

/// What a located plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A machine is to boot by it.
    Boot,
    /// Somebody looks at it: its URLs open nothing.
    Preview,
}

/// An image that cannot be located now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {image}: {problem}", .kind.name())]
pub struct NotLocated {
    /// What it is to the machine.
    pub kind: ImageKind,
    /// The image.
    pub image: String,
    /// What is wrong.
    pub problem: String,
    /// When to ask again, in seconds.
    pub retry_after: u16,
}

impl From<NotLocated> for Refusal {
    fn from(problem: NotLocated) -> Self {
        Self::Image {
            kind: problem.kind,
            image: problem.image,
            problem: problem.problem,
        }
    }
}

impl Images {
    /// Whether a machine is sent through our door for this image.
    fn passes_on(&self, image: &ImageRef) -> bool {
        match (image, self.0.relayed) {
            (ImageRef::Http(_), Relayed::Never) => false,
            (ImageRef::Http(_), Relayed::Always) => true,
            (ImageRef::Http(url), Relayed::Https) => url.is_https(),
            (ImageRef::Glance(_) | ImageRef::File(_), _) => true,
        }
    }

    /// Finds out where the node's machine gets the images of its plan. What cannot be had is a
    /// refusal.
    pub async fn locate(
        &self,
        plan: BootPlan,
        node: NodeUuid,
        purpose: Purpose,
    ) -> Result<Located, NotLocated> {
        if !plan.images().any(|(_, image)| self.passes_on(image)) {
            return Ok(Located::direct(plan));
        }
        let mut elsewhere = Vec::new();
        for (kind, image) in plan.images() {
            if !self.passes_on(image) {
                continue;
            }
            let name = plan.image_name(kind);
            match self.location(node, kind, image, name, purpose).await {
                Ok(location) => elsewhere.push((kind, location)),
                Err(ImageError::NotNow {
                    problem,
                    retry_after,
                }) => {
                    return Err(NotLocated {
                        kind,
                        image: image.to_string(),
                        problem,
                        retry_after,
                    });
                }
                Err(error @ (ImageError::Gone(_) | ImageError::Range { .. })) => {
                    return Ok(Located::refused(Refusal::Image {
                        kind,
                        image: image.to_string(),
                        problem: error.to_string(),
                    }));
                }
            }
        }
        Ok(Located::new(plan, elsewhere))
    }

    async fn location(
        &self,
        node: NodeUuid,
        kind: ImageKind,
        image: &ImageRef,
        name: &str,
        purpose: Purpose,
    ) -> Result<Location, ImageError> {
        let how = match image {
            ImageRef::Http(_) => "passed on by this service, by [images]relay".to_owned(),
            ImageRef::File(file) => {
                let (_, length) = self.file(file).await?;
                format!("passed on by this service, from the file of {length} bytes")
            }
            ImageRef::Glance(_) => return Err(ImageError::Gone(NO_GLANCE.to_owned())),
        };
        self.through_the_door(node, kind, image, name, purpose, how)
    }

    fn through_the_door(
        &self,
        node: NodeUuid,
        kind: ImageKind,
        image: &ImageRef,
        name: &str,
        purpose: Purpose,
        how: String,
    ) -> Result<Location, ImageError> {
        let door = &self.0.door;
        let made = match purpose {
            Purpose::Boot => {
                let made = door.url(node, kind, image, name, clock::now());
                made.map(|(url, until)| (url, Some(until)))
            }
            Purpose::Preview => {
                let made = door.example(node, kind, image, name);
                made.map(|url| (url, None))
            }
        };
        let (url, until) = made.ok_or_else(|| {
            ImageError::Gone("no URL can be made of [api]public_endpoint".to_owned())
        })?;
        Ok(Location { url, until, how })
    }
}
