//! The web servers of Ironic's conductors. Only GET, with limits.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ironpxe_core::beside::{FileProblem, IronicFile};
use ironpxe_core::mac::MacAddress;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use sha2::{Digest as _, Sha256};

use super::Finding;
use crate::error_chain::error_chain;
use crate::tls::{self, TlsError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// For a whole file.
const FILE_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole image.
const IMAGE_TIMEOUT: Duration = Duration::from_mins(10);
/// Ironic's files have some kilobytes.
const MAX_FILE: usize = 1 << 20;
/// Clocks may differ this much.
const CLOCK: Duration = Duration::from_secs(5);

/// The web servers. One that does not answer is not asked again.
#[derive(Debug)]
pub(crate) struct WebServers {
    client: Client,
    /// Why a server gives no files, by its URL.
    away: Mutex<HashMap<String, String>>,
    /// The digests of images, or why there is none. Locked during a download, so that there is only
    /// one at a time.
    digests: tokio::sync::Mutex<HashMap<String, Result<String, String>>>,
}

/// The file of a machine is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotRead;

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot create an HTTP client")]
    Client(#[from] reqwest::Error),
}

impl WebServers {
    /// `cafile` has the CA certificates; `None` is the system's.
    pub(crate) fn new(cafile: Option<&Path>) -> Result<Self, WebError> {
        let tls = match cafile {
            Some(cafile) => tls::client(cafile)?,
            None => tls::system_client()?,
        };
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(FILE_TIMEOUT)
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("ironpxe/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            client,
            away: Mutex::default(),
            digests: tokio::sync::Mutex::default(),
        })
    }

    /// Ironic's file of a machine on the web server at `base` (`[deploy]http_url`); `None` if it has
    /// none.
    pub(crate) async fn file(
        &self,
        base: &str,
        address: MacAddress,
    ) -> Result<Option<Result<IronicFile, FileProblem>>, NotRead> {
        let base = base.trim_end_matches('/');
        if self.lock().contains_key(base) {
            return Err(NotRead);
        }
        let url = format!("{base}{}", IronicFile::path(address));
        match self.get(&url).await {
            Ok((StatusCode::NOT_FOUND, ..)) => Ok(None),
            Ok((StatusCode::OK, body, _)) => {
                let text = String::from_utf8_lossy(&body);
                Ok(Some(IronicFile::parse(&text)))
            }
            Ok((status, ..)) => {
                self.give_up(base, format!("answers {} with {status}", url_path(&url)));
                Err(NotRead)
            }
            Err(problem) => {
                self.give_up(base, problem);
                Err(NotRead)
            }
        }
    }

    /// The servers that did not answer.
    pub(crate) fn problems(&self) -> Vec<Finding> {
        let mut problems: Vec<_> = self.lock().clone().into_iter().collect();
        problems.sort();
        let finding = |(url, problem)| {
            Finding::error(
                "web server",
                format!("{url}: {problem}; the files of its conductor are not compared"),
                "start the web server of this conductor, or correct [beside]http_urls",
            )
        };
        problems.into_iter().map(finding).collect()
    }

    /// Whether the API at `url` is Ironic's, and its clock.
    pub(crate) async fn api(&self, url: &str) -> Vec<Finding> {
        let subject = "api_url";
        let advice = "correct [beside]api_url: ramdisks report to this URL";
        let root = format!("{}/", url.trim_end_matches('/'));
        let (status, body, date) = match self.get(&root).await {
            Ok(answer) => answer,
            Err(problem) => {
                return vec![Finding::error(subject, format!("{url}: {problem}"), advice)];
            }
        };
        let document = serde_json::from_slice::<serde_json::Value>(&body).ok();
        let name = document.as_ref().and_then(|it| it.get("name")?.as_str());
        if !status.is_success() || name != Some("OpenStack Ironic API") {
            let text = format!("{url}: the answer to GET / ({status}) is not that of Ironic's API");
            return vec![Finding::error(subject, text, advice)];
        }
        let mut findings = vec![Finding::ok(subject, format!("{url} is an Ironic API"))];
        findings.extend(date.map(|date| clock("the clock of the API", date)));
        findings
    }

    /// The SHA-256 of an image, or why it is not known.
    pub(crate) async fn digest(&self, url: &str) -> Result<String, String> {
        let mut digests = self.digests.lock().await;
        if let Some(known) = digests.get(url) {
            return known.clone();
        }
        let digest = tokio::time::timeout(IMAGE_TIMEOUT, self.download(url));
        let late = || Err(format!("no image within {} s", IMAGE_TIMEOUT.as_secs()));
        let digest = digest.await.unwrap_or_else(|_| late());
        digests.insert(url.to_owned(), digest.clone());
        digest
    }

    async fn download(&self, url: &str) -> Result<String, String> {
        let mut response = self.client.get(url).send().await.map_err(said)?;
        if response.status() != StatusCode::OK {
            return Err(format!("status {}", response.status()));
        }
        let mut digest = Sha256::new();
        while let Some(chunk) = response.chunk().await.map_err(said)? {
            digest.update(&chunk);
        }
        let mut text = String::new();
        for byte in digest.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }

    async fn get(&self, url: &str) -> Result<(StatusCode, Vec<u8>, Option<SystemTime>), String> {
        let read = async {
            let mut response = self.client.get(url).send().await.map_err(said)?;
            let status = response.status();
            let date = response.headers().get(reqwest::header::DATE);
            let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(said)? {
                body.extend_from_slice(&chunk);
                if body.len() > MAX_FILE {
                    return Err(format!("{} has more than {MAX_FILE} bytes", url_path(url)));
                }
            }
            Ok((status, body, date))
        };
        let late = || format!("no answer within {} s", FILE_TIMEOUT.as_secs());
        tokio::time::timeout(FILE_TIMEOUT, read)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    fn give_up(&self, base: &str, problem: String) {
        self.lock().entry(base.to_owned()).or_insert(problem);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a clock shows our time.
pub(super) fn clock(whose: &str, theirs: SystemTime) -> Finding {
    let ours = SystemTime::from(crate::clock::now());
    let apart = ours
        .duration_since(theirs)
        .unwrap_or_else(|error| error.duration());
    if apart > CLOCK {
        Finding::warning(
            "clock",
            format!("{whose} differs from ours by {} s", apart.as_secs()),
            "synchronize the clocks: only the times in logs depend on them",
        )
    } else {
        Finding::ok("clock", format!("{whose} agrees with ours"))
    }
}

fn said(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() {
            format!("no connection within {} s", CONNECT_TIMEOUT.as_secs())
        } else {
            format!("no answer within {} s", FILE_TIMEOUT.as_secs())
        };
    }
    error_chain(&error.without_url())
}

fn url_path(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    after
        .find('/')
        .and_then(|at| after.get(at..))
        .unwrap_or("/")
}
