//! Nodes that wait for their ramdisk.

use ironpxe_core::id::NodeUuid;
use ironpxe_core::provision_state::ProvisionState;
use time::OffsetDateTime;

use super::statement::Statement;
use super::{Db, DbError};

/// A condition on waiting nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// The state in which they wait.
    pub state: ProvisionState,
    /// They have waited since before this time.
    pub before: OffsetDateTime,
    /// Whether the wait is timed from the start of the inspection instead of the state.
    pub by_inspection: bool,
}

impl Db {
    /// The waiting nodes, except those in maintenance or reserved; longest waiting first. At most a
    /// thousand: the others follow in the next call.
    pub(crate) async fn node_list_waiting(
        &self,
        waiting: &Waiting,
    ) -> Result<Vec<NodeUuid>, DbError> {
        let text = if waiting.by_inspection {
            "SELECT nodes.uuid FROM nodes WHERE provision_state = $1 AND maintenance = $2 \
             AND reservation IS NULL \
             AND COALESCE(inspection_started_at, provision_updated_at) < $3 \
             ORDER BY COALESCE(inspection_started_at, provision_updated_at) LIMIT 1000"
        } else {
            "SELECT nodes.uuid FROM nodes WHERE provision_state = $1 AND maintenance = $2 \
             AND reservation IS NULL AND provision_updated_at < $3 \
             ORDER BY provision_updated_at LIMIT 1000"
        };
        let statement = Statement::new("list waiting nodes", text)
            .bind(waiting.state.name())
            .bind(false)
            .bind(waiting.before);
        self.all(statement, |fields| Ok(NodeUuid(fields.take()?)))
            .await
    }
}
