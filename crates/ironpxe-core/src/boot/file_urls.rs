//! Files that machines fetch from a web server instead of from this service.

use std::collections::BTreeMap;

use super::reference::{ImageFile, ImageUrl, ParseImageUrlError};

const SCHEME: &str = "file://";

/// The URLs at which a web server has the files of a directory: `file:///shared/html` →
/// `http://192.0.2.1:8088` (`[beside]file_urls`). Both without a trailing slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileUrls(pub BTreeMap<String, String>);

impl FileUrls {
    /// The URL of a file, by the longest path that contains it; `None` if none does.
    pub fn url(&self, file: &ImageFile) -> Option<Result<ImageUrl, ParseImageUrlError>> {
        let mut prefix = file.path();
        loop {
            if let Some(url) = self.0.get(&format!("{SCHEME}{prefix}")) {
                let rest = file.path().get(prefix.len()..).unwrap_or_default();
                return Some(ImageUrl::parse(&format!("{url}{rest}")));
            }
            prefix = prefix.rsplit_once('/')?.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::ImageRef;

    fn url_of(urls: &FileUrls, file: &str) -> Option<String> {
        let Ok(ImageRef::File(image)) = ImageRef::parse(&format!("file://{file}")) else {
            panic!("{file}");
        };
        let url = urls.url(&image)?;
        Some(url.map_or_else(|error| error.to_string(), |url| url.as_str().to_owned()))
    }

    #[test]
    fn longest_directory_counts_and_names_are_whole() {
        let urls = [
            ("file:///shared/html", "http://h:1"),
            ("file:///shared/html/images", "http://h:2/i"),
            ("file:///one/kernel", "http://h:3/k"),
        ];
        let urls = urls.map(|(prefix, url)| (prefix.to_owned(), url.to_owned()));
        let urls = FileUrls(BTreeMap::from(urls));
        for (file, url) in [
            ("/shared/html/ipa.kernel", Some("http://h:1/ipa.kernel")),
            ("/shared/html/images/a/b", Some("http://h:2/i/a/b")),
            ("/shared/html/images2/a", Some("http://h:1/images2/a")),
            ("/shared/html/a b", Some("contains a space; write %20")),
            ("/one/kernel", Some("http://h:3/k")),
            ("/one/kernel2", None),
            ("/shared/htm", None),
        ] {
            assert_eq!(url_of(&urls, file).as_deref(), url, "{file}");
        }
        let root = BTreeMap::from([("file://".to_owned(), "http://h".to_owned())]);
        let url = url_of(&FileUrls(root), "/a/b");
        assert_eq!(url.as_deref(), Some("http://h/a/b"));
    }
}
