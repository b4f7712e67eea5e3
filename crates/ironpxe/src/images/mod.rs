//! Images: their storage, their locations for machines, and relaying their data.
//!
//! A boot plan has references to images (`ironpxe_core::boot::ImageRef`). [`Images::locate`]
//! resolves them for the boot service: to their own URL, or to a signed URL of this service
//! (`signed_url.rs`). [`Images::open`] serves those URLs: `file.rs`, `glance.rs` and `relay.rs`
//! open an image where it is stored, `stream.rs` relays its bytes. Nothing is stored on disk.
//!
//! The operators' guide is `docs/images.md`.

mod address_policy;
mod downloads;
mod error;
mod file;
mod glance;
mod locate;
mod range;
mod relay;
mod signed_url;
mod source;
mod stream;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod testing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use ironpxe_core::boot::{FileUrls, GlanceImage, ImageFile, ImageRef};

use self::address_policy::AddressPolicy;
pub(crate) use self::address_policy::OwnService;
pub(crate) use self::downloads::Client;
use self::downloads::{Downloads, Permit};
pub(crate) use self::error::ImageError;
use self::file::Allowed;
use self::glance::GlanceSource;
pub(crate) use self::locate::{LocateError, Purpose};
pub(crate) use self::range::ByteRange;
use self::relay::{FetchedImage, Relay};
use self::signed_url::UrlSigner;
pub(crate) use self::signed_url::{Parts, UrlError, VerifiedUrl};
use self::source::Source;
use self::stream::Check;
pub(crate) use self::stream::{OpenImage, Transfer};
use crate::clock;
pub(crate) use crate::openstack::Image;
use crate::openstack::{Glance, TempUrls};
use crate::tls::TlsError;
use crate::url_key::UrlKey;

/// Which `http://` and `https://` images machines fetch through this service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// None.
    Never,
    /// Those with `https://`, for firmware without TLS.
    Https,
    /// All.
    Always,
}

/// The settings of images.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `[images]relay`.
    pub relay: Relayed,
    /// The non-public networks that `relay` may fetch images from (`[images]relay_allowed`).
    pub relay_allowed: Vec<IpNet>,
    /// The addresses of this service, from which nothing is fetched.
    pub own: OwnService,
    /// The key of signed URLs: `[images]url_key`, or a secret in the database.
    pub key: UrlKey,
    /// The base URL of signed URLs, without a trailing slash (`[api]public_endpoint`).
    pub base: String,
    /// The lifetime of signed URLs (`[images]url_lifetime`).
    pub url_lifetime: Duration,
    /// The idle timeout of sources (`[images]timeout`).
    pub idle_timeout: Duration,
    /// The maximum number of concurrent downloads.
    pub downloads: usize,
    /// `[conductor]file_url_allowed_paths`.
    pub allowed_paths: Vec<PathBuf>,
    /// `[beside]file_urls`.
    pub file_urls: FileUrls,
    /// The trusted CA certificates for relaying `https://` images, as PEM; the system's if unset
    /// (`[images]cafile`).
    pub cafile: Option<PathBuf>,
    /// The Glance client.
    pub glance: Option<Glance>,
    /// Makes temporary URLs of Swift (`[pxe]ipxe_use_swift`).
    pub temp_urls: Option<TempUrls>,
    /// The lifetime of temporary URLs (`[glance]swift_temp_url_duration`).
    pub temp_url_lifetime: Duration,
}

/// Why images cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// The HTTP client cannot be built.
    #[error("cannot build the HTTP client for images")]
    Client(#[from] reqwest::Error),
    /// The CA certificates cannot be read.
    #[error("cannot read [images]cafile")]
    Tls(#[from] TlsError),
}

/// The images. Clones share their state.
#[derive(Debug, Clone)]
pub(crate) struct Images(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    relayed: Relayed,
    relay: Relay,
    signer: UrlSigner,
    allowed: Allowed,
    file_urls: FileUrls,
    glances: GlanceSource,
    temp_url_lifetime: Duration,
    idle_timeout: Duration,
    downloads: Arc<Downloads>,
}

impl Images {
    /// Sets up images.
    pub(crate) fn new(settings: Settings) -> Result<Self, SetupError> {
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
            file_urls: settings.file_urls,
            glances: GlanceSource::new(settings.glance, settings.temp_urls),
            temp_url_lifetime: settings.temp_url_lifetime,
            idle_timeout: settings.idle_timeout,
            downloads: Downloads::new(settings.downloads),
        })))
    }

    /// Verifies a signed URL.
    pub(crate) fn verify_url(&self, parts: Parts<'_>) -> Result<VerifiedUrl, UrlError> {
        self.0.signer.verify(parts, clock::now())
    }

    /// Opens an image, or a range of it. (A server without range support returns all.)
    pub(crate) async fn open(
        &self,
        image: &ImageRef,
        range: Option<ByteRange>,
        client: Client,
    ) -> Result<OpenImage, ImageError> {
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

    /// The metadata of a Glance image.
    pub(crate) async fn described(&self, image: &GlanceImage) -> Result<Arc<Image>, ImageError> {
        self.0.glances.image(image).await
    }

    async fn open_file(
        &self,
        image: &ImageFile,
        range: Option<ByteRange>,
        permit: Permit,
    ) -> Result<OpenImage, ImageError> {
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
                    .map_err(|error| ImageError::unavailable(format!("cannot read it: {error}")))?;
                Some(part)
            }
        };
        Ok(OpenImage {
            total,
            part,
            source: Source::File(file),
            check: None,
            idle_timeout: self.0.idle_timeout,
            permit,
        })
    }

    /// Opens a file, and returns its size.
    async fn file(&self, image: &ImageFile) -> Result<(std::fs::File, u64), ImageError> {
        let (inner, image) = (Arc::clone(&self.0), image.clone());
        // The file system may be slow, or a remote one that is unreachable.
        let opening = tokio::task::spawn_blocking(move || inner.allowed.open(&image));
        match tokio::time::timeout(self.0.idle_timeout, opening).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => Err(ImageError::unavailable(format!(
                "opening it failed: {error}"
            ))),
            Err(_) => Err(ImageError::unavailable("its file system does not respond")),
        }
    }

    fn fetched(&self, fetched: FetchedImage, check: Option<Check>, permit: Permit) -> OpenImage {
        let FetchedImage {
            answer,
            total,
            part,
        } = fetched;
        OpenImage {
            total,
            part,
            source: Source::Answer(Box::new(answer)),
            check,
            idle_timeout: self.0.idle_timeout,
            permit,
        }
    }
}
