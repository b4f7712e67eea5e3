//! `[beside]file_urls`: URLs of files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use ironpxe_core::boot::FileUrls as Urls;

use super::endpoint::Endpoint;

const SCHEME: &str = "file://";

/// URLs of files: a `file://` URL of a directory or file, and the URL at which a web server has the
/// same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(
    try_from = "BTreeMap<String, Endpoint>",
    into = "BTreeMap<String, String>"
)]
pub(crate) struct FileUrls(pub Urls);

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
            if urls.insert(format!("{SCHEME}{path}"), url.0).is_some() {
                return Err(format!("{prefix:?} is there twice"));
            }
        }
        Ok(Self(Urls(urls)))
    }
}

impl From<FileUrls> for BTreeMap<String, String> {
    fn from(FileUrls(Urls(urls)): FileUrls) -> Self {
        urls
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
    fn keys_must_be_file_urls() {
        for wrong in ["/shared", "file://host/x", "http://h/", "file:///x?y"] {
            let said = urls(&[(wrong, "http://h")]).unwrap_err();
            assert!(said.contains("is no file:// URL"), "{said}");
        }
        let twice = urls(&[("file:///x", "http://h"), ("file:///x/", "http://i")]);
        assert!(twice.unwrap_err().contains("there twice"));
    }
}
