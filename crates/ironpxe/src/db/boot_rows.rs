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

impl Db {
    /// What the database is now, without asking it; `None` where that is not known. What is read
    /// after this is not older.
    pub fn commit_version(&self) -> Option<CommitVersion> {
        match &self.store {
            Store::Sqlite(store) => store.index?.version(),
            Store::Postgres(_) => None,
        }
    }

    /// The rows of these machines (of [`BOOT_ROWS_AT_ONCE`] at most), as they are at some moment
    /// after this was called. Machines that nobody knows are left out.
    pub async fn boot_rows(
        &self,
        machines: &[BootIdent],
    ) -> Result<HashMap<BootIdent, BootRows>, DbError> {
        const OPERATION: &str = "read what machines boot by";
        let by_address = concat!(
            "SELECT ",
            node_columns!(),
            ", ",
            port_columns!(),
            " FROM ports JOIN nodes ON nodes.id = ports.node_id WHERE ports.address IN ("
        );
        let by_node = concat!(
            "SELECT ",
            node_columns!(),
            " FROM nodes WHERE nodes.uuid IN ("
        );
        let (addresses, nodes) = sorted(machines);
        let mut found = self
            .each_of(OPERATION, by_address, addresses, node_and_port)
            .await?;
        found.extend(self.each_of(OPERATION, by_node, nodes, node_alone).await?);
        Ok(found)
    }

    /// As [`Db::boot_rows`], the revisions alone: much less to read.
    pub async fn boot_revisions(
        &self,
        machines: &[BootIdent],
    ) -> Result<HashMap<BootIdent, Revisions>, DbError> {
        const OPERATION: &str = "look whether machines boot as before";
        let by_address = "SELECT ports.address, ports.id, ports.revision, ports.updated_at, \
             nodes.id, nodes.revision, nodes.updated_at FROM ports \
             JOIN nodes ON nodes.id = ports.node_id WHERE ports.address IN (";
        let by_node = "SELECT nodes.uuid, nodes.id, nodes.revision, nodes.updated_at FROM nodes \
             WHERE nodes.uuid IN (";
        let (addresses, nodes) = sorted(machines);
        let mut found = self
            .each_of(OPERATION, by_address, addresses, port_revisions)
            .await?;
        found.extend(
            self.each_of(OPERATION, by_node, nodes, node_revisions)
                .await?,
        );
        Ok(found)
    }

    /// The rows that `text` finds, which ends where its values begin.
    async fn each_of<T>(
        &self,
        operation: &'static str,
        text: &'static str,
        mut values: Vec<Value<'static>>,
        read: Read<(BootIdent, T)>,
    ) -> Result<HashMap<BootIdent, T>, DbError> {
        if values.is_empty() {
            return Ok(HashMap::new());
        }
        // A few lengths, so that there are a few texts, each of which is prepared once. To ask
        // for NULL finds nothing.
        let nothing = match values.first() {
            Some(Value::Uuid(_)) => || Value::Uuid(None),
            _ => || Value::Text(None),
        };
        values.resize_with(values.len().next_power_of_two(), nothing);
        let mut text = text.to_owned();
        for number in 1..=values.len() {
            let comma = if number == 1 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}${number}");
        }
        text.push(')');
        let rows = self
            .all(Statement::assembled(operation, text, values), read)
            .await?;
        Ok(rows.into_iter().collect())
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

fn node_and_port(fields: &mut Fields<'_>) -> Result<(BootIdent, BootRows), sqlx::Error> {
    let (_, mut rows) = node_alone(fields)?;
    let (port, revision) = port_row::read(fields)?;
    let version = RowVersion::new(fields.last_id(), revision, port.updated_at);
    rows.revisions.port = Some(version);
    let ident = BootIdent::Address(port.address);
    rows.port = Some(port);
    Ok((ident, rows))
}

fn node_alone(fields: &mut Fields<'_>) -> Result<(BootIdent, BootRows), sqlx::Error> {
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
    Ok((ident, rows))
}

fn port_revisions(fields: &mut Fields<'_>) -> Result<(BootIdent, Revisions), sqlx::Error> {
    let address: MacAddress = fields.parse(|text| text.parse().ok())?;
    let port = Some(revision(fields)?);
    let node = revision(fields)?;
    Ok((BootIdent::Address(address), Revisions { node, port }))
}

fn node_revisions(fields: &mut Fields<'_>) -> Result<(BootIdent, Revisions), sqlx::Error> {
    let ident = BootIdent::Node(NodeUuid(fields.take()?));
    let node = revision(fields)?;
    Ok((ident, Revisions { node, port: None }))
}

fn revision(fields: &mut Fields<'_>) -> Result<RowVersion, sqlx::Error> {
    let id = fields.id()?;
    Ok(RowVersion::new(id, fields.take()?, fields.optional_time()?))
}
