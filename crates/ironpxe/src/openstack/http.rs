//! Single HTTP requests with restricted redirects, timeouts and limited responses.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;

use super::error::Cause;
use super::settings::{Settings, SetupError};
use crate::error_chain::error_chain;
use crate::tls;

/// Larger than any response other than an image: a catalog, or a page of ports.
const MAX_ANSWER: usize = 4 << 20;
/// How much of an error response is read, in bytes.
const MAX_FAULT: usize = 64 << 10;
/// How much of its message is kept, in characters.
const MAX_WORDS: usize = 300;
/// In requests and responses.
pub(super) const MICROVERSION_HEADER: &str = "x-openstack-ironic-api-version";
const MAX_REDIRECTS: usize = 3;
/// The timeout for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends requests. No proxy is used.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client,
    timeout: Duration,
}

impl Http {
    pub(super) fn new(settings: &Settings) -> Result<Self, SetupError> {
        let tls = match &settings.cafile {
            Some(cafile) => tls::client(cafile)?,
            None => tls::system_client()?,
        };
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::custom(follow))
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
            .read_timeout(settings.timeout)
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("ironpxe/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(SetupError::Client)?;
        Ok(Self {
            client,
            timeout: settings.timeout,
        })
    }

    pub(super) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request. The response's body is read later, with an idle timeout; an error status is
    /// an error.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Cause> {
        let answered = async {
            let response = request.send().await.map_err(|error| self.cause(error))?;
            if response.status().is_success() {
                return Ok(response);
            }
            Err(self.refusal(response).await)
        };
        tokio::time::timeout(self.timeout, answered)
            .await
            .unwrap_or(Err(Cause::Timeout(self.timeout)))
    }

    /// Reads a response as JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T, Cause> {
        let body = self.bytes(response).await?;
        serde_json::from_slice(&body).map_err(|error| Cause::Malformed(error.to_string()))
    }

    /// Reads a response of limited length.
    pub(super) async fn bytes(&self, response: Response) -> Result<Vec<u8>, Cause> {
        let read = self.body(response, MAX_ANSWER);
        let (body, whole) = tokio::time::timeout(self.timeout, read)
            .await
            .unwrap_or(Err(Cause::Timeout(self.timeout)))?;
        if !whole {
            return Err(Cause::Malformed(format!("longer than {MAX_ANSWER} bytes")));
        }
        Ok(body)
    }

    /// The body up to `limit`, and whether it is complete.
    async fn body(&self, mut response: Response, limit: usize) -> Result<(Vec<u8>, bool), Cause> {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Err(error) => return Err(self.cause(error)),
                Ok(None) => return Ok((body, true)),
                Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                    body.extend(chunk.iter().take(limit - body.len()));
                    return Ok((body, false));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            }
        }
    }

    async fn refusal(&self, response: Response) -> Cause {
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let is_ironics = response.headers().contains_key(MICROVERSION_HEADER);
        // Without its message, the status must suffice.
        let body = self.body(response, MAX_FAULT).await;
        let (body, _) = body.unwrap_or_default();
        Cause::Status {
            status: status.as_u16(),
            message: words(status, &body),
            retry_after,
            is_ironics,
        }
    }

    fn cause(&self, error: reqwest::Error) -> Cause {
        // Messages name the service instead of the URL.
        let error = error.without_url();
        if error.is_timeout() {
            return Cause::Timeout(self.timeout);
        }
        let chain = error_chain(&error);
        if error.is_redirect() {
            return Cause::Redirect(chain);
        }
        if error.is_builder() {
            return Cause::Settings(chain);
        }
        if is_tls(&error) {
            return Cause::Tls(chain);
        }
        Cause::Unreachable(chain)
    }
}

/// Only follows redirects to the same host without a downgrade from HTTPS, because the token is
/// sent along.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let (to, from) = (attempt.url(), attempt.previous().last());
    let same_host = from.is_some_and(|from| from.host() == to.host());
    let as_safe = to.scheme() == "https" || from.is_some_and(|from| from.scheme() == to.scheme());
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error(format!("more than {MAX_REDIRECTS} redirections"));
    }
    if !same_host || !as_safe {
        let to = origin(to);
        return attempt.error(format!("a redirection to {to}"));
    }
    attempt.follow()
}

fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}

/// `Retry-After` in seconds; OpenStack services do not send dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u16 = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

/// The message of an error response: Keystone and Neutron have their own JSON formats, Glance an
/// HTML page, proxies any format.
fn words(status: StatusCode, body: &[u8]) -> String {
    let said = serde_json::from_slice::<serde_json::Value>(body).ok();
    let said = said.as_ref().and_then(|said| {
        let fault = said.as_object()?.values().find(|it| it.is_object())?;
        fault.get("message")?.as_str()
    });
    let text = match said {
        Some(said) => said.to_owned(),
        None => without_tags(&String::from_utf8_lossy(body)),
    };
    let text: Vec<&str> = text.split_whitespace().collect();
    let text: String = text
        .join(" ")
        .chars()
        .filter(|it| !it.is_control())
        .collect();
    let text = match text.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    };
    if text.is_empty() {
        return status.canonical_reason().unwrap_or_default().to_owned();
    }
    text
}

/// The text of an HTML page without its head.
fn without_tags(page: &str) -> String {
    let page = page.split_once("</head>").map_or(page, |(_, body)| body);
    let mut text = String::new();
    let mut in_tag = false;
    for letter in page.chars() {
        match letter {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                text.push(' ');
            }
            _ if in_tag => {}
            letter => text.push(letter),
        }
    }
    text
}

/// Whether TLS is among the causes. The source of an I/O error is not the error that it wraps, but
/// that one's source, so both are checked.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let held = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>()
        || held.is_some_and(|held| is_tls(held))
        || error.source().is_some_and(is_tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_message_is_extracted_from_any_body_format() {
        let page = "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  \
                    <h1>404 Not Found</h1>\n  No image found with ID aa<br /><br />\n\n </body>\n\
                    </html>";
        let neutron = r#"{"NeutronError": {"type": "PortNotFound", "message": "Port a could not be found.", "detail": ""}}"#;
        let keystone = r#"{"error":{"code":401,"message":"The request you have made requires authentication.","title":"Unauthorized"}}"#;
        for (body, expected) in [
            (page, "404 Not Found No image found with ID aa"),
            (neutron, "Port a could not be found."),
            (
                keystone,
                "The request you have made requires authentication.",
            ),
            (
                "401 Unauthorized: Temp URL invalid\n",
                "401 Unauthorized: Temp URL invalid",
            ),
            ("", "Not Found"),
            ("{}", "{}"),
            ("a\u{1b}[2Jb", "a[2Jb"),
        ] {
            assert_eq!(words(StatusCode::NOT_FOUND, body.as_bytes()), expected);
        }
        let long = words(StatusCode::NOT_FOUND, "ä".repeat(1000).as_bytes());
        assert_eq!(long.chars().count(), MAX_WORDS + 3);
    }
}
