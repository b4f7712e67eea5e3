//! `/v1/volume`: remote volumes of nodes (targets), and their identities for storage (connectors).
//!
//! Both have the same handlers, generic over [`VolumeApi`].

use axum::routing::get;
use axum::{Json, Router};
use ironpxe_core::error::Fault;
use ironpxe_core::field::{self, value};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::patch::VolumeChange;
use ironpxe_core::policy::{Rule, Target};
use ironpxe_core::volume::{Volume, VolumeConnector, VolumeTarget};
use json_patch::Patch;
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::patch;
use crate::db::Child;
use crate::rpc::{Conductor, Context, Reply};

mod create;
mod delete;
mod list;
mod show;
mod update;
mod view;

pub(super) use self::list::of_node;

/// The minor version that introduced volumes.
pub(super) const SINCE: u16 = 32;

/// A kind of volume resource with the conductor's operations on it.
pub(super) trait VolumeApi: Volume + Child {
    fn create<'a>(self, conductor: &'a dyn Conductor, ctx: &'a Context) -> Reply<'a, Self>;
    fn update<'a>(
        uuid: Self::Uuid,
        change: VolumeChange,
        conductor: &'a dyn Conductor,
        ctx: &'a Context,
    ) -> Reply<'a, Self>;
    fn destroy<'a>(
        uuid: Self::Uuid,
        conductor: &'a dyn Conductor,
        ctx: &'a Context,
    ) -> Reply<'a, ()>;
}

macro_rules! volume_api {
    ($volume:ty: $create:ident, $update:ident, $destroy:ident) => {
        impl VolumeApi for $volume {
            fn create<'a>(self, conductor: &'a dyn Conductor, ctx: &'a Context) -> Reply<'a, Self> {
                conductor.$create(ctx, self)
            }

            fn update<'a>(
                uuid: Self::Uuid,
                change: VolumeChange,
                conductor: &'a dyn Conductor,
                ctx: &'a Context,
            ) -> Reply<'a, Self> {
                conductor.$update(ctx, uuid, change)
            }

            fn destroy<'a>(
                uuid: Self::Uuid,
                conductor: &'a dyn Conductor,
                ctx: &'a Context,
            ) -> Reply<'a, ()> {
                conductor.$destroy(ctx, uuid)
            }
        }
    };
}

volume_api!(
    VolumeConnector:
    volume_connector_create, volume_connector_update, volume_connector_destroy
);
volume_api!(VolumeTarget: volume_target_create, volume_target_update, volume_target_destroy);

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/volume", get(links))
        .merge(routes_of::<VolumeConnector>())
        .merge(routes_of::<VolumeTarget>())
}

fn routes_of<V: VolumeApi>() -> Router<AppState> {
    let path = format!("/v1/volume/{}s", V::NAME);
    Router::new()
        .route(&path, get(list::get::<V>).post(create::post::<V>))
        .route(
            &format!("{path}/{{volume}}"),
            get(show::get::<V>)
                .patch(update::patch::<V>)
                .delete(delete::delete::<V>),
        )
}

/// `GET /v1/volume`: links to both collections.
async fn links(call: Call) -> Result<Json<Value>> {
    call.not_found_before(SINCE)?;
    call.authorize(Rule::VolumeGet, &Target::NONE)?;
    Ok(Json(links_below(&call, "volume/")))
}

/// The links to both collections below `path`, and to `path` itself.
pub(super) fn links_below(call: &Call, path: &str) -> Value {
    json!({
        "connectors": call.links.pair(&format!("{path}connectors")),
        "targets": call.links.pair(&format!("{path}targets")),
        "links": call.links.pair(path),
    })
}

/// The volume in a URL, by its UUID.
///
/// 404 also if the caller may not see the volume's node; 403 if the rule does not allow what the
/// caller wants with it.
async fn find<V: VolumeApi>(state: &AppState, call: &Call, ident: &str, rule: Rule) -> Result<V> {
    let uuid = V::Uuid::from(value::uuid(&format!("{}_uuid", V::NAME), ident)?);
    let found = state.store.volume(call, uuid, rule).await?;
    Ok(found.ok_or_else(|| V::not_found(uuid))?)
}

/// The fields that hold secrets, which must not be overwritten by their mask.
fn masked_fields<V: Volume>() -> Vec<&'static str> {
    field::names(V::FIELDS, |field| field.mask != field::Mask::Nothing)
}

/// Whether the caller may add a volume to the node. A missing one is not a 404, because the URL does
/// not name it.
async fn check_node(state: &AppState, call: &Call, uuid: NodeUuid) -> Result<()> {
    if let Some(node) = state.store.node(call, uuid).await? {
        return call.authorize_node(Rule::VolumeCreate, &node);
    }
    // A node that the caller does not see counts as one without owner.
    call.authorize(Rule::VolumeCreate, &Target::node(None, None))?;
    Err(no_node(uuid))
}

fn no_node(node: NodeUuid) -> ApiError {
    let missing = Fault::NodeNotFound(node.to_string());
    ApiError::invalid(format!(
        "Invalid input for field/attribute node_uuid. Value: '{node}'. {missing}"
    ))
}

/// The error of a failed creation: the node may have been deleted concurrently.
fn not_created(fault: Fault, node: NodeUuid) -> ApiError {
    match fault {
        Fault::NodeNotFound(_) => no_node(node),
        other => other.into(),
    }
}

/// Rejects a patch that assigns the volume to a missing node, or one whose volumes the caller may not
/// change (unlike in Ironic).
async fn check_new_node(state: &AppState, call: &Call, patch: &Patch) -> Result<()> {
    let nodes: Vec<&Value> = patch::values(patch, "/node_uuid").collect();
    for node in nodes {
        // Other types are rejected with the rest of the patch.
        let Some(text) = node.as_str() else { continue };
        let uuid = text.parse::<NodeUuid>().map_err(|_| {
            ApiError::invalid(format!(
                "Expected a UUID for node_uuid, but received {text}."
            ))
        })?;
        let node = state.store.node(call, uuid).await?.ok_or_else(|| {
            ApiError::invalid(format!(
                "Unable to apply the requested node_uuid '{text}'. Requested value was invalid."
            ))
        })?;
        call.authorize_node(Rule::VolumeUpdate, &node)?;
    }
    Ok(())
}
