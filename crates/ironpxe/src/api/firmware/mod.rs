//! The doors that machines knock on.
//!
//! All are public, answer `GET` and `HEAD` alone, and never redirect. What a machine may be told,
//! and with which status, is decided in one place (`answer.rs`), because firmware is an odd
//! client: it *runs* what it gets.
//!
//! | door | for |
//! |---|---|
//! | `/boot.ipxe`, `/autoexec.ipxe` | a DHCP server that sends every machine to one script |
//! | `/v1/boot/<mac>/boot.ipxe` | ironic-specs `boot-config-api` |
//! | `/pxelinux.cfg/<mac>` | set-ups made for today's Ironic |
//! | `/v1/boot/<node>/ks.cfg` | installers (deploy interface `anaconda`); no script, but a kickstart |
//! | `/v1/images/<node>/…` | images that are passed on; no script |
//! | `/v1/drivers/<driver>/vendor_passthru/ipxe_config` | ironic-specs `ipxe-dynamic-config`; routed with the other passthru methods |

mod answer;
mod boot_by_mac;
mod express;
mod guard;
mod image;
mod kickstart;
mod nic_loop;
mod places;

use axum::Router;
use axum::routing::get;

use crate::api::AppState;

pub(crate) use answer::{IsFirmware, passthru_answer};
pub(crate) use express::Doors;
pub(crate) use guard::Guard;
pub use places::BootPlaces;

/// The doors that are no part of Ironic's own API.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/boot.ipxe", get(nic_loop::get))
        .route("/autoexec.ipxe", get(nic_loop::get))
        .route("/v1/boot/{mac}/boot.ipxe", get(boot_by_mac::get))
        // `${net0/mac}` that is not set, and that nobody has replaced.
        .route("/v1/boot/boot.ipxe", get(boot_by_mac::get_without_mac))
        .route(
            "/v1/boot/{net}/{mac}/boot.ipxe",
            get(boot_by_mac::get_setting),
        )
        .route("/v1/boot/{node}/ks.cfg", get(kickstart::get))
        .route(
            "/v1/images/{node}/{kind}/{tag}/{expires}/{signature}/{name}",
            get(image::get),
        )
        .route("/pxelinux.cfg", get(boot_by_mac::get_without_mac))
        .route("/pxelinux.cfg/{file}", get(boot_by_mac::get_pxelinux))
        .route("/pxelinux.cfg/{net}/{mac}", get(boot_by_mac::get_setting))
}

#[cfg(test)]
mod tests;
