//! Images on other HTTP servers, relayed for machines that cannot reach them or have no TLS.
//!
//! Redirects are followed here rather than by the HTTP client, so that each is checked
//! (`address_policy.rs`) and a name is resolved only once: the client is restricted to the checked
//! addresses.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use ironpxe_core::boot::ImageUrl;
use ironpxe_core::retry_after;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};

use super::SetupError;
use super::address_policy::{AddressPolicy, Forbidden, literal};
use super::error::ImageError;
use super::range::{ByteRange, ContentRange};
use crate::error_chain::error_chain;
use crate::tls;

/// The usual limit of HTTP clients.
const MAX_REDIRECTS: usize = 5;
/// The maximum of a server's `Retry-After`, in seconds.
const MAX_RETRY_AFTER: u16 = 60;

/// Fetches images.
#[derive(Debug, Clone)]
pub(super) struct Relay {
    tls: rustls::ClientConfig,
    policy: AddressPolicy,
    /// The timeout for the response headers.
    idle_timeout: Duration,
}

/// A response with an image or a range of it.
#[derive(Debug)]
pub(super) struct FetchedImage {
    pub(super) answer: Response,
    pub(super) total: u64,
    pub(super) part: Option<(u64, u64)>,
}

impl Relay {
    pub(super) fn new(
        idle_timeout: Duration,
        cafile: Option<&Path>,
        policy: AddressPolicy,
    ) -> Result<Self, SetupError> {
        let tls = match cafile {
            Some(cafile) => tls::client(cafile)?,
            None => tls::system_client()?,
        };
        let relay = Self {
            tls,
            policy,
            idle_timeout,
        };
        // A configuration error shows at start rather than at the first image.
        relay.client(None)?;
        Ok(relay)
    }

    /// A client for one request, with preset addresses of the host.
    fn client(&self, known: Option<(&str, &[SocketAddr])>) -> Result<Client, reqwest::Error> {
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(self.idle_timeout)
            // An idle connection may be closed by the next image; reconnecting is cheap compared to
            // an image.
            .pool_max_idle_per_host(0)
            .tls_backend_preconfigured(self.tls.clone())
            .user_agent(concat!("ironpxe/", env!("CARGO_PKG_VERSION")));
        if let Some((host, addresses)) = known {
            builder = builder.resolve_to_addrs(host, addresses);
        }
        builder.build()
    }

    /// Whether an image may be fetched, as far as its URL alone shows.
    pub(super) fn check(&self, url: &ImageUrl) -> Result<(), ImageError> {
        let url = Url::parse(url.as_str()).map_err(|error| no_url(&error))?;
        let judged = self.policy.judge_url(&url);
        judged.map_err(|forbidden| ImageError::NotAvailable(forbidden.to_string()))
    }

    /// Starts to fetch an image.
    pub(super) async fn fetch(
        &self,
        url: &ImageUrl,
        range: Option<ByteRange>,
    ) -> Result<FetchedImage, ImageError> {
        let answer = tokio::time::timeout(self.idle_timeout, self.follow(url, range)).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(ImageError::unavailable(format!(
                "its server did not respond within {} s",
                self.idle_timeout.as_secs()
            )))
        })?;
        Self::understand(answer, range)
    }

    /// The first response that is not a redirect.
    async fn follow(
        &self,
        url: &ImageUrl,
        range: Option<ByteRange>,
    ) -> Result<Response, ImageError> {
        let mut url = Url::parse(url.as_str()).map_err(|error| no_url(&error))?;
        for redirects in 0..=MAX_REDIRECTS {
            let told = |forbidden: Forbidden| match redirects {
                0 => ImageError::NotAvailable(forbidden.to_string()),
                _ => ImageError::NotAvailable(format!("redirect refused: {forbidden}")),
            };
            let answer = self.ask(&url, range, told).await?;
            let Some(target) = redirected(&answer) else {
                return Ok(answer);
            };
            url = elsewhere(&url, target).map_err(|problem| {
                ImageError::NotAvailable(format!("redirect refused: {problem}"))
            })?;
        }
        Err(ImageError::unavailable(format!(
            "more than {MAX_REDIRECTS} redirects"
        )))
    }

    /// Sends one request.
    async fn ask(
        &self,
        url: &Url,
        range: Option<ByteRange>,
        told: impl Fn(Forbidden) -> ImageError,
    ) -> Result<Response, ImageError> {
        self.policy.judge_url(url).map_err(&told)?;
        let host = url.host_str().unwrap_or_default();
        let client = if literal(url).is_some() {
            self.client(None)
        } else {
            let addresses = self.resolve(url).await?;
            let addresses = self.permitted(addresses).map_err(&told)?;
            self.client(Some((host, &addresses)))
        };
        let unable = |error: reqwest::Error| {
            // Messages have the URL already.
            let error = error.without_url();
            let problem = format!("cannot reach its server: {}", error_chain(&error));
            ImageError::unavailable(problem)
        };
        let mut request = client.map_err(unable)?.get(url.clone());
        // Without a content encoding, `Content-Length` is the size of the image.
        request = request.header(header::ACCEPT_ENCODING, "identity");
        if let Some(range) = range {
            request = request.header(header::RANGE, range.header());
        }
        request.send().await.map_err(unable)
    }

    async fn resolve(&self, url: &Url) -> Result<Vec<SocketAddr>, ImageError> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        match tokio::net::lookup_host((host, port)).await {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) => Err(ImageError::unavailable(format!(
                "cannot resolve its server {host}: {error}"
            ))),
        }
    }

    /// The addresses that may be connected to, or why none may.
    fn permitted(&self, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
        let mut forbidden = None;
        let mut permitted = Vec::new();
        for address in addresses {
            match self.policy.judge(address) {
                Ok(()) => permitted.push(address),
                Err(why) => forbidden = forbidden.or(Some(why)),
            }
        }
        match forbidden {
            Some(why) if permitted.is_empty() => Err(why),
            _ => Ok(permitted),
        }
    }

    fn understand(answer: Response, range: Option<ByteRange>) -> Result<FetchedImage, ImageError> {
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
                return Err(ImageError::Unavailable {
                    problem: format!("its server responds with {status}"),
                    retry_after: retry_after(&answer),
                });
            }
            _ => {
                return Err(ImageError::NotAvailable(format!(
                    "its server responds with {status}"
                )));
            }
        }
        let encoding = answer.headers().get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(ImageError::NotAvailable(
                "its server sends it compressed, which was not requested".to_owned(),
            ));
        }
        let Some(length) = answer.content_length() else {
            return Err(ImageError::NotAvailable(
                "its server does not send its size (Content-Length), which machines need"
                    .to_owned(),
            ));
        };
        if status == StatusCode::OK {
            return Ok(FetchedImage {
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
            Some(ContentRange { part, total }) => Ok(FetchedImage {
                answer,
                total,
                part,
            }),
            None => Err(ImageError::NotAvailable(
                "its server sends a different range than requested".to_owned(),
            )),
        }
    }
}

fn no_url(error: &dyn std::error::Error) -> ImageError {
    ImageError::NotAvailable(format!("not a valid URL: {error}"))
}

/// The target of a redirect.
fn redirected(answer: &Response) -> Option<&[u8]> {
    let elsewhere = matches!(
        answer.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let target = answer.headers().get(header::LOCATION);
    target.filter(|_| elsewhere).map(HeaderValue::as_bytes)
}

/// The URL of a redirect. Credentials are only kept for the same origin.
fn elsewhere(from: &Url, target: &[u8]) -> Result<Url, String> {
    let target =
        std::str::from_utf8(target).map_err(|_| "the target is not a valid URL".to_owned())?;
    let mut to = from
        .join(target)
        .map_err(|_| "the target is not a valid URL".to_owned())?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err(format!("{}: URLs are not supported", to.scheme()));
    }
    let same_server = to.origin() == from.origin();
    if same_server && to.username().is_empty() && to.password().is_none() {
        // Neither fails for a URL with a host; if they did, the URL would lack credentials.
        let _ = to.set_username(from.username());
        let _ = to.set_password(from.password());
    }
    Ok(to)
}

/// The server's `Retry-After`.
fn retry_after(answer: &Response) -> u16 {
    let value = answer.headers().get(header::RETRY_AFTER);
    let seconds = value.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds
        .unwrap_or(retry_after::IMAGE)
        .clamp(1, MAX_RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_to_another_server_drops_the_password() {
        let from = Url::parse("http://user:pw@h/a/b?c").unwrap();
        let to = |target: &str| elsewhere(&from, target.as_bytes()).map(String::from);
        assert_eq!(to("/k").unwrap(), "http://user:pw@h/k");
        assert_eq!(to("http://h:80/k").unwrap(), "http://user:pw@h/k");
        assert_eq!(to("http://h:81/k").unwrap(), "http://h:81/k");
        assert_eq!(to("https://h/k").unwrap(), "https://h/k");
        assert_eq!(to("//other/k").unwrap(), "http://other/k");
        assert_eq!(to("http://me@h/k").unwrap(), "http://me@h/k");
        assert_eq!(
            to("file:///etc/passwd").unwrap_err(),
            "file: URLs are not supported"
        );
        assert!(to("http://").is_err());
    }
}
