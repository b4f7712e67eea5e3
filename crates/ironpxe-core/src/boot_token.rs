//! Boot tokens: by its token a machine proves that this service handed it the URL it requests
//! (`[pxe]boot_token_lifetime`).
//!
//! A token is `<expiry>-<signature>`: seconds since 1970 in ten digits, and half of an HMAC-SHA256
//! in base64url. It is the last argument of a URL, so that it fits into DHCP options, scripts and
//! kernel command lines.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::mask::STARS;

/// The length of a signature, in bytes: the 128 bits that RFC 2104 asks of a truncated HMAC-SHA256.
pub const SIGNATURE_BYTES: usize = 16;

/// A boot token. Valid or not: only the service can tell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BootToken {
    /// When it expires, in seconds since 1970.
    pub expires: u64,
    /// The signature of a node and this expiry.
    pub signature: [u8; SIGNATURE_BYTES],
}

/// The text is not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a boot token")]
pub struct ParseTokenError;

impl BootToken {
    /// The name of the URL's argument.
    pub const ARGUMENT: &'static str = "token";

    /// As long as every token, and expired, for checks and previews.
    pub const EXAMPLE: Self = Self {
        expires: 0,
        signature: [0; SIGNATURE_BYTES],
    };

    /// The digits of the expiry.
    const DIGITS: usize = 10;

    /// A URL with this token. It is secret.
    pub fn on_url(self, url: &str) -> String {
        let separator = if url.contains('?') { '&' } else { '?' };
        let Self { expires, signature } = self;
        format!(
            "{url}{separator}{}={expires:0digits$}-{}",
            Self::ARGUMENT,
            URL_SAFE_NO_PAD.encode(signature),
            digits = Self::DIGITS,
        )
    }
}

/// Each token has exactly one notation.
impl FromStr for BootToken {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<Self, ParseTokenError> {
        let (expires, signature) = text.split_once('-').ok_or(ParseTokenError)?;
        if expires.len() != Self::DIGITS || !expires.bytes().all(|it| it.is_ascii_digit()) {
            return Err(ParseTokenError);
        }
        // The decoder wants room for all that so many letters could mean.
        let mut bytes = [0; SIGNATURE_BYTES + 2];
        let decoded = URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes);
        let length = decoded.map_err(|_| ParseTokenError)?;
        let signature = bytes.get(..length).and_then(|it| it.try_into().ok());
        Ok(Self {
            expires: expires.parse().map_err(|_| ParseTokenError)?,
            signature: signature.ok_or(ParseTokenError)?,
        })
    }
}

/// Whoever has it can boot as the machine, so it is not printed.
impl fmt::Debug for BootToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BootToken({STARS})")
    }
}

/// Masks the tokens in a text that may be a part of a URL.
pub fn mask_tokens(text: &str) -> Cow<'_, str> {
    const BEFORE: &str = "token=";
    if !text.contains(BEFORE) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split(BEFORE);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_in_token = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
        let rest = part.trim_start_matches(is_in_token);
        masked.push_str(BEFORE);
        masked.push_str(STARS);
        masked.push_str(rest);
    }
    Cow::Owned(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_has_one_notation_of_fixed_length() {
        let token = BootToken {
            expires: 1_800_000_000,
            signature: [0xff; SIGNATURE_BYTES],
        };
        let url = token.on_url("http://h/x?node_uuid=1");
        assert_eq!(
            url,
            "http://h/x?node_uuid=1&token=1800000000-_____________________w"
        );
        assert_eq!(
            BootToken::EXAMPLE.on_url("http://h/ks.cfg"),
            "http://h/ks.cfg?token=0000000000-AAAAAAAAAAAAAAAAAAAAAA"
        );
        let text = "1800000000-_____________________w";
        assert_eq!(text.parse(), Ok(token));
        for other in [
            "",
            "-",
            "1800000000",
            "1800000000-",
            "01800000000-_____________________w",
            "180000000-_____________________w",
            "+180000000-_____________________w",
            " 1800000000-_____________________w",
            "1800000000-_____________________w ",
            "1800000000-_____________________w=",
            "1800000000-_____________________w==",
            // Bits that mean nothing.
            "1800000000-_____________________x",
            "1800000000-____________________",
            "1800000000-_______________________w",
            "1800000000-/////////////////////w",
            "1800000000--_____________________w",
            "18000000é0-_____________________w",
        ] {
            assert_eq!(other.parse::<BootToken>(), Err(ParseTokenError), "{other}");
        }
    }

    #[test]
    fn tokens_are_never_shown() {
        let token = BootToken {
            expires: 1_800_000_000,
            signature: [0xff; SIGNATURE_BYTES],
        };
        assert_eq!(format!("{token:?}"), "BootToken(******)");
        let url = token.on_url("http://h/x?node_uuid=1");
        assert_eq!(
            crate::mask::mask_urls(&url),
            "http://h/x?node_uuid=1&token=******"
        );
        for (text, masked) in [
            ("1&token=1800000000-__w", "1&token=******"),
            ("a token=b, token=c;d", "a token=******, token=******;d"),
            ("token", "token"),
        ] {
            assert_eq!(mask_tokens(text), masked);
        }
    }
}
