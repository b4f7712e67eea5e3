//! A plan with the location of every image: the only kind of plan that can be rendered as a script.
//!
//! The decision returns references ([`ImageRef`]), which the service resolves. An `http://` image
//! is its own location.

use time::OffsetDateTime;

use super::plan::{BootPlan, LinuxBoot};
use super::reference::{ImageKind, ImageRef, ImageUrl};
use super::refusal::Refusal;

/// The location of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The URL.
    pub url: ImageUrl,
    /// When the URL expires, if it does.
    pub expires_at: Option<OffsetDateTime>,
    /// How the location was determined, for previews.
    pub explanation: String,
}

/// A plan and the locations of its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedPlan {
    plan: BootPlan,
    /// The images whose location is not their reference.
    locations: Vec<(ImageKind, Location)>,
}

impl BootPlan {
    /// The images that the machine fetches.
    pub fn images(&self) -> impl Iterator<Item = (ImageKind, &ImageRef)> {
        let (linux, images) = match self {
            Self::Linux(linux) => (
                Some(linux),
                [
                    Some((ImageKind::Kernel, &linux.kernel)),
                    Some((ImageKind::Ramdisk, &linux.ramdisk)),
                ],
            ),
            Self::Iso(iso) => (None, [Some((ImageKind::Iso, iso)), None]),
            Self::Volume(_) | Self::LocalDisk(_) | Self::Refuse(_) => (None, [None, None]),
        };
        let extra_ramdisks = linux.into_iter().flat_map(LinuxBoot::extra_ramdisks);
        images.into_iter().flatten().chain(extra_ramdisks)
    }

    /// The image of this kind, if the machine fetches one.
    pub fn image(&self, kind: ImageKind) -> Option<&ImageRef> {
        let mut images = self.images();
        images.find_map(|(it, image)| (it == kind).then_some(image))
    }

    /// The image's name in iPXE, and in `initrd=`.
    pub fn image_name(&self, kind: ImageKind) -> &'static str {
        match (kind, self) {
            (ImageKind::Ramdisk, Self::Linux(linux)) => linux.role.ramdisk_name(),
            (ImageKind::Ramdisk, _) => "ramdisk",
            (ImageKind::Kernel, _) => "kernel",
            (ImageKind::Iso, _) => "boot.iso",
            (
                ImageKind::ExtraRamdisk1
                | ImageKind::ExtraRamdisk2
                | ImageKind::ExtraRamdisk3
                | ImageKind::ExtraRamdisk4,
                _,
            ) => kind.name(),
        }
    }
}

impl ResolvedPlan {
    /// A plan with the given locations; images without one must be URLs, otherwise the plan becomes
    /// a refusal.
    pub fn new(plan: BootPlan, locations: Vec<(ImageKind, Location)>) -> Self {
        let found = |(kind, image): &(ImageKind, &ImageRef)| {
            image.url().is_some() || locations.iter().any(|(it, _)| it == kind)
        };
        let lost = plan.images().find(|it| !found(it));
        if let Some((kind, image)) = lost {
            let refusal = Refusal::Image {
                kind,
                image: image.to_string(),
                problem: "it has no known location".to_owned(),
            };
            return Self::refused(refusal);
        }
        Self { plan, locations }
    }

    /// A plan whose images are all URLs.
    pub fn direct(plan: BootPlan) -> Self {
        Self::new(plan, Vec::new())
    }

    /// A refusal.
    pub fn refused(refusal: Refusal) -> Self {
        Self {
            plan: BootPlan::Refuse(refusal),
            locations: Vec::new(),
        }
    }

    /// The plan.
    pub fn plan(&self) -> &BootPlan {
        &self.plan
    }

    /// The earliest expiry of its URLs. `None`: the script of this plan never changes. A script
    /// that expires is rendered for each request.
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.locations
            .iter()
            .filter_map(|(_, it)| it.expires_at)
            .min()
    }

    /// The resolved locations of images whose reference is not a URL.
    pub fn locations(&self) -> impl Iterator<Item = (ImageKind, &Location)> {
        self.locations.iter().map(|(kind, it)| (*kind, it))
    }

    /// The URL of an image of the plan.
    pub(super) fn url<'a>(&'a self, kind: ImageKind, image: &'a ImageRef) -> &'a str {
        let mut locations = self.locations();
        let found = locations.find(|(it, _)| *it == kind);
        found.map_or(image.as_str(), |(_, location)| location.url.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::tests::{node, plan};
    use crate::provision_state::ProvisionState;

    fn located(url: &str, expires_at: Option<i64>) -> Location {
        Location {
            url: ImageUrl::parse(url).unwrap(),
            expires_at: expires_at.map(|it| OffsetDateTime::from_unix_timestamp(it).unwrap()),
            explanation: "by a test".into(),
        }
    }

    #[test]
    fn missing_image_is_refused() {
        let mut node = node(ProvisionState::DeployWait, "direct");
        assert!(ResolvedPlan::direct(plan(&node)).expires_at().is_none());
        node.driver_info
            .insert("deploy_kernel".into(), "file:///srv/kernel".into());
        let lost = ResolvedPlan::direct(plan(&node));
        assert!(
            matches!(
                lost.plan(),
                BootPlan::Refuse(Refusal::Image {
                    kind: ImageKind::Kernel,
                    ..
                })
            ),
            "{lost:?}"
        );
        let plan = plan(&node);
        let found = ResolvedPlan::new(
            plan.clone(),
            vec![
                (ImageKind::Kernel, located("http://here/k", Some(20))),
                (ImageKind::Ramdisk, located("http://here/r", Some(10))),
            ],
        );
        assert_eq!(found.plan(), &plan);
        assert_eq!(found.expires_at().unwrap().unix_timestamp(), 10);
        let kernel = plan.image(ImageKind::Kernel).unwrap();
        assert_eq!(found.url(ImageKind::Kernel, kernel), "http://here/k");
        assert_eq!(plan.image_name(ImageKind::Ramdisk), "deploy_ramdisk");
    }
}
