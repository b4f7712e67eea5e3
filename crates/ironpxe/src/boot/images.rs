//! The images of a boot: their locations, and which of them a node currently boots.
//!
//! The decision returns references to images; this resolves them. If an image is missing, the
//! machine's script says so; if it is temporarily unavailable, the machine retries.

use ironpxe_core::boot::{BootPlan, ImageKind, ImageRef, ResolvedPlan, decide, image_field};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use tracing::warn;

use super::service::{BootService, Inner};
use crate::images::{LocateError, Purpose};

impl BootService {
    /// The image of this kind that the node currently boots. On any error the client only learns
    /// that there is none; the log has the reason.
    pub(crate) async fn image(
        &self,
        request_id: &str,
        uuid: NodeUuid,
        kind: ImageKind,
    ) -> Result<ImageRef> {
        let inner = self.inner();
        let Some(facts) = inner.machine(BootIdent::Node(uuid)).await? else {
            let kind = kind.name();
            warn!(req.id = request_id, node.uuid = %uuid, "{kind} not served: no such node");
            return Err(Fault::NotFound);
        };
        let machine = facts.machine();
        let node = machine.node;
        let plan = decide(machine, &inner.settings.boot, request_id);
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
            "{} not served: {boots}",
            kind.name(),
        );
        Err(Fault::NotFound)
    }
}

impl BootService {
    /// The node's field that names this image, for messages.
    pub(crate) async fn image_field(
        &self,
        uuid: NodeUuid,
        kind: ImageKind,
        image: &ImageRef,
    ) -> Option<&'static str> {
        let facts = self.inner().machine(BootIdent::Node(uuid)).await;
        image_field(facts.ok()??.machine().node, kind, image)
    }
}

impl Inner {
    /// Locates the images of a machine's plan.
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
                "machine not booted: {problem}; it will retry"
            );
            not_now(&problem)
        })
    }
}

/// The fault for the client; the image's location is only logged.
fn not_now(problem: &LocateError) -> Fault {
    let reason = format!("The {} is temporarily unavailable", problem.kind.name());
    Fault::unavailable(reason, problem.retry_after)
}
