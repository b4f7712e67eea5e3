//! How an image is named: by a URL that iPXE can download from, by its id in Glance, or by the path
//! of a file.
//!
//! Source: Ironic's `common/image_service.py` (`get_image_service`) and
//! `common/glance_service/service_utils.py` (`is_glance_image`).

use std::fmt;

use uuid::Uuid;

use super::text;

/// The URL of an image, fit to stand as one word in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUrl(String);

/// Why something cannot be downloaded by iPXE as an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnImageUrl {
    /// Not `http://` or `https://` with a host.
    #[error("it must be an http:// or https:// URL with a host")]
    Scheme,
    /// It holds something iPXE would act upon.
    #[error("{0}")]
    Text(&'static str),
    /// Longer than anything that is meant.
    #[error("it is longer than 2000 bytes")]
    TooLong,
}

impl ImageUrl {
    /// Takes a URL that iPXE can download from as it stands.
    pub fn parse(url: &str) -> Result<Self, NotAnImageUrl> {
        if url.len() > 2000 {
            return Err(NotAnImageUrl::TooLong);
        }
        if url.contains(' ') {
            return Err(NotAnImageUrl::Text("it holds a space; write %20"));
        }
        if let Some(problem) = text::word_problem(url) {
            return Err(NotAnImageUrl::Text(problem));
        }
        let scheme_ends = url.find("://").ok_or(NotAnImageUrl::Scheme)?;
        let (scheme, rest) = url.split_at(scheme_ends);
        let rest = rest.trim_start_matches("://");
        let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        if !known || rest.is_empty() || rest.starts_with(['/', '?', '#', ':']) {
            return Err(NotAnImageUrl::Scheme);
        }
        Ok(Self(url.to_owned()))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it takes TLS to fetch it.
    pub fn is_https(&self) -> bool {
        strip_scheme(&self.0, "https").is_some()
    }
}

impl fmt::Display for ImageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image, as fields and settings name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageRef {
    /// `http://…` or `https://…`.
    Http(ImageUrl),
    /// A UUID, or `glance://` and a UUID: an image of the image service.
    Glance(GlanceImage),
    /// `file://` and an absolute path.
    File(ImageFile),
}

/// An image of the image service (Glance), by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlanceImage {
    /// Its id.
    pub id: Uuid,
    /// As it was written.
    text: String,
}

/// An image in a file of the service's own host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// As it was written, with `file://`.
    text: String,
}

/// Why something names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnImage {
    /// No form of reference that there is.
    #[error(
        "it must be an http:// or https:// URL with a host, an image of Glance (its UUID, or \
         glance:// and its UUID), or file:// and an absolute path"
    )]
    Form,
    /// A URL iPXE cannot download from.
    #[error(transparent)]
    Url(#[from] NotAnImageUrl),
    /// A file's path that may lead elsewhere than it seems.
    #[error("the path of a file: {0}")]
    Path(&'static str),
}

impl ImageRef {
    /// Reads a reference.
    pub fn parse(text: &str) -> Result<Self, NotAnImage> {
        const LONGEST: usize = 2000;
        if text.len() > LONGEST {
            return Err(NotAnImageUrl::TooLong.into());
        }
        if let Some(path) = strip_scheme(text, "file") {
            check_path(path)?;
            let text = text.to_owned();
            return Ok(Self::File(ImageFile { text }));
        }
        let id = strip_scheme(text, "glance").unwrap_or(text);
        if let Some(id) = hyphenated(id) {
            let text = text.to_owned();
            return Ok(Self::Glance(GlanceImage { id, text }));
        }
        match ImageUrl::parse(text) {
            Ok(url) => Ok(Self::Http(url)),
            Err(NotAnImageUrl::Scheme) => Err(NotAnImage::Form),
            Err(error) => Err(error.into()),
        }
    }

    /// The reference, as it was written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Http(url) => url.as_str(),
            Self::Glance(image) => &image.text,
            Self::File(file) => &file.text,
        }
    }

    /// The URL, if that is what it is.
    pub fn url(&self) -> Option<&ImageUrl> {
        match self {
            Self::Http(url) => Some(url),
            Self::Glance(_) | Self::File(_) => None,
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ImageFile {
    /// The absolute path: no part of it is empty, `.` or `..`. What is in it is meant literally,
    /// as in Ironic: a `%` is a `%`.
    pub fn path(&self) -> &str {
        strip_scheme(&self.text, "file").unwrap_or_default()
    }
}

/// What follows `scheme://`.
fn strip_scheme<'t>(text: &'t str, scheme: &str) -> Option<&'t str> {
    let (head, rest) = text.split_once("://")?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// A UUID in the one form that Glance gives out.
fn hyphenated(text: &str) -> Option<Uuid> {
    const LENGTH: usize = 36;
    (text.len() == LENGTH).then(|| Uuid::try_parse(text).ok())?
}

fn check_path(path: &str) -> Result<(), NotAnImage> {
    let Some(parts) = path.strip_prefix('/') else {
        return Err(NotAnImage::Path(
            "it must be absolute, as in file:///srv/images/kernel",
        ));
    };
    if path.chars().any(char::is_control) {
        return Err(NotAnImage::Path("it holds a control character"));
    }
    if parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(NotAnImage::Path("no part of it may be empty, . or .."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8e8a4c1c-0d5f-4b1e-9f0a-3b1f6f0d7a11";

    #[test]
    fn an_image_is_named_in_one_of_three_ways() {
        for text in ["http://h/i", "HTTPS://h/i?x=1"] {
            let image = ImageRef::parse(text).unwrap();
            assert_eq!(image.url().map(ImageUrl::as_str), Some(text));
        }
        for text in [
            ID.to_owned(),
            format!("glance://{ID}"),
            ID.to_ascii_uppercase(),
        ] {
            let image = ImageRef::parse(&text).unwrap();
            let ImageRef::Glance(glance) = &image else {
                panic!("{image:?}")
            };
            assert_eq!(glance.id.to_string(), ID);
            assert_eq!(image.as_str(), text);
        }
        let ImageRef::File(file) = ImageRef::parse("file:///srv/i/a%20b c").unwrap() else {
            panic!()
        };
        assert_eq!(file.path(), "/srv/i/a%20b c");
    }

    #[test]
    fn what_names_no_image_is_told_how_to() {
        for text in [
            "",
            "kernel",
            "ftp://h/i",
            "glance://",
            "glance://x",
            "8e8a4c1c0d5f4b1e9f0a3b1f6f0d7a11",
            "{8e8a4c1c-0d5f-4b1e-9f0a-3b1f6f0d7a11}",
            "http://",
        ] {
            assert_eq!(ImageRef::parse(text), Err(NotAnImage::Form), "{text:?}");
        }
        for text in [
            "file://",
            "file://h/i",
            "file:///",
            "file:///a//b",
            "file:///a/../b",
            "file:///a/.",
            "file:///a/b/",
            "file:///a\nb",
            "file:///a\0",
        ] {
            let error = ImageRef::parse(text).unwrap_err();
            assert!(matches!(error, NotAnImage::Path(_)), "{text:?}: {error}");
        }
        assert!(ImageRef::parse("http://h/a b").is_err());
        let long = format!("file:///{}", "a".repeat(3000));
        assert!(ImageRef::parse(&long).is_err());
    }
}
