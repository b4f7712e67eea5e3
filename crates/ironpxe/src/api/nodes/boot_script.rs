//! `GET /v1/nodes/<node>/boot_script`: a preview of the machine's boot with its reasons. Not in
//! Ironic; available in every API version.
//!
//! The machine is identified by its node or by a port's address, also in `port_address`. `state`,
//! `arch` and `firmware` override the machine's.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::boot::{CpuArch, Firmware, Overrides, without_passwords};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::Fault;
use ironpxe_core::field::value::is_logical_name;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::mask::mask_text;
use ironpxe_core::node::Node;
use ironpxe_core::policy::Rule;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::resolve::find;

/// What the preview requires.
const RULE: Rule = Rule::NodeBootScriptGet;

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    args.only(&["state", "arch", "firmware", "port_address"])?;
    let overrides = Overrides {
        state: args
            .text("state")?
            .map(|word| known_state(&word))
            .transpose()?,
        arch: word(&args, "arch", CpuArch::parse)?,
        firmware: word(&args, "firmware", Firmware::parse)?,
    };
    let named = args.mac("port_address")?;
    let boot = &state.common.boot;
    let (node, known) = match machine(&state, &call, &ident).await {
        // Without names there may be a node with this one.
        Err(ApiError::Fault(Fault::NodeNotFound(_) | Fault::PortNotFound(_))) if call.has(5) => {
            let text = boot.explain_unknown(&ident);
            return Err(ApiError::Missing(mask_text(&text).into_owned()));
        }
        machine => machine?,
    };
    if let Some(address) = named {
        // The answer must not tell whose port it is, nor whether there is one.
        let found = state.store.node_by_address(&call, address).await?;
        found.ok_or_else(|| Fault::PortNotFound(address.to_string()))?;
    }
    let address = named.or(known);
    let machine = address.map_or(BootIdent::Node(node.uuid), BootIdent::Address);
    let preview = boot.preview(machine, &overrides).await?;
    if let Some(address) = address.filter(|_| preview.node_uuid != node.uuid) {
        return Err(ApiError::invalid(format!(
            "Port {address} does not belong to node {}.",
            node.uuid
        )));
    }
    // Passwords are masked as everywhere in the API.
    let script = without_passwords(&preview.script);
    let reasons: Vec<Value> = preview
        .reasons
        .iter()
        .map(|(topic, text)| json!({ "topic": topic, "text": mask_text(text) }))
        .collect();
    Ok(Json(json!({
        "node_uuid": node.uuid,
        "provision_state": preview.provision_state,
        "plan": preview.plan,
        "masked": script != preview.script,
        "script": script,
        "reasons": reasons,
        "links": call.links.pair(&format!("nodes/{}/boot_script", node.uuid)),
    })))
}

/// The node, and the address if it was identified by one. A name takes precedence over an address,
/// because an address without colons is a valid name.
async fn machine(state: &AppState, call: &Call, ident: &str) -> Result<(Node, Option<MacAddress>)> {
    let Ok(address) = ident.parse::<MacAddress>() else {
        return Ok((find(state, call, ident, RULE).await?, None));
    };
    if is_logical_name(ident)
        && let Some(node) = state.store.node_by_name(call, ident).await?
    {
        call.authorize_node(RULE, &node)?;
        return Ok((node, None));
    }
    let found = state.store.node_by_address(call, address).await?;
    let node = found.ok_or_else(|| Fault::PortNotFound(address.to_string()))?;
    call.authorize_node(RULE, &node)?;
    Ok((node, Some(address)))
}

fn known_state(name: &str) -> Result<ProvisionState> {
    ProvisionState::from_name(name)
        .ok_or_else(|| ApiError::invalid(format!("Provision state \"{name}\" is not valid")))
}

/// Parses an argument with a fixed set of values.
fn word<T, E: std::fmt::Display>(
    args: &Args,
    name: &str,
    parse: impl Fn(&str) -> std::result::Result<T, E>,
) -> Result<Option<T>> {
    let Some(word) = args.text(name)? else {
        return Ok(None);
    };
    parse(&word)
        .map(Some)
        .map_err(|error| ApiError::invalid(format!("Invalid {name} \"{word}\": {error}")))
}
