//! TLS 1.2 and 1.3 with certificates from files or the system.

mod certificate;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

pub(crate) use self::certificate::{CertificateWatch, Looked, ServerCertificate};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read, or lacks the expected content.
    #[error("cannot read {what} from {}", .path.display())]
    File {
        /// The expected content.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::pki_types::pem::Error,
    },
    /// The key is not that of the certificate.
    #[error(
        "the private key in {} is not that of the first certificate in {}",
        .key_file.display(), .cert_file.display()
    )]
    Mismatch {
        /// The file of the certificates.
        cert_file: PathBuf,
        /// The file of the key.
        key_file: PathBuf,
    },
    /// The certificates or the key are unusable.
    #[error("cannot use {} with {}", .cert_file.display(), .key_file.display())]
    Pair {
        /// The file of the certificates.
        cert_file: PathBuf,
        /// The file of the key.
        key_file: PathBuf,
        /// The cause.
        source: Box<rustls::Error>,
    },
    /// A certificate is invalid.
    #[error("invalid TLS configuration")]
    Config(#[from] rustls::Error),
}

/// A client configuration that trusts the CA certificates of `cafile`, as PEM.
pub(crate) fn client(cafile: &Path) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(cafile)? {
        roots.add(certificate)?;
    }
    with_roots(roots)
}

/// A client configuration that trusts the system's CA certificates.
pub(crate) fn system_client() -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    // Unreadable or unsuitable certificates are skipped.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    with_roots(roots)
}

/// A placeholder for clients that do not use TLS.
pub(crate) fn no_client() -> Result<ClientConfig, TlsError> {
    with_roots(RootCertStore::empty())
}

fn with_roots(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path)
        .map_err(|source| unreadable("certificates", path, source))?;
    certificates_in(path, read)
}

/// The certificates, of which there must be one at least.
fn certificates_in<'c>(
    path: &Path,
    read: impl Iterator<Item = Result<CertificateDer<'c>, rustls::pki_types::pem::Error>>,
) -> Result<Vec<CertificateDer<'c>>, TlsError> {
    match read.collect::<Result<Vec<_>, _>>() {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(rustls::pki_types::pem::Error::NoItemsFound),
        Err(source) => Err(source),
    }
    .map_err(|source| unreadable("certificates", path, source))
}

fn unreadable(what: &'static str, path: &Path, source: rustls::pki_types::pem::Error) -> TlsError {
    TlsError::File {
        what,
        path: path.to_owned(),
        source,
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
