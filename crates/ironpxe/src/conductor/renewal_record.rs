//! When the boot token in a node's DHCP options is renewed, in the node's record
//! (`dhcp_renewal.rs`).

use std::time::Duration;

use ironpxe_core::node::Node;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::boot::BootTokens;

/// The key of the renewal in `driver_internal_info`.
const RENEWAL: &str = "dhcp_options_renewal";
/// When the options are due, in seconds since 1970.
const AT: &str = "at";
/// The identifier of the key that signed the token.
const SIGNER: &str = "signer";

/// The longest interval between checks.
const MAX_INTERVAL: Duration = Duration::from_mins(5);

/// How often to check, and how soon to retry.
pub(super) fn interval(tokens: &BootTokens) -> Duration {
    // Tokens are due after a third of their lifetime, so there are two checks before half of it.
    (tokens.lifetime() / 12).clamp(Duration::from_secs(1), MAX_INTERVAL)
}

/// Records that the options were set at this time.
pub(super) fn note(node: &mut Node, tokens: &BootTokens, now: OffsetDateTime) {
    set(node, tokens, now + tokens.lifetime() / 3);
}

/// Records that the options are being set.
pub(super) fn postpone(node: &mut Node, tokens: &BootTokens, now: OffsetDateTime) {
    set(node, tokens, now + interval(tokens));
}

/// Records that there are no options.
pub(super) fn forget(node: &mut Node) {
    node.driver_internal_info.remove(RENEWAL);
}

fn set(node: &mut Node, tokens: &BootTokens, at: OffsetDateTime) {
    let renewal = json!({ AT: at.unix_timestamp(), SIGNER: tokens.key_id() });
    node.driver_internal_info
        .insert(RENEWAL.to_owned(), renewal);
}

/// Whether the options of a node that has some are due: also if they have no token yet, or one of
/// a key that was removed.
pub(super) fn is_due(node: &Node, tokens: &BootTokens, now: OffsetDateTime) -> bool {
    let renewal = node.driver_internal_info.get(RENEWAL);
    let field = |name| renewal.and_then(Value::as_object)?.get(name);
    let at = field(AT).and_then(Value::as_i64);
    let signer = field(SIGNER).and_then(Value::as_str);
    let (Some(at), Some(signer)) = (at, signer) else {
        return true;
    };
    at <= now.unix_timestamp() || !tokens.knows_key(signer)
}
