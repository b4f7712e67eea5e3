//! Power, and the boot device.

use ironpxe_core::boot_device::BootDevice;
use ironpxe_core::driver::management;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::power_state::{PowerState, PowerTarget};
use tracing::info;

use super::{LocalConductor, refuse_if_reserved};
use crate::rpc::Context;

impl LocalConductor {
    /// Changes the power state. The `fake` power interface completes immediately.
    pub(super) async fn set_power(
        &self,
        ctx: &Context,
        uuid: NodeUuid,
        target: PowerTarget,
    ) -> Result<()> {
        let change = |node: &mut Node| {
            refuse_if_reserved(node)?;
            if node.disable_power_off && target.result() == PowerState::Off {
                return Err(Fault::InvalidParameterValue(format!(
                    "Power off is disabled for node {}: it has disable_power_off set.",
                    node.uuid
                )));
            }
            node.power_state = Some(target.result());
            node.target_power_state = None;
            node.last_error = None;
            Ok(())
        };
        self.db.node_change(uuid, change).await?;
        info!(req.id = ctx.request_id, node.uuid = %uuid, "power state set: {}", target.name());
        Ok(())
    }

    pub(super) async fn set_boot_device(
        &self,
        uuid: NodeUuid,
        device: BootDevice,
        persistent: bool,
    ) -> Result<()> {
        let change = |node: &mut Node| {
            refuse_if_reserved(node)?;
            if !management::supported(node).contains(&device) {
                return Err(Fault::InvalidParameterValue(format!(
                    "Invalid boot device {} specified.",
                    device.name()
                )));
            }
            management::set(node, device, persistent);
            Ok(())
        };
        self.db.node_change(uuid, change).await?;
        Ok(())
    }
}
