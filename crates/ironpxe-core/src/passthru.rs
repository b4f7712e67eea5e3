//! Vendor passthru: methods that a driver offers beyond Ironic's API.
//!
//! Source: Ironic's `drivers/base.py` (`passthru`, `driver_passthru`) and the conductor's reply
//! (`return`, `async`, `attach`).

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::boot_ident::BootIdent;
use crate::boot_token::BootToken;

/// The HTTP methods that a passthru method can be declared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl HttpMethod {
    /// The name in upper case, as on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for HttpMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The methods that accept arguments in the URL's query, and these arguments.
///
/// Ironic only takes arguments from the request body, which firmware cannot send.
const IN_QUERY: [(&str, &[&str]); 5] = [
    (
        "ipxe_config",
        &[
            BootIdent::NODE_UUID,
            BootIdent::PORT_ADDRESS,
            BootToken::ARGUMENT,
        ],
    ),
    ("second_method", &["bar"]),
    ("third_method_sync", &["bar"]),
    ("fourth_method_shared_lock", &["bar"]),
    ("log_passthrough", &[]),
];

/// The arguments that a call of `method` may have in the URL's query.
///
/// For an undeclared method, the arguments of all methods, so that the error is about the method,
/// not its arguments.
pub fn arguments_in_query(method: &str) -> Vec<&'static str> {
    let declared = IN_QUERY.iter().find(|(name, _)| *name == method);
    match declared {
        Some((_, arguments)) => arguments.to_vec(),
        None => IN_QUERY
            .iter()
            .flat_map(|(_, arguments)| arguments.iter().copied())
            .collect(),
    }
}

/// A declared passthru method, as listed by `…/vendor_passthru/methods`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodInfo {
    /// Its name in the URL.
    pub name: Cow<'static, str>,
    /// The supported HTTP methods.
    pub http_methods: Cow<'static, [HttpMethod]>,
    /// Whether the caller gets 202 and the method runs in the background.
    #[serde(rename = "async")]
    pub is_async: bool,
    /// Whether the value is the response body itself rather than JSON.
    pub attach: bool,
    /// For humans.
    pub description: Cow<'static, str>,
    /// Node methods only: whether the node is reserved while it runs. `None` for driver methods.
    pub require_exclusive_lock: Option<bool>,
}

/// What a passthru call gives back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PassthruReply {
    /// The method's value; `Null` when it has none, and for asynchronous methods.
    #[serde(rename = "return")]
    pub value: Value,
    /// Whether the method continues after this reply.
    #[serde(rename = "async")]
    pub is_async: bool,
    /// Whether `value` (a string) is the response body itself.
    pub attach: bool,
}

impl PassthruReply {
    /// A text that is the response body itself.
    pub fn text(text: String) -> Self {
        Self {
            value: Value::String(text),
            is_async: false,
            attach: true,
        }
    }
}
