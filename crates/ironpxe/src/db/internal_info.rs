//! Nodes by a key of their `driver_internal_info`.

use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;

use super::node_row::{node_columns, read};
use super::statement::Statement;
use super::{Db, DbError};

impl Db {
    /// A page of the nodes that are not reserved and have this key in `driver_internal_info`, by
    /// UUID; `after` is the last one of the page before. Also returns nodes in which the key occurs
    /// otherwise.
    pub(crate) async fn node_list_with_internal_info(
        &self,
        key: &str,
        after: Option<NodeUuid>,
    ) -> Result<Vec<Node>, DbError> {
        let statement = Statement::new(
            "list nodes by driver_internal_info",
            concat!(
                "SELECT ",
                node_columns!(),
                " FROM nodes WHERE reservation IS NULL \
                 AND CAST(driver_internal_info AS TEXT) LIKE $1 AND nodes.uuid > $2 \
                 ORDER BY nodes.uuid LIMIT 500"
            ),
        )
        .bind(format!("%\"{key}\"%"))
        .bind(after.map_or(uuid::Uuid::nil(), |uuid| uuid.0));
        self.all(statement, read).await
    }
}
