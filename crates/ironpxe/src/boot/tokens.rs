//! Boot tokens of this service: who gets a node's script and kickstart, if
//! `[pxe]boot_token_lifetime` is set (docs/boot-tokens.md).
//!
//! A token is valid for one node. It is verified with the key alone, before anything is read, so
//! that without a token nobody learns whether a node exists, not even by the time it takes.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::boot_token::{BootToken, SIGNATURE_BYTES};
use ironpxe_core::id::NodeUuid;
use time::OffsetDateTime;

use crate::url_key::UrlKey;

/// What the signatures are for.
const PURPOSE: &str = "ironpxe boot 1";
/// The same for the identifiers of keys.
const KEY_ID: &str = "ironpxe boot key id 1";
/// The length of an identifier in bytes.
const KEY_ID_BYTES: usize = 8;

/// Makes and verifies boot tokens. Clones share the keys.
#[derive(Debug, Clone)]
pub(crate) struct BootTokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Signs and verifies.
    current: UrlKey,
    /// Only verify.
    others: Vec<UrlKey>,
    lifetime: Duration,
}

/// The token in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum PresentedToken {
    /// None.
    #[default]
    Absent,
    /// Something that is no token.
    Malformed,
    /// A token, valid or not.
    Token(BootToken),
}

impl PresentedToken {
    /// Parses the argument of a URL.
    pub(super) fn parse(text: &str) -> Self {
        text.parse().map_or(Self::Malformed, Self::Token)
    }
}

/// Why a request is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// It has none.
    #[error("without a boot token")]
    Absent,
    /// It identifies the machine by an address, which anyone can know.
    #[error("by MAC address, which cannot have a boot token")]
    ByAddress,
    /// No key has signed it for this node.
    #[error("with a boot token that is forged or of another node or of a removed key")]
    Forged,
    /// Its time is over.
    #[error("with an expired boot token")]
    Expired,
}

impl BootTokens {
    /// `current` signs; `others` are accepted as well. Tokens are valid for `lifetime`.
    pub(crate) fn new(current: UrlKey, others: Vec<UrlKey>, lifetime: Duration) -> Self {
        Self(Arc::new(Inner {
            current,
            others,
            lifetime,
        }))
    }

    /// How long a token is valid.
    pub(crate) fn lifetime(&self) -> Duration {
        self.0.lifetime
    }

    /// A new token of this node.
    pub(crate) fn sign(&self, node: NodeUuid, now: OffsetDateTime) -> BootToken {
        let expires = now + self.0.lifetime;
        let expires = u64::try_from(expires.unix_timestamp()).unwrap_or_default();
        let whole = mac(&self.0.current, node, expires).finalize().into_bytes();
        let mut signature = [0; SIGNATURE_BYTES];
        for (to, from) in signature.iter_mut().zip(whole) {
            *to = from;
        }
        BootToken { expires, signature }
    }

    /// Whether a request about this machine has a valid token.
    pub(crate) fn verify(
        &self,
        machine: BootIdent,
        presented: PresentedToken,
        now: OffsetDateTime,
    ) -> Result<(), TokenError> {
        let token = match presented {
            PresentedToken::Absent => return Err(TokenError::Absent),
            PresentedToken::Malformed => return Err(TokenError::Forged),
            PresentedToken::Token(token) => token,
        };
        let BootIdent::Node(node) = machine else {
            return Err(TokenError::ByAddress);
        };
        let is_of = |key: &UrlKey| {
            let mac = mac(key, node, token.expires);
            mac.verify_truncated_left(&token.signature).is_ok()
        };
        if !self.keys().any(is_of) {
            return Err(TokenError::Forged);
        }
        // Only now it is known to be the expiry that was signed.
        let is_current =
            i64::try_from(token.expires).is_ok_and(|expires| now.unix_timestamp() < expires);
        if is_current {
            Ok(())
        } else {
            Err(TokenError::Expired)
        }
    }

    /// Identifies the key that signs, without revealing it.
    pub(crate) fn key_id(&self) -> String {
        key_id(&self.0.current)
    }

    /// Whether tokens of the key with this identifier are accepted.
    pub(crate) fn knows_key(&self, id: &str) -> bool {
        self.keys().any(|key| key_id(key) == id)
    }

    fn keys(&self) -> impl Iterator<Item = &UrlKey> {
        std::iter::once(&self.0.current).chain(&self.0.others)
    }
}

fn mac(key: &UrlKey, node: NodeUuid, expires: u64) -> hmac::Hmac<sha2::Sha256> {
    let mut buffer = uuid::Uuid::encode_buffer();
    let node = node.0.hyphenated().encode_lower(&mut buffer);
    key.sign(PURPOSE, &[node, &expires.to_string()])
}

fn key_id(key: &UrlKey) -> String {
    let whole = key.sign(KEY_ID, &[]).finalize().into_bytes();
    let first: Vec<u8> = whole.into_iter().take(KEY_ID_BYTES).collect();
    URL_SAFE_NO_PAD.encode(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "ee490fb7-d420-4b2f-8153-8a674b930740";
    const NOW: i64 = 1_800_000_000;

    fn tokens(current: &str, others: &[&str]) -> BootTokens {
        let others = others.iter().map(|it| UrlKey::new(it)).collect();
        BootTokens::new(UrlKey::new(current), others, Duration::from_mins(1))
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn node() -> NodeUuid {
        NODE.parse().unwrap()
    }

    fn presented(token: BootToken) -> PresentedToken {
        PresentedToken::Token(token)
    }

    #[test]
    fn token_is_valid_for_its_node_until_it_expires() {
        let tokens = tokens("k", &[]);
        let token = presented(tokens.sign(node(), at(NOW)));
        let verify = |machine, now| tokens.verify(machine, token, at(now));
        let machine = BootIdent::Node(node());
        assert_eq!(verify(machine, NOW), Ok(()));
        assert_eq!(verify(machine, NOW + 59), Ok(()));
        assert_eq!(verify(machine, NOW + 60), Err(TokenError::Expired));
        let other = BootIdent::Node("11111111-2222-4333-8444-555555555555".parse().unwrap());
        assert_eq!(verify(other, NOW), Err(TokenError::Forged));
        let address = BootIdent::Address("52:54:00:aa:00:01".parse().unwrap());
        assert_eq!(verify(address, NOW), Err(TokenError::ByAddress));
        let absent = tokens.verify(machine, PresentedToken::Absent, at(NOW));
        assert_eq!(absent, Err(TokenError::Absent));
        let malformed = tokens.verify(machine, PresentedToken::Malformed, at(NOW));
        assert_eq!(malformed, Err(TokenError::Forged));
    }

    #[test]
    fn changed_token_is_forged() {
        let tokens = tokens("k", &[]);
        let good = tokens.sign(node(), at(NOW));
        let machine = BootIdent::Node(node());
        let refused = |bad: BootToken| tokens.verify(machine, presented(bad), at(NOW));
        for place in 0..SIGNATURE_BYTES {
            let mut bad = good;
            bad.signature[place] ^= 1;
            assert_eq!(refused(bad), Err(TokenError::Forged), "{place}");
        }
        for expires in [good.expires + 1, good.expires - 1, 0, u64::MAX] {
            let bad = BootToken { expires, ..good };
            assert_eq!(refused(bad), Err(TokenError::Forged), "{expires}");
        }
        assert_eq!(refused(BootToken::EXAMPLE), Err(TokenError::Forged));
    }

    /// The signature of another purpose with the same key is no token.
    #[test]
    fn signature_of_an_image_url_is_no_token() {
        let (key, tokens) = (UrlKey::new("k"), tokens("k", &[]));
        let expires: u64 = 1_800_000_060;
        let image = key.sign("ironpxe image 1", &[NODE, &expires.to_string()]);
        let whole = image.finalize().into_bytes();
        let mut signature = [0; SIGNATURE_BYTES];
        signature.copy_from_slice(&whole[..SIGNATURE_BYTES]);
        let token = BootToken { expires, signature };
        let machine = BootIdent::Node(node());
        let got = tokens.verify(machine, presented(token), at(NOW));
        assert_eq!(got, Err(TokenError::Forged));
    }

    /// The steps of docs/boot-tokens.md, with two replicas of which one is a step ahead.
    #[test]
    fn keys_rotate_while_every_replica_accepts_every_token() {
        let steps = [
            tokens("old", &[]),
            tokens("old", &["new"]),
            tokens("new", &["old"]),
            tokens("new", &[]),
        ];
        let machine = BootIdent::Node(node());
        for pair in steps[..3].windows(2) {
            for signer in pair {
                let token = presented(signer.sign(node(), at(NOW)));
                for verifier in pair {
                    assert_eq!(verifier.verify(machine, token, at(NOW)), Ok(()));
                    assert!(verifier.knows_key(&signer.key_id()));
                }
            }
        }
        let old = presented(steps[0].sign(node(), at(NOW)));
        assert_eq!(
            steps[3].verify(machine, old, at(NOW)),
            Err(TokenError::Forged)
        );
        assert!(!steps[3].knows_key(&steps[0].key_id()));
    }

    #[test]
    fn keys_are_not_shown() {
        let shown = format!("{:?}", tokens("the secret", &["another"]));
        assert_eq!(shown.matches("UrlKey(***)").count(), 2, "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
