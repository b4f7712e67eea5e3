//! `GET /v1/ports`, `GET /v1/ports/detail`, and the ports of one node.

use axum::Json;
use axum::extract::State;
use ironpxe_core::error::Fault;
use ironpxe_core::field;
use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::policy::Rule;
use ironpxe_core::port::fields::{PORT_FIELDS, SORTABLE};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::fields;
use crate::api::paging::{self, Paging};
use crate::api::ports::view;
use crate::api::resolve;
use crate::db::PortFilter;

/// The supported filters. Ironic's `description_contains` and `conductor_groups` are rejected as
/// unknown rather than ignored.
const FILTERS: [&str; 5] = ["address", "node", "node_uuid", "portgroup", "shard"];

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    list(&state, &call, &args, None, false).await
}

pub(super) async fn detail(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    list(&state, &call, &args, None, true).await
}

/// The ports of a node: a summary, or, at the `detail` URL, all fields.
pub(in crate::api) async fn of_node(
    state: &AppState,
    call: &Call,
    args: &Args,
    node: NodeUuid,
    detail: bool,
) -> Result<Json<Value>> {
    list(state, call, args, Some(node), detail).await
}

async fn list(
    state: &AppState,
    call: &Call,
    args: &Args,
    of_node: Option<NodeUuid>,
    detail_url: bool,
) -> Result<Json<Value>> {
    let mut known: Vec<&str> = FILTERS.iter().chain(&paging::ARGUMENTS).copied().collect();
    if !detail_url {
        known.extend(["detail", "fields"]);
    }
    args.only(&known)?;
    let fields = args.list("fields")?;
    view::check_fields(call, fields.as_deref())?;
    let detail = args.flag("detail")?;
    fields::check_detail(call, fields.as_deref(), detail)?;
    let fields = fields::listed(
        fields.as_deref(),
        detail_url || detail == Some(true),
        &view::SUMMARY,
    );
    if let Some(key) = args.text("sort_key")? {
        call.not_acceptable_before(field::since(PORT_FIELDS, &key))?;
    }

    let paging = Paging::read(args, &state.common.settings, &SORTABLE)?;
    let marker = args.uuid("marker")?.map(PortUuid);
    let visible = call.list(Rule::PortListAll, Rule::PortList, None)?;
    if let Some(marker) = marker {
        state.store.check_port_marker(&visible, marker).await?;
    }
    let page = paging.page(marker);
    let ports = match filter(state, call, args, of_node).await {
        Ok(filter) => state.store.ports(&visible, filter, &page).await?,
        // For callers who do not see all nodes, a node that they do not see has no ports, whether
        // there is one or not.
        Err(ApiError::Fault(Fault::NodeNotFound(_))) if visible.project().is_some() => Vec::new(),
        Err(error) => return Err(error),
    };

    let last = (ports.len(), ports.last().map(|port| port.uuid.to_string()));
    let shown = ports
        .iter()
        .map(|port| view::show(call, port, fields.as_deref()))
        .collect();
    let path = match of_node {
        Some(node) => format!(
            "nodes/{node}/ports{}",
            if detail_url { "/detail" } else { "" }
        ),
        None if detail_url => "ports/detail".to_owned(),
        None => "ports".to_owned(),
    };
    let next = paging.next(call, &path, fields.as_deref(), args, last);
    Ok(paging::body("ports", shown, next))
}

async fn filter(
    state: &AppState,
    call: &Call,
    args: &Args,
    of_node: Option<NodeUuid>,
) -> Result<PortFilter> {
    let address = args.mac("address")?;
    if let Some(portgroup) = args.ident("portgroup")? {
        call.not_acceptable_before(24)?;
        let missing = format!("Portgroup {portgroup} could not be found.");
        return Err(ApiError::Missing(missing));
    }
    if args.list("shard")?.is_some() {
        return Err(ApiError::NotImplemented(
            "Ports cannot be listed by shard; list the nodes of the shard.".to_owned(),
        ));
    }
    let named = args
        .uuid("node_uuid")?
        .map(|uuid| uuid.to_string())
        .or(args.ident("node")?);
    let node_uuid = match (of_node, named) {
        (Some(node), _) => Some(node),
        (None, Some(ident)) => Some(
            resolve::lookup(state, call, &ident, Rule::NodeGet)
                .await?
                .uuid,
        ),
        (None, None) => None,
    };
    Ok(PortFilter {
        node_uuid,
        address,
        project: None,
    })
}
