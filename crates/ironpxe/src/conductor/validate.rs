//! Whether a node has all that its interfaces need.
//!
//! What concerns booting is asked of the boot decision itself: a node is valid for deployment if
//! the decision for the state it would get into is not a refusal.

use ironpxe_core::boot::{BootPlan, Machine, decide};
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::node::Node;
use ironpxe_core::provision_state::ProvisionState;

use super::LocalConductor;
use crate::db::{Page, PortFilter};
use crate::drivers::agent::Worker;
use crate::drivers::deploy::DeployInterface;
use crate::rpc::{Context, InterfaceValidation};

/// The interfaces `GET /v1/nodes/<node>/validate` reports, in Ironic's order.
const REPORTED: [InterfaceKind; 12] = [
    InterfaceKind::Boot,
    InterfaceKind::Deploy,
    InterfaceKind::Management,
    InterfaceKind::Network,
    InterfaceKind::Power,
    InterfaceKind::Bios,
    InterfaceKind::Console,
    InterfaceKind::Firmware,
    InterfaceKind::Inspect,
    InterfaceKind::Raid,
    InterfaceKind::Rescue,
    InterfaceKind::Storage,
];

impl LocalConductor {
    pub(super) async fn validate(
        &self,
        ctx: &Context,
        uuid: NodeUuid,
    ) -> Result<Vec<InterfaceValidation>> {
        let node = self.node(uuid).await?;
        let has_port = self.has_port(uuid).await?;
        Ok(REPORTED
            .into_iter()
            .map(|kind| {
                let problem = self.check(ctx, &node, kind, has_port).err();
                InterfaceValidation {
                    kind,
                    problem: problem.map(|fault| fault.to_string()),
                }
            })
            .collect())
    }

    /// Refuses a deployment that cannot succeed.
    pub(super) async fn validate_deploy(&self, ctx: &Context, node: &Node) -> Result<()> {
        let has_port = self.has_port(node.uuid).await?;
        self.check(ctx, node, InterfaceKind::Deploy, has_port)
            .map_err(|fault| {
                Fault::InstanceDeployFailure(format!(
                    "Failed to validate deploy or power info for node {}: {fault}",
                    node.uuid
                ))
            })
    }

    /// Why the machine would not boot if its node were in `state`; `None` if it would.
    pub(super) fn would_refuse(
        &self,
        ctx: &Context,
        node: &Node,
        state: ProvisionState,
    ) -> Option<Fault> {
        let mut imagined = node.clone();
        imagined.provision_state = state.into();
        // A fault in the past does not make the node's data invalid.
        imagined.fault = None;
        let machine = Machine {
            node: &imagined,
            port: None,
        };
        match decide(machine, &self.settings.boot, &ctx.request_id) {
            BootPlan::Refuse(refusal) => Some(Fault::MissingParameterValue(format!(
                "{refusal}; {}",
                refusal.advice(&node.label())
            ))),
            BootPlan::Linux(_) | BootPlan::LocalDisk(_) => None,
        }
    }

    async fn has_port(&self, uuid: NodeUuid) -> Result<bool> {
        let filter = PortFilter {
            node_uuid: Some(uuid),
            ..PortFilter::default()
        };
        let page = Page {
            limit: Some(1),
            ..Page::default()
        };
        Ok(!self.db.port_list(&filter, &page).await?.is_empty())
    }

    fn check(&self, ctx: &Context, node: &Node, kind: InterfaceKind, has_port: bool) -> Result<()> {
        let implementation = node.interface(kind);
        match kind {
            InterfaceKind::Boot if implementation == "ipxe" => {
                self.check_boot(ctx, node, ProvisionState::CleanWait, has_port)
            }
            InterfaceKind::Deploy => self.check_deploy(ctx, node, has_port),
            InterfaceKind::Inspect if Worker::of_interface(implementation) == Worker::Agent => {
                self.check_boot(ctx, node, ProvisionState::InspectWait, has_port)
            }
            InterfaceKind::Rescue if Worker::of_interface(implementation) == Worker::Agent => {
                self.check_boot(ctx, node, ProvisionState::RescueWait, has_port)
            }
            _ if implementation.starts_with("no-") => Err(unsupported(node, kind)),
            _ => Ok(()),
        }
    }

    fn check_deploy(&self, ctx: &Context, node: &Node, has_port: bool) -> Result<()> {
        let name = node.interface(InterfaceKind::Deploy);
        let Some(deploy) = DeployInterface::from_name(name) else {
            return Err(unsupported(node, InterfaceKind::Deploy));
        };
        if deploy.boots_over_network() && node.interface(InterfaceKind::Boot) == "ipxe" {
            let state = match deploy.deploys() {
                Worker::Agent => ProvisionState::DeployWait,
                Worker::Nobody | Worker::Unsupported => ProvisionState::Active,
            };
            self.check_boot(ctx, node, state, has_port)?;
        }
        let image_source = node
            .instance_info
            .get("image_source")
            .and_then(|it| it.as_str());
        if deploy.needs_image_source() && image_source.is_none_or(str::is_empty) {
            return Err(Fault::MissingParameterValue(
                "instance_info.image_source not set; set it to the image to deploy".to_owned(),
            ));
        }
        Ok(())
    }

    fn check_boot(
        &self,
        ctx: &Context,
        node: &Node,
        state: ProvisionState,
        has_port: bool,
    ) -> Result<()> {
        if !has_port {
            return Err(Fault::MissingParameterValue(format!(
                "Node {} does not have any port associated with it",
                node.uuid
            )));
        }
        self.would_refuse(ctx, node, state).map_or(Ok(()), Err)
    }
}

pub(super) fn unsupported(node: &Node, kind: InterfaceKind) -> Fault {
    Fault::UnsupportedDriverExtension {
        driver: node.driver.clone(),
        extension: kind.name().to_owned(),
    }
}
