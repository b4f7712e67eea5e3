//! A node as a row: the order of its columns, how they are read, and how they are bound.

use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::power_state::PowerState;
use ironpxe_core::provision_state::StoredState;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::types::Json;
use sqlx::{FromRow, Sqlite};

use super::row::{Fields, Timestamp};

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

/// Binds [`node_columns`] without `id`: `$1` is `uuid`, `$50` is `revision`.
pub(super) fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    node: &'q Node,
) -> Query<'q, Sqlite, SqliteArguments> {
    query
        .bind(node.uuid.0)
        .bind(&node.name)
        .bind(&node.driver)
        .bind(Json(&node.interfaces))
        .bind(node.provision_state.name())
        .bind(&node.target_provision_state)
        .bind(node.provision_updated_at.map(Timestamp))
        .bind(node.power_state.map(PowerState::name))
        .bind(node.target_power_state.map(PowerState::name))
        .bind(&node.reservation)
        .bind(node.maintenance)
        .bind(&node.maintenance_reason)
        .bind(&node.fault)
        .bind(&node.last_error)
        .bind(Json(&node.properties))
        .bind(Json(&node.driver_info))
        .bind(Json(&node.instance_info))
        .bind(Json(&node.driver_internal_info))
        .bind(Json(&node.extra))
        .bind(Json(&node.network_data))
        .bind(Json(&node.raid_config))
        .bind(Json(&node.target_raid_config))
        .bind(Json(&node.clean_step))
        .bind(Json(&node.deploy_step))
        .bind(Json(&node.service_step))
        .bind(node.instance_uuid)
        .bind(&node.instance_name)
        .bind(node.chassis_uuid)
        .bind(&node.resource_class)
        .bind(&node.conductor_group)
        .bind(node.automated_clean)
        .bind(node.protected)
        .bind(&node.protected_reason)
        .bind(node.retired)
        .bind(&node.retired_reason)
        .bind(&node.owner)
        .bind(&node.lessee)
        .bind(&node.description)
        .bind(&node.shard)
        .bind(node.parent_node)
        .bind(node.disable_power_off)
        .bind(&node.boot_mode)
        .bind(node.secure_boot)
        .bind(node.console_enabled)
        .bind(Json(&node.traits))
        .bind(node.inspection_started_at.map(Timestamp))
        .bind(node.inspection_finished_at.map(Timestamp))
        .bind(Timestamp(node.created_at))
        .bind(node.updated_at.map(Timestamp))
        .bind(node.revision)
}

/// A row of [`node_columns`].
pub(super) struct NodeRow(pub(super) Node);

impl FromRow<'_, SqliteRow> for NodeRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        read(&mut Fields::new(row)).map(Self)
    }
}
