//! Credentials as keys of caches: neither kept nor compared in the clear.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ident;

/// HMAC-SHA-256 with a key of this process, so that neither a dump of a cache nor the time of a
/// look-up reveals a credential.
#[derive(Clone)]
pub(super) struct KeyedHash(Hmac<Sha256>);

/// The hash of a credential.
pub(super) type Digest = [u8; 32];

impl KeyedHash {
    pub(super) fn new() -> Self {
        let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (place, byte) in key.iter_mut().zip(ident::secret().bytes()) {
            *place = byte;
        }
        Self(Hmac::new(&key))
    }

    /// The hash of a credential that is used in one of several ways.
    pub(super) fn of(&self, used_as: u8, credential: &[u8]) -> Digest {
        let mut hash = self.0.clone();
        hash.update(&[used_as]);
        hash.update(credential);
        hash.finalize().into_bytes().into()
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash")
    }
}
