//! The certificate of a server, which is replaced when its files change.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};

use super::{TlsError, certificates_in, provider, unreadable};

/// A certificate chain with its private key, from two files. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct ServerCertificate {
    cert_file: PathBuf,
    key_file: PathBuf,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

/// What new connections get.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

impl Current {
    fn get(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServerCertificate {
    /// Reads the certificate chain of `cert_file` and the private key of `key_file`, as PEM.
    pub(crate) fn load(cert_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        let certified = read(cert_file, key_file).and_then(|pem| pem.parse(cert_file, key_file))?;
        let current = Arc::new(Current(RwLock::new(Arc::new(certified))));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&current);
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        Ok(Self {
            cert_file: cert_file.to_owned(),
            key_file: key_file.to_owned(),
            current,
            config: Arc::new(config),
        })
    }

    /// The configuration of the server. Each of its handshakes uses the current certificate.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The file of the certificate chain.
    pub(crate) fn cert_file(&self) -> &Path {
        &self.cert_file
    }

    /// How long ago the certificate expired; `None` if it has not.
    pub(crate) fn expired(&self) -> Option<Duration> {
        let current = self.current.get();
        let now = UnixTime::now();
        let end = expired_at(current.end_entity_cert().ok()?, now)?;
        Some(Duration::from_secs(now.as_secs().saturating_sub(end)))
    }
}

/// Compares the files of a certificate with what is in use.
#[derive(Debug)]
pub(crate) struct CertificateWatch {
    certificate: ServerCertificate,
    /// What is in use.
    in_use: Option<u64>,
    /// What could not be used, and whether that was reported.
    failed: Option<(u64, bool)>,
}

/// What a look at the files has led to.
#[derive(Debug)]
pub(crate) enum Looked {
    /// Nothing.
    Unchanged,
    /// New connections get the new certificate.
    Replaced,
    /// The files have changed, but cannot be used.
    Unusable(TlsError),
}

impl CertificateWatch {
    /// For a certificate that was just loaded.
    pub(crate) fn new(certificate: ServerCertificate) -> Self {
        let pem = read(&certificate.cert_file, &certificate.key_file);
        // If they have changed since, the next look finds out.
        let in_use = pem.ok().filter(|pem| {
            let parsed = pem.parse(&certificate.cert_file, &certificate.key_file);
            parsed.is_ok_and(|it| it.cert == certificate.current.get().cert)
        });
        Self {
            in_use: in_use.map(|pem| pem.fingerprint()),
            failed: None,
            certificate,
        }
    }

    /// Reads the files, and replaces the certificate if they have changed. Files that cannot be used
    /// are reported once, and only if the next look finds the same: the two are not written at once.
    pub(crate) fn look(&mut self) -> Looked {
        let ServerCertificate {
            cert_file,
            key_file,
            current,
            ..
        } = &self.certificate;
        let pem = read(cert_file, key_file);
        let fingerprint = match &pem {
            Ok(pem) => pem.fingerprint(),
            Err(error) => hash_of(&error.to_string()),
        };
        if self.in_use == Some(fingerprint) {
            self.failed = None;
            return Looked::Unchanged;
        }
        match pem.and_then(|pem| pem.parse(cert_file, key_file)) {
            Ok(certified) => {
                let mut place = current.0.write().unwrap_or_else(PoisonError::into_inner);
                *place = Arc::new(certified);
                self.in_use = Some(fingerprint);
                self.failed = None;
                Looked::Replaced
            }
            Err(error) => {
                let (before, reported) = self.failed.unwrap_or_default();
                let is_same = self.failed.is_some() && before == fingerprint;
                self.failed = Some((fingerprint, is_same));
                if is_same && !reported {
                    return Looked::Unusable(error);
                }
                Looked::Unchanged
            }
        }
    }
}

/// The content of the files.
struct Pem {
    certificates: Vec<u8>,
    key: Vec<u8>,
}

fn read(cert_file: &Path, key_file: &Path) -> Result<Pem, TlsError> {
    let read = |what, path: &Path| {
        std::fs::read(path)
            .map_err(|error| unreadable(what, path, rustls::pki_types::pem::Error::Io(error)))
    };
    Ok(Pem {
        certificates: read("certificates", cert_file)?,
        key: read("a private key", key_file)?,
    })
}

impl Pem {
    /// The files are only named in errors.
    fn parse(&self, cert_file: &Path, key_file: &Path) -> Result<CertifiedKey, TlsError> {
        let chain = certificates_in(
            cert_file,
            CertificateDer::pem_slice_iter(&self.certificates),
        )?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|source| unreadable("a private key", key_file, source))?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch {
                cert_file: cert_file.to_owned(),
                key_file: key_file.to_owned(),
            },
            source => TlsError::Pair {
                cert_file: cert_file.to_owned(),
                key_file: key_file.to_owned(),
                source: Box::new(source),
            },
        })
    }

    fn fingerprint(&self) -> u64 {
        hash_of(&(&self.certificates, &self.key))
    }
}

/// To notice changes; not a digest.
fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// When a certificate expired before `now`, in seconds since 1970. Its validity is verified first, so without any CA to
/// trust, each other certificate fails later.
fn expired_at(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<u64> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let usage = webpki::KeyUsage::server_auth();
    match certificate.verify_for_usage(&[], &[], &[], now, usage, None, None) {
        Err(webpki::Error::CertExpired { not_after, .. }) => Some(not_after.as_secs()),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
