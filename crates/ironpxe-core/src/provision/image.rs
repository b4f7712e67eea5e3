//! The image properties that decide how the deployed instance boots.
//!
//! Source: Ironic's `common/images.py` (`is_whole_disk_image`), `common/pxe_utils.py`
//! (`get_instance_image_info`).

use serde_json::Value;

use crate::JsonMap;
use crate::node::Node;

/// The key that records which fields of `instance_info` came from the image instead of a client:
/// the next deployment's image replaces them.
const TAKEN: &str = "image_properties";
/// The fields that a Glance image can provide.
const FIELDS: [&str; 2] = ["kernel", "ramdisk"];

/// The properties of the deployed image; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageProperties {
    /// `kernel_id` and `ramdisk_id`.
    pair: Option<[String; 2]>,
    /// From `img_type`, or from whether the image has a kernel and a ramdisk.
    whole_disk: Option<bool>,
}

impl ImageProperties {
    /// From the properties of a Glance image.
    pub fn new(kernel_id: Option<&str>, ramdisk_id: Option<&str>, img_type: Option<&str>) -> Self {
        let kernel = kernel_id.filter(|id| !id.is_empty());
        let ramdisk = ramdisk_id.filter(|id| !id.is_empty());
        let whole_disk = match img_type {
            None | Some("") => kernel.is_none() && ramdisk.is_none(),
            Some(img_type) => img_type != "partition",
        };
        let pair = kernel.zip(ramdisk);
        Self {
            pair: pair.map(|(kernel, ramdisk)| [kernel.to_owned(), ramdisk.to_owned()]),
            whole_disk: Some(whole_disk),
        }
    }

    /// Records them at the node for the boot decision. Fields that a client set take precedence;
    /// those of an earlier image are removed.
    pub fn apply(&self, node: &mut Node) {
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::id::NodeUuid;

    const KERNEL: &str = "11111111-1111-4111-8111-111111111111";
    const RAMDISK: &str = "22222222-2222-4222-8222-222222222222";

    fn pair() -> ImageProperties {
        ImageProperties::new(Some(KERNEL), Some(RAMDISK), None)
    }

    #[test]
    fn image_is_a_whole_disk_image_unless_its_properties_say_otherwise() {
        let whole =
            |kernel, ramdisk, img_type| ImageProperties::new(kernel, ramdisk, img_type).whole_disk;
        let (kernel, ramdisk) = (Some(KERNEL), Some(RAMDISK));
        assert_eq!(whole(None, None, None), Some(true));
        assert_eq!(whole(kernel, ramdisk, None), Some(false));
        assert_eq!(whole(kernel, ramdisk, Some("whole-disk")), Some(true));
        assert_eq!(whole(None, None, Some("partition")), Some(false));
        assert_eq!(whole(kernel, None, None), Some(false));
    }

    #[test]
    fn kernel_and_ramdisk_of_an_image_are_removed_with_it() {
        let uuid = NodeUuid(Uuid::from_u128(1));
        let mut node = Node::enroll(uuid, "fake-hardware", OffsetDateTime::UNIX_EPOCH);
        let before = node.clone();
        let first = pair();
        first.apply(&mut node);
        assert_eq!(node.instance_info["kernel"], KERNEL);
        assert_eq!(node.instance_info["ramdisk"], RAMDISK);
        assert_eq!(node.driver_internal_info["is_whole_disk_image"], false);
        let once = node.clone();
        first.apply(&mut node);
        assert_eq!(node, once);
        // A rebuild with an image that has none.
        ImageProperties::new(None, None, None).apply(&mut node);
        assert!(node.instance_info.is_empty(), "{:?}", node.instance_info);
        assert_eq!(node.driver_internal_info["is_whole_disk_image"], true);
        // And with one that is none of Glance.
        ImageProperties::default().apply(&mut node);
        assert_eq!(node, before);
        // What an operator set stays.
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
