//! What machines boot by, for many of them at once, and whether it is still what it was.
//!
//! A row is the same as before if its id, its revision and the time of its last change are. Ids
//! are not used twice, each change counts the revision up, and the time tells a database apart
//! that was set back to what it had been, and changed again.

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

/// How many machines one call may ask for.
pub const BOOT_ROWS_AT_ONCE: usize = 64;

/// What tells a row from what it was before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RowVersion {
    id: i64,
    revision: i64,
    /// In microseconds since 1970, as exactly as it is kept; of what was never changed, the least.
    updated_at: i64,
}

impl RowVersion {
    fn new(id: i64, revision: i64, updated_at: Option<OffsetDateTime>) -> Self {
        let microseconds = |time: OffsetDateTime| time.unix_timestamp_nanos() / 1000;
        let updated_at = updated_at.map(microseconds).map(i64::try_from);
        Self {
            id,
            revision,
            // Years that do not fit are not of this world.
            updated_at: updated_at.map_or(i64::MIN, |time| time.unwrap_or(i64::MAX)),
        }
    }
}

/// What tells the rows of a machine from what they were before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revisions {
    node: RowVersion,
    port: Option<RowVersion>,
}

/// The rows of one machine, all as they were at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct BootRows {
    /// Its node.
    pub node: Node,
    /// The port with the address that was asked for.
    pub port: Option<Port>,
    /// Of these rows. The node's volumes have revisions of their own.
    pub revisions: Revisions,
}

/// What was read of some machines, and as of which commit.
#[derive(Debug)]
pub struct AsOf<T> {
    /// `None` where that is not known.
    pub version: Option<CommitVersion>,
    /// Machines that nobody knows are left out.
    pub found: HashMap<BootIdent, T>,
}

/// A row, with the snapshot it was read from where that is known.
type Row<T> = (Option<Box<str>>, BootIdent, T);

/// A query without its first word and without the values, and how its rows are read.
type Query<T> = (&'static str, Read<Row<T>>);

impl Db {
    /// As of which commit the database is now, if that is known without asking it. What is read after this
    /// is not older.
    pub fn commit_version(&self) -> Option<CommitVersion> {
        match &self.store {
            Store::Sqlite(store) => store.index?.version(),
            Store::Postgres(_) => None,
        }
    }

    /// The same, asked where it must be: of the database at some moment after this was called.
    pub async fn fetch_commit_version(&self) -> Result<Option<CommitVersion>, DbError> {
        let Store::Postgres(store) = &self.store else {
            return Ok(self.commit_version());
        };
        let text = format!("SELECT {SNAPSHOT}");
        let statement = Statement::assembled("look for commits", text, Vec::new());
        let snapshot = self.first(statement, snapshot).await?.flatten();
        let generation = store.snapshots.generation();
        Ok(snapshot.map(|snapshot| store.snapshots.version(generation, &snapshot)))
    }

    /// The rows of these machines (of [`BOOT_ROWS_AT_ONCE`] at most), as they are at some moment
    /// after this was called.
    pub async fn boot_rows(&self, machines: &[BootIdent]) -> Result<AsOf<BootRows>, DbError> {
        let by_address: Query<BootRows> = (
            concat!(
                node_columns!(),
                ", ",
                port_columns!(),
                " FROM ports JOIN nodes ON nodes.id = ports.node_id WHERE ports.address IN ("
            ),
            node_and_port,
        );
        let by_node: Query<BootRows> = (
            concat!(node_columns!(), " FROM nodes WHERE nodes.uuid IN ("),
            node_alone,
        );
        self.read_machines("read what machines boot by", machines, by_address, by_node)
            .await
    }

    /// As [`Db::boot_rows`], the revisions alone: much less to read.
    pub async fn boot_revisions(&self, machines: &[BootIdent]) -> Result<AsOf<Revisions>, DbError> {
        let by_address: Query<Revisions> = (
            "ports.address, ports.id, ports.revision, ports.updated_at, \
             nodes.id, nodes.revision, nodes.updated_at FROM ports \
             JOIN nodes ON nodes.id = ports.node_id WHERE ports.address IN (",
            port_revisions,
        );
        let by_node: Query<Revisions> = (
            "nodes.uuid, nodes.id, nodes.revision, nodes.updated_at FROM nodes \
             WHERE nodes.uuid IN (",
            node_revisions,
        );
        let operation = "look whether machines boot as before";
        self.read_machines(operation, machines, by_address, by_node)
            .await
    }

    async fn read_machines<T>(
        &self,
        operation: &'static str,
        machines: &[BootIdent],
        by_address: Query<T>,
        by_node: Query<T>,
    ) -> Result<AsOf<T>, DbError> {
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
            // Of two queries, each may have seen another one.
            && rows.iter().all(|(snapshot, ..)| snapshot.as_ref() == Some(first))
        {
            version = Some(snapshots.version(generation, first));
        }
        let found = rows.into_iter().map(|(_, ident, found)| (ident, found));
        Ok(AsOf {
            version,
            found: found.collect(),
        })
    }

    /// The rows that a query finds for these values.
    async fn each_of<T>(
        &self,
        operation: &'static str,
        (query, read): Query<T>,
        mut values: Vec<Value<'static>>,
    ) -> Result<Vec<Row<T>>, DbError> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        // A few lengths, so that there are a few texts, each of which is prepared once. To ask
        // for NULL finds nothing.
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

/// The values of each of the two queries.
fn sorted(machines: &[BootIdent]) -> (Vec<Value<'static>>, Vec<Value<'static>>) {
    let (mut addresses, mut nodes) = (Vec::new(), Vec::new());
    for machine in machines.iter().take(BOOT_ROWS_AT_ONCE) {
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
    let (port, revision) = port_row::read(fields)?;
    let version = RowVersion::new(fields.last_id(), revision, port.updated_at);
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
