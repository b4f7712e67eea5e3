//! Validation of a node's interfaces.
//!
//! Boot validation uses the boot decision: a node is valid for deployment if the decision in the
//! target state is not a refusal.

use ironpxe_core::boot::{Refusal, check_capabilities, decide_in};
use ironpxe_core::driver::agent::{OperationKind, unsupported};
use ironpxe_core::driver::boot::BootInterface;
use ironpxe_core::driver::deploy::DeployInterface;
use ironpxe_core::driver::storage;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::node::Node;
use ironpxe_core::provision::{Argument, Validates, Verb};
use ironpxe_core::provision_state::ProvisionState;
use ironpxe_core::volume::Volumes;

use super::LocalConductor;
use crate::db::{Page, PortFilter};
use crate::ident;
use crate::rpc::{Context, InterfaceValidation, ProvisionArgs};

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

/// The data of a node besides its own row.
struct NodeResources {
    has_port: bool,
    volumes: Volumes,
}

impl LocalConductor {
    pub(super) async fn validate(
        &self,
        ctx: &Context,
        uuid: NodeUuid,
    ) -> Result<Vec<InterfaceValidation>> {
        let node = self.node(uuid).await?;
        let resources = self.node_resources(uuid).await?;
        let mut report = Vec::with_capacity(REPORTED.len());
        for kind in REPORTED {
            let problem = self.check(ctx, &node, kind, &resources).await.err();
            report.push(InterfaceValidation {
                kind,
                problem: problem.map(|fault| fault.to_string()),
            });
        }
        Ok(report)
    }

    /// Rejects a deployment that cannot succeed.
    pub(super) async fn validate_deploy(&self, ctx: &Context, node: &Node) -> Result<()> {
        let resources = self.node_resources(node.uuid).await?;
        let checked = self
            .check(ctx, node, InterfaceKind::Deploy, &resources)
            .await;
        checked.map_err(|fault| match fault {
            Fault::Unavailable { .. } => fault,
            fault => Fault::InstanceDeployFailure(format!(
                "Failed to validate deploy or power info for node {}: {fault}",
                node.uuid
            )),
        })
    }

    /// Rejects a verb whose ramdisk or instance the machine cannot boot, so that the client gets
    /// the error rather than only `last_error`.
    ///
    /// (As in Ironic, `provide` and the cleaning after `undeploy` are not rejected: it must always
    /// be possible to remove an instance.)
    pub(super) async fn validate_verb(
        &self,
        ctx: &Context,
        node: &Node,
        verb: Verb,
        args: &ProvisionArgs,
    ) -> Result<()> {
        let state = match verb.row().validates {
            Validates::Nothing => return Ok(()),
            Validates::Deployment => return self.validate_deploy(ctx, node).await,
            Validates::Ramdisk(kind, state) => {
                let worker = match kind {
                    InterfaceKind::Deploy => DeployInterface::of(node).map(DeployInterface::cleans),
                    kind => Some(OperationKind::of(node, kind)),
                };
                let without =
                    verb.takes(Argument::DisableRamdisk).is_some() && args.disable_ramdisk;
                if worker != Some(OperationKind::Agent) || without {
                    return Ok(());
                }
                state
            }
            Validates::Instance => ProvisionState::Active,
        };
        if !BootInterface::of(node).boots_over_network() {
            return Ok(());
        }
        let volumes = self.db.node_volumes(node.uuid).await?;
        self.check_dhcp_opts(node)
            .map_err(|refusal| invalid_boot(node, &refused(&refusal, node)))?;
        let checked = self.check_plan(ctx, node, state, Some(&volumes)).await;
        checked.map_err(|fault| match fault {
            Fault::Unavailable { .. } => fault,
            fault => invalid_boot(node, &fault),
        })
    }

    /// Rejects what the machine could not boot in `state`, or whose images are not available.
    pub(super) async fn check_plan(
        &self,
        ctx: &Context,
        node: &Node,
        state: ProvisionState,
        volumes: Option<&Volumes>,
    ) -> Result<()> {
        let plan = decide_in(node, state, volumes, &self.settings.boot, &ctx.request_id)
            .map_err(|refusal| refused(&refusal, node))?;
        self.check_images(node, plan).await
    }

    async fn node_resources(&self, uuid: NodeUuid) -> Result<NodeResources> {
        let filter = PortFilter {
            node_uuid: Some(uuid),
            ..PortFilter::default()
        };
        let page = Page {
            limit: Some(1),
            ..Page::default()
        };
        Ok(NodeResources {
            has_port: !self.db.port_list(&filter, &page).await?.is_empty(),
            volumes: self.db.node_volumes(uuid).await?,
        })
    }

    async fn check(
        &self,
        ctx: &Context,
        node: &Node,
        kind: InterfaceKind,
        resources: &NodeResources,
    ) -> Result<()> {
        let implementation = node.interface(kind);
        match kind {
            InterfaceKind::Boot if BootInterface::of(node).boots_over_network() => {
                self.check_boot(ctx, node, ProvisionState::CleanWait, resources)
                    .await
            }
            InterfaceKind::Deploy => self.check_deploy(ctx, node, resources).await,
            InterfaceKind::Inspect if OperationKind::of(node, kind) == OperationKind::Agent => {
                self.check_boot(ctx, node, ProvisionState::InspectWait, resources)
                    .await
            }
            InterfaceKind::Rescue if OperationKind::of(node, kind) == OperationKind::Agent => {
                self.check_boot(ctx, node, ProvisionState::RescueWait, resources)
                    .await
            }
            _ if implementation.starts_with("no-") => Err(unsupported(node, kind)),
            _ => Ok(()),
        }
    }

    async fn check_deploy(
        &self,
        ctx: &Context,
        node: &Node,
        resources: &NodeResources,
    ) -> Result<()> {
        if let Some(target) = storage::boot_volume(node, &resources.volumes) {
            check_capabilities(node).map_err(|refusal| refused(&refusal, node))?;
            let mut hypothetical = node.clone();
            storage::set_boot_volume(&mut hypothetical, Some(target.uuid));
            return self
                .check_boot(ctx, &hypothetical, ProvisionState::Active, resources)
                .await;
        }
        let Some(deploy) = DeployInterface::of(node) else {
            return Err(unsupported(node, InterfaceKind::Deploy));
        };
        if deploy.boots_over_network() && BootInterface::of(node).boots_over_network() {
            let mut hypothetical = node.clone();
            storage::set_boot_volume(&mut hypothetical, None);
            self.image_properties(node).await?.apply(&mut hypothetical);
            self.check_boot(ctx, &hypothetical, deploy.boots_in(), resources)
                .await?;
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
        if deploy == DeployInterface::Anaconda {
            // Also validates that the operator's template can be rendered for the node.
            self.boot
                .kickstart_of(node, &ident::secret())
                .map_err(|error| Fault::InvalidParameterValue(error.to_string()))?;
        }
        Ok(())
    }

    async fn check_boot(
        &self,
        ctx: &Context,
        node: &Node,
        state: ProvisionState,
        resources: &NodeResources,
    ) -> Result<()> {
        if !resources.has_port {
            return Err(Fault::MissingParameterValue(format!(
                "Node {} does not have any port associated with it",
                node.uuid
            )));
        }
        self.check_dhcp_opts(node)
            .map_err(|refusal| refused(&refusal, node))?;
        self.check_plan(ctx, node, state, Some(&resources.volumes))
            .await
    }
}

fn invalid_boot(node: &Node, fault: &Fault) -> Fault {
    Fault::InvalidParameterValue(format!(
        "Failed to validate boot info for node {}: {fault}",
        node.uuid
    ))
}

pub(super) fn refused(refusal: &Refusal, node: &Node) -> Fault {
    let text = format!("{refusal}; {}", refusal.advice(&node.label()));
    match refusal {
        Refusal::BadValue { .. } | Refusal::Conflict { .. } => Fault::InvalidParameterValue(text),
        _ => Fault::MissingParameterValue(text),
    }
}
