//! What an installer (deploy interface `anaconda`) installs, and the location of its runtime.
//!
//! The boot decision and the kickstart (`kickstart.rs`) both use an [`Installation`], so that a
//! machine whose kickstart cannot be rendered does not boot its installer.
//!
//! Source: Ironic's `common/pxe_utils.py` (`get_instance_image_info`,
//! `build_kickstart_config_options`), and Anaconda's boot options.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::explain::Reasons;
use super::fields::Fields;
use super::images::image;
use super::reference::{ImageRef, ImageUrl};
use super::refusal::Refusal;
use super::text;
use crate::JsonMap;
use crate::id::NodeUuid;
use crate::node::Node;

/// What the installer installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The source of the system.
    pub source: InstallSource,
    /// The config drive of the instance.
    pub config_drive: Option<ConfigDrive>,
}

/// The source of the installed system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallSource {
    /// An image of an entire system: a tarball or a file system.
    LiveImage {
        /// The image.
        url: ImageUrl,
        /// Its SHA-256 as 64 hexadecimal digits, if given.
        sha256: Option<String>,
    },
    /// A package repository that includes the installer's runtime.
    Repository(ImageUrl),
}

impl InstallSource {
    /// The URL of either.
    pub fn url(&self) -> &ImageUrl {
        match self {
            Self::LiveImage { url, .. } | Self::Repository(url) => url,
        }
    }
}

/// The instance's config drive, in one of the forms that Ironic accepts.
#[derive(Clone, PartialEq, Eq)]
pub enum ConfigDrive {
    /// Base64-encoded files by their paths in the drive.
    Files(Vec<(&'static str, String)>),
    /// A compressed file system in base64.
    Image(String),
    /// The URL of such a file system.
    ImageAt(ImageUrl),
}

/// Has passwords and keys, so it is not printed.
impl std::fmt::Debug for ConfigDrive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConfigDrive(******)")
    }
}

/// The path of a node's kickstart below the API's URL. As for scripts, URLs for machines are below
/// `/v1/boot`.
pub fn kickstart_path(node: NodeUuid) -> String {
    format!("/v1/boot/{node}/ks.cfg")
}

impl Installation {
    /// Reads the installation from the node's fields.
    pub fn of(node: &Node) -> Result<Self, Refusal> {
        Self::explained(node, &Reasons::disabled())
    }

    /// As [`Installation::of`], and records the reasons.
    pub(super) fn explained(node: &Node, why: &Reasons) -> Result<Self, Refusal> {
        let instance = Fields::instance_info(node);
        let source = verified_source(node, why)?;
        if instance.string("ks_template")?.is_some() {
            return Err(Refusal::BadValue {
                field: "instance_info.ks_template".to_owned(),
                problem: "templates per instance are not supported; unset it, and set \
                          [anaconda]default_ks_template"
                    .to_owned(),
            });
        }
        let config_drive = config_drive(node)?;
        if config_drive.is_some() {
            why.note(
                "image",
                || "includes a config drive, from instance_info.configdrive",
            );
        }
        Ok(Self {
            source,
            config_drive,
        })
    }
}

/// The source alone, without its checksum, for an installer whose kickstart is not of this service.
pub(super) fn source(node: &Node, why: &Reasons) -> Result<InstallSource, Refusal> {
    const FIELD: &str = "instance_info.image_source";
    let text = Fields::instance_info(node).string("image_source")?;
    let text = text.ok_or_else(|| Refusal::Missing {
        fields: FIELD.to_owned(),
    })?;
    let url = fetched_by_installer(image(text, FIELD, "image", why)?, FIELD)?;
    let found_out = Fields::driver_internal_info(node).get("is_source_a_path")?;
    let (is_path, because) = match found_out.and_then(Value::as_bool) {
        Some(is_path) => (is_path, "driver_internal_info.is_source_a_path"),
        None => (
            url.as_str().ends_with('/'),
            "whether the URL ends with a slash",
        ),
    };
    why.note("image", || {
        let kind = if is_path {
            "a package repository"
        } else {
            "a system image"
        };
        format!("the image is {kind}, by {because}")
    });
    if is_path {
        return folder(url, FIELD).map(InstallSource::Repository);
    }
    Ok(InstallSource::LiveImage { url, sha256: None })
}

fn verified_source(node: &Node, why: &Reasons) -> Result<InstallSource, Refusal> {
    let info = Fields::instance_info(node);
    let url = match source(node, why)? {
        InstallSource::LiveImage { url, .. } => url,
        repository @ InstallSource::Repository(_) => {
            for key in CHECKSUMS {
                if is_given(info, key)? {
                    return Err(Refusal::BadValue {
                        field: info.name(key),
                        problem: "a package repository has no checksum; unset it".to_owned(),
                    });
                }
            }
            return Ok(repository);
        }
    };
    let sha256 = sha256(info)?;
    why.note("image", || match &sha256 {
        Some((field, _)) => format!("verified by its SHA-256, from {field}"),
        None => "not verified: instance_info has no SHA-256".to_owned(),
    });
    Ok(InstallSource::LiveImage {
        url,
        sha256: sha256.map(|(_, digits)| digits),
    })
}

/// The checksum fields of `instance_info`.
const CHECKSUMS: [&str; 3] = [HASH_ALGO, HASH_VALUE, CHECKSUM];
const HASH_ALGO: &str = "image_os_hash_algo";
const HASH_VALUE: &str = "image_os_hash_value";
const CHECKSUM: &str = "image_checksum";

/// Whether a field has a value. Empty and `null` count as absent, as in Ironic.
fn is_given(info: Fields<'_>, key: &str) -> Result<bool, Refusal> {
    let value = info.get(key)?;
    Ok(value.is_some_and(|value| !value.is_null() && value.as_str() != Some("")))
}

/// The image's SHA-256 and its field. Anaconda verifies no other kind of checksum, so another kind
/// is rejected unless there is a SHA-256 as well: an image must not be installed without the
/// requested verification.
fn sha256(info: Fields<'_>) -> Result<Option<(&'static str, String)>, Refusal> {
    let bad = |key: &str, problem: String| Refusal::BadValue {
        field: info.name(key),
        problem,
    };
    let read = |key| info.string(key).map(|it| it.map(str::trim_ascii));
    let (algo, value, checksum) = (read(HASH_ALGO)?, read(HASH_VALUE)?, read(CHECKSUM)?);
    if algo.is_some_and(|algo| algo.eq_ignore_ascii_case("sha256")) {
        return match value {
            Some(text) if is_sha256(text) => Ok(Some((
                "instance_info.image_os_hash_value",
                text.to_ascii_lowercase(),
            ))),
            Some(_) => Err(bad(
                HASH_VALUE,
                "a SHA-256 must have 64 hexadecimal digits".to_owned(),
            )),
            None => Err(Refusal::Missing {
                fields: info.name(HASH_VALUE),
            }),
        };
    }
    // Its length determines the kind of checksum, as in Ironic, or a prefix with a colon.
    if let Some(text) = checksum {
        let digits = match text.split_once(':') {
            Some((name, digits)) if name.eq_ignore_ascii_case("sha256") => digits,
            _ => text,
        };
        if is_sha256(digits) {
            let digits = digits.to_ascii_lowercase();
            return Ok(Some(("instance_info.image_checksum", digits)));
        }
        let problem = format!(
            "{:?} is not a SHA-256 (64 hexadecimal digits), which is all an installer verifies",
            text::abridged(text, 40)
        );
        return Err(bad(CHECKSUM, problem));
    }
    match (algo, value) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Refusal::Missing {
            fields: info.name(HASH_ALGO),
        }),
        (Some(algo), _) => Err(bad(
            HASH_ALGO,
            format!(
                "an installer verifies images only by sha256, not by {:?}",
                text::abridged(algo, 40)
            ),
        )),
    }
}

fn is_sha256(text: &str) -> bool {
    const DIGITS: usize = 64;
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The value of `inst.stage2=`: the directory with the installer's runtime.
///
/// Ironic expects the runtime itself in `instance_info.stage2`, and copies it to where Anaconda
/// looks for it. Here it is used in place, if it is in an installation tree; elsewhere it is
/// rejected, because Anaconda appends file names to the URL (`.treeinfo`, `LiveOS/squashfs.img`,
/// `images/install.img`; its `anaconda-lib.sh`).
pub(super) fn stage2(node: &Node) -> Result<String, Refusal> {
    const FIELD: &str = "instance_info.stage2";
    let text = Fields::instance_info(node).string("stage2")?;
    let text = text.ok_or_else(|| Refusal::Missing {
        fields: FIELD.to_owned(),
    })?;
    let url = fetched_by_installer(image(text, FIELD, "image", &Reasons::disabled())?, FIELD)?;
    let url = folder(url, FIELD)?;
    let tree = ["/LiveOS/squashfs.img", "/images/install.img"]
        .into_iter()
        .find_map(|file| ImageUrl::parse(url.as_str().strip_suffix(file)?).ok());
    let tree = tree.unwrap_or(url);
    if is_file(&tree) {
        return Err(Refusal::BadValue {
            field: FIELD.to_owned(),
            problem: "must be the directory that has .treeinfo or LiveOS/squashfs.img, or end \
                      with /LiveOS/squashfs.img or /images/install.img"
                .to_owned(),
        });
    }
    Ok(tree.to_string())
}

/// Whether a URL's ending shows that it is a file, not a directory. A dot alone does not:
/// directories are called `9.4`.
fn is_file(url: &ImageUrl) -> bool {
    const ENDS: [&str; 17] = [
        ".img",
        ".squashfs",
        ".sqfs",
        ".sqsh",
        ".sfs",
        ".iso",
        ".efi",
        ".raw",
        ".qcow2",
        ".tar",
        ".gz",
        ".tgz",
        ".xz",
        ".txz",
        ".bz2",
        ".zst",
        ".treeinfo",
    ];
    let path = url.as_str().split_once("://").map_or("", |(_, rest)| rest);
    let name = path.rsplit_once('/').map_or("", |(_, name)| name);
    let name = name.to_ascii_lowercase();
    ENDS.into_iter().any(|end| name.ends_with(end))
}

/// A URL that an installer appends file names to.
fn folder(url: ImageUrl, field: &str) -> Result<ImageUrl, Refusal> {
    if url.as_str().contains(['?', '#']) {
        return Err(Refusal::BadValue {
            field: field.to_owned(),
            problem: "an installer appends paths to it, so it must not contain ? or #".to_owned(),
        });
    }
    Ok(url)
}

/// An image that an installer fetches itself, so it can be neither in Glance nor a local file. A
/// quotation mark in a kernel command line would quote the arguments after it.
fn fetched_by_installer(image: ImageRef, field: &str) -> Result<ImageUrl, Refusal> {
    let bad = |problem: &str| Refusal::BadValue {
        field: field.to_owned(),
        problem: problem.to_owned(),
    };
    let ImageRef::Http(url) = image else {
        return Err(bad("an installer needs an http:// or https:// URL here"));
    };
    if url.as_str().contains('"') {
        return Err(bad("contains a quotation mark; write %22"));
    }
    Ok(url)
}

/// The config drive, in the forms that the API accepts.
///
/// Source of the file names: openstacksdk's `baremetal/configdrive.py`; of the defaults in the
/// metadata: Ironic's conductor (`build_configdrive`).
fn config_drive(node: &Node) -> Result<Option<ConfigDrive>, Refusal> {
    let bad = |problem: &str| Refusal::BadValue {
        field: "instance_info.configdrive".to_owned(),
        problem: problem.to_owned(),
    };
    match Fields::instance_info(node).get("configdrive")? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.contains("://") => ImageUrl::parse(text)
            .map(|url| Some(ConfigDrive::ImageAt(url)))
            .map_err(|error| bad(&error.to_string())),
        Some(Value::String(text)) => {
            let dense: String = text.split_ascii_whitespace().collect();
            if STANDARD.decode(&dense).is_err() {
                return Err(bad("must be an object, a URL, or base64"));
            }
            Ok(Some(ConfigDrive::Image(dense)))
        }
        Some(Value::Object(parts)) => Ok(Some(ConfigDrive::Files(files(node, parts)))),
        Some(_) => Err(bad("must be an object, a URL, or base64")),
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
