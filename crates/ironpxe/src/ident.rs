//! The one place that makes identifiers.

use uuid::Uuid;

/// A fresh random UUID.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn uuid() -> Uuid {
    Uuid::new_v4()
}

/// A fresh secret for one agent: 64 hexadecimal digits, 244 bits of which are random.
pub fn secret() -> String {
    format!("{}{}", uuid().simple(), uuid().simple())
}

/// A fresh request id, in the form all of its services use: `req-<uuid>`.
pub fn request_id() -> String {
    let mut letters = Uuid::encode_buffer();
    let uuid = uuid();
    ["req-", uuid.hyphenated().encode_lower(&mut letters)].concat()
}
