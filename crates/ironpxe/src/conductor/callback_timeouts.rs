//! Ends the waits of nodes whose ramdisk does not call back in time.
//!
//! Every conductor looks at all waiting nodes now and then. Which of them ends a wait is decided
//! by the statement that saves the node: whoever comes second finds a node that waits no longer.

use ironpxe_core::error::Fault;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::provision::What;
use ironpxe_core::provision_state::ProvisionState;
use time::OffsetDateTime;
use tracing::{error, warn};

use super::LocalConductor;
use crate::db::Waiting;
use crate::rpc::Context;
use crate::{clock, ident};

impl LocalConductor {
    /// Ends every wait that has lasted too long.
    pub(super) async fn end_overdue_waits(&self) {
        for state in ProvisionState::all() {
            let Some((limit, option)) = self.settings.callback_timeouts.limit(state) else {
                continue;
            };
            let now = clock::now();
            let waiting = Waiting {
                state,
                before: now.saturating_sub(limit.try_into().unwrap_or(time::Duration::MAX)),
                by_inspection: state == ProvisionState::InspectWait,
            };
            match self.db.node_list_waiting(&waiting).await {
                Ok(nodes) => {
                    for uuid in nodes {
                        self.end_wait(uuid, now, option).await;
                    }
                }
                Err(problem) => error!("cannot look for nodes in {state}: {problem}"),
            }
        }
    }

    /// Ends the wait of a node that was found a moment ago, if it has lasted too long at `at`.
    pub(super) async fn end_wait(&self, uuid: NodeUuid, at: OffsetDateTime, option: &str) {
        let ctx = Context {
            request_id: ident::request_id(),
        };
        match self.advance(&ctx, uuid, at, What::DeadlinePassed).await {
            // Another conductor was faster, or the ramdisk has called.
            Ok(ended) if ended.node == ended.before => {}
            Ok(ended) => {
                warn!(
                    node.uuid = %uuid,
                    node.name = ended.node.name,
                    node.state = %ended.node.provision_state,
                    error = ended.node.last_error,
                    "not finished in state \"{}\" within [conductor]{option}",
                    ended.before.provision_state,
                );
                self.start_task(&ctx, ended);
            }
            Err(Fault::NodeNotFound(_)) => {}
            Err(fault) => error!(node.uuid = %uuid, "an overdue wait cannot be ended: {fault}"),
        }
    }
}
