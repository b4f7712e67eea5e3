//! The RPC methods: one row per method of [`Conductor`], for client and server.
//!
//! A row is the method's name on the wire (Ironic's, if it exists there), the method of the trait,
//! each parameter with its name on the wire, the reply, the target, and whether it may be repeated.
//! `String as str` is a parameter that the trait takes as `&str`; a reply `A as B` is serialized as
//! `B`. To add a method, add a row; the compiler reports what does not fit.

use ironpxe_core::JsonMap;
use ironpxe_core::boot_device::BootDevice;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::{NodeUuid, PortUuid, VolumeConnectorUuid, VolumeTargetUuid};
use ironpxe_core::node::Node;
use ironpxe_core::passthru::{HttpMethod, MethodInfo, PassthruReply};
use ironpxe_core::patch::{NodeChange, PortChange, VolumeChange};
use ironpxe_core::port::Port;
use ironpxe_core::power_state::PowerTarget;
use ironpxe_core::provision::Verb;
use ironpxe_core::volume::{VolumeConnector, VolumeTarget};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::envelope::{self, Params, RequestBuilder, RpcError};
use super::remote::{Call, PING, Remote, Repeat};
use super::select::CallTarget;
use super::{
    Conductor, Context, DriverInfo, Heartbeat, InterfaceValidation, ProvisionArgs, Reply, VifInfo,
};

/// Why a call failed.
#[derive(Debug)]
pub(super) enum DispatchError {
    /// The request was invalid.
    RpcError(RpcError),
    /// The method returned a fault.
    Fault(Fault),
}

impl From<RpcError> for DispatchError {
    fn from(refused: RpcError) -> Self {
        Self::RpcError(refused)
    }
}

impl From<Fault> for DispatchError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The boot device in the format of Ironic's conductor.
#[derive(Debug, Serialize, Deserialize)]
struct BootDeviceSet {
    boot_device: Option<BootDevice>,
    persistent: Option<bool>,
}

impl From<(Option<BootDevice>, Option<bool>)> for BootDeviceSet {
    fn from((boot_device, persistent): (Option<BootDevice>, Option<bool>)) -> Self {
        Self {
            boot_device,
            persistent,
        }
    }
}

impl From<BootDeviceSet> for (Option<BootDevice>, Option<bool>) {
    fn from(set: BootDeviceSet) -> Self {
        (set.boot_device, set.persistent)
    }
}

/// A passthru method without side effects may be repeated.
fn repeat(http_method: HttpMethod) -> Repeat {
    match http_method {
        HttpMethod::Get | HttpMethod::Head => Repeat::Read,
        HttpMethod::Post | HttpMethod::Put | HttpMethod::Patch | HttpMethod::Delete => {
            Repeat::Never
        }
    }
}

methods! {
    "create_node" node_create(node: Node = "node_obj") -> Node,
        CallTarget::create(&node), Repeat::Never;
    "update_node" node_update(
            node: NodeUuid = "node_id",
            change: NodeChange = "change",
            reset_interfaces: bool = "reset_interfaces"
        ) -> Node,
        CallTarget::update(node, &change), Repeat::Never;
    "destroy_node" node_destroy(node: NodeUuid = "node_id") -> (),
        CallTarget::Node(node), Repeat::Never;

    "create_port" port_create(port: Port = "port_obj") -> Port,
        CallTarget::Node(port.node_uuid), Repeat::Never;
    "update_port" port_update(port: PortUuid = "port_id", change: PortChange = "change") -> Port,
        CallTarget::Any, Repeat::Never;
    "destroy_port" port_destroy(port: PortUuid = "port_id") -> (),
        CallTarget::Any, Repeat::Never;

    "vif_attach" vif_attach(node: NodeUuid = "node_id", vif: VifInfo = "vif_info") -> (),
        CallTarget::Node(node), Repeat::Never;
    "vif_detach" vif_detach(node: NodeUuid = "node_id", vif: String as str = "vif_id") -> (),
        CallTarget::Node(node), Repeat::Never;

    "create_volume_connector" volume_connector_create(
            connector: VolumeConnector = "connector"
        ) -> VolumeConnector,
        CallTarget::Node(connector.node_uuid), Repeat::Never;
    "update_volume_connector" volume_connector_update(
            connector: VolumeConnectorUuid = "connector_id",
            change: VolumeChange = "change"
        ) -> VolumeConnector,
        CallTarget::Any, Repeat::Never;
    "destroy_volume_connector" volume_connector_destroy(
            connector: VolumeConnectorUuid = "connector_id"
        ) -> (),
        CallTarget::Any, Repeat::Never;
    "create_volume_target" volume_target_create(target: VolumeTarget = "target") -> VolumeTarget,
        CallTarget::Node(target.node_uuid), Repeat::Never;
    "update_volume_target" volume_target_update(
            target: VolumeTargetUuid = "target_id",
            change: VolumeChange = "change"
        ) -> VolumeTarget,
        CallTarget::Any, Repeat::Never;
    "destroy_volume_target" volume_target_destroy(target: VolumeTargetUuid = "target_id") -> (),
        CallTarget::Any, Repeat::Never;

    "do_provisioning_action" provision(
            node: NodeUuid = "node_id",
            verb: Verb = "action",
            args: ProvisionArgs = "args"
        ) -> (),
        CallTarget::Node(node), Repeat::Never;
    "change_node_power_state" change_power_state(
            node: NodeUuid = "node_id",
            target: PowerTarget = "new_state",
            timeout: Option<u32> = "timeout"
        ) -> (),
        CallTarget::Node(node), Repeat::Never;
    "get_boot_device" boot_device_get(node: NodeUuid = "node_id")
            -> (Option<BootDevice>, Option<bool>) as BootDeviceSet,
        CallTarget::Node(node), Repeat::Read;
    "set_boot_device" boot_device_set(
            node: NodeUuid = "node_id",
            device: BootDevice = "device",
            persistent: bool = "persistent"
        ) -> (),
        CallTarget::Node(node), Repeat::Never;
    "get_supported_boot_devices" boot_device_supported(node: NodeUuid = "node_id")
            -> Vec<BootDevice>,
        CallTarget::Node(node), Repeat::Read;
    "validate_driver_interfaces" node_validate(node: NodeUuid = "node_id")
            -> Vec<InterfaceValidation>,
        CallTarget::Node(node), Repeat::Read;

    "get_driver_properties" driver_properties(driver: String as str = "driver_name") -> JsonMap,
        CallTarget::Driver(driver.to_owned()), Repeat::Read;
    "get_driver_vendor_passthru_methods" driver_vendor_passthru_methods(
            driver: String as str = "driver_name"
        ) -> Vec<MethodInfo>,
        CallTarget::Driver(driver.to_owned()), Repeat::Read;
    "driver_vendor_passthru" driver_vendor_passthru(
            driver: String as str = "driver_name",
            method: String as str = "driver_method",
            http_method: HttpMethod = "http_method",
            info: JsonMap = "info"
        ) -> PassthruReply,
        CallTarget::Driver(driver.to_owned()), repeat(http_method);
    "get_node_vendor_passthru_methods" node_vendor_passthru_methods(node: NodeUuid = "node_id")
            -> Vec<MethodInfo>,
        CallTarget::Node(node), Repeat::Read;
    "vendor_passthru" node_vendor_passthru(
            node: NodeUuid = "node_id",
            method: String as str = "driver_method",
            http_method: HttpMethod = "http_method",
            info: JsonMap = "info"
        ) -> PassthruReply,
        CallTarget::Node(node), repeat(http_method);

    "heartbeat" heartbeat(
            node: NodeUuid = "node_id",
            heartbeat: Heartbeat = "heartbeat"
        ) -> (),
        CallTarget::Node(node), Repeat::Never;
}

/// Generates from the table: [`dispatch`] for the server, and the trait for [`Remote`].
macro_rules! methods {
    ($(
        $name:literal $method:ident(
            $($arg:ident: $type:ty $(as $lent:ident)? = $wire:literal),*
        ) -> $reply:ty $(as $sent:ty)?, $target:expr, $repeat:expr;
    )*) => {
        /// Calls the method of a request. Returns the body of its response.
        pub(super) async fn dispatch(
            conductor: &dyn Conductor,
            ctx: &Context,
            id: &Value,
            method: &str,
            mut params: Params,
        ) -> Result<Vec<u8>, DispatchError> {
            match method {
                PING => to_wire(id, &()),
                $($name => {
                    $(let $arg: $type = params.take($name, $wire)?;)*
                    let reply = conductor
                        .$method(ctx $(, lent!($arg $(, $lent)?))*)
                        .await?;
                    let reply: sent!($reply $(, $sent)?) = reply.into();
                    to_wire(id, &reply)
                })*
                unknown => Err(RpcError::Method(unknown.to_owned()).into()),
            }
        }

        impl Conductor for Remote {
            $(fn $method<'a>(
                &'a self,
                ctx: &'a Context
                $(, $arg: taken!('a, $type $(, $lent)?))*
            ) -> Reply<'a, $reply> {
                Box::pin(async move {
                    let mut call = RequestBuilder::new(ctx, $name);
                    $(call.put($wire, &$arg).map_err(unsendable)?;)*
                    let call = Call {
                        method: $name,
                        body: call.finish(),
                        target: $target,
                        repeat: $repeat,
                    };
                    let reply: sent!($reply $(, $sent)?) = self.call(ctx, call).await?;
                    Ok(reply.into())
                })
            })*

            /// The drivers of live conductors, from the database.
            fn drivers<'a>(&'a self, _ctx: &'a Context) -> Reply<'a, Vec<DriverInfo>> {
                Box::pin(self.drivers_of_all())
            }
        }
    };
}
use methods;

/// A parameter's type in the trait.
macro_rules! taken {
    ($life:lifetime, $type:ty) => { $type };
    ($life:lifetime, $type:ty, $lent:ident) => { &$life $lent };
}
use taken;

/// Passes a parameter as the trait takes it.
macro_rules! lent {
    ($arg:ident) => {
        $arg
    };
    ($arg:ident, $lent:ident) => {
        &$arg
    };
}
use lent;

/// A reply's type on the wire.
macro_rules! sent {
    ($reply:ty) => {
        $reply
    };
    ($reply:ty, $sent:ty) => {
        $sent
    };
}
use sent;

fn to_wire(id: &Value, reply: &impl Serialize) -> Result<Vec<u8>, DispatchError> {
    envelope::success(id, reply).map_err(|error| Fault::Internal(error.to_string()).into())
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn unsendable(error: serde_json::Error) -> Fault {
    Fault::Internal(format!(
        "a parameter cannot be sent to a conductor: {error}"
    ))
}
