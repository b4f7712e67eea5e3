//! `GET /v1/volume/connectors` and `GET /v1/volume/targets`, and those of one node.

use axum::Json;
use axum::extract::State;
use ironpxe_core::error::Fault;
use ironpxe_core::field;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::policy::Rule;
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::fields;
use crate::api::paging::{self, Paging};
use crate::api::resolve;
use crate::api::volume::{SINCE, VolumeApi, view};

pub(super) async fn get<V: VolumeApi>(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    list::<V>(&state, &call, &args, None).await
}

/// The volumes of a node.
pub(in crate::api) async fn of_node<V: VolumeApi>(
    state: &AppState,
    call: &Call,
    args: &Args,
    node: NodeUuid,
) -> Result<Json<Value>> {
    list::<V>(state, call, args, Some(node)).await
}

async fn list<V: VolumeApi>(
    state: &AppState,
    call: &Call,
    args: &Args,
    of_node: Option<NodeUuid>,
) -> Result<Json<Value>> {
    call.not_found_before(SINCE)?;
    let known: Vec<&str> = ["node", "detail", "fields"]
        .iter()
        .chain(&paging::ARGUMENTS)
        .copied()
        .collect();
    args.only(&known)?;
    let named = args.ident("node")?;
    let given = args.list("fields")?;
    let detail = args.flag("detail")? == Some(true);
    if given.is_some() && detail {
        return Err(ApiError::invalid(
            "Can't fetch a subset of fields with 'detail' set",
        ));
    }
    view::check_fields::<V>(given.as_deref())?;
    let fields = fields::listed(given.as_deref(), detail, V::SUMMARY);
    let sortable = field::names(V::FIELDS, |field| field.is_sortable);
    let paging = Paging::read(args, &state.common.settings, &sortable)?;
    let marker = args.uuid("marker")?.map(V::Uuid::from);
    let visible = call.list(Rule::VolumeListAll, Rule::VolumeList, None)?;
    let page = paging.page(marker);
    let named = match named.filter(|_| of_node.is_none()) {
        Some(ident) => match resolve::lookup(state, call, &ident, Rule::NodeGet).await {
            Ok(node) => Some(Some(node.uuid)),
            // For callers who do not see all nodes, a node that they do not see has no volumes,
            // whether there is one or not.
            Err(ApiError::Fault(Fault::NodeNotFound(_))) if visible.project().is_some() => None,
            Err(error) => return Err(error),
        },
        None => Some(of_node),
    };
    if let Some(marker) = marker {
        state
            .store
            .check_volume_marker::<V>(&visible, marker)
            .await?;
    }
    let volumes: Vec<V> = match named {
        Some(node) => state.store.volumes(&visible, node, &page).await?,
        None => Vec::new(),
    };

    let parent = of_node.map(|node| format!("nodes/{node}/"));
    let name = format!("{}s", V::NAME);
    let path = format!("{}volume/{name}", parent.unwrap_or_default());
    let shown = volumes
        .iter()
        .map(|volume| view::show(call, volume, fields.as_deref()))
        .collect();
    let last = volumes.last().map(|volume| volume.uuid().to_string());
    let next = paging.next(call, &path, fields.as_deref(), args, (volumes.len(), last));
    Ok(paging::body(&name, shown, next))
}
