//! Images on other HTTP servers, fetched for machines that cannot reach these or do not speak TLS.

use std::path::Path;
use std::time::Duration;

use http::{StatusCode, header};
use ironpxe_core::boot::ImageUrl;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::SetupError;
use super::error::{ImageError, RETRY_AFTER, chain};
use super::range::{ByteRange, ContentRange};
use crate::tls;

/// As many as most clients follow.
const MAX_REDIRECTS: usize = 5;
/// The longest time that a server may ask machines to stay away, in seconds.
const MAX_RETRY_AFTER: u16 = 60;

/// Fetches images.
#[derive(Debug, Clone)]
pub(super) struct Relay {
    client: Client,
    /// How long a server may take to begin its answer.
    patience: Duration,
}

/// A server's answer: an image, or a part of it.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) answer: Response,
    pub(super) total: u64,
    pub(super) part: Option<(u64, u64)>,
}

impl Relay {
    pub(super) fn new(patience: Duration, cafile: Option<&Path>) -> Result<Self, SetupError> {
        let tls = match cafile {
            Some(cafile) => tls::client(cafile)?,
            None => tls::system_client()?,
        };
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::limited(MAX_REDIRECTS))
            .connect_timeout(patience)
            // A connection that was left open may be gone when the next image is fetched, and an
            // image is worth a new one.
            .pool_max_idle_per_host(0)
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("ironpxe/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, patience })
    }

    /// Begins to fetch an image.
    pub(super) async fn fetch(
        &self,
        url: &ImageUrl,
        range: Option<ByteRange>,
    ) -> Result<Fetched, ImageError> {
        let mut request = self.client.get(url.as_str());
        // Nothing is changed on the way, so that the length is the length.
        request = request.header(header::ACCEPT_ENCODING, "identity");
        if let Some(range) = range {
            request = request.header(header::RANGE, range.header());
        }
        let answer = tokio::time::timeout(self.patience, request.send()).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_redirect() => {
                return Err(ImageError::not_now(format!(
                    "its server sends elsewhere more than {MAX_REDIRECTS} times"
                )));
            }
            Ok(Err(error)) => {
                // The URL is told beside it anyway.
                let error = error.without_url();
                let problem = format!("its server cannot be asked: {}", chain(&error));
                return Err(ImageError::not_now(problem));
            }
            Err(_) => {
                return Err(ImageError::not_now(format!(
                    "its server has not answered within {} s",
                    self.patience.as_secs()
                )));
            }
        };
        Self::understand(answer, range)
    }

    fn understand(answer: Response, range: Option<ByteRange>) -> Result<Fetched, ImageError> {
        let status = answer.status();
        let content_range = ContentRange::of(answer.headers());
        match (status, range) {
            (StatusCode::OK | StatusCode::PARTIAL_CONTENT, _) => {}
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => {
                return Err(ImageError::Range {
                    total: content_range.map(|found| found.total),
                });
            }
            _ if status.is_server_error()
                || matches!(
                    status,
                    StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
                ) =>
            {
                return Err(ImageError::NotNow {
                    problem: format!("its server answers {status}"),
                    retry_after: retry_after(&answer),
                });
            }
            _ => return Err(ImageError::Gone(format!("its server answers {status}"))),
        }
        let encoding = answer.headers().get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(ImageError::Gone(
                "its server sends it compressed although it must not".to_owned(),
            ));
        }
        let Some(length) = answer.content_length() else {
            return Err(ImageError::Gone(
                "its server does not say how long it is, which machines must know".to_owned(),
            ));
        };
        if status == StatusCode::OK {
            return Ok(Fetched {
                answer,
                total: length,
                part: None,
            });
        }
        let fits = |found: &ContentRange| {
            let wanted = range.and_then(|range| range.within(found.total));
            found.part.is_some()
                && found.part == wanted
                && wanted.is_some_and(|(first, last)| last - first + 1 == length)
        };
        match content_range.filter(fits) {
            Some(ContentRange { part, total }) => Ok(Fetched {
                answer,
                total,
                part,
            }),
            None => Err(ImageError::Gone(
                "its server sends another part of it than it was asked for".to_owned(),
            )),
        }
    }
}

/// When the server wants to be asked again.
fn retry_after(answer: &Response) -> u16 {
    let value = answer.headers().get(header::RETRY_AFTER);
    let seconds = value.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.unwrap_or(RETRY_AFTER).clamp(1, MAX_RETRY_AFTER)
}
