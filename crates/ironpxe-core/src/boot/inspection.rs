//! Settings of a node that only inspection uses.

use super::fields::Fields;
use super::refusal::Refusal;
use super::settings::BootSettings;
use crate::field::value;
use crate::node::Node;

/// Whether the inspecting agent keeps running with the API's URL, so that a deployment can use it
/// (fast track), and the field that decides.
///
/// Source: Ironic's `common/utils.py` (`fast_track_enabled`): the node's setting, else the
/// configured one.
pub(super) fn fast_track(
    node: &Node,
    settings: &BootSettings,
) -> Result<(bool, &'static str), Refusal> {
    const FIELD: &str = "driver_info.fast_track";
    match Fields::driver_info(node).get("fast_track")? {
        None | Some(serde_json::Value::Null) => Ok((settings.fast_track, "[deploy]fast_track")),
        Some(word) => value::boolean("fast_track", word)
            .map(|yes| (yes, FIELD))
            .map_err(|_| Refusal::BadValue {
                field: FIELD.to_owned(),
                problem: "must be true or false".to_owned(),
            }),
    }
}
