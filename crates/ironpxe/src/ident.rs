//! The only place that generates identifiers.

use uuid::Uuid;

/// A fresh random UUID.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn uuid() -> Uuid {
    Uuid::new_v4()
}

/// A new agent token: 64 hexadecimal digits with 244 random bits.
pub(crate) fn secret() -> String {
    format!("{}{}", uuid().simple(), uuid().simple())
}

/// A new request ID in OpenStack's format, `req-<uuid>`.
pub(crate) fn request_id() -> String {
    let mut letters = Uuid::encode_buffer();
    let uuid = uuid();
    ["req-", uuid.hyphenated().encode_lower(&mut letters)].concat()
}
