//! A volume connector or target as JSON: the only place where they are serialized for clients.

use ironpxe_core::field;
use ironpxe_core::policy::{Rule, Target};
use ironpxe_core::volume::Volume;
use serde_json::{Map, Value, json};

use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::fields;
use crate::api::mask;

/// What is shown instead of a target's properties to callers who may not see them.
const WITHHELD: &str = "** Value redacted: Requires permission \
                        baremetal:volume:view_target_properties access. Permission denied. **";

/// The path of the resource below `/v1`.
pub(super) fn path<V: Volume>(volume: &V) -> String {
    format!("volume/{}s/{}", V::NAME, volume.uuid())
}

/// Rejects unknown fields.
pub(super) fn check_fields<V: Volume>(fields: Option<&[String]>) -> Result<()> {
    let known = |name: &str| field::find(V::FIELDS, name).is_some();
    fields::check_known(fields.unwrap_or_default(), known)
}

/// The volume with all fields, or with `fields` and the links.
pub(super) fn show<V: Volume>(call: &Call, volume: &V, fields: Option<&[&str]>) -> Value {
    let wanted = |name: &str| fields.is_none_or(|fields| fields.contains(&name));
    let (after_links, before_links): (Vec<_>, Vec<_>) = V::FIELDS
        .iter()
        .filter(|field| wanted(field.name))
        .partition(|field| field.is_after_links);
    let is_withheld = !call.may(Rule::VolumeViewTargetProperties, &Target::NONE);
    let shown = |field: &field::ResourceField<V>| {
        let value = if is_withheld && field.mask != field::Mask::Nothing {
            json!({ "redacted_contents": WITHHELD })
        } else {
            mask::mask_field(field.mask, (field.value)(volume))
        };
        (field.name.to_owned(), value)
    };
    let mut body: Map<String, Value> = before_links.into_iter().map(shown).collect();
    body.insert("links".to_owned(), call.links.pair(&path(volume)));
    body.extend(after_links.into_iter().map(shown));
    Value::Object(body)
}
