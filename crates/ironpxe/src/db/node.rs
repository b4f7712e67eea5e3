//! Single nodes.

use std::sync::LazyLock;

use ironpxe_core::error::Fault;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::node_history::NodeHistory;
use ironpxe_core::port::Port;

use super::error::Violation;
use super::node_row::{COLUMNS, node_columns, read, values};
use super::port_row::{self, port_columns};
use super::retry::Backoff;
use super::row::Fields;
use super::statement::Statement;
use super::store::Writer;
use super::{Db, DbError, Duplicate, columns, node_history};
use crate::clock;

static INSERT: LazyLock<String> = LazyLock::new(|| columns::insert("nodes", names()));

/// Changes a row that is still of the revision that is bound after the columns.
pub(super) static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let update = columns::update("nodes", names());
    let over = COLUMNS.len() + 1;
    format!("{update} WHERE uuid = $1 AND revision = ${over}")
});

fn names() -> impl Iterator<Item = &'static str> + Clone {
    COLUMNS.iter().map(|(name, _)| *name)
}

impl Db {
    /// Stores a new node.
    pub(crate) async fn node_create(&self, node: &Node) -> Result<(), DbError> {
        let statement = Statement::new("store a node", &INSERT).bind_all(values(node));
        let done = self.execute(statement).await;
        done.map(drop).map_err(|error| not_saved(node, error))
    }

    /// The node with this UUID.
    pub(crate) async fn node_get(&self, uuid: NodeUuid) -> Result<Option<Node>, DbError> {
        self.first(by_uuid("read a node", uuid), read).await
    }

    /// The node with this name.
    pub(crate) async fn node_get_by_name(&self, name: &str) -> Result<Option<Node>, DbError> {
        let statement = Statement::new(
            "read a node",
            concat!("SELECT ", node_columns!(), " FROM nodes WHERE name = $1"),
        );
        self.first(statement.bind(name), read).await
    }

    /// The port with this MAC address and its node, from a single snapshot.
    pub(crate) async fn node_get_by_address(
        &self,
        mac: MacAddress,
    ) -> Result<Option<(Node, Port)>, DbError> {
        let statement = Statement::new(
            "find a node by MAC address",
            concat!(
                "SELECT ",
                node_columns!(),
                ", ",
                port_columns!(),
                " FROM ports JOIN nodes ON nodes.id = ports.node_id WHERE ports.address = $1"
            ),
        );
        self.first(statement.bind(mac.to_string()), node_and_port)
            .await
    }

    /// Applies `change` to the current node and saves it, with retries after concurrent changes.
    ///
    /// Returns the saved node and the result of `change`. `change` may run several times; a fault
    /// from it is final. Nothing is saved if nothing changes.
    pub(crate) async fn node_change<T>(
        &self,
        uuid: NodeUuid,
        change: impl FnMut(&mut Node) -> Result<T, Fault> + Send,
    ) -> Result<(Node, T), Fault> {
        self.node_change_recorded(uuid, change, |_, _| None).await
    }

    /// As [`Db::node_change`]; also stores the `event` of the change, if any, in the node's history
    /// in the same transaction.
    pub(crate) async fn node_change_recorded<T>(
        &self,
        uuid: NodeUuid,
        mut change: impl FnMut(&mut Node) -> Result<T, Fault> + Send,
        event: impl Fn(&Node, &Node) -> Option<NodeHistory> + Send,
    ) -> Result<(Node, T), Fault> {
        // With a single writer, held to the end, so that changes in this process are queued instead
        // of retried.
        let mut writer = self.writer().await?;
        let mut backoff = Backoff::default();
        loop {
            backoff.next(&writer).await?;
            let before = current(&mut writer, uuid).await?;
            let mut after = before.clone();
            let given = change(&mut after)?;
            after.uuid = before.uuid;
            after.created_at = before.created_at;
            after.updated_at = before.updated_at;
            after.revision = before.revision;
            if after == before {
                return Ok((after, given));
            }
            after.updated_at = Some(clock::now());
            after.revision += 1;
            let event = event(&before, &after);
            if save(&mut writer, &after, before.revision, event.as_ref()).await? {
                return Ok((after, given));
            }
        }
    }

    /// Deletes the node with its ports, volumes and history, unless `allowed` rejects it.
    pub(crate) async fn node_destroy(
        &self,
        uuid: NodeUuid,
        allowed: impl Fn(&Node) -> Result<(), Fault> + Send,
    ) -> Result<(), Fault> {
        let mut writer = self.writer().await?;
        let mut backoff = Backoff::default();
        loop {
            backoff.next(&writer).await?;
            let node = current(&mut writer, uuid).await?;
            allowed(&node)?;
            let statement = Statement::new(
                "delete a node",
                "DELETE FROM nodes WHERE uuid = $1 AND revision = $2",
            )
            .bind(uuid.0)
            .bind(node.revision);
            if writer.execute_guarded(statement).await? {
                return Ok(());
            }
        }
    }
}

fn by_uuid(operation: &'static str, uuid: NodeUuid) -> Statement<'static> {
    let text = concat!("SELECT ", node_columns!(), " FROM nodes WHERE uuid = $1");
    Statement::new(operation, text).bind(uuid.0)
}

/// The current node, read by the writer.
pub(super) async fn current(writer: &mut Writer<'_>, uuid: NodeUuid) -> Result<Node, DbError> {
    writer
        .first(by_uuid("read a node to change it", uuid), read)
        .await?
        .ok_or(DbError::NodeMissing(uuid))
}

/// Saves the node, and the event, if the stored revision is still `over`; returns whether it did.
async fn save(
    writer: &mut Writer<'_>,
    node: &Node,
    over: i64,
    event: Option<&NodeHistory>,
) -> Result<bool, DbError> {
    let statement = Statement::new("change a node", &UPDATE)
        .bind_all(values(node))
        .bind(over);
    let event = event.map(node_history::insert);
    let done = writer.execute_guarded_then(statement, event).await;
    done.map_err(|error| not_saved(node, error))
}

/// The duplicate value, or else the database's error.
fn not_saved(node: &Node, error: DbError) -> DbError {
    let Some(Violation::Taken(constraint)) = error.violation() else {
        return error;
    };
    let duplicate = match (constraint.as_str(), &node.name, node.instance_uuid) {
        ("nodes_uuid_key", ..) => Duplicate::NodeUuid(node.uuid),
        ("nodes_name_key", Some(name), _) => Duplicate::NodeName(name.clone()),
        ("nodes_instance_uuid_key", _, Some(instance)) => Duplicate::Instance {
            instance,
            node: node.uuid,
        },
        _ => return error,
    };
    DbError::Duplicate(duplicate)
}

/// Reads [`node_columns`] and then [`port_columns`] from a row.
fn node_and_port(fields: &mut Fields<'_>) -> Result<(Node, Port), sqlx::Error> {
    Ok((read(fields)?, port_row::read(fields)?))
}
