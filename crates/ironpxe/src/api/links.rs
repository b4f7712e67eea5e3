//! Links to resources.

use serde_json::{Value, json};

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

#[cfg(test)]
mod tests {
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
}
