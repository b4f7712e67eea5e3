//! Links to resources.

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, header};
use serde_json::{Value, json};

use crate::api::settings::Settings;

/// The base of links: the service's public URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Links {
    /// Scheme, host and port, without a trailing slash.
    pub(crate) base: String,
}

impl Links {
    /// The versioned URL of `path`, for example `nodes/<uuid>`.
    pub(crate) fn v1(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.base)
    }

    /// `self` and `bookmark`, for the resource at `path`.
    pub(crate) fn pair(&self, path: &str) -> Value {
        json!([
            { "href": self.v1(path), "rel": "self" },
            { "href": format!("{}/{path}", self.base), "rel": "bookmark" },
        ])
    }
}

/// The base of links: the configured URL, or else the one that the client used.
pub(super) fn base(parts: &Parts, settings: &Settings) -> String {
    let base = settings.public_endpoint.clone();
    let base = base
        .unwrap_or_else(|| requested_base(settings.scheme, &parts.headers, parts.extensions.get()));
    base.trim_end_matches('/').to_owned()
}

/// The URL that the client used. An invalid host or port is not reflected.
fn requested_base(scheme: &str, headers: &HeaderMap, authority: Option<&Authority>) -> String {
    let host = authority.map(Authority::as_str);
    let host = host.or_else(|| headers.get(header::HOST)?.to_str().ok());
    let host = host.filter(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
    });
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn links_match_those_of_ironic() {
        let links = Links {
            base: "http://127.0.0.1:6385".to_owned(),
        };
        assert_eq!(
            links.pair("ports/x").to_string(),
            r#"[{"href":"http://127.0.0.1:6385/v1/ports/x","rel":"self"},{"href":"http://127.0.0.1:6385/ports/x","rel":"bookmark"}]"#
        );
    }

    #[test]
    fn links_begin_with_the_requested_host() {
        let mut headers = HeaderMap::new();
        assert_eq!(requested_base("http", &headers, None), "http://localhost");
        headers.insert(header::HOST, HeaderValue::from_static("[::1]:6385"));
        assert_eq!(requested_base("http", &headers, None), "http://[::1]:6385");
        headers.insert(header::HOST, HeaderValue::from_static("a\"><script>"));
        assert_eq!(requested_base("http", &headers, None), "http://localhost");
        assert_eq!(
            requested_base("https", &headers, Some(&"ironic:1".parse().unwrap())),
            "https://ironic:1"
        );
    }
}
