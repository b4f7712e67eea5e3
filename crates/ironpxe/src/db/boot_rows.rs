//! Reads the rows that boot decisions use, for many machines at once, and verifies cached ones.
//!
//! A row is unchanged if its id, its revision and the time of its last change are. Ids are not
//! reused, each change increments the revision, and the time detects a database that was restored
//! from a backup and then changed.

use std::collections::HashMap;
use std::fmt::Write as _;

use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use time::OffsetDateTime;

use super::commit_version::CommitVersion;
use super::commit_version::snapshots::SNAPSHOT;
use super::node_row::{self, node_columns};
use super::port_row::{self, port_columns};
use super::row::{Fields, Read};
use super::statement::{Statement, Value};
use super::store::Store;
use super::{Db, DbError};

/// The maximum number of machines per query.
pub(crate) const MAX_MACHINES_PER_QUERY: usize = 64;

/// Identifies a version of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RowVersion {
    id: i64,
    revision: i64,
    /// In microseconds since 1970, the stored precision; the minimum if it was never changed.
    updated_at: i64,
}

impl RowVersion {
    fn new(id: i64, revision: i64, updated_at: Option<OffsetDateTime>) -> Self {
        let microseconds = |time: OffsetDateTime| time.unix_timestamp_nanos() / 1000;
        let updated_at = updated_at.map(microseconds).map(i64::try_from);
        Self {
            id,
            revision,
            // Out-of-range years never occur.
            updated_at: updated_at.map_or(i64::MIN, |time| time.unwrap_or(i64::MAX)),
        }
    }
}

/// Identifies a version of all rows of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revisions {
    node: RowVersion,
    port: Option<RowVersion>,
}

/// The rows of one machine from a single snapshot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BootRows {
    /// Its node.
    pub node: Node,
    /// The port with the requested address.
    pub port: Option<Port>,
    /// The versions of these rows. The node's volumes have their own revisions.
    pub revisions: Revisions,
}

/// Rows and the commit version they are valid for.
#[derive(Debug)]
pub(crate) struct Versioned<T> {
    /// `None` if it is unknown.
    pub version: Option<CommitVersion>,
    /// Unknown machines are absent.
    pub found: HashMap<BootIdent, T>,
}

/// A row, with its snapshot if that is known.
type Row<T> = (Option<Box<str>>, BootIdent, T);

/// A query without `SELECT` and values, and its reader.
type RowQuery<T> = (&'static str, Read<Row<T>>);

impl Db {
    /// The current commit version, if it is known without a query. Later reads are not older.
    pub(crate) fn commit_version(&self) -> Option<CommitVersion> {
        match &self.store {
            Store::Sqlite(store) => store.index?.version(),
            Store::Postgres(_) => None,
        }
    }

    /// The commit version at some time after the call, queried if necessary.
    pub(crate) async fn fetch_commit_version(&self) -> Result<Option<CommitVersion>, DbError> {
        let Store::Postgres(store) = &self.store else {
            return Ok(self.commit_version());
        };
        let text = format!("SELECT {SNAPSHOT}");
        let statement = Statement::assembled("read the commit version", text, Vec::new());
        let snapshot = self.first(statement, snapshot).await?.flatten();
        let generation = store.snapshots.generation();
        Ok(snapshot.map(|snapshot| store.snapshots.version(generation, &snapshot)))
    }

    /// The rows of these machines (at most [`MAX_MACHINES_PER_QUERY`]) at some time after the call.
    pub(crate) async fn boot_rows(
        &self,
        machines: &[BootIdent],
    ) -> Result<Versioned<BootRows>, DbError> {
        let by_address: RowQuery<BootRows> = (
            concat!(
                node_columns!(),
                ", ",
                port_columns!(),
                " FROM ports JOIN nodes ON nodes.id = ports.node_id WHERE ports.address IN ("
            ),
            node_and_port,
        );
        let by_node: RowQuery<BootRows> = (
            concat!(node_columns!(), " FROM nodes WHERE nodes.uuid IN ("),
            node_alone,
        );
        self.read_machines("read boot rows", machines, by_address, by_node)
            .await
    }

    /// As [`Db::boot_rows`], but only the revisions, which is much less data.
    pub(crate) async fn boot_revisions(
        &self,
        machines: &[BootIdent],
    ) -> Result<Versioned<Revisions>, DbError> {
        let by_address: RowQuery<Revisions> = (
            "ports.address, ports.id, ports.revision, ports.updated_at, \
             nodes.id, nodes.revision, nodes.updated_at FROM ports \
             JOIN nodes ON nodes.id = ports.node_id WHERE ports.address IN (",
            port_revisions,
        );
        let by_node: RowQuery<Revisions> = (
            "nodes.uuid, nodes.id, nodes.revision, nodes.updated_at FROM nodes \
             WHERE nodes.uuid IN (",
            node_revisions,
        );
        let operation = "validate boot rows";
        self.read_machines(operation, machines, by_address, by_node)
            .await
    }

    async fn read_machines<T>(
        &self,
        operation: &'static str,
        machines: &[BootIdent],
        by_address: RowQuery<T>,
        by_node: RowQuery<T>,
    ) -> Result<Versioned<T>, DbError> {
        // Both before anything is sent.
        let mut version = self.commit_version();
        let generation = match &self.store {
            Store::Sqlite(_) => None,
            Store::Postgres(store) => Some((&store.snapshots, store.snapshots.generation())),
        };
        let (addresses, nodes) = sorted(machines);
        let mut rows = self.each_of(operation, by_address, addresses).await?;
        rows.extend(self.each_of(operation, by_node, nodes).await?);
        if let Some((snapshots, generation)) = generation
            && let Some((Some(first), ..)) = rows.first()
            // Two queries may have had different snapshots.
            && rows.iter().all(|(snapshot, ..)| snapshot.as_ref() == Some(first))
        {
            version = Some(snapshots.version(generation, first));
        }
        let found = rows.into_iter().map(|(_, ident, found)| (ident, found));
        Ok(Versioned {
            version,
            found: found.collect(),
        })
    }

    /// The rows of a query for these values.
    async fn each_of<T>(
        &self,
        operation: &'static str,
        (query, read): RowQuery<T>,
        mut values: Vec<Value<'static>>,
    ) -> Result<Vec<Row<T>>, DbError> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        // Only a few different lengths, so that there are few statements to prepare. The padding
        // with NULL matches nothing.
        let nothing = match values.first() {
            Some(Value::Uuid(_)) => || Value::Uuid(None),
            _ => || Value::Text(None),
        };
        values.resize_with(values.len().next_power_of_two(), nothing);
        let snapshot = match &self.store {
            Store::Sqlite(_) => "NULL",
            Store::Postgres(_) => SNAPSHOT,
        };
        let mut text = format!("SELECT {snapshot}, {query}");
        for number in 1..=values.len() {
            let comma = if number == 1 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}${number}");
        }
        text.push(')');
        self.all(Statement::assembled(operation, text, values), read)
            .await
    }
}

/// The values of both queries.
fn sorted(machines: &[BootIdent]) -> (Vec<Value<'static>>, Vec<Value<'static>>) {
    let (mut addresses, mut nodes) = (Vec::new(), Vec::new());
    for machine in machines.iter().take(MAX_MACHINES_PER_QUERY) {
        match machine {
            BootIdent::Address(mac) => addresses.push(mac.to_string().into()),
            BootIdent::Node(uuid) => nodes.push(uuid.0.into()),
        }
    }
    (addresses, nodes)
}

fn snapshot(fields: &mut Fields<'_>) -> Result<Option<Box<str>>, sqlx::Error> {
    Ok(fields.optional_text()?.map(Into::into))
}

fn node_and_port(fields: &mut Fields<'_>) -> Result<Row<BootRows>, sqlx::Error> {
    let (snapshot, _, mut rows) = node_alone(fields)?;
    let port = port_row::read(fields)?;
    let version = RowVersion::new(fields.last_id(), fields.take()?, port.updated_at);
    rows.revisions.port = Some(version);
    let ident = BootIdent::Address(port.address);
    rows.port = Some(port);
    Ok((snapshot, ident, rows))
}

fn node_alone(fields: &mut Fields<'_>) -> Result<Row<BootRows>, sqlx::Error> {
    let snapshot = snapshot(fields)?;
    let node = node_row::read(fields)?;
    let revision = RowVersion::new(fields.last_id(), node.revision, node.updated_at);
    let ident = BootIdent::Node(node.uuid);
    let rows = BootRows {
        node,
        port: None,
        revisions: Revisions {
            node: revision,
            port: None,
        },
    };
    Ok((snapshot, ident, rows))
}

fn port_revisions(fields: &mut Fields<'_>) -> Result<Row<Revisions>, sqlx::Error> {
    let snapshot = snapshot(fields)?;
    let address: MacAddress = fields.parse(|text| text.parse().ok())?;
    let port = Some(revision(fields)?);
    let node = revision(fields)?;
    let revisions = Revisions { node, port };
    Ok((snapshot, BootIdent::Address(address), revisions))
}

fn node_revisions(fields: &mut Fields<'_>) -> Result<Row<Revisions>, sqlx::Error> {
    let snapshot = snapshot(fields)?;
    let ident = BootIdent::Node(NodeUuid(fields.take()?));
    let node = revision(fields)?;
    Ok((snapshot, ident, Revisions { node, port: None }))
}

fn revision(fields: &mut Fields<'_>) -> Result<RowVersion, sqlx::Error> {
    let id = fields.id()?;
    Ok(RowVersion::new(id, fields.take()?, fields.optional_time()?))
}
