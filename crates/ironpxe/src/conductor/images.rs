//! The images of a deployment: what Glance says of them, and whether they can be had.

use ironpxe_core::JsonMap;
use ironpxe_core::boot::{BootPlan, ImageRef};
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::node::Node;
use serde_json::Value;

use super::LocalConductor;
use super::validate::refused;
use crate::drivers::deploy::DeployInterface;
use crate::images::{Image, ImageError, Purpose};

/// Where it is kept which fields of `instance_info` were taken from the image, and not set by
/// anybody: the image of the next deployment has its own.
const TAKEN: &str = "image_properties";
/// The fields that an image of Glance can bring.
const FIELDS: [&str; 2] = ["kernel", "ramdisk"];

/// What the image that is deployed says of itself, as far as its machine boots by it.
///
/// Source: Ironic's `common/images.py` (`is_whole_disk_image`), `common/pxe_utils.py`
/// (`get_instance_image_info`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ImageProperties {
    /// `kernel_id` and `ramdisk_id`.
    pair: Option<[String; 2]>,
    /// By `img_type`, or by whether it has a kernel and a ramdisk.
    whole_disk: Option<bool>,
}

impl ImageProperties {
    fn of(image: &Image) -> Self {
        let is_set = |id: &&String| !id.is_empty();
        let kernel = image.kernel_id.as_ref().filter(is_set);
        let ramdisk = image.ramdisk_id.as_ref().filter(is_set);
        let whole_disk = match image.img_type.as_deref() {
            None | Some("") => kernel.is_none() && ramdisk.is_none(),
            Some(img_type) => img_type != "partition",
        };
        let pair = kernel
            .zip(ramdisk)
            .map(|(kernel, ramdisk)| [kernel.clone(), ramdisk.clone()]);
        Self {
            pair,
            whole_disk: Some(whole_disk),
        }
    }

    /// Notes them at the node, where the boot decision looks for them. What an operator set goes
    /// first; what an earlier image left behind is taken away.
    pub(super) fn apply(&self, node: &mut Node) {
        if let Some(Value::Object(taken)) = node.driver_internal_info.remove(TAKEN) {
            for (field, value) in taken {
                if node.instance_info.get(&field) == Some(&value) {
                    node.instance_info.remove(&field);
                }
            }
        }
        node.driver_internal_info.remove("is_whole_disk_image");
        if let Some(whole_disk) = self.whole_disk {
            let key = "is_whole_disk_image".to_owned();
            node.driver_internal_info.insert(key, whole_disk.into());
        }
        let is_set = |field: &str| {
            let value = node.instance_info.get(field).and_then(Value::as_str);
            value.is_some_and(|value| !value.is_empty())
        };
        let Some(pair) = self
            .pair
            .as_ref()
            .filter(|_| !FIELDS.into_iter().all(is_set))
        else {
            return;
        };
        let mut taken = JsonMap::new();
        for (field, id) in FIELDS.into_iter().zip(pair) {
            taken.insert(field.to_owned(), id.as_str().into());
        }
        node.instance_info.extend(taken.clone());
        node.driver_internal_info
            .insert(TAKEN.to_owned(), taken.into());
    }
}

impl LocalConductor {
    /// Asks Glance of the node's image, if it is one of Glance and the deployment is to use it.
    pub(super) async fn image_properties(&self, node: &Node) -> Result<ImageProperties> {
        const FIELD: &str = "instance_info.image_source";
        let deploy = DeployInterface::from_name(node.interface(InterfaceKind::Deploy));
        let source = node.instance_info.get("image_source");
        let image = source.and_then(Value::as_str).map(ImageRef::parse);
        // What is no image is refused where it counts.
        let (true, Some(Ok(ImageRef::Glance(image)))) = (
            deploy.is_some_and(DeployInterface::boots_over_network),
            image,
        ) else {
            return Ok(ImageProperties::default());
        };
        match self.settings.images.described(&image).await {
            Ok(described) => Ok(ImageProperties::of(&described)),
            Err(ImageError::NotNow {
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

    /// Why the images of a plan could not be had; `Ok` if they could.
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

#[cfg(test)]
mod tests {
    use ironpxe_core::id::NodeUuid;
    use serde_json::json;

    use super::*;
    use crate::{clock, ident};

    const KERNEL: &str = "11111111-1111-4111-8111-111111111111";
    const RAMDISK: &str = "22222222-2222-4222-8222-222222222222";

    fn properties(fields: &Value) -> ImageProperties {
        let mut image = json!({"id": "x", "status": "active"});
        image.as_object_mut().unwrap().extend(
            fields
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        ImageProperties::of(&serde_json::from_value(image).unwrap())
    }

    fn node() -> Node {
        Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now())
    }

    #[test]
    fn an_image_is_of_a_whole_disk_unless_it_says_otherwise() {
        let pair = json!({"kernel_id": KERNEL, "ramdisk_id": RAMDISK});
        let mut said = pair.clone();
        said["img_type"] = json!("whole-disk");
        for (fields, whole) in [
            (json!({}), true),
            (pair, false),
            (said, true),
            (json!({"img_type": "partition"}), false),
            (json!({"kernel_id": KERNEL}), false),
        ] {
            let found = properties(&fields);
            assert_eq!(found.whole_disk, Some(whole), "{fields}");
        }
    }

    #[test]
    fn what_an_image_brought_goes_with_it() {
        let mut node = node();
        let before = node.clone();
        let first = properties(&json!({"kernel_id": KERNEL, "ramdisk_id": RAMDISK}));
        first.apply(&mut node);
        assert_eq!(node.instance_info["kernel"], KERNEL);
        assert_eq!(node.instance_info["ramdisk"], RAMDISK);
        assert_eq!(node.driver_internal_info["is_whole_disk_image"], false);
        let once = node.clone();
        first.apply(&mut node);
        assert_eq!(node, once);
        // A rebuild with an image that has none.
        properties(&json!({})).apply(&mut node);
        assert!(node.instance_info.is_empty(), "{:?}", node.instance_info);
        assert_eq!(node.driver_internal_info["is_whole_disk_image"], true);
        // And with one that is none of Glance.
        ImageProperties::default().apply(&mut node);
        assert_eq!(node, before);
        // What somebody set stays.
        for field in FIELDS {
            let url = json!(format!("http://h/{field}"));
            node.instance_info.insert(field.to_owned(), url);
        }
        first.apply(&mut node);
        assert_eq!(node.instance_info["kernel"], "http://h/kernel");
        ImageProperties::default().apply(&mut node);
        assert_eq!(node.instance_info["kernel"], "http://h/kernel");
    }
}
