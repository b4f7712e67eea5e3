//! Adding, changing and removing ports. A boot request sees each change at once.

use ironpxe_core::error::Result;
use ironpxe_core::id::PortUuid;
use ironpxe_core::patch::PortChange;
use ironpxe_core::port::Port;
use tracing::info;

use super::LocalConductor;
use crate::rpc::Context;

impl LocalConductor {
    pub(super) async fn create_port(&self, ctx: &Context, port: Port) -> Result<Port> {
        self.db.port_create(&port).await?;
        info!(
            req.id = ctx.request_id,
            node.uuid = %port.node_uuid,
            port.mac = %port.address,
            "port added"
        );
        Ok(port)
    }

    pub(super) async fn update_port(&self, uuid: PortUuid, change: &PortChange) -> Result<Port> {
        let (port, ()) = self.db.port_change(uuid, |port| change.apply(port)).await?;
        Ok(port)
    }

    pub(super) async fn destroy_port(&self, ctx: &Context, uuid: PortUuid) -> Result<()> {
        self.db.port_destroy(uuid).await?;
        info!(req.id = ctx.request_id, port.uuid = %uuid, "port removed");
        Ok(())
    }
}
