//! The kickstart of a machine that is being installed, written for each request.
//!
//! It holds the agent token, so that it is there exactly while the node's machine would boot its
//! installer: the boot decision says so, and nobody else.

use ironpxe_core::boot::{BootPlan, KickstartError, LinuxRole, Machine, decide};
use ironpxe_core::driver::agent;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use tracing::{info, warn};

use super::response::BootResponse;
use super::service::{BootService, Inner};

impl BootService {
    /// Answers with the kickstart of a node. Whatever stands against it, the client hears only that
    /// there is none; the log has the reason.
    pub(crate) async fn kickstart(&self, request_id: &str, node: &str) -> BootResponse {
        // What is no UUID is no node's, and that is all there is to say.
        let result = match node.parse() {
            Ok(uuid) => self.inner().kickstart(request_id, uuid).await,
            Err(_) => Err(Fault::NotFound),
        };
        BootResponse::kickstart(result)
    }

    /// The kickstart of a node with this token, whatever state the node is in.
    pub(crate) fn kickstart_of(&self, node: &Node, token: &str) -> Result<String, KickstartError> {
        self.inner().kickstart_of(node, token)
    }
}

impl Inner {
    async fn kickstart(&self, request_id: &str, uuid: NodeUuid) -> Result<String> {
        let Some(node) = self.facts.node(uuid).await? else {
            warn!(req.id = request_id, node.uuid = %uuid, "no kickstart: no such node");
            return Err(Fault::NotFound);
        };
        let none = |reason: String| {
            warn!(
                req.id = request_id,
                node.uuid = %uuid,
                node.name = node.name,
                node.state = %node.provision_state,
                "no kickstart: {reason}"
            );
            Fault::NotFound
        };
        match decide(Machine::of(&node), &self.settings.boot, request_id) {
            BootPlan::Linux(linux) if linux.role == LinuxRole::Installer => {}
            BootPlan::Refuse(refusal) => return Err(none(refusal.to_string())),
            plan => return Err(none(format!("the machine boots: {}", plan.title()))),
        }
        let Some(token) = agent::token(&node) else {
            return Err(none(
                "the node has no agent token; deploy it again".to_owned(),
            ));
        };
        let kickstart = self
            .kickstart_of(&node, token)
            .map_err(|error| match error {
                KickstartError::Refused(refusal) => none(refusal.to_string()),
                KickstartError::Template { .. } => Fault::Internal(error.to_string()),
            })?;
        info!(
            req.id = request_id,
            node.uuid = %uuid,
            node.name = node.name,
            node.state = %node.provision_state,
            "installer reads its kickstart"
        );
        Ok(kickstart)
    }

    fn kickstart_of(&self, node: &Node, token: &str) -> Result<String, KickstartError> {
        let settings = &self.settings;
        settings
            .kickstarts
            .render(node, &settings.boot.api_url, token)
    }
}
