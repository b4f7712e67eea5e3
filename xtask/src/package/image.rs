//! The container image: an OCI image layout in a tar file, made without a container engine.
//!
//! It has the program, the libraries that it is linked with, the certificates of public authorities, and
//! no shell. The libraries are those of the Debian release that it is made on, listed as packages in
//! `/var/lib/dpkg/status.d`, where scanners for vulnerabilities look for them. (A static program would
//! need musl, whose allocator and resolver are not those that ironpxe is tested and measured with.)
//!
//! Formats: <https://github.com/opencontainers/image-spec>, version 1.1.

mod files;
mod libraries;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Effort, Source, architecture};
use files::{Layer, archive};

/// The user and the group of the service: no name has to be looked up, as Kubernetes' `runAsNonRoot` demands.
const USER: u64 = 65532;

pub(super) const DESCRIPTION: &str =
    "Network booting of bare metal: the Ironic API, and iPXE scripts generated when a machine asks";

/// Something in `blobs/`, by the digest of its bytes.
struct Blob {
    media_type: &'static str,
    bytes: Vec<u8>,
    digest: String,
}

impl Blob {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        let digest = digest(&bytes);
        Self {
            media_type,
            bytes,
            digest,
        }
    }

    fn json(media_type: &'static str, value: &Value) -> Result<Self> {
        Ok(Self::new(media_type, serde_json::to_vec(value)?))
    }

    fn descriptor(&self) -> Value {
        json!({
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.bytes.len(),
        })
    }

    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replace(':', "/"))
    }
}

/// Makes the image in `folder`, from the contents of the Debian package.
pub(super) fn build(source: &Source, package: &Path, folder: &Path) -> Result<PathBuf> {
    let architecture = architecture()?;
    let layers = [
        ("libraries and certificates", base_layer(package)?),
        ("ironpxe", program_layer(package)?),
    ];
    let mut blobs = Vec::new();
    let mut diff_ids = Vec::new();
    let mut history = Vec::new();
    let created = OffsetDateTime::from_unix_timestamp(source.date)
        .context("not a date")?
        .format(&Rfc3339)?;
    for (name, layer) in layers {
        let tar = layer.into_tar(source.date)?;
        diff_ids.push(digest(&tar));
        history.push(
            json!({ "created": created, "created_by": format!("cargo xtask package: {name}") }),
        );
        let bytes = compress(&tar, source.effort)?;
        blobs.push(Blob::new(
            "application/vnd.oci.image.layer.v1.tar+gzip",
            bytes,
        ));
    }
    let labels = json!({
        "org.opencontainers.image.title": "ironpxe",
        "org.opencontainers.image.description": DESCRIPTION,
        "org.opencontainers.image.version": source.version,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.created": created,
    });
    let config = json!({
        "created": created,
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": format!("{USER}:{USER}"),
            "Env": ["PATH=/usr/bin", "HOME=/var/lib/ironpxe"],
            "Entrypoint": ["/usr/bin/ironpxe"],
            "Cmd": ["serve", "--config", "/etc/ironpxe/ironpxe.toml"],
            "WorkingDir": "/",
            "ExposedPorts": { "6385/tcp": {} },
            "Volumes": { "/var/lib/ironpxe": {} },
            "StopSignal": "SIGTERM",
            "Labels": labels,
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": history,
    });
    let config = Blob::json("application/vnd.oci.image.config.v1+json", &config)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.descriptor(),
        "layers": blobs.iter().map(Blob::descriptor).collect::<Vec<_>>(),
        "annotations": labels,
    });
    let manifest = Blob::json("application/vnd.oci.image.manifest.v1+json", &manifest)?;
    let index = index(source, &architecture, &manifest);

    let mut layout = vec![
        (
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        ),
        ("index.json".to_owned(), serde_json::to_vec(&index)?),
    ];
    blobs.extend([config, manifest]);
    layout.extend(blobs.into_iter().map(|blob| (blob.path(), blob.bytes)));
    let file = folder.join(format!("ironpxe_{}_{architecture}.oci.tar", source.version));
    let written = archive(&layout, source.date)?;
    fs::write(&file, written).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// The one image that the layout has, under two names: its tag, for tools that copy images, and the name
/// that Docker and containerd give it on import.
fn index(source: &Source, architecture: &str, manifest: &Blob) -> Value {
    // A tag has no `~` and no `+`.
    let tag = source.version.replace(['~', '+'], "-");
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": manifest.bytes.len(),
            "platform": { "architecture": architecture, "os": "linux" },
            "annotations": {
                "org.opencontainers.image.ref.name": tag,
                "io.containerd.image.name": format!("docker.io/library/ironpxe:{tag}"),
            },
        }],
    })
}

/// What changes with the Debian release only.
fn base_layer(package: &Path) -> Result<Layer> {
    let mut layer = Layer::default();
    libraries::add(&mut layer, &package.join("usr/bin/ironpxe"))?;
    layer.file("etc/ssl/certs/ca-certificates.crt", certificates()?);
    layer.file(
        "etc/passwd",
        format!(
            "root:x:0:0:root:/root:/usr/sbin/nologin\n\
         ironpxe:x:{USER}:{USER}:ironpxe:/var/lib/ironpxe:/usr/sbin/nologin\n"
        ),
    );
    layer.file("etc/group", format!("root:x:0:\nironpxe:x:{USER}:\n"));
    layer.file(
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\n",
    );
    let release = fs::read("/etc/os-release").context("cannot read /etc/os-release")?;
    layer.file("etc/os-release", release);
    layer.folder("tmp", 0o1777, 0);
    Ok(layer)
}

fn program_layer(package: &Path) -> Result<Layer> {
    let mut layer = Layer::default();
    let read = |path: &str| {
        let file = package.join(path);
        fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    layer.program("usr/bin/ironpxe", read("usr/bin/ironpxe")?);
    for path in [
        "etc/ironpxe/ironpxe.toml",
        "usr/share/doc/ironpxe/copyright",
    ] {
        layer.file(path, read(path)?);
    }
    let licences = package.join("usr/share/doc/ironpxe");
    for name in ["third-party-licences.txt", "third-party-licences.txt.gz"] {
        if licences.join(name).is_file() {
            let path = format!("usr/share/doc/ironpxe/{name}");
            layer.file(&path, read(&path)?);
        }
    }
    layer.folder("var/lib/ironpxe", 0o700, USER);
    Ok(layer)
}

/// The certificates that Debian's package has: not those of this host, to which its administrator may have
/// added some.
fn certificates() -> Result<Vec<u8>> {
    let folder = Path::new("/usr/share/ca-certificates/mozilla");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .context("the package ca-certificates is needed")?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    let mut all = Vec::new();
    for file in files {
        all.extend(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    Ok(all)
}

fn compress(bytes: &[u8], effort: Effort) -> Result<Vec<u8>> {
    let level = match effort {
        Effort::Best => Compression::best(),
        #[cfg(test)]
        Effort::Fast => Compression::fast(),
    };
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn digest(bytes: &[u8]) -> String {
    let hex: Vec<String> = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{}", hex.concat())
}
