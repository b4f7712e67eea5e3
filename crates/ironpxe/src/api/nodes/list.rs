//! `GET /v1/nodes` and `GET /v1/nodes/detail`.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::field;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::node::fields::{NODE_FIELDS, SORTABLE};
use ironpxe_core::policy::Rule;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::fields;
use crate::api::nodes::conductor::Conductors;
use crate::api::nodes::view;
use crate::api::paging::{self, Paging};
use crate::api::resolve::{find, lookup};
use crate::api::store::VisibleNodes;
use crate::db::{NodeFilter, Page};

/// The filters with the minor version that introduced each.
const FILTERS: [(&str, u16); 20] = [
    ("associated", 1),
    ("chassis_uuid", 1),
    ("conductor", 49),
    ("conductor_group", 46),
    ("description_contains", 1),
    ("driver", 16),
    ("fault", 42),
    ("include_children", 83),
    ("instance_name", 104),
    ("instance_uuid", 1),
    ("lessee", 65),
    ("maintenance", 1),
    ("owner", 50),
    ("parent_node", 83),
    ("project", 1),
    ("provision_state", 1),
    ("resource_class", 21),
    ("retired", 1),
    ("shard", 82),
    ("sharded", 82),
];

/// The size of reads when nodes are filtered in memory.
const PAGE_SIZE: u32 = 1000;

/// The faults of nodes. Source: Ironic's `common/faults.py`.
const FAULTS: [&str; 4] = [
    "power failure",
    "clean failure",
    "rescue abort failure",
    "service failure",
];

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    let detail = args.flag("detail")?;
    let fields = args.list("fields")?;
    check_arguments(&call, &args, &["detail", "fields"])?;
    view::check_fields(&call, fields.as_deref())?;
    fields::check_detail(&call, fields.as_deref(), detail)?;
    let fields = fields::listed(fields.as_deref(), detail == Some(true), &view::SUMMARY);
    collection(&state, &call, &args, "nodes", fields.as_deref()).await
}

pub(super) async fn detail(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    check_arguments(&call, &args, &[])?;
    collection(&state, &call, &args, "nodes/detail", None).await
}

fn check_arguments(call: &Call, args: &Args, more: &[&str]) -> Result<()> {
    let known: Vec<&str> = FILTERS
        .iter()
        .map(|(name, _)| *name)
        .chain(paging::ARGUMENTS)
        .chain(more.iter().copied())
        .collect();
    args.only(&known)?;
    for (name, since) in FILTERS {
        if args.0.contains_key(name) {
            call.requires_version(since)?;
        }
    }
    if args.0.contains_key("provision_state") {
        call.not_acceptable_before(9)?;
    }
    if let Some(key) = args.text("sort_key")? {
        call.not_acceptable_before(field::since(NODE_FIELDS, &key))?;
    }
    Ok(())
}

async fn collection(
    state: &AppState,
    call: &Call,
    args: &Args,
    path: &str,
    fields: Option<&[&str]>,
) -> Result<Json<Value>> {
    let paging = Paging::read(args, &state.common.settings, &SORTABLE)?;
    let marker = args.uuid("marker")?.map(NodeUuid);
    let project = args.text("project")?;
    let visible = call.list(Rule::NodeListAll, Rule::NodeList, project.as_deref())?;
    if let Some(marker) = marker {
        state.store.check_node_marker(&visible, marker).await?;
    }
    let filter = filter(state, call, args).await?;
    let is_one_instance = filter.instance_uuid.is_some();
    let filter = VisibleNodes::of(&visible, filter);
    let wanted = args.text("conductor")?;
    let conductors = match wanted {
        Some(_) => Conductors::read(state).await?,
        None => Conductors::shown(state, call, fields).await?,
    };
    let page = paging.page(marker);
    let nodes = match wanted {
        Some(wanted) => of_conductor(state, &conductors, &wanted, &filter, page).await?,
        None => state.store.nodes(&filter, &page).await?,
    };

    let last = (nodes.len(), nodes.last().map(|node| node.uuid.to_string()));
    let shown = nodes
        .iter()
        .map(|node| view::show(call, &conductors, node, fields))
        .collect();
    // An instance is on a single node, so there is no next page.
    let next = paging.next(call, path, fields, args, last);
    let next = next.filter(|_| !is_one_instance);
    Ok(paging::body("nodes", shown, next))
}

/// A page of the nodes of one conductor. This is not in the database, so nodes are read until the
/// page is full.
async fn of_conductor(
    state: &AppState,
    conductors: &Conductors,
    wanted: &str,
    filter: &VisibleNodes,
    mut page: Page<NodeUuid>,
) -> Result<Vec<Node>> {
    let limit = page.limit.map_or(usize::MAX, |limit| limit as usize);
    page.limit = Some(PAGE_SIZE);
    let (mut found, mut parts) = (Vec::new(), state.store.node_parts(filter, page));
    while found.len() < limit
        && let Some(nodes) = parts.next().await?
    {
        let of_conductor = nodes
            .into_iter()
            .filter(|node| conductors.of(node) == Some(wanted));
        found.extend(of_conductor.take(limit - found.len()));
    }
    Ok(found)
}

async fn filter(state: &AppState, call: &Call, args: &Args) -> Result<NodeFilter> {
    let provision_state = match args.text("provision_state")? {
        None => None,
        Some(name) => Some(ProvisionState::from_name(&name).ok_or_else(|| {
            ApiError::invalid(format!("Provision state \"{name}\" is not valid"))
        })?),
    };
    let fault = args.text("fault")?;
    if let Some(fault) = fault.as_deref().filter(|fault| !FAULTS.contains(fault)) {
        return Err(ApiError::invalid(format!(
            "Unrecognized fault \"{fault}\" is specified, allowed faults are ('{}')",
            FAULTS.join("', '")
        )));
    }
    if let Some(chassis) = args.uuid("chassis_uuid")? {
        let missing = format!("Chassis {chassis} could not be found.");
        return Err(ApiError::Missing(missing));
    }
    let parent_node = match args.ident("parent_node")? {
        Some(parent) => Some(lookup(state, call, &parent, Rule::NodeGet).await?.uuid.0),
        None => None,
    };
    let everyone = args.flag("include_children")? == Some(true);
    Ok(NodeFilter {
        provision_state,
        driver: args.text("driver")?,
        resource_class: args.text("resource_class")?,
        maintenance: args.flag("maintenance")?,
        associated: args.flag("associated")?,
        instance_uuid: args.uuid("instance_uuid")?,
        instance_name: args.text("instance_name")?,
        chassis_uuid: args.uuid("chassis_uuid")?,
        fault,
        conductor_group: args
            .text("conductor_group")?
            .map(|group| group.to_lowercase()),
        owner: args.text("owner")?,
        lessee: args.text("lessee")?,
        retired: args.flag("retired")?,
        shard: args.list("shard")?,
        sharded: args.flag("sharded")?,
        description_contains: args.text("description_contains")?,
        // Child nodes are only listed on request.
        parent_node: if everyone { None } else { parent_node },
        has_parent: if everyone || parent_node.is_some() {
            None
        } else {
            Some(false)
        },
        ..NodeFilter::default()
    })
}

/// `GET /v1/nodes/<node>/children`: the UUIDs of the child nodes.
pub(super) async fn children(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
) -> Result<Json<Value>> {
    let node = find(&state, &call, &ident, Rule::NodeGet).await?;
    let filter = NodeFilter {
        parent_node: Some(node.uuid.0),
        ..NodeFilter::default()
    };
    let visible = call.list(Rule::NodeListAll, Rule::NodeList, None)?;
    let filter = VisibleNodes::of(&visible, filter);
    let children = state.store.nodes(&filter, &Page::default()).await?;
    let children: Vec<String> = children
        .iter()
        .map(|child| child.uuid.to_string())
        .collect();
    let href = call.links.v1(&format!("nodes?parent_node={}", node.uuid));
    Ok(Json(
        json!({ "children": children, "links": { "href": href, "rel": "children" } }),
    ))
}
