//! The conductor's API: passes each call to its module.

use ironpxe_core::JsonMap;
use ironpxe_core::boot_device::BootDevice;
use ironpxe_core::driver::management;
use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, PortUuid, VolumeConnectorUuid, VolumeTargetUuid};
use ironpxe_core::node::Node;
use ironpxe_core::passthru::{HttpMethod, MethodInfo, PassthruReply};
use ironpxe_core::patch::{NodeChange, PortChange, VolumeChange};
use ironpxe_core::port::Port;
use ironpxe_core::power_state::PowerTarget;
use ironpxe_core::provision::Verb;
use ironpxe_core::volume::{VolumeConnector, VolumeTarget};
use serde_json::Value;

use super::LocalConductor;
use crate::rpc::{
    Conductor, Context, DriverInfo, Heartbeat, InterfaceValidation, ProvisionArgs, Reply, VifInfo,
};

impl LocalConductor {
    /// Runs to completion even if the client disconnects: otherwise a node could stay reserved, or
    /// the DHCP server miss a port that was saved.
    async fn uncancelled<T, F>(
        &self,
        ctx: &Context,
        name: &'static str,
        act: impl FnOnce(Self, Context) -> F,
    ) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let done = self
            .tasks
            .run_to_completion(name, act(self.clone(), ctx.clone()));
        let done = done.await;
        done.unwrap_or_else(|| Err(Fault::Internal("the task panicked".to_owned())))
    }
}

impl Conductor for LocalConductor {
    fn node_create<'a>(&'a self, ctx: &'a Context, node: Node) -> Reply<'a, Node> {
        Box::pin(self.create_node(ctx, node))
    }

    fn node_update<'a>(
        &'a self,
        _ctx: &'a Context,
        node: NodeUuid,
        change: NodeChange,
        reset_interfaces: bool,
    ) -> Reply<'a, Node> {
        Box::pin(async move { self.update_node(node, &change, reset_interfaces).await })
    }

    fn node_destroy<'a>(&'a self, ctx: &'a Context, node: NodeUuid) -> Reply<'a, ()> {
        let destroy = move |it: Self, ctx| async move { it.destroy_node(&ctx, node).await };
        Box::pin(self.uncancelled(ctx, "node deletion", destroy))
    }

    fn port_create<'a>(&'a self, ctx: &'a Context, port: Port) -> Reply<'a, Port> {
        let create = move |it: Self, ctx| async move { it.create_port(&ctx, port).await };
        Box::pin(self.uncancelled(ctx, "new port", create))
    }

    fn port_update<'a>(
        &'a self,
        ctx: &'a Context,
        port: PortUuid,
        change: PortChange,
    ) -> Reply<'a, Port> {
        let update = move |it: Self, ctx| async move { it.update_port(&ctx, port, &change).await };
        Box::pin(self.uncancelled(ctx, "port change", update))
    }

    fn port_destroy<'a>(&'a self, ctx: &'a Context, port: PortUuid) -> Reply<'a, ()> {
        let destroy = move |it: Self, ctx| async move { it.destroy_port(&ctx, port).await };
        Box::pin(self.uncancelled(ctx, "port deletion", destroy))
    }

    fn vif_attach<'a>(&'a self, ctx: &'a Context, node: NodeUuid, vif: VifInfo) -> Reply<'a, ()> {
        let attach = move |it: Self, ctx| async move { it.attach_vif(&ctx, node, vif).await };
        Box::pin(self.uncancelled(ctx, "VIF attachment", attach))
    }

    fn vif_detach<'a>(&'a self, ctx: &'a Context, node: NodeUuid, vif: &'a str) -> Reply<'a, ()> {
        let vif = vif.to_owned();
        let detach = move |it: Self, ctx| async move { it.detach_vif(&ctx, node, &vif).await };
        Box::pin(self.uncancelled(ctx, "VIF detachment", detach))
    }

    fn volume_connector_create<'a>(
        &'a self,
        ctx: &'a Context,
        connector: VolumeConnector,
    ) -> Reply<'a, VolumeConnector> {
        Box::pin(self.create_volume(ctx, connector))
    }

    fn volume_connector_update<'a>(
        &'a self,
        ctx: &'a Context,
        connector: VolumeConnectorUuid,
        change: VolumeChange,
    ) -> Reply<'a, VolumeConnector> {
        Box::pin(self.update_volume(ctx, connector, change))
    }

    fn volume_connector_destroy<'a>(
        &'a self,
        ctx: &'a Context,
        connector: VolumeConnectorUuid,
    ) -> Reply<'a, ()> {
        Box::pin(self.destroy_volume::<VolumeConnector>(ctx, connector))
    }

    fn volume_target_create<'a>(
        &'a self,
        ctx: &'a Context,
        target: VolumeTarget,
    ) -> Reply<'a, VolumeTarget> {
        Box::pin(self.create_volume(ctx, target))
    }

    fn volume_target_update<'a>(
        &'a self,
        ctx: &'a Context,
        target: VolumeTargetUuid,
        change: VolumeChange,
    ) -> Reply<'a, VolumeTarget> {
        Box::pin(self.update_volume(ctx, target, change))
    }

    fn volume_target_destroy<'a>(
        &'a self,
        ctx: &'a Context,
        target: VolumeTargetUuid,
    ) -> Reply<'a, ()> {
        Box::pin(self.destroy_volume::<VolumeTarget>(ctx, target))
    }

    fn provision<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
        verb: Verb,
        args: ProvisionArgs,
    ) -> Reply<'a, ()> {
        let accept =
            move |it: Self, ctx| async move { it.start_provision(&ctx, node, verb, args).await };
        Box::pin(self.uncancelled(ctx, "provision verb", accept))
    }

    fn change_power_state<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
        target: PowerTarget,
        _timeout: Option<u32>,
    ) -> Reply<'a, ()> {
        Box::pin(self.set_power(ctx, node, target))
    }

    fn boot_device_get<'a>(
        &'a self,
        _ctx: &'a Context,
        node: NodeUuid,
    ) -> Reply<'a, (Option<BootDevice>, Option<bool>)> {
        Box::pin(async move {
            let (device, persistent) = management::get(&self.node(node).await?);
            Ok((Some(device), Some(persistent)))
        })
    }

    fn boot_device_set<'a>(
        &'a self,
        _ctx: &'a Context,
        node: NodeUuid,
        device: BootDevice,
        persistent: bool,
    ) -> Reply<'a, ()> {
        Box::pin(self.set_boot_device(node, device, persistent))
    }

    fn boot_device_supported<'a>(
        &'a self,
        _ctx: &'a Context,
        node: NodeUuid,
    ) -> Reply<'a, Vec<BootDevice>> {
        Box::pin(async move { Ok(management::supported(&self.node(node).await?).to_vec()) })
    }

    fn node_validate<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
    ) -> Reply<'a, Vec<InterfaceValidation>> {
        Box::pin(self.validate(ctx, node))
    }

    /// The drivers of all live conductors on the same database.
    fn drivers<'a>(&'a self, _ctx: &'a Context) -> Reply<'a, Vec<DriverInfo>> {
        Box::pin(async move { Ok(DriverInfo::of(&self.db.conductor_list().await?)) })
    }

    fn driver_properties<'a>(&'a self, _ctx: &'a Context, driver: &'a str) -> Reply<'a, JsonMap> {
        let properties = self.drivers.get(driver).map(|hardware| {
            let text = |text: &str| Value::String(text.to_owned());
            hardware
                .properties
                .iter()
                .map(|(key, about)| ((*key).to_owned(), text(about)))
                .collect()
        });
        let unknown = || Fault::DriverNotFound(driver.to_owned());
        Box::pin(std::future::ready(properties.ok_or_else(unknown)))
    }

    fn driver_vendor_passthru_methods<'a>(
        &'a self,
        _ctx: &'a Context,
        driver: &'a str,
    ) -> Reply<'a, Vec<MethodInfo>> {
        Box::pin(std::future::ready(self.driver_methods(driver)))
    }

    fn driver_vendor_passthru<'a>(
        &'a self,
        ctx: &'a Context,
        driver: &'a str,
        method: &'a str,
        http_method: HttpMethod,
        info: JsonMap,
    ) -> Reply<'a, PassthruReply> {
        Box::pin(self.call_driver_method(ctx, driver, method, http_method, info))
    }

    fn node_vendor_passthru_methods<'a>(
        &'a self,
        _ctx: &'a Context,
        node: NodeUuid,
    ) -> Reply<'a, Vec<MethodInfo>> {
        Box::pin(self.node_methods(node))
    }

    fn node_vendor_passthru<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
        method: &'a str,
        http_method: HttpMethod,
        info: JsonMap,
    ) -> Reply<'a, PassthruReply> {
        Box::pin(self.call_node_method(ctx, node, method, http_method, info))
    }

    fn heartbeat<'a>(
        &'a self,
        ctx: &'a Context,
        node: NodeUuid,
        heartbeat: Heartbeat,
    ) -> Reply<'a, ()> {
        Box::pin(self.apply_heartbeat(ctx, node, heartbeat))
    }
}
