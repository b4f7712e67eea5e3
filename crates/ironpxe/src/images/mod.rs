//! Images: where they live, where machines are sent for them, and their bytes on the way.
//!
//! A boot plan names images (`ironpxe_core::boot::ImageRef`). [`Images::locate`] finds out for the
//! boot service where a machine gets each of them: from where it is, or relayed by this service, by a
//! signed URL (`signed_url.rs`). [`Images::open`] serves those URLs: `file.rs`, `glance.rs` and
//! `relay.rs` open an image where it is stored, `stream.rs` relays its bytes. Nothing is kept on a disk.
//!
//! How an operator sees it: `docs/images.md`.

mod address_policy;
mod downloads;
mod error;
mod file;
mod glance;
mod locate;
mod range;
mod relay;
mod signed_url;
mod stream;
#[cfg(test)]
pub(crate) mod testing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use ironpxe_core::boot::{GlanceImage, ImageFile, ImageRef};

use self::address_policy::AddressPolicy;
pub use self::address_policy::OwnService;
pub use self::downloads::Client;
use self::downloads::{Downloads, Permit};
pub use self::error::{ImageError, RETRY_AFTER};
use self::file::Allowed;
use self::glance::Glances;
pub use self::locate::{NotLocated, Purpose};
pub use self::range::ByteRange;
use self::relay::{Fetched, Relay};
use self::signed_url::UrlSigner;
pub use self::signed_url::{Key, Parts, UrlError, VerifiedUrl};
use self::stream::{Check, Source};
pub use self::stream::{Opened, Transfer};
use crate::clock;
pub use crate::openstack::Image;
use crate::openstack::{Glance, TempUrls};
use crate::tls::TlsError;

/// Which `http://` and `https://` images machines fetch through this service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relayed {
    /// None.
    Never,
    /// Those of `https://`, for firmware that does not speak TLS.
    Https,
    /// All.
    Always,
}

/// How images are treated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[images]relay`.
    pub relay: Relayed,
    /// From which networks images are fetched by `relay`, besides public ones
    /// (`[images]relay_allowed`).
    pub relay_allowed: Vec<IpNet>,
    /// Where this service itself is reached; nothing is fetched from there.
    pub own: OwnService,
    /// What signs those URLs: `[images]url_key`, or a secret that is in the database.
    pub key: Key,
    /// What those URLs begin with, without a slash at the end (`[api]public_endpoint`).
    pub base: String,
    /// How long such a URL is good for (`[images]url_lifetime`).
    pub url_lifetime: Duration,
    /// How long a source may be silent (`[images]timeout`).
    pub idle_timeout: Duration,
    /// How many images are passed on at once.
    pub downloads: usize,
    /// `[conductor]file_url_allowed_paths`.
    pub allowed_paths: Vec<PathBuf>,
    /// The authorities that are believed when images are passed on from `https://`, as PEM; those
    /// of the system if not set (`[images]cafile`).
    pub cafile: Option<PathBuf>,
    /// Where images of Glance are.
    pub glance: Option<Glance>,
    /// Sends machines to Swift for these (`[pxe]ipxe_use_swift`).
    pub temp_urls: Option<TempUrls>,
    /// How long a temporary URL is good for (`[glance]swift_temp_url_duration`).
    pub temp_url_lifetime: Duration,
}

/// Why images cannot be served at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There is no client.
    #[error("cannot make an HTTP client")]
    Client(#[from] reqwest::Error),
    /// The authorities cannot be read.
    #[error("[images]cafile")]
    Tls(#[from] TlsError),
}

/// The images. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Images(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    relayed: Relayed,
    relay: Relay,
    signer: UrlSigner,
    allowed: Allowed,
    glances: Glances,
    temp_url_lifetime: Duration,
    idle_timeout: Duration,
    downloads: Arc<Downloads>,
}

impl Images {
    /// Images, as `settings` say.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        Ok(Self(Arc::new(Inner {
            relayed: settings.relay,
            relay: Relay::new(
                settings.idle_timeout,
                settings.cafile.as_deref(),
                AddressPolicy {
                    allowed: settings.relay_allowed,
                    own: settings.own,
                },
            )?,
            signer: UrlSigner {
                key: settings.key,
                base: settings.base,
                lifetime: settings.url_lifetime,
            },
            allowed: Allowed(settings.allowed_paths),
            glances: Glances::new(settings.glance, settings.temp_urls),
            temp_url_lifetime: settings.temp_url_lifetime,
            idle_timeout: settings.idle_timeout,
            downloads: Downloads::new(settings.downloads),
        })))
    }

    /// Verifies a URL that this service made for an image.
    pub fn verify_url(&self, parts: Parts<'_>) -> Result<VerifiedUrl, UrlError> {
        self.0.signer.verify(parts, clock::now())
    }

    /// Opens an image, or the part of it that is wanted. (A server that knows no parts gives all.)
    pub async fn open(
        &self,
        image: &ImageRef,
        range: Option<ByteRange>,
        client: Client,
    ) -> Result<Opened, ImageError> {
        let permit = self.0.downloads.take(client)?;
        match image {
            ImageRef::Http(url) => {
                let fetched = self.0.relay.fetch(url, range).await?;
                Ok(self.fetched(fetched, None, permit))
            }
            ImageRef::File(file) => self.open_file(file, range, permit).await,
            ImageRef::Glance(image) => {
                let (fetched, check) = self.0.glances.fetch(image, range).await?;
                Ok(self.fetched(fetched, check, permit))
            }
        }
    }

    /// What Glance says of an image.
    pub async fn described(&self, image: &GlanceImage) -> Result<Arc<Image>, ImageError> {
        self.0.glances.image(image).await
    }

    async fn open_file(
        &self,
        image: &ImageFile,
        range: Option<ByteRange>,
        permit: Permit,
    ) -> Result<Opened, ImageError> {
        let (file, total) = self.file(image).await?;
        let mut file = tokio::fs::File::from_std(file);
        let part = match range {
            None => None,
            Some(range) => {
                let part = range
                    .within(total)
                    .ok_or(ImageError::Range { total: Some(total) })?;
                let start = std::io::SeekFrom::Start(part.0);
                tokio::io::AsyncSeekExt::seek(&mut file, start)
                    .await
                    .map_err(|error| ImageError::not_now(format!("it cannot be read: {error}")))?;
                Some(part)
            }
        };
        Ok(Opened {
            total,
            part,
            source: Source::File(file),
            check: None,
            idle_timeout: self.0.idle_timeout,
            permit,
        })
    }

    /// Opens a file; with it, its length.
    async fn file(&self, image: &ImageFile) -> Result<(std::fs::File, u64), ImageError> {
        let (inner, image) = (Arc::clone(&self.0), image.clone());
        // A file system may be slow, or on the other side of a network that is gone.
        let opening = tokio::task::spawn_blocking(move || inner.allowed.open(&image));
        match tokio::time::timeout(self.0.idle_timeout, opening).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => Err(ImageError::not_now(format!("opening it failed: {error}"))),
            Err(_) => Err(ImageError::not_now("its file system does not answer")),
        }
    }

    fn fetched(&self, fetched: Fetched, check: Option<Check>, permit: Permit) -> Opened {
        let Fetched {
            answer,
            total,
            part,
        } = fetched;
        Opened {
            total,
            part,
            source: Source::Answer(Box::new(answer)),
            check,
            idle_timeout: self.0.idle_timeout,
            permit,
        }
    }
}
