//! Signed URLs of images that this service relays.
//!
//! A signed URL has the node, the kind and a tag of the image, and an expiry. So it gives access to
//! no other image, and only as long as that node's machine would boot the same image.

use std::fmt::Write;
use std::time::Duration;

use hmac::{Hmac, Mac};
use ironpxe_core::boot::{ImageKind, ImageRef, ImageUrl};
use ironpxe_core::id::NodeUuid;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::url_key::UrlKey;

/// What the signatures are for.
const PURPOSE: &str = "ironpxe image 1";

/// The content of a URL with a valid signature that has not expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifiedUrl {
    /// The node.
    pub node: NodeUuid,
    /// What the node's machine uses the image for.
    pub kind: ImageKind,
    tag: String,
}

/// Why a URL is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    /// The signature is invalid.
    #[error("The signature of this image URL is invalid.")]
    Forged,
    /// The URL has expired.
    #[error("The URL of this image has expired; boot again to get a new one.")]
    Expired,
}

/// Makes and verifies URLs.
#[derive(Debug, Clone)]
pub(super) struct UrlSigner {
    pub(super) key: UrlKey,
    /// The base URL, without a trailing slash.
    pub(super) base: String,
    pub(super) lifetime: Duration,
}

/// The parts of a URL after `/v1/images/`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    /// The node.
    pub node: &'a str,
    /// What the machine uses the image for.
    pub kind: &'a str,
    /// The tag of the image.
    pub tag: &'a str,
    /// The expiry, in seconds since 1970.
    pub expires: &'a str,
    /// The signature.
    pub signature: &'a str,
    /// The image's name; only for firmware.
    pub name: &'a str,
}

impl UrlSigner {
    /// The URL of a node's image, and its expiry.
    pub(super) fn url(
        &self,
        node: NodeUuid,
        kind: ImageKind,
        image: &ImageRef,
        name: &str,
        now: OffsetDateTime,
    ) -> Option<(ImageUrl, OffsetDateTime)> {
        let until = now + self.lifetime;
        let expires = until.unix_timestamp();
        let (node, tag) = (node.to_string(), tag(image));
        let (kind, expires) = (kind.name(), expires.to_string());
        let mac = self.mac([&node, kind, &tag, &expires, name]);
        let signature = hex(&mac.finalize().into_bytes());
        self.assemble(&[&node, kind, &tag, &expires, &signature, name])
            .map(|url| (url, until))
    }

    /// A URL as long as a real one with an invalid signature, for previews.
    pub(super) fn example(
        &self,
        node: NodeUuid,
        kind: ImageKind,
        image: &ImageRef,
        name: &str,
    ) -> Option<ImageUrl> {
        let unsigned = "0".repeat(64);
        let (node, tag) = (node.to_string(), tag(image));
        self.assemble(&[&node, kind.name(), &tag, "0000000000", &unsigned, name])
    }

    fn assemble(&self, parts: &[&str]) -> Option<ImageUrl> {
        let url = format!("{}/v1/images/{}", self.base, parts.join("/"));
        ImageUrl::parse(&url).ok()
    }

    /// Verifies the signature and the expiry of a URL.
    pub(super) fn verify(
        &self,
        parts: Parts<'_>,
        now: OffsetDateTime,
    ) -> Result<VerifiedUrl, UrlError> {
        let Parts {
            node,
            kind,
            tag,
            expires,
            signature,
            name,
        } = parts;
        let signature = bytes(signature).ok_or(UrlError::Forged)?;
        // The other parts are only trusted with a valid signature.
        self.mac([node, kind, tag, expires, name])
            .verify_slice(&signature)
            .map_err(|_| UrlError::Forged)?;
        let forged = |_| UrlError::Forged;
        let node = node.parse().map_err(|_| UrlError::Forged)?;
        let kind = ImageKind::from_name(kind).ok_or(UrlError::Forged)?;
        let expires: i64 = expires.parse().map_err(forged)?;
        if now.unix_timestamp() >= expires {
            return Err(UrlError::Expired);
        }
        let tag = tag.to_owned();
        Ok(VerifiedUrl { node, kind, tag })
    }

    fn mac(&self, parts: [&str; 5]) -> Hmac<Sha256> {
        // No part of a URL's path contains a line feed.
        self.key.sign(PURPOSE, &parts)
    }
}

impl VerifiedUrl {
    /// Whether the URL was made for this image.
    pub(crate) fn is_for(&self, image: &ImageRef) -> bool {
        self.tag == tag(image)
    }
}

/// Identifies an image without revealing its location.
fn tag(image: &ImageRef) -> String {
    let mut digits = hex(&Sha256::digest(image.as_str().as_bytes()));
    digits.truncate(16);
    digits
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Decodes lower-case hexadecimal digits.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "ee490fb7-d420-4b2f-8153-8a674b930740";
    const NOW: i64 = 1_800_000_000;

    fn signer(secret: &str) -> UrlSigner {
        UrlSigner {
            key: UrlKey::new(secret),
            base: "http://10.0.0.1:6385".into(),
            lifetime: Duration::from_mins(1),
        }
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn kernel() -> ImageRef {
        ImageRef::parse("file:///srv/images/kernel").unwrap()
    }

    fn url() -> String {
        let made = signer("k").url(
            NODE.parse().unwrap(),
            ImageKind::Kernel,
            &kernel(),
            "kernel",
            at(NOW),
        );
        let (url, until) = made.unwrap();
        assert_eq!(until, at(NOW + 60));
        url.as_str().to_owned()
    }

    fn parts(url: &str) -> Parts<'_> {
        let (_, path) = url.split_once("/v1/images/").unwrap();
        let [node, kind, tag, expires, signature, name] =
            path.split('/').collect::<Vec<_>>().try_into().unwrap();
        Parts {
            node,
            kind,
            tag,
            expires,
            signature,
            name,
        }
    }

    #[test]
    fn url_is_valid_until_it_expires() {
        let url = url();
        assert!(
            url.ends_with("/kernel") && !url.contains(['%', '?', '&', '+', '=']),
            "{url}"
        );
        let verified = signer("k").verify(parts(&url), at(NOW + 59)).unwrap();
        assert_eq!(verified.node.to_string(), NODE);
        assert_eq!(verified.kind, ImageKind::Kernel);
        assert!(verified.is_for(&kernel()));
        assert!(!verified.is_for(&ImageRef::parse("file:///etc/shadow").unwrap()));
        let over = signer("k").verify(parts(&url), at(NOW + 60));
        assert_eq!(over, Err(UrlError::Expired));
    }

    #[test]
    fn changed_url_is_refused() {
        let url = url();
        let good = parts(&url);
        let other = "11111111-2222-4333-8444-555555555555";
        let short = good.signature.get(..32).unwrap();
        let longer = format!("{}00", good.signature);
        let upper = good.signature.to_ascii_uppercase();
        for (what, bad) in [
            (
                "node",
                Parts {
                    node: other,
                    ..good
                },
            ),
            (
                "kind",
                Parts {
                    kind: "ramdisk",
                    ..good
                },
            ),
            (
                "tag",
                Parts {
                    tag: "0000000000000000",
                    ..good
                },
            ),
            (
                "expires",
                Parts {
                    expires: "1900000000",
                    ..good
                },
            ),
            ("name", Parts { name: "x", ..good }),
            (
                "no signature",
                Parts {
                    signature: "",
                    ..good
                },
            ),
            (
                "half a signature",
                Parts {
                    signature: short,
                    ..good
                },
            ),
            (
                "more signature",
                Parts {
                    signature: &longer,
                    ..good
                },
            ),
            (
                "upper case",
                Parts {
                    signature: &upper,
                    ..good
                },
            ),
            (
                "no digits",
                Parts {
                    signature: "zz",
                    ..good
                },
            ),
        ] {
            let got = signer("k").verify(bad, at(NOW));
            assert_eq!(got, Err(UrlError::Forged), "{what}");
        }
        assert_eq!(signer("other").verify(good, at(NOW)), Err(UrlError::Forged));
    }

    #[test]
    fn example_url_has_the_same_length_and_is_refused() {
        let real = url();
        let example = signer("k").example(
            NODE.parse().unwrap(),
            ImageKind::Kernel,
            &kernel(),
            "kernel",
        );
        let example = example.unwrap();
        assert_eq!(example.as_str().len(), real.len());
        let got = signer("k").verify(parts(example.as_str()), at(0));
        assert_eq!(got, Err(UrlError::Forged));
    }
}
