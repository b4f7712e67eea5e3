//! Parses the response of a service: a preview or an error.

use ironpxe_core::id::NodeUuid;
use serde::Deserialize;
use serde_json::Value;

use crate::app::BootPreview;

/// A preview; its passwords may be masked.
pub(in crate::cli) struct Answer {
    pub(in crate::cli) preview: BootPreview,
    pub(in crate::cli) masked: bool,
}

/// The body of a successful response.
#[derive(Deserialize)]
struct PreviewBody {
    node_uuid: uuid::Uuid,
    provision_state: String,
    plan: String,
    script: String,
    masked: bool,
    reasons: Vec<ReasonBody>,
}

#[derive(Deserialize)]
struct ReasonBody {
    topic: String,
    text: String,
}

impl Answer {
    /// Parses the body of a successful response.
    pub(super) fn read(body: &[u8]) -> serde_json::Result<Self> {
        let wire: PreviewBody = serde_json::from_slice(body)?;
        let reasons = wire.reasons.into_iter().map(|it| (it.topic, it.text));
        Ok(Self {
            masked: wire.masked,
            preview: BootPreview {
                node_uuid: NodeUuid(wire.node_uuid),
                provision_state: wire.provision_state,
                plan: wire.plan,
                script: wire.script,
                // A service that leaves machines to Ironic has no previews.
                left_to_ironic: None,
                reasons: reasons.collect(),
            },
        })
    }
}

/// The message in an error response of an Ironic API: JSON, mostly as a string in JSON.
pub(super) fn fault(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let fault = match body.get("error_message") {
        None => body,
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(fault) => fault,
            Err(_) => return Some(one_line(text)),
        },
        Some(fault) => fault.clone(),
    };
    // Of handlers, or of routers; some errors have neither.
    ["faultstring", "description"]
        .into_iter()
        .find_map(|key| fault.get(key)?.as_str())
        .map(one_line)
        .filter(|text| !text.is_empty())
}

/// Untrusted text in one line: control characters become blanks.
fn one_line(text: &str) -> String {
    let words: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_message_is_read_from_every_body_format() {
        for (body, expected) in [
            (
                r#"{"error_message":"{\"faultstring\":\"no\\nnode\"}"}"#,
                Some("no node"),
            ),
            (
                r#"{"error_message":{"faultstring":"no node"}}"#,
                Some("no node"),
            ),
            (r#"{"error_message":"no  node"}"#, Some("no node")),
            (
                r#"{"error_message":"{\"description\":\"no node\"}"}"#,
                Some("no node"),
            ),
            (
                r#"{"error_message":"{\"code\":404,\"description\":\"\"}"}"#,
                None,
            ),
            (r#"{"faultstring":"no node"}"#, Some("no node")),
            ("<html>no node</html>", None),
            ("[]", None),
        ] {
            assert_eq!(fault(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }
}
