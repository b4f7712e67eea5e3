//! Conductors for tests and fuzzing.

#![expect(clippy::unwrap_used, reason = "no part of the service")]

use std::time::Duration;

use ironpxe_core::boot::BootSettings;
use ironpxe_core::dhcp::DhcpSettings;

use super::{CallbackTimeouts, HistorySettings, LocalConductor, Settings};
use crate::boot::BootService;
use crate::db::Db;
use crate::dhcp::Dhcp;
use crate::drivers::Drivers;
use crate::lifecycle::Tasks;

/// The host name of the conductor.
pub(crate) const HOST: &str = "conductor-1";

/// The defaults of the configuration, without a DHCP server.
pub(crate) fn settings() -> Settings {
    Settings {
        host: HOST.to_owned(),
        conductor_group: String::new(),
        automated_clean: true,
        allow_provisioning_in_maintenance: true,
        heartbeat_interval: Duration::from_secs(10),
        take_over_interval: Duration::from_secs(10),
        callback_timeouts: CallbackTimeouts::default(),
        history: HistorySettings::default(),
        endpoint: String::new(),
        boot: BootSettings::default(),
        images: crate::images::testing::images(),
        dhcp: Dhcp::None,
        dhcp_options: DhcpSettings::default(),
        boot_tokens: None,
    }
}

/// Only the hardware type `fake-hardware`.
pub(crate) fn drivers() -> Drivers {
    Drivers::new(&["fake-hardware".to_owned()], None).unwrap()
}

/// Starts a conductor.
pub(crate) async fn start(
    db: &Db,
    boot: BootService,
    settings: Settings,
    tasks: Tasks,
) -> LocalConductor {
    LocalConductor::start(db.clone(), drivers(), boot, settings, tasks)
        .await
        .unwrap()
}
