//! Resources that belong to a node: ports, volume connectors, volume targets.
//!
//! Reading, listing, changing and deleting is generic; each resource implements [`Child`].

use std::fmt::Write as _;

use ironpxe_core::error::Fault;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::Violation;
use super::list::{ListQuery, Order};
use super::retry::Backoff;
use super::row::Fields;
use super::statement::{Statement, Value};
use super::store::Writer;
use super::{Db, DbError, Duplicate, Page, columns, node};
use crate::clock;

/// A resource that belongs to a node.
pub(crate) trait Child: Clone + PartialEq + Send + Sync {
    /// Its table.
    const TABLE: &'static str;
    /// The operations on it, for errors.
    const OPERATIONS: Operations;
    /// Its columns and its node's, without `WHERE`.
    const SELECT: &'static str;
    /// Its columns without `id` and `revision`: first its UUID, then its node's.
    const COLUMNS: &'static [(&'static str, &'static str)];
    /// Reads the columns of [`Child::SELECT`] from a row, except the last, the revision.
    fn read(fields: &mut Fields<'_>) -> Result<Self, sqlx::Error>;
    /// The values of [`Child::COLUMNS`].
    fn values(&self) -> Vec<Value<'_>>;
    fn node(&self) -> NodeUuid;
    fn updated_at(&mut self) -> &mut Option<OffsetDateTime>;
    /// Restores the immutable fields.
    fn keep_identity(&mut self, before: &Self);
    fn missing(uuid: Uuid) -> DbError;
    /// The unique value that violates the constraint.
    fn duplicate(&self, constraint: &str) -> Option<Duplicate>;
    /// The SQL expression to sort by, for a field of the API.
    fn sort_expression(key: &str) -> Option<&'static str> {
        columns::sort_expression(Self::COLUMNS, key)
    }
}

/// The operations, as in "cannot …".
pub(crate) struct Operations {
    pub(super) store: &'static str,
    pub(super) read: &'static str,
    pub(super) list: &'static str,
    pub(super) change: &'static str,
    pub(super) delete: &'static str,
}

/// A resource with its revision.
struct Stored<C> {
    child: C,
    revision: i64,
}

impl Db {
    pub(super) async fn child_create<C: Child>(&self, child: &C) -> Result<(), DbError> {
        let text = columns::insert(C::TABLE, stored_columns::<C>());
        let statement = Statement::assembled(C::OPERATIONS.store, text, values(child, 0));
        let done = self.execute(statement).await;
        done.map(drop).map_err(|error| not_saved(child, error))
    }

    pub(super) async fn child_get<C: Child>(&self, uuid: Uuid) -> Result<Option<C>, DbError> {
        self.first(by_uuid::<C>(uuid), C::read).await
    }

    /// The resources that match `filter`, sorted and paged.
    pub(super) async fn child_list<'v, C: Child, M: Copy + Into<Uuid>>(
        &self,
        page: &Page<M>,
        filter: impl FnOnce(&mut ListQuery<'v>),
    ) -> Result<Vec<C>, DbError> {
        let by = match page.sort_key {
            None | Some("id") => None,
            Some(key) => Some(C::sort_expression(key).ok_or(DbError::SortKey(key))?),
        };
        let order = Order {
            table: C::TABLE,
            by,
            direction: page.sort_dir,
        };
        let mut query = ListQuery::new(C::SELECT);
        filter(&mut query);
        let marker = page.marker.map(Into::into);
        if let Some(marker) = marker {
            order.after(&mut query, marker);
        }
        let statement = query.finish(C::OPERATIONS.list, order, page.limit);
        let found = self.all(statement, C::read).await?;
        // An empty page may also mean that the marker was deleted concurrently.
        if let (true, Some(marker)) = (found.is_empty(), marker) {
            let there: Option<C> = self.child_get(marker).await?;
            there.ok_or_else(|| C::missing(marker))?;
        }
        Ok(found)
    }

    /// Applies `change` to the current resource and saves it, with retries after concurrent
    /// changes. `allowed` can reject it: it gets the current node (and the new node, if that
    /// changes), and the resource before and after.
    ///
    /// Returns the saved resource and the result of `change`. Both functions may run several times;
    /// a fault from one of them is final. Nothing is saved if nothing changes.
    pub(super) async fn child_change<C: Child, T>(
        &self,
        uuid: Uuid,
        allowed: impl Fn(&Node, &C, &C) -> Result<(), Fault> + Send,
        mut change: impl FnMut(&mut C) -> Result<T, Fault> + Send,
    ) -> Result<(C, T), Fault> {
        let mut writer = self.writer().await?;
        let mut backoff = Backoff::default();
        loop {
            backoff.next(&writer).await?;
            let stored = current::<C>(&mut writer, uuid).await?;
            let before = &stored.child;
            let mut after = before.clone();
            let given = change(&mut after)?;
            after.keep_identity(before);
            let from = node::current(&mut writer, before.node()).await?;
            allowed(&from, before, &after)?;
            let mut to = from.revision;
            if after.node() != before.node() {
                let node = node::current(&mut writer, after.node()).await?;
                allowed(&node, before, &after)?;
                to = node.revision;
            }
            if after == *before {
                return Ok((after, given));
            }
            *after.updated_at() = Some(clock::now());
            if save(&mut writer, &after, stored.revision, (from.revision, to)).await? {
                return Ok((after, given));
            }
        }
    }

    /// Deletes the resource unless `allowed` rejects it for the current node. Returns the node's
    /// UUID.
    pub(super) async fn child_destroy<C: Child>(
        &self,
        uuid: Uuid,
        allowed: impl Fn(&Node) -> Result<(), Fault> + Send,
    ) -> Result<NodeUuid, Fault> {
        let mut writer = self.writer().await?;
        let mut backoff = Backoff::default();
        loop {
            backoff.next(&writer).await?;
            let stored = current::<C>(&mut writer, uuid).await?;
            let node = node::current(&mut writer, stored.child.node()).await?;
            allowed(&node)?;
            let text = format!(
                "DELETE FROM {} WHERE uuid = $1 AND revision = $2 AND node_id IN \
                 (SELECT nodes.id FROM nodes WHERE nodes.uuid = $3 AND nodes.revision = $4{})",
                C::TABLE,
                writer.holding()
            );
            let values = vec![
                uuid.into(),
                stored.revision.into(),
                node.uuid.0.into(),
                node.revision.into(),
            ];
            let statement = Statement::assembled(C::OPERATIONS.delete, text, values);
            if writer.execute_guarded(statement).await? {
                return Ok(node.uuid);
            }
        }
    }
}

/// The stored columns, including the revision.
fn stored_columns<C: Child>() -> impl Iterator<Item = &'static str> + Clone {
    let columns = C::COLUMNS.iter().map(|(name, _)| *name);
    columns.chain(["revision"])
}

fn read<C: Child>(fields: &mut Fields<'_>) -> Result<Stored<C>, sqlx::Error> {
    let child = C::read(fields)?;
    let revision = fields.take()?;
    Ok(Stored { child, revision })
}

fn values<C: Child>(child: &C, revision: i64) -> Vec<Value<'_>> {
    let mut values = child.values();
    values.push(revision.into());
    values
}

fn by_uuid<C: Child>(uuid: Uuid) -> Statement<'static> {
    let text = format!("{} WHERE {}.uuid = $1", C::SELECT, C::TABLE);
    Statement::assembled(C::OPERATIONS.read, text, vec![uuid.into()])
}

/// The current resource, read by the writer.
async fn current<C: Child>(writer: &mut Writer<'_>, uuid: Uuid) -> Result<Stored<C>, DbError> {
    writer
        .first(by_uuid::<C>(uuid), read)
        .await?
        .ok_or_else(|| C::missing(uuid))
}

/// Saves the resource if its revision is still `over`, and the revisions of its current and new
/// node are still those of `nodes`; returns whether it did.
async fn save<C: Child>(
    writer: &mut Writer<'_>,
    child: &C,
    over: i64,
    (from, to): (i64, i64),
) -> Result<bool, DbError> {
    let mut values = values(child, over + 1);
    let mut text = format!(
        "{} WHERE uuid = $1 AND revision = ${}",
        columns::update(C::TABLE, stored_columns::<C>()),
        values.len() + 1
    );
    values.push(over.into());
    let hold = writer.holding();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        " AND ${} = (SELECT nodes.revision FROM nodes WHERE nodes.id = node_id{hold}) \
         AND ${} = (SELECT nodes.revision FROM nodes WHERE nodes.uuid = $2{hold})",
        values.len() + 1,
        values.len() + 2
    );
    values.extend([from.into(), to.into()]);
    let statement = Statement::assembled(C::OPERATIONS.change, text, values);
    let done = writer.execute_guarded(statement).await;
    done.map_err(|error| not_saved(child, error))
}

/// The duplicate value, or else the database's error.
fn not_saved<C: Child>(child: &C, error: DbError) -> DbError {
    match error.violation() {
        Some(Violation::NoNode) => DbError::NodeMissing(child.node()),
        Some(Violation::Taken(constraint)) => child
            .duplicate(&constraint)
            .map_or(error, DbError::Duplicate),
        None => error,
    }
}
