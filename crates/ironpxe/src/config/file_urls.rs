//! `[beside]file_urls`: URLs of files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;

const SCHEME: &str = "file://";

/// URLs of files: a `file://` URL of a directory or file, and the URL at which a web server has the
/// same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Endpoint>")]
pub(crate) struct FileUrls(pub BTreeMap<String, Endpoint>);

impl TryFrom<BTreeMap<String, Endpoint>> for FileUrls {
    type Error = String;

    fn try_from(written: BTreeMap<String, Endpoint>) -> Result<Self, Self::Error> {
        let mut urls = BTreeMap::new();
        for (prefix, url) in written {
            let path = prefix.strip_prefix(SCHEME).unwrap_or_default();
            if !path.starts_with('/') || path.contains(['?', '#']) {
                return Err(format!(
                    "{prefix:?} is no file:// URL of an absolute path, as in \
                     \"file:///shared/html/\" = \"http://192.0.2.10:8088/\""
                ));
            }
            let path = path.trim_end_matches('/');
            if urls.insert(format!("{SCHEME}{path}"), url).is_some() {
                return Err(format!("{prefix:?} is there twice"));
            }
        }
        Ok(Self(urls))
    }
}

impl FileUrls {
    /// The URL of a `file://` image, by the longest path that contains it.
    pub(crate) fn url(&self, image: &str) -> Option<String> {
        let mut prefix = image.trim_end_matches('/');
        loop {
            if let Some(Endpoint(url)) = self.0.get(prefix) {
                let rest = image.get(prefix.len()..).unwrap_or_default();
                return Some(format!("{url}{rest}"));
            }
            prefix = prefix.rsplit_once('/')?.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(pairs: &[(&str, &str)]) -> Result<FileUrls, String> {
        let pairs = pairs.iter().map(|(prefix, url)| {
            let url = Endpoint::try_from((*url).to_owned()).unwrap();
            ((*prefix).to_owned(), url)
        });
        FileUrls::try_from(pairs.collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn longest_directory_counts_and_names_are_whole() {
        let urls = urls(&[
            ("file:///shared/html/", "http://h:1/"),
            ("file:///shared/html/images", "http://h:2/i"),
            ("file:///one/kernel", "http://h:3/k"),
        ])
        .unwrap();
        for (image, url) in [
            (
                "file:///shared/html/ipa.kernel",
                Some("http://h:1/ipa.kernel"),
            ),
            ("file:///shared/html/images/a/b", Some("http://h:2/i/a/b")),
            (
                "file:///shared/html/images2/a",
                Some("http://h:1/images2/a"),
            ),
            ("file:///one/kernel", Some("http://h:3/k")),
            ("file:///one/kernel2", None),
            ("file:///shared/htm", None),
            ("http://shared/html/x", None),
        ] {
            assert_eq!(urls.url(image).as_deref(), url, "{image}");
        }
        let whole = self::urls(&[("file:///", "http://h")]).unwrap();
        assert_eq!(whole.url("file:///a/b").as_deref(), Some("http://h/a/b"));
    }

    #[test]
    fn keys_must_be_file_urls() {
        for wrong in ["/shared", "file://host/x", "http://h/", "file:///x?y"] {
            let said = urls(&[(wrong, "http://h")]).unwrap_err();
            assert!(said.contains("is no file:// URL"), "{said}");
        }
        let twice = urls(&[("file:///x", "http://h"), ("file:///x/", "http://i")]);
        assert!(twice.unwrap_err().contains("there twice"));
    }
}
