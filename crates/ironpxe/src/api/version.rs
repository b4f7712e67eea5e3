//! Negotiation of the API version.

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{self, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use ironpxe_core::microversion::{Microversion, VersionError};
use tower::{Layer, Service};

use crate::api::error::{ApiError, Failure};

const USED: HeaderName = HeaderName::from_static("x-openstack-ironic-api-version");
const MINIMUM: HeaderName = HeaderName::from_static("x-openstack-ironic-api-minimum-version");
const MAXIMUM: HeaderName = HeaderName::from_static("x-openstack-ironic-api-maximum-version");
/// The header shared by OpenStack services: `OpenStack-API-Version: baremetal 1.50`.
const SHARED: HeaderName = HeaderName::from_static("openstack-api-version");

/// The negotiation layer.
#[derive(Clone, Copy)]
pub(super) struct Negotiation;

/// The wrapped service.
#[derive(Clone)]
pub(super) struct Negotiated<S>(S);

impl<S> Layer<S> for Negotiation {
    type Service = Negotiated<S>;

    fn layer(&self, inner: S) -> Negotiated<S> {
        Negotiated(inner)
    }
}

impl<S> Service<Request> for Negotiated<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let at_root = request.uri().path() == "/";
        match requested(request.headers()) {
            Ok(version) => {
                request.extensions_mut().insert(version);
                let answering = self.0.call(request);
                Box::pin(async move { Ok(with_headers(answering.await?, Some(version))) })
            }
            Err(refused) => {
                let response = ApiError::Version { refused, at_root }.into_response();
                Box::pin(ready(Ok(with_headers(response, None))))
            }
        }
    }
}

/// Adds the version headers to a response.
pub(super) fn with_headers(mut response: Response, used: Option<Microversion>) -> Response {
    let failure = response.extensions().get::<Failure>();
    if failure.is_some_and(|failure| failure.0.is_unversioned()) {
        return response;
    }
    let headers = response.headers_mut();
    for (name, version) in [
        (MINIMUM, Some(Microversion::MIN)),
        (MAXIMUM, Some(Microversion::MAX)),
        (USED, used),
    ] {
        if let Some(value) = version.and_then(header_value) {
            headers.insert(name, value);
        }
    }
    response
}

/// A version as header value. Almost all are the minimum or the maximum.
fn header_value(version: Microversion) -> Option<HeaderValue> {
    static ENDS: LazyLock<[(Microversion, Option<HeaderValue>); 2]> =
        LazyLock::new(|| [Microversion::MIN, Microversion::MAX].map(|end| (end, written(end))));
    match ENDS.iter().find(|(end, _)| *end == version) {
        Some((_, value)) => value.clone(),
        None => written(version),
    }
}

fn written(version: Microversion) -> Option<HeaderValue> {
    HeaderValue::from_str(&version.to_string()).ok()
}

/// The version that a client requests, if it is supported.
pub(super) fn named(headers: &HeaderMap) -> Option<Microversion> {
    let names_any = headers.contains_key(SHARED) || headers.contains_key(USED);
    requested(headers).ok().filter(|_| names_any)
}

/// The shared header takes precedence over Ironic's, as in Ironic.
fn requested(headers: &HeaderMap) -> Result<Microversion, VersionError> {
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned);
    for value in headers.get_all(SHARED) {
        let value = text(value).map_err(|_| VersionError::Malformed)?;
        for part in value.split(',').rev() {
            let mut words = part.split_whitespace();
            if words
                .next()
                .is_some_and(|service| service.eq_ignore_ascii_case("baremetal"))
            {
                return Microversion::negotiate(words.next().unwrap_or_default());
            }
        }
    }
    match headers.get(USED) {
        Some(value) => Microversion::negotiate(&text(value).map_err(|_| VersionError::Malformed)?),
        None => Ok(Microversion::MIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(HeaderName, &'static str)]) -> Result<Microversion, VersionError> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        requested(&headers)
    }

    #[test]
    fn version_is_read_from_both_headers() {
        assert_eq!(of(&[]), Ok(Microversion::MIN));
        assert_eq!(of(&[(USED, "1.50")]), Ok(Microversion::new(50)));
        assert_eq!(of(&[(SHARED, "baremetal 1.50")]), Ok(Microversion::new(50)));
        assert_eq!(
            of(&[(SHARED, "compute 2.1, baremetal latest")]),
            Ok(Microversion::MAX)
        );
        assert_eq!(
            of(&[(SHARED, "compute 2.1"), (USED, "1.31")]),
            Ok(Microversion::new(31))
        );
        assert_eq!(
            of(&[(SHARED, "baremetal 1.50"), (USED, "1.31")]),
            Ok(Microversion::new(50))
        );
        assert_eq!(of(&[(USED, "abc")]), Err(VersionError::Malformed));
    }
}
