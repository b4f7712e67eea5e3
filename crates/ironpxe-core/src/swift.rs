//! Swift's temporary URLs: each gives read access to one object for a limited time, without
//! authentication.
//!
//! Firmware cannot authenticate, so a machine fetches a kernel that Glance keeps in Swift by such a
//! URL. Swift verifies an HMAC of method, expiry and path under a key that is stored in the account
//! (`X-Account-Meta-Temp-URL-Key`). The caller determines the expiry: nothing here reads the clock.
//!
//! Source: Swift's `tempurl` middleware; for the shape of the URL, Ironic's
//! `common/image_service.py`.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// The digest that signs a temporary URL. Swift recognizes it by the signature's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TempUrlDigest {
    /// Ironic's choice. Deprecated in Swift, whose configuration can reject it.
    Sha1,
    /// Supported since Swift 2.15 (2017).
    Sha256,
    /// Supported since Swift 2.15 (2017).
    Sha512,
}

/// The path of an object in Swift: `/v1/<account>/<container>/<object>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPath(String);

/// A name that would change the structure of the path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} cannot be used as the name of {what} in Swift: expected letters, digits and - . _ ~"
)]
pub struct NameError {
    what: &'static str,
    name: String,
}

impl ObjectPath {
    /// Joins the names. They are not encoded: names that would need it are rejected.
    pub fn new(account: &str, container: &str, object: &str) -> Result<Self, NameError> {
        let names = [
            ("an account", account),
            ("a container", container),
            ("an object", object),
        ];
        let mut path = String::from("/v1");
        for (what, name) in names {
            let harmless = |it: char| it.is_ascii_alphanumeric() || "-._~".contains(it);
            if matches!(name, "" | "." | "..") || !name.chars().all(harmless) {
                let name = name.to_owned();
                return Err(NameError { what, name });
            }
            path.push('/');
            path.push_str(name);
        }
        Ok(Self(path))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL for reading the object until `expires` (seconds since 1970) from the Swift at
    /// `endpoint` (scheme, host and port).
    pub fn temp_url(
        &self,
        endpoint: &str,
        key: &str,
        digest: TempUrlDigest,
        expires: i64,
    ) -> String {
        let Self(path) = self;
        let endpoint = endpoint.trim_end_matches('/');
        let signature = signature(key, digest, &format!("GET\n{expires}\n{path}"));
        format!("{endpoint}{path}?temp_url_sig={signature}&temp_url_expires={expires}")
    }
}

/// The container of the image, if Glance distributes its images over several
/// (`swift_store_multiple_containers_seed`): its name ends with the first `seed` digits of the
/// image's UUID. With 0 there is a single container.
pub fn glance_container(name: &str, seed: usize, image: &str) -> String {
    if seed == 0 {
        return name.to_owned();
    }
    let dashes = image.chars().take(seed).filter(|it| *it == '-').count();
    let digits: String = image.chars().take(seed + dashes).collect();
    format!("{name}_{digits}")
}

fn signature(key: &str, digest: TempUrlDigest, text: &str) -> String {
    match digest {
        TempUrlDigest::Sha1 => hmac::<Hmac<Sha1>>(key, text),
        TempUrlDigest::Sha256 => hmac::<Hmac<Sha256>>(key, text),
        TempUrlDigest::Sha512 => hmac::<Hmac<Sha512>>(key, text),
    }
}

fn hmac<M: Mac + KeyInit>(key: &str, text: &str) -> String {
    let mut hex = String::new();
    // HMAC accepts keys of any length.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key.as_bytes()) else {
        return hex;
    };
    mac.update(text.as_bytes());
    for byte in mac.finalize().into_bytes() {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn temporary_urls_match_those_of_ironic() {
        #[derive(serde::Deserialize)]
        struct Vector {
            key: String,
            path: String,
            seconds: i64,
            now: i64,
            result: String,
        }
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("swift/ironic-temp-urls.json")).unwrap();
        assert_eq!(vectors.len(), 2);
        for vector in vectors {
            let names: Vec<&str> = vector.path.split('/').collect();
            let path = ObjectPath::new(names[2], names[3], names[4]).unwrap();
            assert_eq!(path.as_str(), vector.path);
            let expires = vector.now + vector.seconds;
            let url = |endpoint| path.temp_url(endpoint, &vector.key, TempUrlDigest::Sha1, expires);
            let expected = format!("http://swift:8080{}", vector.result);
            assert_eq!(url("http://swift:8080"), expected);
            assert_eq!(url("http://swift:8080/"), expected);
        }
    }

    /// The expected signatures were made by `openssl dgst -hmac`.
    #[test]
    fn signature_of_each_digest_covers_method_expiry_and_path() {
        let path = ObjectPath::new("AUTH_x", "glance", "aa").unwrap();
        for (digest, expected) in [
            (
                TempUrlDigest::Sha1,
                "1d6c1f13156eba14bd550079f7711b367ca91250",
            ),
            (
                TempUrlDigest::Sha256,
                "5cfba53280180b07d1024f5015c9c49e57e1964186c94e56c226af6cb1de8a6e",
            ),
            (
                TempUrlDigest::Sha512,
                "0adaad75e4545695231ebf75c5d61dd580e8a07f6bafed03ac9d16fd89d194fb7dda367cfc5de209e6e9ba77861cf87c23ecbd86cd2167f391beec82c9315481",
            ),
        ] {
            assert_eq!(
                path.temp_url("https://s", "a key", digest, 1_700_001_200),
                format!(
                    "https://s/v1/AUTH_x/glance/aa?temp_url_sig={expected}\
                     &temp_url_expires=1700001200"
                )
            );
        }
    }

    #[test]
    fn name_that_would_change_the_url_path_is_refused() {
        for name in [
            "", ".", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "ä", "a&b",
        ] {
            for error in [
                ObjectPath::new(name, "c", "o").unwrap_err(),
                ObjectPath::new("a", name, "o").unwrap_err(),
                ObjectPath::new("a", "c", name).unwrap_err(),
            ] {
                assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
            }
        }
    }

    #[test]
    fn container_of_an_image_is_chosen_as_in_glance() {
        assert_eq!(glance_container("glance", 0, UUID), "glance");
        assert_eq!(glance_container("glance", 2, UUID), "glance_11");
        assert_eq!(glance_container("glance", 8, UUID), "glance_11111111");
        assert_eq!(glance_container("glance", 10, UUID), "glance_11111111-22");
        assert_eq!(glance_container("glance", 32, "a-b"), "glance_a-b");
    }
}
