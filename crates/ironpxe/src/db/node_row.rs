//! A node as a row: the order of its columns, how they are read, and how they are bound.

use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::power_state::PowerState;
use ironpxe_core::provision_state::StoredState;

use super::row::Fields;
use super::statement::Value;

/// The columns that [`read`] takes.
macro_rules! node_columns {
    () => {
        "nodes.id, nodes.uuid, nodes.name, nodes.driver, nodes.interfaces, \
         nodes.provision_state, nodes.target_provision_state, nodes.provision_updated_at, \
         nodes.power_state, nodes.target_power_state, nodes.reservation, nodes.maintenance, \
         nodes.maintenance_reason, nodes.fault, nodes.last_error, nodes.properties, \
         nodes.driver_info, nodes.instance_info, nodes.driver_internal_info, nodes.extra, \
         nodes.network_data, nodes.raid_config, nodes.target_raid_config, nodes.clean_step, \
         nodes.deploy_step, nodes.service_step, nodes.instance_uuid, nodes.instance_name, \
         nodes.chassis_uuid, nodes.resource_class, nodes.conductor_group, \
         nodes.automated_clean, nodes.protected, nodes.protected_reason, nodes.retired, \
         nodes.retired_reason, nodes.owner, nodes.lessee, nodes.description, nodes.shard, \
         nodes.parent_node, nodes.disable_power_off, nodes.boot_mode, nodes.secure_boot, \
         nodes.console_enabled, nodes.traits, nodes.inspection_started_at, \
         nodes.inspection_finished_at, nodes.created_at, nodes.updated_at, nodes.revision"
    };
}
pub(super) use node_columns;

/// Takes [`node_columns`] from a row.
pub(super) fn read(fields: &mut Fields<'_>) -> Result<Node, sqlx::Error> {
    fields.id()?;
    Ok(Node {
        uuid: NodeUuid(fields.take()?),
        name: fields.take()?,
        driver: fields.take()?,
        interfaces: fields.json()?,
        provision_state: StoredState::from_name(fields.text()?),
        target_provision_state: fields.take()?,
        provision_updated_at: fields.optional_time()?,
        // A word from elsewhere must not hide the node.
        power_state: fields
            .optional_text()?
            .map(|word| PowerState::from_name(word).unwrap_or(PowerState::Error)),
        target_power_state: fields.optional_text()?.and_then(PowerState::from_name),
        reservation: fields.take()?,
        maintenance: fields.take()?,
        maintenance_reason: fields.take()?,
        fault: fields.take()?,
        last_error: fields.take()?,
        properties: fields.map()?,
        driver_info: fields.map()?,
        instance_info: fields.map()?,
        driver_internal_info: fields.map()?,
        extra: fields.map()?,
        network_data: fields.map()?,
        raid_config: fields.map()?,
        target_raid_config: fields.map()?,
        clean_step: fields.map()?,
        deploy_step: fields.map()?,
        service_step: fields.map()?,
        instance_uuid: fields.take()?,
        instance_name: fields.take()?,
        chassis_uuid: fields.take()?,
        resource_class: fields.take()?,
        conductor_group: fields.take()?,
        automated_clean: fields.take()?,
        protected: fields.take()?,
        protected_reason: fields.take()?,
        retired: fields.take()?,
        retired_reason: fields.take()?,
        owner: fields.take()?,
        lessee: fields.take()?,
        description: fields.take()?,
        shard: fields.take()?,
        parent_node: fields.take()?,
        disable_power_off: fields.take()?,
        boot_mode: fields.take()?,
        secure_boot: fields.take()?,
        console_enabled: fields.take()?,
        traits: fields.json()?,
        inspection_started_at: fields.optional_time()?,
        inspection_finished_at: fields.optional_time()?,
        created_at: fields.time()?,
        updated_at: fields.optional_time()?,
        revision: fields.take()?,
    })
}

/// The values of [`node_columns`] without `id`: `$1` is `uuid`, `$50` is `revision`.
pub(super) fn values(node: &Node) -> [Value<'_>; 50] {
    [
        node.uuid.0.into(),
        (&node.name).into(),
        (&node.driver).into(),
        Value::json(&node.interfaces),
        node.provision_state.name().into(),
        (&node.target_provision_state).into(),
        node.provision_updated_at.into(),
        node.power_state.map(PowerState::name).into(),
        node.target_power_state.map(PowerState::name).into(),
        (&node.reservation).into(),
        node.maintenance.into(),
        (&node.maintenance_reason).into(),
        (&node.fault).into(),
        (&node.last_error).into(),
        Value::json(&node.properties),
        Value::json(&node.driver_info),
        Value::json(&node.instance_info),
        Value::json(&node.driver_internal_info),
        Value::json(&node.extra),
        Value::json(&node.network_data),
        Value::json(&node.raid_config),
        Value::json(&node.target_raid_config),
        Value::json(&node.clean_step),
        Value::json(&node.deploy_step),
        Value::json(&node.service_step),
        node.instance_uuid.into(),
        (&node.instance_name).into(),
        node.chassis_uuid.into(),
        (&node.resource_class).into(),
        (&node.conductor_group).into(),
        node.automated_clean.into(),
        node.protected.into(),
        (&node.protected_reason).into(),
        node.retired.into(),
        (&node.retired_reason).into(),
        (&node.owner).into(),
        (&node.lessee).into(),
        (&node.description).into(),
        (&node.shard).into(),
        node.parent_node.into(),
        node.disable_power_off.into(),
        (&node.boot_mode).into(),
        node.secure_boot.into(),
        node.console_enabled.into(),
        Value::json(&node.traits),
        node.inspection_started_at.into(),
        node.inspection_finished_at.into(),
        node.created_at.into(),
        node.updated_at.into(),
        node.revision.into(),
    ]
}
