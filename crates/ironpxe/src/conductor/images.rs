//! The images of a deployment: their properties in Glance, and their availability.

use ironpxe_core::boot::{BootPlan, ImageRef};
use ironpxe_core::driver::deploy::DeployInterface;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::node::Node;
use ironpxe_core::provision::ImageProperties;
use serde_json::Value;

use super::LocalConductor;
use super::validate::refused;
use crate::images::{ImageError, Purpose};

impl LocalConductor {
    /// Queries Glance for the node's image, if it is a Glance image and the deployment needs it.
    pub(super) async fn image_properties(&self, node: &Node) -> Result<ImageProperties> {
        const FIELD: &str = "instance_info.image_source";
        let deploy = DeployInterface::of(node);
        let source = node.instance_info.get("image_source");
        let image = source.and_then(Value::as_str).map(ImageRef::parse);
        // An invalid reference is rejected by the boot decision.
        let (true, Some(Ok(ImageRef::Glance(image)))) = (
            deploy.is_some_and(DeployInterface::boots_over_network),
            image,
        ) else {
            return Ok(ImageProperties::default());
        };
        match self.settings.images.described(&image).await {
            Ok(described) => Ok(ImageProperties::new(
                described.kernel_id.as_deref(),
                described.ramdisk_id.as_deref(),
                described.img_type.as_deref(),
            )),
            Err(ImageError::Unavailable {
                problem,
                retry_after,
            }) => Err(Fault::Unavailable {
                reason: format!("{FIELD}, image {}: {problem}", image.id),
                retry_after,
            }),
            Err(error) => Err(Fault::InvalidParameterValue(format!(
                "{FIELD}, image {}: {error}",
                image.id
            ))),
        }
    }

    /// Checks that the images of a plan are available.
    pub(super) async fn check_images(&self, node: &Node, plan: BootPlan) -> Result<()> {
        let images = &self.settings.images;
        match images.locate(plan, node, Purpose::Check).await {
            Ok(located) => match located.plan() {
                BootPlan::Refuse(refusal) => Err(refused(refusal, node)),
                _ => Ok(()),
            },
            Err(problem) => Err(Fault::Unavailable {
                reason: problem.to_string(),
                retry_after: problem.retry_after,
            }),
        }
    }
}
