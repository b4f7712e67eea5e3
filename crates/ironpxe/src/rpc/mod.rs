//! The interface between the API and the conductor.
//!
//! The API calls [`Conductor`] for everything that changes a node or needs a driver.
//! [`crate::conductor::LocalConductor`] implements it in the same process; [`Remote`] calls a
//! conductor registered in the database, using Ironic's `json-rpc` dialect.
//!
//! `methods.rs` is the table of methods; add a method of the trait there. `envelope.rs` and
//! `fault.rs` are the dialect, [`server`] and `client.rs` its two sides, `select.rs` selects
//! conductors, `remote.rs` handles failover. [`crate::auth`] and [`crate::tls`] authenticate both sides.
//! Boots do not use RPC: see [`crate::boot`].
//!
//! Source of the calls: Ironic's `conductor/rpcapi.py`; of the dialect: `common/json_rpc/`.

mod client;
mod envelope;
mod fault;
mod methods;
mod remote;
mod select;
pub(crate) mod server;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;

use ironpxe_core::JsonMap;
use ironpxe_core::boot_device::BootDevice;
use ironpxe_core::conductor;
use ironpxe_core::error::Result;
use ironpxe_core::id::{NodeUuid, PortUuid, VolumeConnectorUuid, VolumeTargetUuid};
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::node::Node;
use ironpxe_core::passthru::{HttpMethod, MethodInfo, PassthruReply};
use ironpxe_core::patch::{NodeChange, PortChange, VolumeChange};
use ironpxe_core::port::Port;
use ironpxe_core::power_state::PowerTarget;
use ironpxe_core::provision::Verb;
pub(crate) use ironpxe_core::provision::{AgentStatus, Heartbeat, ProvisionArgs};
use ironpxe_core::volume::{VolumeConnector, VolumeTarget};
use serde::{Deserialize, Serialize};

pub(crate) use self::remote::{Remote, Timeouts};
pub(crate) use ironpxe_core::conductor::DriverInterfaces;

/// The future of a call's result.
pub(crate) type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The context of a call.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// `req-<uuid>`, as in the answer's `openstack-request-id` and in every log line about it.
    pub request_id: String,
}

/// A VIF to attach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VifInfo {
    /// The VIF, for example a port of Neutron.
    pub id: String,
    /// The port; any free one if unset.
    #[serde(default)]
    pub port_uuid: Option<PortUuid>,
}

/// The validation result of a driver interface of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InterfaceValidation {
    /// The interface.
    pub kind: InterfaceKind,
    /// Why it is invalid; `None` if it is valid.
    pub problem: Option<String>,
}

/// A hardware type as in `GET /v1/drivers/<driver>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DriverInfo {
    /// The hardware type's name.
    pub name: String,
    /// The conductors that have it enabled.
    pub hosts: Vec<String>,
    /// The default and the enabled implementations of each kind of interface.
    pub interfaces: Vec<DriverInterfaces>,
}

impl DriverInfo {
    /// The hardware types of the live conductors, in the order of registration. If conductors
    /// differ in their interfaces, all are included.
    pub(crate) fn of(conductors: &[conductor::Conductor]) -> Vec<Self> {
        let mut known: Vec<Self> = Vec::new();
        for conductor in conductors.iter().filter(|conductor| conductor.alive) {
            for hardware in &conductor.interfaces {
                match known.iter_mut().find(|info| info.name == hardware.name) {
                    Some(info) => info.join(&conductor.hostname, hardware),
                    None => known.push(Self {
                        name: hardware.name.clone(),
                        hosts: vec![conductor.hostname.clone()],
                        interfaces: hardware.interfaces.clone(),
                    }),
                }
            }
        }
        known
    }

    /// Adds the interfaces of another conductor.
    fn join(&mut self, host: &str, hardware: &conductor::Hardware) {
        self.hosts.push(host.to_owned());
        for more in &hardware.interfaces {
            match self.interfaces.iter_mut().find(|it| it.kind == more.kind) {
                Some(known) => {
                    for name in &more.enabled {
                        if !known.enabled.contains(name) {
                            known.enabled.push(name.clone());
                        }
                    }
                }
                None => self.interfaces.push(more.clone()),
            }
        }
    }
}

/// Operations that the API delegates to a conductor.
pub(crate) trait Conductor: Send + Sync {
    /// Enrols a node: sets defaults for missing interfaces, and validates the others.
    fn node_create<'a>(&'a self, ctx: &'a Context, node: Node) -> Reply<'a, Node>;

    /// Changes a node's fields. With `reset_interfaces`, a node whose driver changes gets the new
    /// driver's default for each interface that `change` does not set.
    fn node_update<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
        change: NodeChange,
        reset_interfaces: bool,
    ) -> Reply<'a, Node>;

    /// Deletes a node with its ports and volumes.
    fn node_destroy<'a>(&'a self, ctx: &'a Context, node: NodeUuid) -> Reply<'a, ()>;

    /// Adds a port to its node.
    fn port_create<'a>(&'a self, ctx: &'a Context, port: Port) -> Reply<'a, Port>;

    /// Changes a port.
    fn port_update<'a>(
        &'a self,
        ctx: &'a Context,
        port: PortUuid,
        change: PortChange,
    ) -> Reply<'a, Port>;

    /// Deletes a port.
    fn port_destroy<'a>(&'a self, ctx: &'a Context, port: PortUuid) -> Reply<'a, ()>;

    /// Attaches a VIF to a port of the node.
    fn vif_attach<'a>(&'a self, ctx: &'a Context, node: NodeUuid, vif: VifInfo) -> Reply<'a, ()>;

    /// Detaches a VIF.
    fn vif_detach<'a>(&'a self, ctx: &'a Context, node: NodeUuid, vif: &'a str) -> Reply<'a, ()>;

    /// Adds a volume connector to its node.
    fn volume_connector_create<'a>(
        &'a self,
        ctx: &'a Context,
        connector: VolumeConnector,
    ) -> Reply<'a, VolumeConnector>;

    /// Changes a volume connector.
    fn volume_connector_update<'a>(
        &'a self,
        ctx: &'a Context,
        connector: VolumeConnectorUuid,
        change: VolumeChange,
    ) -> Reply<'a, VolumeConnector>;

    /// Deletes a volume connector.
    fn volume_connector_destroy<'a>(
        &'a self,
        ctx: &'a Context,
        connector: VolumeConnectorUuid,
    ) -> Reply<'a, ()>;

    /// Adds a volume target to its node.
    fn volume_target_create<'a>(
        &'a self,
        ctx: &'a Context,
        target: VolumeTarget,
    ) -> Reply<'a, VolumeTarget>;

    /// Changes a volume target.
    fn volume_target_update<'a>(
        &'a self,
        ctx: &'a Context,
        target: VolumeTargetUuid,
        change: VolumeChange,
    ) -> Reply<'a, VolumeTarget>;

    /// Deletes a volume target.
    fn volume_target_destroy<'a>(
        &'a self,
        ctx: &'a Context,
        target: VolumeTargetUuid,
    ) -> Reply<'a, ()>;

    /// Starts a provision verb. Returns when it is accepted, not when it is complete.
    fn provision<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
        verb: Verb,
        args: ProvisionArgs,
    ) -> Reply<'a, ()>;

    /// Starts a power change. `timeout` is in seconds, for soft requests.
    fn change_power_state<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
        target: PowerTarget,
        timeout: Option<u32>,
    ) -> Reply<'a, ()>;

    /// The current boot device, and whether it is persistent.
    fn boot_device_get<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
    ) -> Reply<'a, (Option<BootDevice>, Option<bool>)>;

    /// Sets the boot device.
    fn boot_device_set<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
        device: BootDevice,
        persistent: bool,
    ) -> Reply<'a, ()>;

    /// The boot devices that can be set.
    fn boot_device_supported<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
    ) -> Reply<'a, Vec<BootDevice>>;

    /// Validates each driver interface of the node.
    fn node_validate<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
    ) -> Reply<'a, Vec<InterfaceValidation>>;

    /// The enabled hardware types.
    fn drivers<'a>(&'a self, ctx: &'a Context) -> Reply<'a, Vec<DriverInfo>>;

    /// The `driver_info` fields of a hardware type with their descriptions.
    fn driver_properties<'a>(&'a self, ctx: &'a Context, driver: &'a str) -> Reply<'a, JsonMap>;

    /// The passthru methods of a hardware type.
    fn driver_vendor_passthru_methods<'a>(
        &'a self,
        ctx: &'a Context,
        driver: &'a str,
    ) -> Reply<'a, Vec<MethodInfo>>;

    /// Calls a passthru method of a hardware type.
    fn driver_vendor_passthru<'a>(
        &'a self,
        ctx: &'a Context,
        driver: &'a str,
        method: &'a str,
        http_method: HttpMethod,
        info: JsonMap,
    ) -> Reply<'a, PassthruReply>;

    /// The passthru methods of a node.
    fn node_vendor_passthru_methods<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
    ) -> Reply<'a, Vec<MethodInfo>>;

    /// Calls a passthru method of a node.
    fn node_vendor_passthru<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
        method: &'a str,
        http_method: HttpMethod,
        info: JsonMap,
    ) -> Reply<'a, PassthruReply>;

    /// Processes a heartbeat of a node's agent or installer.
    fn heartbeat<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
        heartbeat: Heartbeat,
    ) -> Reply<'a, ()>;
}
