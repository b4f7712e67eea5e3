//! The images of a boot: where the machine is sent for them, and which of them its node has now.
//!
//! The decision names images; here stands what follows from where they live. A machine whose
//! images are not there is told so by its script, one whose images are temporarily unavailable asks
//! again.

use ironpxe_core::boot::{BootPlan, ImageKind, ImageRef, Machine, ResolvedPlan, decide};
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use tracing::warn;

use super::service::{BootService, Inner};
use crate::images::{NotLocated, Purpose};

impl BootService {
    /// The image of this kind that the node's machine would be sent to now. Whatever stands
    /// against it, the client hears only that there is none; the log has the reason.
    pub(crate) async fn image(
        &self,
        request_id: &str,
        uuid: NodeUuid,
        kind: ImageKind,
    ) -> Result<ImageRef> {
        let inner = self.inner();
        let Some(node) = inner.facts.node(uuid).await? else {
            let kind = kind.name();
            warn!(req.id = request_id, node.uuid = %uuid, "no {kind}: no such node");
            return Err(Fault::NotFound);
        };
        let plan = decide(Machine::of(&node), &inner.settings.boot, request_id);
        if let Some(image) = plan.image(kind) {
            return Ok(image.clone());
        }
        let boots = match &plan {
            BootPlan::Refuse(refusal) => refusal.to_string(),
            plan => format!("the machine boots: {}", plan.title()),
        };
        warn!(
            req.id = request_id,
            node.uuid = %uuid,
            node.name = node.name,
            node.state = %node.provision_state,
            "no {}: {boots}",
            kind.name(),
        );
        Err(Fault::NotFound)
    }
}

impl Inner {
    /// Finds out where a machine that boots by `plan` gets its images.
    pub(super) async fn locate(
        &self,
        request_id: &str,
        node: &Node,
        plan: BootPlan,
    ) -> Result<ResolvedPlan> {
        let located = self.settings.images.locate(plan, node, Purpose::Boot);
        located.await.map_err(|problem| {
            warn!(
                req.id = request_id,
                node.uuid = %node.uuid,
                node.name = node.name,
                node.state = %node.provision_state,
                image = problem.image,
                "machine not booted now: {problem}"
            );
            not_now(&problem)
        })
    }
}

/// What a client hears of it; where images live is for the log.
fn not_now(problem: &NotLocated) -> Fault {
    Fault::Unavailable {
        reason: format!("The {} is temporarily unavailable", problem.kind.name()),
        retry_after: problem.retry_after,
    }
}
