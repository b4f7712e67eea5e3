//! What the boot interface does around a piece of work: the DHCP server is told how the machine
//! comes to its script, and the boot device is set.
//!
//! The server is told first, and then the node is moved: a machine that is switched on finds its
//! way. That it could not be told fails the work. Which of Ironic's steps of a boot interface it
//! is follows from where the work leads.
//!
//! Source: Ironic's `drivers/modules/pxe_base.py` (`prepare_ramdisk`, `prepare_instance`) and
//! `agent_base.py` (`clean_up`).

use ironpxe_core::boot::{BootPlan, Machine, Refusal, decide};
use ironpxe_core::dhcp::{DhcpOption, dhcp_options};
use ironpxe_core::error::Result;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::provision_state::ProvisionState;
use time::OffsetDateTime;
use tracing::warn;

use super::work::Work;
use crate::conductor::LocalConductor;
use crate::conductor::images::ImageProperties;
use crate::db::{Page, PortFilter};
use crate::drivers::boot::BootInterface;
use crate::drivers::deploy::DeployInterface;
use crate::rpc::Context;

/// What was done so that the machine boots what the work needs.
#[derive(Debug, Clone, Default)]
pub(super) struct Arranged {
    /// Whose turn it was.
    pub(super) step: BootStep,
    /// Why it was not done; a whole sentence.
    pub(super) problem: Option<String>,
}

/// A step of the boot interface. (`clean_up_ramdisk` is none of them: there is nothing to clean
/// up, and what the DHCP server was told stays true.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum BootStep {
    /// Nothing is booted.
    #[default]
    None,
    /// `prepare_ramdisk`.
    Ramdisk,
    /// `prepare_instance`, with one that boots over the network.
    InstanceFromNetwork,
    /// `prepare_instance`, with one that boots from the disk.
    InstanceFromDisk,
    /// `clean_up_instance`: the machine has no instance any more, and no ramdisk yet.
    CleanUp,
}

impl BootStep {
    /// The step of a work that ends with the node as it is in `after`.
    fn of(conductor: &LocalConductor, work: Work, after: &Node, ctx: &Context) -> Self {
        use ProvisionState as S;
        if !BootInterface::of(after).boots_over_network() {
            return Self::None;
        }
        let state = after.provision_state.known();
        match (work, state) {
            // An installer is an instance that boots over the network until it has installed.
            (Work::Deploy { .. }, Some(S::DeployWait)) if installs(after) => {
                Self::InstanceFromNetwork
            }
            (
                _,
                Some(
                    S::DeployWait | S::CleanWait | S::InspectWait | S::RescueWait | S::ServiceWait,
                ),
            ) => Self::Ramdisk,
            (Work::Deploy { .. } | Work::Unrescue | Work::Adopt, Some(S::Active)) => {
                let settings = &conductor.settings.boot;
                match decide(Machine::of(after), settings, &ctx.request_id) {
                    BootPlan::LocalDisk(_) => Self::InstanceFromDisk,
                    BootPlan::Linux(_)
                    | BootPlan::Volume(_)
                    | BootPlan::Iso(_)
                    | BootPlan::Refuse(_) => Self::InstanceFromNetwork,
                }
            }
            (Work::TearDown, _) => Self::CleanUp,
            _ => Self::None,
        }
    }
}

/// Whether an installer deploys the node.
fn installs(node: &Node) -> bool {
    let deploy = node.interface(InterfaceKind::Deploy);
    DeployInterface::from_name(deploy) == Some(DeployInterface::Anaconda)
}

impl LocalConductor {
    /// Tells the DHCP server what the work on the node needs; `image` is what is known of the image
    /// that is deployed.
    pub(super) async fn arrange_boot(
        &self,
        ctx: &Context,
        uuid: NodeUuid,
        accepted: Option<OffsetDateTime>,
        work: Work,
        image: Option<&ImageProperties>,
    ) -> Arranged {
        let mut step = BootStep::None;
        let arranging = async {
            let node = self.node(uuid).await?;
            self.still_ours(&node, accepted)?;
            // Where it would lead if all went well.
            let mut after = node.clone();
            if let Some(image) = image {
                image.apply(&mut after);
            }
            self.finish(ctx, &mut after, work, &Arranged::default())?;
            step = BootStep::of(self, work, &after, ctx);
            match step {
                BootStep::None | BootStep::InstanceFromDisk => Ok(()),
                BootStep::Ramdisk | BootStep::InstanceFromNetwork => {
                    self.note_told(&node, accepted).await?;
                    self.tell_dhcp(&after).await
                }
                BootStep::CleanUp => {
                    let ports = self.ports_of(uuid).await?;
                    Ok(self.settings.dhcp.clear(&node, &ports).await?)
                }
            }
        };
        let told: Result<(), DhcpProblem> = arranging.await;
        let problem = told.err().map(|problem| {
            warn!(
                req.id = ctx.request_id,
                node.uuid = %uuid,
                "the machine's boot is not arranged: {problem}"
            );
            format!("The machine's boot cannot be arranged: {problem}")
        });
        Arranged { step, problem }
    }

    /// Notes that the DHCP server knows the node, before it does: from now on it is told of every
    /// change of the node's ports, and none is lost.
    async fn note_told(&self, node: &Node, accepted: Option<OffsetDateTime>) -> Result<()> {
        let dhcp = &self.settings.dhcp;
        if !dhcp.is_told() || dhcp.knows(node) {
            return Ok(());
        }
        let note = |node: &mut Node| {
            self.still_ours(node, accepted)?;
            dhcp.note(node);
            Ok(())
        };
        self.db.node_change(node.uuid, note).await.map(drop)
    }

    /// Sets the boot device, and notes what the DHCP server does not know any more.
    pub(super) fn note_boot(&self, node: &mut Node, step: BootStep, work: Work) {
        let boot = BootInterface::of(node);
        match step {
            BootStep::None => {}
            BootStep::Ramdisk => boot.boot_from_network(node, false),
            // What runs already is left alone.
            BootStep::InstanceFromNetwork | BootStep::InstanceFromDisk if work == Work::Adopt => {}
            BootStep::InstanceFromNetwork => boot.boot_from_network(node, true),
            BootStep::InstanceFromDisk => boot.boot_from_disk(node),
            BootStep::CleanUp => self.settings.dhcp.note_cleared(node),
        }
    }

    /// Tells the DHCP server how the node comes to its script, on the ports it has now.
    pub(in crate::conductor) async fn tell_dhcp(&self, node: &Node) -> Result<(), DhcpProblem> {
        let Some(options) = self.dhcp_options(node)? else {
            return Ok(());
        };
        let ports = self.ports_of(node.uuid).await?;
        Ok(self.settings.dhcp.update(node, &ports, &options).await?)
    }

    /// What the DHCP server is told of the node; `None` if it is not told anything.
    pub(in crate::conductor) fn dhcp_options(
        &self,
        node: &Node,
    ) -> Result<Option<Vec<DhcpOption>>, Refusal> {
        let dhcp = &self.settings.dhcp;
        let Some(transport) = BootInterface::of(node)
            .transport()
            .filter(|_| dhcp.is_told())
        else {
            return Ok(None);
        };
        let settings = &self.settings.dhcp_options;
        dhcp_options(node, settings, transport, dhcp.knows_ipxe()).map(Some)
    }

    /// All ports of the node.
    pub(in crate::conductor) async fn ports_of(&self, uuid: NodeUuid) -> Result<Vec<Port>> {
        let filter = PortFilter {
            node_uuid: Some(uuid),
            ..PortFilter::default()
        };
        Ok(self.db.port_list(&filter, &Page::default()).await?)
    }
}

/// Why the DHCP server was not told.
#[derive(Debug, thiserror::Error)]
pub(in crate::conductor) enum DhcpProblem {
    /// There is nothing sensible to tell.
    #[error("{0}")]
    Refused(Refusal),
    /// It did not take it.
    #[error(transparent)]
    Dhcp(#[from] crate::dhcp::DhcpError),
    /// It is not known what to tell.
    #[error(transparent)]
    Fault(#[from] ironpxe_core::error::Fault),
}

impl From<Refusal> for DhcpProblem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
