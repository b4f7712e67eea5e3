//! Files that machines can fetch from a web server: a directory and its URL.

use std::collections::BTreeMap;

use ironpxe_core::boot::{ImageFile, ImageUrl, ParseImageUrlError};

/// The URLs of directories: `file:///shared/html/` → `http://192.0.2.1:8088/`
/// (`[beside]file_urls`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FileUrls(pub BTreeMap<String, String>);

impl FileUrls {
    /// The directory of the file, and the file's URL; `None` if no directory has one. Of nested
    /// directories, the innermost one.
    pub(super) fn of(
        &self,
        file: &ImageFile,
    ) -> Option<(&str, Result<ImageUrl, ParseImageUrlError>)> {
        let inside = |prefix: &String| {
            let directory = prefix.strip_prefix("file://").unwrap_or(prefix);
            let rest = file.path().strip_prefix(directory.trim_end_matches('/'))?;
            rest.strip_prefix('/')
        };
        let found = self
            .0
            .iter()
            .filter_map(|(prefix, url)| Some((prefix, url, inside(prefix)?)));
        let (prefix, url, rest) = found.max_by_key(|(prefix, ..)| prefix.len())?;
        let url = format!("{}/{rest}", url.trim_end_matches('/'));
        Some((prefix, ImageUrl::parse(&url)))
    }
}

#[cfg(test)]
mod tests {
    use ironpxe_core::boot::ImageRef;

    use super::*;

    #[test]
    fn url_of_a_file_is_that_of_the_innermost_directory() {
        let urls = [
            ("file:///shared/html/", "http://192.0.2.1:8088/"),
            ("file:///shared/html/images", "http://192.0.2.2"),
            ("/srv", "http://192.0.2.3/srv/"),
        ];
        let urls = urls.map(|(prefix, url)| (prefix.to_owned(), url.to_owned()));
        let urls = FileUrls(BTreeMap::from(urls));
        for (file, expected) in [
            (
                "/shared/html/ipa.kernel",
                Some("http://192.0.2.1:8088/ipa.kernel"),
            ),
            ("/shared/html/images/a/b", Some("http://192.0.2.2/a/b")),
            (
                "/shared/html/images-2/a",
                Some("http://192.0.2.1:8088/images-2/a"),
            ),
            ("/srv/a", Some("http://192.0.2.3/srv/a")),
            ("/srv2/a", None),
            ("/shared/html", None),
            ("/shared/other", None),
        ] {
            let Ok(ImageRef::File(image)) = ImageRef::parse(&format!("file://{file}")) else {
                panic!("{file}");
            };
            let url = urls.of(&image).map(|(_, url)| url.unwrap());
            assert_eq!(url.as_ref().map(ImageUrl::as_str), expected, "{file}");
        }
    }
}
