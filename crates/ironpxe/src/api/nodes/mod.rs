//! `/v1/nodes`.

use axum::extract::{RawPathParams, Request};
use axum::middleware::{Next, from_fn};
use axum::routing::{get, put};
use axum::{Extension, Router};
use ironpxe_core::microversion::Microversion;
use ironpxe_core::volume::{VolumeConnector, VolumeTarget};

use crate::api::AppState;
use crate::api::error::ApiError;
use crate::api::resolve::check_ident;
use crate::api::{no_method, passthru};

mod boot_script;
mod conductor;
mod create;
mod delete;
mod empty;
mod history;
mod list;
mod maintenance;
mod management;
mod ports;
mod show;
mod states;
mod traits;
mod unsupported;
mod update;
mod update_rules;
mod validate;
mod vendor_passthru;
mod view;
mod vifs;
mod volume;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/nodes", get(list::get).post(create::post))
        .route("/v1/nodes/detail", get(list::detail))
        .route("/v1/nodes/validate", get(validate::by_query))
        .route(
            "/v1/nodes/vendor_passthru/methods",
            get(vendor_passthru::methods_by_query),
        )
        .route(
            "/v1/nodes/{node}",
            get(show::get)
                .patch(update::patch)
                .delete(delete::delete)
                .post(create::post_on_item),
        )
        .route("/v1/nodes/{node}/validate", get(validate::get))
        .route("/v1/nodes/{node}/boot_script", get(boot_script::get))
        .route("/v1/nodes/{node}/states", get(states::get))
        .route(
            "/v1/nodes/{node}/states/provision",
            put(states::provision::put),
        )
        .route("/v1/nodes/{node}/states/power", put(states::power::put))
        .route(
            "/v1/nodes/{node}/states/console",
            get(unsupported::console).put(unsupported::set_console),
        )
        // Ironic's router takes it in this order as well, and Tempest's client asks so.
        .route("/v1/nodes/states/console/{node}", get(unsupported::console))
        .route("/v1/nodes/{node}/states/raid", put(unsupported::set_raid))
        .route(
            "/v1/nodes/{node}/states/boot_mode",
            put(unsupported::set_boot_mode),
        )
        .route(
            "/v1/nodes/{node}/states/secure_boot",
            put(unsupported::set_secure_boot),
        )
        .route(
            "/v1/nodes/{node}/management/boot_device",
            get(management::boot_device::get).put(management::boot_device::put),
        )
        .route(
            "/v1/nodes/{node}/management/boot_device/supported",
            get(management::boot_device::supported),
        )
        .route(
            "/v1/nodes/{node}/management/inject_nmi",
            put(unsupported::inject_nmi),
        )
        .route(
            "/v1/nodes/{node}/maintenance",
            put(maintenance::put).delete(maintenance::delete),
        )
        .route(
            "/v1/nodes/{node}/traits",
            get(traits::get).put(traits::put).delete(traits::delete),
        )
        .route(
            "/v1/nodes/{node}/traits/{trait}",
            put(traits::put_one).delete(traits::delete_one),
        )
        .route("/v1/nodes/{node}/ports", get(ports::get))
        .route("/v1/nodes/{node}/ports/detail", get(ports::detail))
        .route("/v1/nodes/{node}/volume", get(volume::get))
        .route(
            "/v1/nodes/{node}/volume/connectors",
            get(volume::list::<VolumeConnector>),
        )
        .route(
            "/v1/nodes/{node}/volume/targets",
            get(volume::list::<VolumeTarget>),
        )
        .route(
            "/v1/nodes/{node}/vendor_passthru/methods",
            get(vendor_passthru::methods),
        )
        .route(
            "/v1/nodes/{node}/vendor_passthru",
            passthru::route(vendor_passthru::by_query),
        )
        .route(
            "/v1/nodes/{node}/vendor_passthru/{method}",
            passthru::route(vendor_passthru::by_path),
        )
        .merge(since(28, vifs::routes()))
        .merge(since(history::SINCE, history::routes()))
        .merge(since(89, unsupported::vmedia_routes()))
        .merge(empty::routes())
}

/// Paths below a node that microversion 1.`minor` introduced: for older clients they do not exist,
/// whatever the method and the body.
///
/// Source: `_lookup` of Ironic's `NodesController`.
fn since(minor: u16, routes: Router<AppState>) -> Router<AppState> {
    let check = move |Extension(version): Extension<Microversion>,
                      params: RawPathParams,
                      request: Request,
                      next: Next| async move {
        if version >= Microversion::new(minor) {
            return Ok(next.run(request).await);
        }
        let node = params.iter().find(|(name, _)| *name == "node");
        check_ident(node.map_or("", |(_, text)| text))?;
        Err(ApiError::NoRoute)
    };
    routes
        .method_not_allowed_fallback(no_method)
        .route_layer(from_fn(check))
}
