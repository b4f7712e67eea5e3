//! Volume connectors and targets as rows: the order of their columns, how they are read, and how
//! they are bound.

use ironpxe_core::id::{NodeUuid, VolumeConnectorUuid, VolumeTargetUuid};
use ironpxe_core::volume::{VolumeConnector, VolumeTarget};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::types::Json;
use sqlx::{FromRow, Sqlite};

use super::row::{Fields, Timestamp};

/// The columns that [`read_connector`] takes, of a connector joined with its node.
macro_rules! connector_columns {
    () => {
        "volume_connectors.id, volume_connectors.uuid, nodes.uuid, volume_connectors.type, \
         volume_connectors.connector_id, volume_connectors.extra, volume_connectors.created_at, \
         volume_connectors.updated_at, volume_connectors.revision"
    };
}
pub(super) use connector_columns;

/// The columns that [`read_target`] takes, of a target joined with its node.
macro_rules! target_columns {
    () => {
        "volume_targets.id, volume_targets.uuid, nodes.uuid, volume_targets.volume_type, \
         volume_targets.boot_index, volume_targets.volume_id, volume_targets.properties, \
         volume_targets.extra, volume_targets.created_at, volume_targets.updated_at, \
         volume_targets.revision"
    };
}
pub(super) use target_columns;

/// Takes [`connector_columns`] from a row: the connector, and its revision.
pub(super) fn read_connector(
    fields: &mut Fields<'_>,
) -> Result<(VolumeConnector, i64), sqlx::Error> {
    fields.id()?;
    let connector = VolumeConnector {
        uuid: VolumeConnectorUuid(fields.take()?),
        node_uuid: NodeUuid(fields.take()?),
        kind: fields.take()?,
        connector_id: fields.take()?,
        extra: fields.map()?,
        created_at: fields.time()?,
        updated_at: fields.optional_time()?,
    };
    Ok((connector, fields.take()?))
}

/// Takes [`target_columns`] from a row: the target, and its revision.
pub(super) fn read_target(fields: &mut Fields<'_>) -> Result<(VolumeTarget, i64), sqlx::Error> {
    fields.id()?;
    let target = VolumeTarget {
        uuid: VolumeTargetUuid(fields.take()?),
        node_uuid: NodeUuid(fields.take()?),
        volume_type: fields.take()?,
        boot_index: fields.take()?,
        volume_id: fields.take()?,
        properties: fields.map()?,
        extra: fields.map()?,
        created_at: fields.time()?,
        updated_at: fields.optional_time()?,
    };
    Ok((target, fields.take()?))
}

/// Binds [`connector_columns`] without `id`: `$1` is `uuid`, `$2` the node's UUID, `$8`
/// `revision`.
pub(super) fn bind_connector<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    connector: &'q VolumeConnector,
    revision: i64,
) -> Query<'q, Sqlite, SqliteArguments> {
    query
        .bind(connector.uuid.0)
        .bind(connector.node_uuid.0)
        .bind(&connector.kind)
        .bind(&connector.connector_id)
        .bind(Json(&connector.extra))
        .bind(Timestamp(connector.created_at))
        .bind(connector.updated_at.map(Timestamp))
        .bind(revision)
}

/// Binds [`target_columns`] without `id`: `$1` is `uuid`, `$2` the node's UUID, `$10` `revision`.
pub(super) fn bind_target<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    target: &'q VolumeTarget,
    revision: i64,
) -> Query<'q, Sqlite, SqliteArguments> {
    query
        .bind(target.uuid.0)
        .bind(target.node_uuid.0)
        .bind(&target.volume_type)
        .bind(target.boot_index)
        .bind(&target.volume_id)
        .bind(Json(&target.properties))
        .bind(Json(&target.extra))
        .bind(Timestamp(target.created_at))
        .bind(target.updated_at.map(Timestamp))
        .bind(revision)
}

/// A row of [`connector_columns`].
pub(super) struct ConnectorRow {
    pub(super) connector: VolumeConnector,
    pub(super) revision: i64,
}

impl FromRow<'_, SqliteRow> for ConnectorRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let (connector, revision) = read_connector(&mut Fields::new(row))?;
        Ok(Self {
            connector,
            revision,
        })
    }
}

/// A row of [`target_columns`].
pub(super) struct TargetRow {
    pub(super) target: VolumeTarget,
    pub(super) revision: i64,
}

impl FromRow<'_, SqliteRow> for TargetRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let (target, revision) = read_target(&mut Fields::new(row))?;
        Ok(Self { target, revision })
    }
}
