//! The endpoints for machines.
//!
//! All are public, only support `GET` and `HEAD`, and never redirect. [`crate::boot`] decides the
//! response and its status; `encode.rs` encodes it.
//!
//! | endpoint | for |
//! |---|---|
//! | `/boot.ipxe`, `/autoexec.ipxe` | a DHCP server that sends every machine to one script |
//! | `/v1/boot/<mac>/boot.ipxe` | ironic-specs `boot-config-api` |
//! | `/pxelinux.cfg/<mac>` | set-ups made for today's Ironic |
//! | `/v1/boot/<node>/ks.cfg` | installers (deploy interface `anaconda`); a kickstart |
//! | `/v1/images/<node>/…` | images that this service relays |
//! | `/v1/drivers/<driver>/vendor_passthru/ipxe_config` | ironic-specs `ipxe-dynamic-config`; routed with the other passthru methods |

mod encode;
mod fast_path;
mod guard;
mod image;
mod kickstart;
mod script;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;

use crate::api::CommonState;

pub(crate) use fast_path::BootFastPath;
pub(crate) use guard::Guard;

/// The endpoints outside of Ironic's API.
pub(crate) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    CommonState: FromRef<S>,
{
    Router::new()
        .route("/boot.ipxe", get(script::nic_loop))
        .route("/autoexec.ipxe", get(script::nic_loop))
        .route("/v1/boot/{mac}/boot.ipxe", get(script::by_address))
        // An unset `${net0/mac}`, or one that was not expanded.
        .route("/v1/boot/boot.ipxe", get(script::without_address))
        .route(
            "/v1/boot/{net}/{mac}/boot.ipxe",
            get(script::by_unexpanded_mac),
        )
        .route("/v1/boot/{node}/ks.cfg", get(kickstart::get))
        .route(
            "/v1/images/{node}/{kind}/{tag}/{expires}/{signature}/{name}",
            get(image::get),
        )
        .route("/pxelinux.cfg", get(script::without_address))
        .route("/pxelinux.cfg/{file}", get(script::by_file_name))
        .route("/pxelinux.cfg/{net}/{mac}", get(script::by_unexpanded_mac))
}

#[cfg(test)]
mod tests;
