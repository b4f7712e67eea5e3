//! The row of a node.

use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::power_state::PowerState;
use ironpxe_core::provision_state::StoredState;

use super::columns::columns;
use super::row::Fields;
use super::statement::Value;

columns! {
    node_columns of Node in "nodes" for db, |row, node|;
    uuid: NodeUuid(row.take()?) => node.uuid.0.into();
    name: row.take()? => (&node.name).into();
    driver: row.take()? => (&node.driver).into();
    interfaces: row.json()? => Value::json(&node.interfaces);
    provision_state: StoredState::from_name(row.text()?) => node.provision_state.name().into();
    target_provision_state: row.take()? => (&node.target_provision_state).into();
    provision_updated_at: row.optional_time()? => node.provision_updated_at.into();
    // An unknown name must not make the node unreadable.
    power_state: row.optional_text()?.map(|word| PowerState::from_name(word).unwrap_or(PowerState::Error))
        => node.power_state.map(PowerState::name).into();
    target_power_state: row.optional_text()?.and_then(PowerState::from_name) => node.target_power_state.map(PowerState::name).into();
    reservation: row.take()? => (&node.reservation).into();
    maintenance: row.take()? => node.maintenance.into();
    maintenance_reason: row.take()? => (&node.maintenance_reason).into();
    fault: row.take()? => (&node.fault).into();
    last_error: row.take()? => (&node.last_error).into();
    properties: row.map()? => Value::json(&node.properties);
    driver_info: row.map()? => Value::json(&node.driver_info);
    instance_info: row.map()? => Value::json(&node.instance_info);
    driver_internal_info: row.map()? => Value::json(&node.driver_internal_info);
    extra: row.map()? => Value::json(&node.extra);
    network_data: row.map()? => Value::json(&node.network_data);
    raid_config: row.map()? => Value::json(&node.raid_config);
    target_raid_config: row.map()? => Value::json(&node.target_raid_config);
    clean_step: row.map()? => Value::json(&node.clean_step);
    deploy_step: row.map()? => Value::json(&node.deploy_step);
    service_step: row.map()? => Value::json(&node.service_step);
    instance_uuid: row.take()? => node.instance_uuid.into();
    instance_name: row.take()? => (&node.instance_name).into();
    chassis_uuid: row.take()? => node.chassis_uuid.into();
    resource_class: row.take()? => (&node.resource_class).into();
    conductor_group: row.take()? => (&node.conductor_group).into();
    automated_clean: row.take()? => node.automated_clean.into();
    protected: row.take()? => node.protected.into();
    protected_reason: row.take()? => (&node.protected_reason).into();
    retired: row.take()? => node.retired.into();
    retired_reason: row.take()? => (&node.retired_reason).into();
    owner: row.take()? => (&node.owner).into();
    lessee: row.take()? => (&node.lessee).into();
    description: row.take()? => (&node.description).into();
    shard: row.take()? => (&node.shard).into();
    parent_node: row.take()? => node.parent_node.into();
    disable_power_off: row.take()? => node.disable_power_off.into();
    boot_mode: row.take()? => (&node.boot_mode).into();
    secure_boot: row.take()? => node.secure_boot.into();
    console_enabled: row.take()? => node.console_enabled.into();
    traits: row.json()? => Value::json(&node.traits);
    inspection_started_at: row.optional_time()? => node.inspection_started_at.into();
    inspection_finished_at: row.optional_time()? => node.inspection_finished_at.into();
    created_at: row.time()? => node.created_at.into();
    updated_at: row.optional_time()? => node.updated_at.into();
    revision: row.take()? => node.revision.into();
}
