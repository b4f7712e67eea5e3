//! Fails nodes whose ramdisk does not call back in time.
//!
//! Every conductor checks all waiting nodes periodically. The guarded save ensures that only one of
//! them fails a node.

use ironpxe_core::error::Fault;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::provision::EventKind;
use ironpxe_core::provision_state::ProvisionState;
use time::OffsetDateTime;
use tracing::{error, warn};

use super::LocalConductor;
use crate::db::Waiting;
use crate::rpc::Context;
use crate::{clock, ident};

impl LocalConductor {
    /// Fails every node whose wait has timed out.
    pub(super) async fn fail_timed_out_nodes(&self) {
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
                        self.fail_if_timed_out(uuid, now, option).await;
                    }
                }
                Err(problem) => {
                    error!("cannot check for timed-out nodes in state \"{state}\": {problem}");
                }
            }
        }
    }

    /// Fails a node that was just listed, if its wait has timed out at `at`.
    pub(super) async fn fail_if_timed_out(&self, uuid: NodeUuid, at: OffsetDateTime, option: &str) {
        let ctx = Context {
            request_id: ident::request_id(),
        };
        match self
            .advance(&ctx, uuid, at, EventKind::DeadlinePassed)
            .await
        {
            // Another conductor was faster, or the ramdisk has called back.
            Ok(ended) if ended.node == ended.before => {}
            Ok(ended) => {
                warn!(
                    node.uuid = %uuid,
                    node.name = ended.node.name,
                    node.state = %ended.node.provision_state,
                    error = ended.node.last_error,
                    "node timed out in state \"{}\" after [conductor]{option}",
                    ended.before.provision_state,
                );
                self.start_task(&ctx, ended);
            }
            Err(Fault::NodeNotFound(_)) => {}
            Err(fault) => error!(node.uuid = %uuid, "cannot fail the timed-out node: {fault}"),
        }
    }
}
