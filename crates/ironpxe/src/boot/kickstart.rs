//! The kickstart of a machine that is being installed, rendered for each request.
//!
//! It has the agent token, so it is only served while the boot decision for the node is its
//! installer; with boot tokens, only to whoever has a valid one of the node.

use std::net::IpAddr;

use ironpxe_core::boot::{BootPlan, KickstartError, KickstartServer, LinuxRole, decide};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::driver::agent;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use tracing::{info, warn};

use super::response::BootResponse;
use super::service::{BootService, Inner};
use super::tokens::PresentedToken;

impl BootService {
    /// Serves the kickstart of a node. On any error the client only learns that there is none; the
    /// log has the reason.
    pub(crate) async fn kickstart(
        &self,
        request_id: &str,
        client: Option<IpAddr>,
        node: &str,
        token: PresentedToken,
    ) -> BootResponse {
        let inner = self.inner();
        // An invalid UUID gets the same response as an unknown one.
        let result = match node.parse() {
            Ok(uuid) => {
                let ident = BootIdent::Node(uuid);
                match inner.verify(ident, token) {
                    Ok(_) => inner.kickstart(request_id, uuid).await,
                    Err(why) => {
                        let what = "kickstart not served";
                        inner.log_without_token(request_id, what, client, ident, why);
                        Err(Fault::NotFound)
                    }
                }
            }
            Err(_) => Err(Fault::NotFound),
        };
        BootResponse::kickstart(result)
    }

    /// The kickstart of a node with this token, in any provision state.
    pub(crate) fn kickstart_of(&self, node: &Node, token: &str) -> Result<String, KickstartError> {
        self.inner().kickstart_of(node, token)
    }
}

impl Inner {
    async fn kickstart(&self, request_id: &str, uuid: NodeUuid) -> Result<String> {
        let Some(facts) = self.machine(BootIdent::Node(uuid)).await? else {
            warn!(req.id = request_id, node.uuid = %uuid, "kickstart not served: no such node");
            return Err(Fault::NotFound);
        };
        let machine = facts.machine();
        let node = machine.node;
        let none = |reason: String| {
            warn!(
                req.id = request_id,
                node.uuid = %uuid,
                node.name = node.name,
                node.state = %node.provision_state,
                "kickstart not served: {reason}"
            );
            Fault::NotFound
        };
        if let KickstartServer::Conductor { .. } = machine.kickstart {
            return Err(none("the node's conductor serves it".to_owned()));
        }
        match decide(machine, &self.settings.boot, request_id) {
            BootPlan::Linux(linux) if linux.role == LinuxRole::Installer => {}
            BootPlan::Refuse(refusal) => return Err(none(refusal.to_string())),
            plan => return Err(none(format!("the machine boots: {}", plan.title()))),
        }
        let Some(token) = agent::token(node) else {
            return Err(none(
                "the node has no agent token; deploy it again".to_owned(),
            ));
        };
        let kickstart = self
            .kickstart_of(node, token)
            .map_err(|error| match error {
                KickstartError::Refused(refusal) => none(refusal.to_string()),
                KickstartError::Template { .. } => Fault::Internal(error.to_string()),
            })?;
        info!(
            req.id = request_id,
            node.uuid = %uuid,
            node.name = node.name,
            node.state = %node.provision_state,
            "kickstart served to the installer"
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
