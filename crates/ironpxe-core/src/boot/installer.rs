//! What an installer (deploy interface `anaconda`) installs, and where it finds its own parts.
//!
//! The boot decision and the kickstart (`kickstart.rs`) both start from an [`Installation`], so
//! that a machine whose kickstart could not be written is not booted into its installer at all.
//!
//! Source: Ironic's `common/pxe_utils.py` (`get_instance_image_info`,
//! `build_kickstart_config_options`), and Anaconda's boot options.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::explain::Reasons;
use super::images::{image, string_field};
use super::reference::{ImageRef, ImageUrl};
use super::refusal::Refusal;
use crate::JsonMap;
use crate::id::NodeUuid;
use crate::node::Node;

/// What is to be on the machine when the installer has finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Where the system comes from.
    pub source: InstallSource,
    /// What the instance is told about itself.
    pub config_drive: Option<ConfigDrive>,
}

/// Where the installed system comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallSource {
    /// An image of a whole system: a tarball or a file system.
    LiveImage {
        /// The image.
        url: ImageUrl,
        /// Its SHA-256, as 64 hexadecimal digits, if it is known.
        sha256: Option<String>,
    },
    /// A repository of packages, with the installer's own runtime in it.
    Repository(ImageUrl),
}

impl InstallSource {
    /// The URL, whichever it is.
    pub fn url(&self) -> &ImageUrl {
        match self {
            Self::LiveImage { url, .. } | Self::Repository(url) => url,
        }
    }
}

/// The instance's config drive, in one of the forms that Ironic takes.
#[derive(Clone, PartialEq, Eq)]
pub enum ConfigDrive {
    /// Files, by their paths in the drive, each in base64.
    Files(Vec<(&'static str, String)>),
    /// A compressed file system, in base64.
    Image(String),
    /// Where the same is to be had.
    ImageAt(ImageUrl),
}

/// It holds passwords and keys, which nothing prints by accident.
impl std::fmt::Debug for ConfigDrive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConfigDrive(******)")
    }
}

/// Where a node's kickstart is found, below the API's own URL. The 2023 specification's script is
/// its neighbour: what machines fetch stands below `/v1/boot`.
pub fn kickstart_path(node: NodeUuid) -> String {
    format!("/v1/boot/{node}/ks.cfg")
}

impl Installation {
    /// What the node's instance is made of.
    pub fn of(node: &Node) -> Result<Self, Refusal> {
        Self::explained(node, &Reasons::unheard())
    }

    /// As [`Installation::of`], with the reasons.
    pub(super) fn explained(node: &Node, why: &Reasons) -> Result<Self, Refusal> {
        let info = &node.instance_info;
        let source = source(node, why)?;
        if string_field(info, INSTANCE, "ks_template")?.is_some() {
            return Err(Refusal::BadValue {
                field: "instance_info.ks_template".to_owned(),
                problem: "a template of the instance's own is not supported; unset it, and set \
                          [anaconda]default_ks_template"
                    .to_owned(),
            });
        }
        let config_drive = config_drive(node)?;
        if config_drive.is_some() {
            why.note(
                "image",
                || "a config drive is written too, from instance_info.configdrive",
            );
        }
        Ok(Self {
            source,
            config_drive,
        })
    }
}

const INSTANCE: &str = "instance_info";

fn source(node: &Node, why: &Reasons) -> Result<InstallSource, Refusal> {
    const FIELD: &str = "instance_info.image_source";
    let info = &node.instance_info;
    let text = string_field(info, INSTANCE, "image_source")?;
    let text = text.ok_or_else(|| Refusal::Missing {
        fields: FIELD.to_owned(),
    })?;
    let url = fetched_by_installer(image(text, FIELD, "image", why)?, FIELD)?;
    let found_out = node.driver_internal_info.get("is_source_a_path");
    let (is_path, because) = match found_out.and_then(Value::as_bool) {
        Some(is_path) => (is_path, "driver_internal_info.is_source_a_path"),
        None => (
            text.ends_with('/'),
            "whether the URL is a folder's (ends with a slash)",
        ),
    };
    why.note("image", || {
        let kind = if is_path {
            "a repository of packages"
        } else {
            "an image of a system"
        };
        format!("it is {kind}, by {because}")
    });
    if is_path {
        return Ok(InstallSource::Repository(url));
    }
    let sha256 = sha256(info)?;
    why.note("image", || match &sha256 {
        Some((field, _)) => format!("it is verified by its SHA-256, from {field}"),
        None => "it is not verified: there is no SHA-256 in instance_info".to_owned(),
    });
    Ok(InstallSource::LiveImage {
        url,
        sha256: sha256.map(|(_, digits)| digits),
    })
}

/// The image's SHA-256 and the field it stands in. Anaconda verifies no other kind of checksum.
fn sha256(info: &JsonMap) -> Result<Option<(&'static str, String)>, Refusal> {
    const DIGITS: usize = 64;
    let is_sha256 =
        |text: &str| text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if string_field(info, INSTANCE, "image_os_hash_algo")? == Some("sha256") {
        const FIELD: &str = "instance_info.image_os_hash_value";
        let value = string_field(info, INSTANCE, "image_os_hash_value")?;
        return match value {
            Some(text) if is_sha256(text) => Ok(Some((FIELD, text.to_ascii_lowercase()))),
            Some(_) => Err(Refusal::BadValue {
                field: FIELD.to_owned(),
                problem: "a SHA-256 is 64 hexadecimal digits".to_owned(),
            }),
            None => Err(Refusal::Missing {
                fields: FIELD.to_owned(),
            }),
        };
    }
    // Here the kind of checksum is told by its length, as in Ironic.
    Ok(string_field(info, INSTANCE, "image_checksum")?
        .filter(|text| is_sha256(text))
        .map(|text| ("instance_info.image_checksum", text.to_ascii_lowercase())))
}

/// What `inst.stage2=` says: the folder that has the installer's runtime.
///
/// Ironic wants the runtime itself in `instance_info.stage2`, and copies it to where Anaconda
/// looks for it. From where it stands already in an installation tree, it is found there.
pub(super) fn stage2(node: &Node) -> Result<String, Refusal> {
    const FIELD: &str = "instance_info.stage2";
    let text = string_field(&node.instance_info, INSTANCE, "stage2")?;
    let text = text.ok_or_else(|| Refusal::Missing {
        fields: FIELD.to_owned(),
    })?;
    fetched_by_installer(image(text, FIELD, "image", &Reasons::unheard())?, FIELD)?;
    let folder = ["/LiveOS/squashfs.img", "/images/install.img"]
        .into_iter()
        .find_map(|file| text.strip_suffix(file));
    Ok(folder.unwrap_or(text).to_owned())
}

/// What an installer fetches by itself: it knows neither Glance nor this host's files. On a kernel
/// command line a quotation mark would swallow what follows.
fn fetched_by_installer(image: ImageRef, field: &str) -> Result<ImageUrl, Refusal> {
    let bad = |problem: &str| Refusal::BadValue {
        field: field.to_owned(),
        problem: problem.to_owned(),
    };
    let ImageRef::Http(url) = image else {
        return Err(bad("an installer needs an http:// or https:// URL here"));
    };
    if url.as_str().contains('"') {
        return Err(bad("it holds a quotation mark; write %22"));
    }
    Ok(url)
}

/// The config drive, from the forms that the API lets in.
///
/// Source of the file names: openstacksdk's `baremetal/configdrive.py`; of the defaults in the
/// metadata: Ironic's conductor (`build_configdrive`).
fn config_drive(node: &Node) -> Result<Option<ConfigDrive>, Refusal> {
    let bad = |problem: &str| Refusal::BadValue {
        field: "instance_info.configdrive".to_owned(),
        problem: problem.to_owned(),
    };
    match node.instance_info.get("configdrive") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.contains("://") => ImageUrl::parse(text)
            .map(|url| Some(ConfigDrive::ImageAt(url)))
            .map_err(|error| bad(&error.to_string())),
        Some(Value::String(text)) => {
            let dense: String = text.split_ascii_whitespace().collect();
            if STANDARD.decode(&dense).is_err() {
                return Err(bad("it is neither an object, nor a URL, nor base64"));
            }
            Ok(Some(ConfigDrive::Image(dense)))
        }
        Some(Value::Object(parts)) => Ok(Some(ConfigDrive::Files(files(node, parts)))),
        Some(_) => Err(bad("it is neither an object, nor a URL, nor base64")),
    }
}

fn files(node: &Node, parts: &JsonMap) -> Vec<(&'static str, String)> {
    let mut metadata = match parts.get("meta_data") {
        Some(Value::Object(given)) => given.clone(),
        _ => JsonMap::new(),
    };
    let uuid = || Value::String(node.uuid.to_string());
    metadata.entry("uuid").or_insert_with(uuid);
    if let Some(name) = &node.name {
        for key in ["name", "hostname"] {
            let name = || Value::String(name.clone());
            metadata.entry(key).or_insert_with(name);
        }
    }
    let mut files = vec![(
        "openstack/latest/meta_data.json",
        STANDARD.encode(Value::Object(metadata).to_string()),
    )];
    for (part, path) in [
        ("network_data", "openstack/latest/network_data.json"),
        ("user_data", "openstack/latest/user_data"),
        ("vendor_data", "openstack/latest/vendor_data2.json"),
    ] {
        match parts.get(part) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => files.push((path, STANDARD.encode(text))),
            Some(json) => files.push((path, STANDARD.encode(json.to_string()))),
        }
    }
    files
}
