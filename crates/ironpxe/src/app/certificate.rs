//! The certificates of this process's servers: loaded at start, and again when their files change.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::config::{Api, JsonRpc};
use crate::error_chain::error_chain;
use crate::lifecycle::Tasks;
use crate::tls::{CertificateWatch, Looked, ServerCertificate, TlsError};

/// How often the files are compared with what is in use.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How often an expired certificate is reported.
const EXPIRED_INTERVAL: Duration = Duration::from_hours(1);

/// Loads a certificate. The error is one of the settings `keys`, of certificate and key, and its
/// problem.
fn load(
    cert_file: &Path,
    key_file: &Path,
    keys: [&'static str; 2],
) -> Result<ServerCertificate, (&'static str, String)> {
    ServerCertificate::load(cert_file, key_file).map_err(|error| {
        let [cert, key] = keys;
        let setting = match &error {
            TlsError::File { path, .. } if path == key_file => key,
            TlsError::Mismatch { .. } => key,
            TlsError::File { .. } | TlsError::Pair { .. } | TlsError::Config(_) => cert,
        };
        (setting, error_chain(&error))
    })
}

/// The certificate of the API, if it uses TLS.
pub(super) fn of_api(api: &Api) -> Result<Option<ServerCertificate>, (&'static str, String)> {
    match (api.enable_ssl_api, &api.cert_file, &api.key_file) {
        (true, Some(cert_file), Some(key_file)) => {
            load(cert_file, key_file, ["[api]cert_file", "[api]key_file"]).map(Some)
        }
        _ => Ok(None),
    }
}

/// The certificate of a conductor's port, if it uses TLS.
pub(super) fn of_json_rpc(
    rpc: &JsonRpc,
) -> Result<Option<ServerCertificate>, (&'static str, String)> {
    match (rpc.use_ssl, &rpc.cert_file, &rpc.key_file) {
        (true, Some(cert_file), Some(key_file)) => {
            let keys = ["[json_rpc]cert_file", "[json_rpc]key_file"];
            load(cert_file, key_file, keys).map(Some)
        }
        _ => Ok(None),
    }
}

/// Replaces the certificate when its files change, until shutdown. Established connections keep
/// theirs.
pub(super) fn watch(tasks: &Tasks, certificate: ServerCertificate) {
    let stopping = tasks.stopping();
    tasks.spawn("certificate reload", async move {
        let mut watch = CertificateWatch::new(certificate.clone());
        let mut expired_at: Option<Instant> = None;
        loop {
            if expired_at.is_none_or(|at| at.elapsed() >= EXPIRED_INTERVAL)
                && let Some(since) = certificate.expired()
            {
                expired_at = Some(Instant::now());
                warn!(
                    cert_file = %certificate.cert_file().display(),
                    "the TLS certificate expired {} h ago, so clients refuse it: replace the files; \
                     they are read without a restart",
                    since.as_secs() / 3600
                );
            }
            let pause = tokio::time::sleep(LOOK_INTERVAL);
            if stopping.run_until_cancelled(pause).await.is_none() {
                return;
            }
            // Files may be on a slow file system.
            let looking = tokio::task::spawn_blocking(move || {
                let looked = watch.look();
                (watch, looked)
            });
            let Ok((same, looked)) = looking.await else {
                return;
            };
            watch = same;
            match looked {
                Looked::Unchanged => {}
                Looked::Replaced => {
                    expired_at = None;
                    info!(
                        cert_file = %certificate.cert_file().display(),
                        "TLS certificate reloaded"
                    );
                }
                Looked::Unusable(problem) => error!(
                    "TLS certificate not reloaded, keeping the previous one: {}",
                    error_chain(&problem)
                ),
            }
        }
    });
}
