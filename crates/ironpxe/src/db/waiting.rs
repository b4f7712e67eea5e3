//! Nodes that wait for their ramdisk.

use ironpxe_core::id::NodeUuid;
use ironpxe_core::provision_state::ProvisionState;
use time::OffsetDateTime;

use super::statement::Statement;
use super::{Db, DbError};

/// Which waiting nodes are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The state in which they wait.
    pub state: ProvisionState,
    /// They have waited since before then.
    pub before: OffsetDateTime,
    /// Whether the wait began with the inspection rather than with the state.
    pub by_inspection: bool,
}

impl Db {
    /// The nodes that wait, but for those in maintenance and those that a conductor holds; who
    /// waits longest comes first. At most a thousand: the others are found the next time.
    pub async fn node_list_waiting(&self, waiting: &Waiting) -> Result<Vec<NodeUuid>, DbError> {
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
