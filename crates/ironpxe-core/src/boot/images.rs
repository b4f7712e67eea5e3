//! Selects the kernel and ramdisk of a node.
//!
//! Source: Ironic's `drivers/utils.py` (`get_agent_kernel_ramdisk`), `common/pxe_utils.py`
//! (`get_instance_image_info`).

use serde_json::Value;

use super::explain::Reasons;
use super::fields::Fields;
use super::reference::{ImageKind, ImageRef};
use super::refusal::Refusal;
use super::settings::RamdiskImages;
use crate::node::Node;

/// A kernel and its ramdisk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) kernel: ImageRef,
    pub(super) ramdisk: ImageRef,
}

/// The ramdisks with an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AgentRamdisk {
    Deploy,
    Rescue,
}

impl AgentRamdisk {
    fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Deploy => ("deploy_kernel", "deploy_ramdisk"),
            Self::Rescue => ("rescue_kernel", "rescue_ramdisk"),
        }
    }
}

/// The agent's kernel and ramdisk: the node's, or the configured ones for its architecture, or the
/// configured default. Each level must have both or neither: a kernel with another one's ramdisk
/// panics.
pub(super) fn agent_pair(
    node: &Node,
    which: AgentRamdisk,
    configured: &RamdiskImages,
    why: &Reasons,
) -> Result<Pair, Refusal> {
    let (kernel_key, ramdisk_key) = which.keys();
    let own = (
        Fields::driver_info(node).string(kernel_key)?,
        Fields::driver_info(node).string(ramdisk_key)?,
    );
    if let Some(pair) = both_or_neither(own, |key| format!("driver_info.{key}"), which, why)? {
        return Ok(pair);
    }
    why.note("kernel", || {
        format!("driver_info has neither {kernel_key} nor {ramdisk_key}; using the configuration")
    });
    if let Some(arch) = Fields::properties(node).string_if_any("cpu_arch")? {
        let by_arch = (
            configured.kernel_by_arch.get(arch).map(String::as_str),
            configured.ramdisk_by_arch.get(arch).map(String::as_str),
        );
        let place = |key: &str| format!("[conductor]{key}_by_arch.{arch}");
        if let Some(pair) = both_or_neither(by_arch, place, which, why)? {
            return Ok(pair);
        }
        why.note("kernel", || {
            format!("none for cpu_arch {arch} in [conductor]{kernel_key}_by_arch")
        });
    } else if !configured.kernel_by_arch.is_empty() {
        why.note("kernel", || {
            format!(
                "[conductor]{kernel_key}_by_arch does not apply: properties.cpu_arch is not set"
            )
        });
    }
    let general = (configured.kernel.as_deref(), configured.ramdisk.as_deref());
    let place = |key: &str| format!("[conductor]{key}");
    if let Some(pair) = both_or_neither(general, place, which, why)? {
        return Ok(pair);
    }
    why.note("kernel", || {
        format!("[conductor]{kernel_key} and {ramdisk_key} are not set either")
    });
    Err(Refusal::Missing {
        fields: format!("driver_info.{kernel_key} and driver_info.{ramdisk_key}"),
    })
}

/// The ramdisks that every agent gets beside its own.
pub(super) fn extra_ramdisks(
    configured: &[String],
    why: &Reasons,
) -> Result<Vec<ImageRef>, Refusal> {
    let field = "[conductor]extra_ramdisks";
    let images = configured
        .iter()
        .map(|text| image(text, field, "ramdisk", why));
    images.collect()
}

fn both_or_neither(
    (kernel, ramdisk): (Option<&str>, Option<&str>),
    place: impl Fn(&str) -> String,
    which: AgentRamdisk,
    why: &Reasons,
) -> Result<Option<Pair>, Refusal> {
    let (kernel_key, ramdisk_key) = which.keys();
    let (set, missing) = match (kernel, ramdisk) {
        (None, None) => return Ok(None),
        (Some(kernel), Some(ramdisk)) => {
            return Ok(Some(Pair {
                kernel: image(kernel, &place(kernel_key), "kernel", why)?,
                ramdisk: image(ramdisk, &place(ramdisk_key), "ramdisk", why)?,
            }));
        }
        (Some(_), None) => (kernel_key, ramdisk_key),
        (None, Some(_)) => (ramdisk_key, kernel_key),
    };
    why.note("kernel", || {
        format!(
            "{} is set, but both must come from the same place",
            place(set)
        )
    });
    Err(Refusal::Missing {
        fields: place(missing),
    })
}

/// The instance's kernel and ramdisk (deploy interface `ramdisk`).
pub(super) fn instance_pair(node: &Node, why: &Reasons) -> Result<Pair, Refusal> {
    let field = |key: &str| format!("instance_info.{key}");
    let kernel = Fields::instance_info(node).string("kernel")?;
    let ramdisk = Fields::instance_info(node).string("ramdisk")?;
    let missing = |fields: String| Err(Refusal::Missing { fields });
    match (kernel, ramdisk) {
        (Some(kernel), Some(ramdisk)) => Ok(Pair {
            kernel: image(kernel, &field("kernel"), "kernel", why)?,
            ramdisk: image(ramdisk, &field("ramdisk"), "ramdisk", why)?,
        }),
        (Some(_), None) => missing(field("ramdisk")),
        (None, Some(_)) => missing(field("kernel")),
        (None, None) => missing(format!("{} and {}", field("kernel"), field("ramdisk"))),
    }
}

/// Whether the deployed image is a partition image rather than a whole-disk image.
///
/// Determined by `instance_info.image_type`, else by what the deployment found out
/// (`driver_internal_info.is_whole_disk_image`), else by whether the image has a kernel and a
/// ramdisk. Source: Ironic's `common/images.py` (`is_whole_disk_image`).
pub(super) fn is_partition_image(node: &Node, why: &Reasons) -> Result<bool, Refusal> {
    let instance = Fields::instance_info(node);
    let found_out = Fields::driver_internal_info(node);
    let (partition, field) = if let Some(image_type) = instance.string_if_any("image_type")? {
        (image_type == "partition", "instance_info.image_type")
    } else if let Some(whole) = found_out
        .get("is_whole_disk_image")?
        .and_then(Value::as_bool)
    {
        (!whole, "driver_internal_info.is_whole_disk_image")
    } else {
        (
            instance.has("kernel")? && instance.has("ramdisk")?,
            "the presence of instance_info.kernel and instance_info.ramdisk",
        )
    };
    why.note("plan", || {
        let kind = if partition {
            "a partition"
        } else {
            "a whole disk"
        };
        format!("the image is {kind}, by {field}")
    });
    Ok(partition)
}

/// The node's field that names the image of this kind; `None` if it comes from the configuration.
pub fn image_field(node: &Node, kind: ImageKind, image: &ImageRef) -> Option<&'static str> {
    let fields: &[&'static str] = match kind {
        ImageKind::Kernel => &[
            "instance_info.kernel",
            "driver_info.deploy_kernel",
            "driver_info.rescue_kernel",
        ],
        ImageKind::Ramdisk => &[
            "instance_info.ramdisk",
            "driver_info.deploy_ramdisk",
            "driver_info.rescue_ramdisk",
        ],
        ImageKind::Iso => &["instance_info.boot_iso", "instance_info.image_source"],
        ImageKind::ExtraRamdisk1
        | ImageKind::ExtraRamdisk2
        | ImageKind::ExtraRamdisk3
        | ImageKind::ExtraRamdisk4 => &[],
    };
    fields.iter().copied().find(|field| {
        let value = match field.split_once('.') {
            Some(("instance_info", key)) => Fields::instance_info(node).string(key),
            Some((_, key)) => Fields::driver_info(node).string(key),
            None => Ok(None),
        };
        value == Ok(Some(image.as_str()))
    })
}

/// Parses the image in `field`, and records it under `topic`.
pub(super) fn image(
    text: &str,
    field: &str,
    topic: &'static str,
    why: &Reasons,
) -> Result<ImageRef, Refusal> {
    let image = ImageRef::parse(text).map_err(|error| Refusal::BadValue {
        field: field.to_owned(),
        problem: error.to_string(),
    })?;
    why.note(topic, || format!("{image}, from {field}"));
    Ok(image)
}
