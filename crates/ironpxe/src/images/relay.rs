//! Images on other HTTP servers, fetched for machines that cannot reach these or do not speak TLS.
//!
//! Redirects are followed here and not by the HTTP client, so that each of them is judged
//! (`address_policy.rs`), and a name is resolved once: the client is given the addresses that were
//! judged, and connects to no other.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use ironpxe_core::boot::ImageUrl;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};

use super::SetupError;
use super::address_policy::{AddressPolicy, Forbidden, literal};
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
    tls: rustls::ClientConfig,
    policy: AddressPolicy,
    /// How long a server may take to begin its answer.
    idle_timeout: Duration,
}

/// A server's answer: an image, or a part of it.
#[derive(Debug)]
pub(super) struct Fetched {
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
        // What is wrong with all clients is found before the first image is wanted.
        relay.client(None)?;
        Ok(relay)
    }

    /// A client for one request, which knows this host's addresses.
    fn client(&self, known: Option<(&str, &[SocketAddr])>) -> Result<Client, reqwest::Error> {
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(self.idle_timeout)
            // A connection that was left open may be gone when the next image is fetched, and an
            // image is worth a new one.
            .pool_max_idle_per_host(0)
            .tls_backend_preconfigured(self.tls.clone())
            .user_agent(concat!("ironpxe/", env!("CARGO_PKG_VERSION")));
        if let Some((host, addresses)) = known {
            builder = builder.resolve_to_addrs(host, addresses);
        }
        builder.build()
    }

    /// Whether an image may be fetched, as far as its URL says so by itself.
    pub(super) fn check(&self, url: &ImageUrl) -> Result<(), ImageError> {
        let url = Url::parse(url.as_str()).map_err(|error| no_url(&error))?;
        let judged = self.policy.judge_url(&url);
        judged.map_err(|forbidden| ImageError::Gone(forbidden.to_string()))
    }

    /// Begins to fetch an image.
    pub(super) async fn fetch(
        &self,
        url: &ImageUrl,
        range: Option<ByteRange>,
    ) -> Result<Fetched, ImageError> {
        let answer = tokio::time::timeout(self.idle_timeout, self.follow(url, range)).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(ImageError::not_now(format!(
                "its server has not answered within {} s",
                self.idle_timeout.as_secs()
            )))
        })?;
        Self::understand(answer, range)
    }

    /// The first answer that is no redirect.
    async fn follow(
        &self,
        url: &ImageUrl,
        range: Option<ByteRange>,
    ) -> Result<Response, ImageError> {
        let mut url = Url::parse(url.as_str()).map_err(|error| no_url(&error))?;
        for redirects in 0..=MAX_REDIRECTS {
            let told = |forbidden: Forbidden| match redirects {
                0 => ImageError::Gone(forbidden.to_string()),
                _ => ImageError::Gone(format!("its server sends elsewhere, and there {forbidden}")),
            };
            let answer = self.ask(&url, range, told).await?;
            let Some(target) = redirected(&answer) else {
                return Ok(answer);
            };
            url = elsewhere(&url, target).map_err(|problem| {
                ImageError::Gone(format!("its server sends elsewhere, where {problem}"))
            })?;
        }
        Err(ImageError::not_now(format!(
            "its server sends elsewhere more than {MAX_REDIRECTS} times"
        )))
    }

    /// Asks one server.
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
            // The URL is told beside it anyway.
            let error = error.without_url();
            let problem = format!("its server cannot be asked: {}", chain(&error));
            ImageError::not_now(problem)
        };
        let mut request = client.map_err(unable)?.get(url.clone());
        // Nothing is changed on the way, so that the length is the length.
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
            Err(error) => Err(ImageError::not_now(format!(
                "its server cannot be asked: {host} is not resolved: {error}"
            ))),
        }
    }

    /// Those of a name's addresses that may be connected to; why none, if there is none.
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

fn no_url(error: &dyn std::error::Error) -> ImageError {
    ImageError::Gone(format!("it is not a URL: {error}"))
}

/// Where an answer sends whoever asked.
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

/// The URL to which a redirect leads. A password goes along only to where it was meant for.
fn elsewhere(from: &Url, target: &[u8]) -> Result<Url, String> {
    let target = std::str::from_utf8(target).map_err(|_| "no URL is".to_owned())?;
    let mut to = from.join(target).map_err(|_| "no URL is".to_owned())?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err(format!("{}: is not fetched", to.scheme()));
    }
    let same_server = to.origin() == from.origin();
    if same_server && to.username().is_empty() && to.password().is_none() {
        // Neither fails for a URL with a host, and without the password nothing is let in.
        let _ = to.set_username(from.username());
        let _ = to.set_password(from.password());
    }
    Ok(to)
}

/// When the server wants to be asked again.
fn retry_after(answer: &Response) -> u16 {
    let value = answer.headers().get(header::RETRY_AFTER);
    let seconds = value.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.unwrap_or(RETRY_AFTER).clamp(1, MAX_RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_for_one_server() {
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
            "file: is not fetched"
        );
        assert!(to("http://").is_err());
    }
}
