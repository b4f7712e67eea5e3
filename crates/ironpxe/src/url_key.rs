//! The keys of signed URLs, by which a machine proves that this service handed it a URL: of images
//! ([`crate::images`]) and of scripts and kickstarts ([`crate::boot`]).

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A key that signs and verifies; the same in all replicas.
#[derive(Clone)]
pub(crate) struct UrlKey(Hmac<Sha256>);

impl std::fmt::Debug for UrlKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UrlKey(***)")
    }
}

impl UrlKey {
    /// Accepts a secret of any length.
    pub(crate) fn new(secret: &str) -> Self {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        let digest = Sha256::digest(secret.as_bytes());
        for (to, from) in block.iter_mut().zip(digest) {
            *to = from;
        }
        Self(Hmac::new(&block))
    }

    /// The signature of these parts, to finish or to compare in constant time. A signature for one
    /// `purpose` is invalid for all others. Neither the purpose nor a part contains a line feed.
    pub(crate) fn sign(&self, purpose: &str, parts: &[&str]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(purpose.as_bytes());
        for part in parts {
            mac.update(b"\n");
            mac.update(part.as_bytes());
        }
        mac
    }
}
