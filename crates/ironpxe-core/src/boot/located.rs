//! A plan of which it is known where the machine gets each image from: the only kind of plan that
//! becomes a script.
//!
//! The decision gives references ([`ImageRef`]); whoever knows the image services finds out where
//! they lead. An `http://` image is where its reference says, so that nothing need be found out.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::plan::{BootPlan, LinuxBoot};
use super::reference::{ImageRef, ImageUrl};
use super::refusal::Refusal;

/// What an image is for a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// The kernel.
    Kernel,
    /// The ramdisk.
    Ramdisk,
    /// The ISO image.
    Iso,
}

impl ImageKind {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Kernel, Self::Ramdisk, Self::Iso];

    /// In one word, as in the URLs of images.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Ramdisk => "ramdisk",
            Self::Iso => "iso",
        }
    }

    /// Reads the word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Where an image is fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The URL.
    pub url: ImageUrl,
    /// When the URL ceases to work, if it does.
    pub until: Option<OffsetDateTime>,
    /// In words, for whoever asks why.
    pub how: String,
}

/// A plan, and where its images are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    plan: BootPlan,
    /// Those that are not where their reference says.
    elsewhere: Vec<(ImageKind, Location)>,
}

impl BootPlan {
    /// The images the machine is to fetch, and what each is to it.
    pub fn images(&self) -> impl Iterator<Item = (ImageKind, &ImageRef)> {
        let images = match self {
            Self::Linux(LinuxBoot {
                kernel, ramdisk, ..
            }) => [
                Some((ImageKind::Kernel, kernel)),
                Some((ImageKind::Ramdisk, ramdisk)),
            ],
            Self::Iso(iso) => [Some((ImageKind::Iso, iso)), None],
            Self::Volume(_) | Self::LocalDisk(_) | Self::Refuse(_) => [None, None],
        };
        images.into_iter().flatten()
    }

    /// The image of this kind, if the machine is to fetch one.
    pub fn image(&self, kind: ImageKind) -> Option<&ImageRef> {
        let mut images = self.images();
        images.find_map(|(it, image)| (it == kind).then_some(image))
    }

    /// What the image of this kind is called by the machine: in iPXE, and in `initrd=`.
    pub fn image_name(&self, kind: ImageKind) -> &'static str {
        match (kind, self) {
            (ImageKind::Ramdisk, Self::Linux(linux)) => linux.role.ramdisk_name(),
            (ImageKind::Ramdisk, _) => "ramdisk",
            (ImageKind::Kernel, _) => "kernel",
            (ImageKind::Iso, _) => "boot.iso",
        }
    }
}

impl Located {
    /// A plan whose images are where `elsewhere` says, and the others where their references say.
    /// An image that is neither here nor there is a refusal.
    pub fn new(plan: BootPlan, elsewhere: Vec<(ImageKind, Location)>) -> Self {
        let found = |(kind, image): &(ImageKind, &ImageRef)| {
            image.url().is_some() || elsewhere.iter().any(|(it, _)| it == kind)
        };
        let lost = plan.images().find(|it| !found(it));
        if let Some((kind, image)) = lost {
            let refusal = Refusal::Image {
                kind,
                image: image.to_string(),
                problem: "no location of it is known".to_owned(),
            };
            return Self::refused(refusal);
        }
        Self { plan, elsewhere }
    }

    /// A plan whose images are all where their references say.
    pub fn direct(plan: BootPlan) -> Self {
        Self::new(plan, Vec::new())
    }

    /// Nothing, and why.
    pub fn refused(refusal: Refusal) -> Self {
        Self {
            plan: BootPlan::Refuse(refusal),
            elsewhere: Vec::new(),
        }
    }

    /// The plan.
    pub fn plan(&self) -> &BootPlan {
        &self.plan
    }

    /// The first moment at which one of the URLs no longer works. `None`: the same plan makes the
    /// same script at all times. A script that has such a moment is made for each request.
    pub fn until(&self) -> Option<OffsetDateTime> {
        self.elsewhere.iter().filter_map(|(_, it)| it.until).min()
    }

    /// How each image is to be had that is not where its reference says.
    pub fn elsewhere(&self) -> impl Iterator<Item = (ImageKind, &Location)> {
        self.elsewhere.iter().map(|(kind, it)| (*kind, it))
    }

    /// Where an image of the plan is fetched.
    pub(super) fn url<'a>(&'a self, kind: ImageKind, image: &'a ImageRef) -> &'a str {
        let mut elsewhere = self.elsewhere();
        let found = elsewhere.find(|(it, _)| *it == kind);
        found.map_or(image.as_str(), |(_, location)| location.url.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::tests::{node, plan};
    use crate::provision_state::ProvisionState;

    fn located(url: &str, until: Option<i64>) -> Location {
        Location {
            url: ImageUrl::parse(url).unwrap(),
            until: until.map(|it| OffsetDateTime::from_unix_timestamp(it).unwrap()),
            how: "by a test".into(),
        }
    }

    #[test]
    fn what_is_nowhere_is_not_booted() {
        let mut node = node(ProvisionState::DeployWait, "direct");
        assert!(Located::direct(plan(&node)).until().is_none());
        node.driver_info
            .insert("deploy_kernel".into(), "file:///srv/kernel".into());
        let lost = Located::direct(plan(&node));
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
        let found = Located::new(
            plan.clone(),
            vec![
                (ImageKind::Kernel, located("http://here/k", Some(20))),
                (ImageKind::Ramdisk, located("http://here/r", Some(10))),
            ],
        );
        assert_eq!(found.plan(), &plan);
        assert_eq!(found.until().unwrap().unix_timestamp(), 10);
        let kernel = plan.image(ImageKind::Kernel).unwrap();
        assert_eq!(found.url(ImageKind::Kernel, kernel), "http://here/k");
        assert_eq!(plan.image_name(ImageKind::Ramdisk), "deploy_ramdisk");
    }
}
