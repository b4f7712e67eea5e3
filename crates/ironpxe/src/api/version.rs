//! Which version of the API a client speaks, and which ones it could.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use ironpxe_core::microversion::{Microversion, VersionRefused};

use crate::api::error::{ApiError, Failure};

const USED: HeaderName = HeaderName::from_static("x-openstack-ironic-api-version");
const MINIMUM: HeaderName = HeaderName::from_static("x-openstack-ironic-api-minimum-version");
const MAXIMUM: HeaderName = HeaderName::from_static("x-openstack-ironic-api-maximum-version");
/// The spelling that all services of the family share: `OpenStack-API-Version: baremetal 1.50`.
const SHARED: HeaderName = HeaderName::from_static("openstack-api-version");

/// The layer that negotiates.
pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    let at_root = request.uri().path() == "/";
    let (mut response, used) = match requested(request.headers()) {
        Ok(version) => {
            request.extensions_mut().insert(version);
            (next.run(request).await, Some(version))
        }
        Err(refused) => (ApiError::Version { refused, at_root }.into_response(), None),
    };
    let failure = response.extensions().get::<Failure>();
    if failure.is_some_and(|failure| failure.0.is_unversioned()) {
        return response;
    }
    let headers = response.headers_mut();
    let version = |version: Microversion| HeaderValue::from_str(&version.to_string());
    for (name, value) in [
        (MINIMUM, Some(Microversion::MIN)),
        (MAXIMUM, Some(Microversion::MAX)),
        (USED, used),
    ] {
        if let Some(Ok(value)) = value.map(version) {
            headers.insert(name, value);
        }
    }
    response
}

/// The shared spelling wins over Ironic's own, as in Ironic.
fn requested(headers: &HeaderMap) -> Result<Microversion, VersionRefused> {
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned);
    for value in headers.get_all(SHARED) {
        let value = text(value).map_err(|_| VersionRefused::Malformed)?;
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
        Some(value) => {
            Microversion::negotiate(&text(value).map_err(|_| VersionRefused::Malformed)?)
        }
        None => Ok(Microversion::MIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(HeaderName, &'static str)]) -> Result<Microversion, VersionRefused> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        requested(&headers)
    }

    #[test]
    fn both_spellings_are_read() {
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
        assert_eq!(of(&[(USED, "abc")]), Err(VersionRefused::Malformed));
    }
}
