//! References to images: a URL that iPXE can download from, a Glance image ID, or a file path.
//!
//! Source: Ironic's `common/image_service.py` (`get_image_service`) and
//! `common/glance_service/service_utils.py` (`is_glance_image`).

// Addresses alone do no I/O.
use core::net::{Ipv4Addr, Ipv6Addr};
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::text;
use crate::mask::mask_urls;

/// The URL of an image, valid as a single word in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUrl(String);

/// Why iPXE cannot download from a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseImageUrlError {
    /// Not `http://` or `https://` with a host.
    #[error("must be an http:// or https:// URL with a host")]
    Scheme,
    /// A part of it would be interpreted by iPXE.
    #[error("{0}")]
    Text(&'static str),
    /// Longer than any useful URL.
    #[error("longer than 2000 bytes")]
    TooLong,
}

impl ImageUrl {
    /// Parses a URL that iPXE can download from unchanged.
    ///
    /// Surrounding white space is ignored; multi-line texts in YAML have it.
    pub fn parse(url: &str) -> Result<Self, ParseImageUrlError> {
        let url = url.trim_ascii();
        if url.len() > 2000 {
            return Err(ParseImageUrlError::TooLong);
        }
        if url.contains(' ') {
            return Err(ParseImageUrlError::Text("contains a space; write %20"));
        }
        if let Some(problem) = text::word_problem(url) {
            return Err(ParseImageUrlError::Text(problem));
        }
        let scheme_ends = url.find("://").ok_or(ParseImageUrlError::Scheme)?;
        let (scheme, rest) = url.split_at(scheme_ends);
        let rest = rest.trim_start_matches("://");
        let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        if !known || rest.is_empty() || rest.starts_with(['/', '?', '#', ':']) {
            return Err(ParseImageUrlError::Scheme);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if let Some(problem) = authority_problem(authority) {
            return Err(ParseImageUrlError::Text(problem));
        }
        Ok(Self(url.to_owned()))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it needs TLS.
    pub fn is_https(&self) -> bool {
        strip_scheme(&self.0, "https").is_some()
    }
}

/// Masked for display: without passwords or signatures. [`ImageUrl::as_str`] has the original.
impl fmt::Display for ImageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_urls(&self.0))
    }
}

/// A reference to an image, in a field or a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageRef {
    /// `http://…` or `https://…`.
    Http(ImageUrl),
    /// A UUID, or `glance://` and a UUID: an image in Glance.
    Glance(GlanceImage),
    /// `file://` and an absolute path.
    File(ImageFile),
}

/// An image in Glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlanceImage {
    /// Its id.
    pub id: Uuid,
    /// The original text.
    text: String,
}

/// An image in a local file of the service's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// The original text, with `file://`.
    text: String,
}

/// Why a text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseImageError {
    /// None of the forms of a reference.
    #[error("must be an http:// or https:// URL, the UUID of a Glance image, or file:///PATH")]
    Form,
    /// A URL that iPXE cannot download from.
    #[error(transparent)]
    Url(#[from] ParseImageUrlError),
    /// A file path that is not in canonical form.
    #[error("file path: {0}")]
    Path(&'static str),
}

impl ImageRef {
    /// Parses a reference. Surrounding white space is ignored.
    pub fn parse(text: &str) -> Result<Self, ParseImageError> {
        const LONGEST: usize = 2000;
        let text = text.trim_ascii();
        if text.len() > LONGEST {
            return Err(ParseImageUrlError::TooLong.into());
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
            Err(ParseImageUrlError::Scheme) => Err(ParseImageError::Form),
            Err(error) => Err(error.into()),
        }
    }

    /// The original reference without surrounding white space.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Http(url) => url.as_str(),
            Self::Glance(image) => &image.text,
            Self::File(file) => &file.text,
        }
    }

    /// The URL, if the reference is one.
    pub fn url(&self) -> Option<&ImageUrl> {
        match self {
            Self::Http(url) => Some(url),
            Self::Glance(_) | Self::File(_) => None,
        }
    }
}

/// Masked for display: without passwords or signatures. [`ImageRef::as_str`] has the original.
impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_urls(self.as_str()))
    }
}

impl ImageFile {
    /// The absolute path: no component is empty, `.` or `..`. It is literal, as in Ironic: `%` has
    /// no special meaning.
    pub fn path(&self) -> &str {
        strip_scheme(&self.text, "file").unwrap_or_default()
    }
}

/// Checks the authority of a URL, `user:password@host:port`.
///
/// Source: RFC 3986, section 3.2. Host names may have `_`, which resolvers accept.
pub(super) fn authority_problem(authority: &str) -> Option<&'static str> {
    const BRACKETS: &str =
        "an IPv6 address needs brackets in a URL, as in http://[2001:db8::1]:6385";
    let server = authority.rsplit_once('@').map_or(authority, |(_, it)| it);
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else {
                return Some(BRACKETS);
            };
            if address.parse::<Ipv6Addr>().is_err() {
                return Some("the text in brackets is not an IPv6 address");
            }
            match port.strip_prefix(':') {
                Some(port) => (None, Some(port)),
                None if port.is_empty() => (None, None),
                None => return Some("only a colon and a port may follow ]"),
            }
        }
        None => match server.split_once(':') {
            Some((_, port)) if port.contains(':') => return Some(BRACKETS),
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(server), None),
        },
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if port.is_some_and(|port| !is_port(port)) {
        return Some("its port must be a number from 1 to 65535");
    }
    let host = host?;
    let is_name = host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if host.is_empty() || !is_name {
        return Some("its host must be an address, or a name of letters, digits, - . and _");
    }
    let last = host.trim_end_matches('.').rsplit('.').next()?;
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && host.parse::<Ipv4Addr>().is_err())
        .then_some("its host is neither an IPv4 address nor a name")
}

/// The rest of the text after `scheme://`.
fn strip_scheme<'t>(text: &'t str, scheme: &str) -> Option<&'t str> {
    let (head, rest) = text.split_once("://")?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Parses a UUID in the hyphenated form that Glance uses.
fn hyphenated(text: &str) -> Option<Uuid> {
    const LENGTH: usize = 36;
    (text.len() == LENGTH).then(|| Uuid::try_parse(text).ok())?
}

fn check_path(path: &str) -> Result<(), ParseImageError> {
    let Some(parts) = path.strip_prefix('/') else {
        return Err(ParseImageError::Path(
            "must be absolute, as in file:///srv/images/kernel",
        ));
    };
    if path.chars().any(char::is_control) {
        return Err(ParseImageError::Path("contains a control character"));
    }
    if parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(ParseImageError::Path("no component may be empty, . or .."));
    }
    Ok(())
}

/// What an image is used for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "lowercase")]
pub enum ImageKind {
    /// The kernel.
    Kernel,
    /// The ramdisk.
    Ramdisk,
    /// The ISO image.
    Iso,
    /// The first of the additional ramdisks.
    #[serde(rename = "extra_ramdisk_1")]
    #[strum(serialize = "extra_ramdisk_1")]
    ExtraRamdisk1,
    /// The second one.
    #[serde(rename = "extra_ramdisk_2")]
    #[strum(serialize = "extra_ramdisk_2")]
    ExtraRamdisk2,
    /// The third one.
    #[serde(rename = "extra_ramdisk_3")]
    #[strum(serialize = "extra_ramdisk_3")]
    ExtraRamdisk3,
    /// The fourth one.
    #[serde(rename = "extra_ramdisk_4")]
    #[strum(serialize = "extra_ramdisk_4")]
    ExtraRamdisk4,
}

impl ImageKind {
    /// All kinds.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The additional ramdisks of a plan, in their order.
    pub const EXTRA_RAMDISKS: [Self; 4] = [
        Self::ExtraRamdisk1,
        Self::ExtraRamdisk2,
        Self::ExtraRamdisk3,
        Self::ExtraRamdisk4,
    ];

    /// The name in the URLs of images.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Parses the name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8e8a4c1c-0d5f-4b1e-9f0a-3b1f6f0d7a11";

    #[test]
    fn image_reference_is_a_url_a_glance_id_or_a_file() {
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
    fn url_host_must_be_an_address_or_a_name() {
        for url in [
            "http://[2001:db8::139]:6180/k",
            "http://[::1]",
            "http://192.0.2.1:6385/k",
            "http://a_b.example:80",
            "http://localhost./k",
            "http://u:p@192.0.2.1/k",
            "http://u@[::1]:8080/k",
            "http://9front/k",
            "http://h/a:b:c@d",
            "https://h?x=[",
        ] {
            assert_eq!(ImageUrl::parse(url).map(|it| it.0), Ok(url.to_owned()));
        }
        for (url, says) in [
            (
                "http://2001:db8::139:6180",
                "an IPv6 address needs brackets",
            ),
            ("http://2001:db8::1/k", "an IPv6 address needs brackets"),
            ("http://::1/k", "with a host"),
            ("http://fe80::1", "an IPv6 address needs brackets"),
            ("http://[2001:db8::1/k", "an IPv6 address needs brackets"),
            ("http://[fe80::1%eth0]/k", "not an IPv6 address"),
            ("http://[192.0.2.1]/k", "not an IPv6 address"),
            ("http://[::1]6385/k", "only a colon and a port"),
            ("http://h:0/k", "from 1 to 65535"),
            ("http://h:/k", "from 1 to 65535"),
            ("http://h:65536/k", "from 1 to 65535"),
            ("http://h:+80/k", "from 1 to 65535"),
            ("http://h:80x/k", "from 1 to 65535"),
            ("http://u:p/w@h/k", "from 1 to 65535"),
            ("http://u@/k", "its host must be"),
            ("http://<host>/k", "its host must be"),
            ("http://h,i/k", "its host must be"),
            ("http://192.0.2.300/k", "neither an IPv4 address nor a name"),
            ("http://192.0.2/k", "neither an IPv4 address nor a name"),
        ] {
            let said = ImageUrl::parse(url).unwrap_err().to_string();
            assert!(said.contains(says), "{url}: {said}");
        }
    }

    #[test]
    fn leading_and_trailing_white_space_is_ignored() {
        for text in ["http://h/i", ID, "file:///srv/i"] {
            let padded = format!("\n \t{text}\r\n");
            assert_eq!(ImageRef::parse(&padded), ImageRef::parse(text), "{text}");
            assert_eq!(ImageRef::parse(&padded).unwrap().as_str(), text);
        }
        let url = ImageUrl::parse("http://h/i\n").unwrap();
        assert_eq!(url.as_str(), "http://h/i");
        let inside = ImageUrl::parse("http://h/i\n/x").unwrap_err().to_string();
        assert!(inside.contains("a line feed"), "{inside}");
    }

    #[test]
    fn invalid_image_reference_is_refused_with_the_expected_forms() {
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
            assert_eq!(
                ImageRef::parse(text),
                Err(ParseImageError::Form),
                "{text:?}"
            );
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
            "file:///a\n/b",
            "file:///a\0",
        ] {
            let error = ImageRef::parse(text).unwrap_err();
            assert!(
                matches!(error, ParseImageError::Path(_)),
                "{text:?}: {error}"
            );
        }
        assert!(ImageRef::parse("http://h/a b").is_err());
        let long = format!("file:///{}", "a".repeat(3000));
        assert!(ImageRef::parse(&long).is_err());
    }
}
