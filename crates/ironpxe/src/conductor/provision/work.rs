//! The work behind a provision verb.
//!
//! With the hardware types of this release nothing has a real backend: work that an agent would
//! do ends in the state that waits for the agent, and everything else is done at once by
//! interfaces that are called `fake` or `noop`. Each step is one guarded statement; the last one
//! gives the node back.

use ironpxe_core::boot::RamdiskFlag;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::VolumeTargetUuid;
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::node::Node;
use ironpxe_core::power_state::PowerState;
use ironpxe_core::provision_state::{FsmEvent, ProvisionState};
use time::OffsetDateTime;
use tracing::{error, info};

use super::network_boot::{Arranged, BootStep};
use super::transition;
use crate::clock;
use crate::conductor::LocalConductor;
use crate::conductor::images::ImageProperties;
use crate::drivers::agent::{self, Worker};
use crate::drivers::boot::BootInterface;
use crate::drivers::deploy::DeployInterface;
use crate::drivers::steps::{self, Flow};
use crate::drivers::storage;
use crate::ident;
use crate::rpc::Context;

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Verify,
    Clean {
        automated: bool,
        disable_ramdisk: bool,
    },
    Inspect,
    Deploy {
        /// The volume the instance lives on, if not on the machine's disk.
        boot_volume: Option<VolumeTargetUuid>,
    },
    TearDown,
    Adopt,
    Rescue,
    Unrescue,
    Service {
        disable_ramdisk: bool,
    },
}

impl LocalConductor {
    /// Starts the work that was accepted when `node` was saved as it is.
    pub(super) fn start_work(&self, ctx: Context, node: &Node, work: Work) {
        let conductor = self.clone();
        let (uuid, accepted) = (node.uuid, node.provision_updated_at);
        let node = node.clone();
        self.tasks.spawn("provision work", async move {
            let found = conductor.find_images(&ctx, &node, work).await;
            let arranged = match &found {
                Ok(image) => {
                    let image = image.as_ref();
                    let arranging = conductor.arrange_boot(&ctx, uuid, accepted, work, image);
                    arranging.await
                }
                Err(_) => Arranged::default(),
            };
            let finish = |node: &mut Node| {
                conductor.still_ours(node, accepted)?;
                match &found {
                    Ok(properties) => {
                        if let Some(properties) = properties {
                            properties.apply(node);
                        }
                        conductor.finish(&ctx, node, work, &arranged)
                    }
                    Err(fault) => {
                        node.last_error = Some(format!("The image cannot be deployed: {fault}"));
                        node.reservation = None;
                        step(node, FsmEvent::Fail)
                    }
                }
            };
            match conductor.change_node(uuid, finish).await {
                Ok((node, ())) => info!(
                    req.id = ctx.request_id,
                    node.uuid = %uuid,
                    node.name = node.name,
                    node.state = %node.provision_state,
                    error = node.last_error,
                    "provision work ended"
                ),
                Err(fault) => error!(
                    req.id = ctx.request_id,
                    node.uuid = %uuid,
                    "provision work not finished: {fault}"
                ),
            }
        });
    }

    /// What is to be found out about images before a deployment, outside of any statement: other
    /// services are asked.
    async fn find_images(
        &self,
        ctx: &Context,
        node: &Node,
        work: Work,
    ) -> Result<Option<ImageProperties>> {
        let Work::Deploy { boot_volume: None } = work else {
            return Ok(None);
        };
        let deploy = deploy_interface(node)?;
        if !deploy.boots_over_network() || !BootInterface::of(node).boots_over_network() {
            return Ok(None);
        }
        let properties = self.image_properties(node).await?;
        let mut imagined = node.clone();
        storage::set_boot_volume(&mut imagined, None);
        properties.apply(&mut imagined);
        self.check_plan(ctx, &imagined, deploy.boots_in(), None)
            .await?;
        Ok(Some(properties))
    }

    /// Refuses to go on with work that was taken away: a conductor that hung may come back after
    /// others gave up on it. Its name alone does not tell, because since then it may have got the
    /// node again for other work; but then the node has been in other states, too.
    pub(in crate::conductor) fn still_ours(
        &self,
        node: &Node,
        accepted: Option<OffsetDateTime>,
    ) -> Result<()> {
        let holder = node.reservation.as_deref();
        if holder == Some(self.settings.host.as_str()) && node.provision_updated_at == accepted {
            return Ok(());
        }
        Err(Fault::Internal(format!(
            "the work was taken away: the node is in \"{}\" and held by {}",
            node.provision_state,
            holder.unwrap_or("nobody")
        )))
    }

    /// Does the work on the node and gives it back. Called again if somebody changed the node
    /// meanwhile (an operator may set maintenance at any time).
    pub(super) fn finish(
        &self,
        ctx: &Context,
        node: &mut Node,
        work: Work,
        arranged: &Arranged,
    ) -> Result<()> {
        if let Some(problem) = &arranged.problem {
            return give_up(node, work, arranged.step, problem);
        }
        match work {
            Work::Verify | Work::Adopt => step(node, FsmEvent::Done)?,
            Work::Clean {
                automated,
                disable_ramdisk,
            } => {
                self.clean(ctx, node, automated, disable_ramdisk)?;
            }
            Work::Inspect => self.inspect(ctx, node)?,
            Work::Deploy { boot_volume } => {
                storage::set_boot_volume(node, boot_volume);
                // On a volume there is nothing to write.
                let deploy = deploy_interface(node)?;
                if deploy == DeployInterface::Anaconda {
                    // An installer cannot ask for its token: it finds it in its kickstart.
                    agent::pregenerate_token(node, ident::secret());
                }
                let by_agent = deploy.deploys() == Worker::Agent;
                if by_agent && boot_volume.is_none() {
                    self.wait_for_agent(ctx, node)?;
                } else {
                    node.power_state = Some(PowerState::On);
                    step(node, FsmEvent::Done)?;
                }
            }
            Work::TearDown => {
                tear_down(node);
                step(node, FsmEvent::Clean)?;
                self.clean(ctx, node, true, false)?;
            }
            Work::Rescue => match Worker::of_interface(node.interface(InterfaceKind::Rescue)) {
                Worker::Agent => self.wait_for_agent(ctx, node)?,
                Worker::Nobody | Worker::Unsupported => step(node, FsmEvent::Done)?,
            },
            Work::Unrescue => {
                node.instance_info.remove("rescue_password");
                step(node, FsmEvent::Done)?;
            }
            Work::Service { disable_ramdisk } => match deploy_interface(node)?.cleans() {
                Worker::Agent if !disable_ramdisk => self.wait_for_agent(ctx, node)?,
                Worker::Nobody if refuse_steps(node, Flow::Service)? => {}
                _ => {
                    RamdiskFlag::Service.set(node, false);
                    step(node, FsmEvent::Done)?;
                }
            },
        }
        self.note_boot(node, arranged.step, work);
        node.reservation = None;
        Ok(())
    }

    fn clean(
        &self,
        ctx: &Context,
        node: &mut Node,
        automated: bool,
        disable_ramdisk: bool,
    ) -> Result<()> {
        let wanted = !automated
            || node
                .automated_clean
                .unwrap_or(self.settings.automated_clean);
        let worker = deploy_interface(node)?.cleans();
        if wanted && worker == Worker::Agent && !disable_ramdisk {
            return self.wait_for_agent(ctx, node);
        }
        if !automated && worker == Worker::Nobody && refuse_steps(node, Flow::Clean)? {
            return Ok(());
        }
        node.driver_internal_info.remove("clean_steps");
        RamdiskFlag::Cleaning.set(node, false);
        step(
            node,
            if automated {
                FsmEvent::Done
            } else {
                FsmEvent::Manage
            },
        )
    }

    fn inspect(&self, ctx: &Context, node: &mut Node) -> Result<()> {
        node.inspection_started_at = Some(clock::now());
        match Worker::of_interface(node.interface(InterfaceKind::Inspect)) {
            Worker::Agent => self.wait_for_agent(ctx, node),
            Worker::Nobody | Worker::Unsupported => {
                node.inspection_finished_at = Some(clock::now());
                step(node, FsmEvent::Done)
            }
        }
    }

    /// Powers the machine on and waits for its ramdisk; fails the work if the machine could not
    /// boot it.
    fn wait_for_agent(&self, ctx: &Context, node: &mut Node) -> Result<()> {
        let mut waiting = node.clone();
        step(&mut waiting, FsmEvent::Wait)?;
        let state = waiting
            .provision_state
            .known()
            .unwrap_or(ProvisionState::Error);
        if BootInterface::of(node).boots_over_network()
            && let Some(fault) = self.would_refuse(ctx, node, state, None)
        {
            node.last_error = Some(format!("The ramdisk cannot be booted: {fault}"));
            return step(node, FsmEvent::Fail);
        }
        waiting.power_state = Some(PowerState::On);
        *node = waiting;
        Ok(())
    }
}

/// Fails work that was asked for steps that nothing on the node can do; tells whether it did.
///
/// Source: Ironic's `conductor/cleaning.py` and `servicing.py`.
fn refuse_steps(node: &mut Node, flow: Flow) -> Result<bool> {
    let Some(problem) = steps::refusal(node, flow) else {
        return Ok(false);
    };
    node.last_error = Some(format!(
        "Cannot {} node {}: {problem}",
        flow.name(),
        node.uuid
    ));
    step(node, FsmEvent::Fail)?;
    Ok(true)
}

/// Fails the work because of what stands in the way of booting.
fn give_up(node: &mut Node, work: Work, arranged: BootStep, problem: &str) -> Result<()> {
    if work == Work::TearDown && arranged == BootStep::Ramdisk {
        // The instance is gone all the same; it is the cleaning that fails.
        tear_down(node);
        step(node, FsmEvent::Clean)?;
    }
    node.last_error = Some(problem.to_owned());
    node.reservation = None;
    step(node, FsmEvent::Fail)
}

fn step(node: &mut Node, event: FsmEvent) -> Result<()> {
    transition(node, event, clock::now())
}

fn deploy_interface(node: &Node) -> Result<DeployInterface> {
    let name = node.interface(InterfaceKind::Deploy);
    DeployInterface::from_name(name)
        .ok_or_else(|| Fault::Internal(format!("unknown deploy interface {name:?}")))
}

/// Takes the instance off the node. Source: Ironic's conductor (`_do_node_tear_down`).
fn tear_down(node: &mut Node) {
    node.power_state = Some(PowerState::Off);
    node.instance_info.clear();
    node.instance_uuid = None;
    node.instance_name = None;
    node.deploy_step.clear();
    agent::forget(node);
    for key in agent::LAST_SEEN.into_iter().chain([
        "boot_from_volume",
        "image_properties",
        "deploy_steps",
        "instance",
        "is_source_a_path",
        "is_whole_disk_image",
        "root_uuid_or_disk_id",
        "user_deploy_steps",
    ]) {
        node.driver_internal_info.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ironpxe_core::id::NodeUuid;
    use serde_json::json;

    use super::*;
    use crate::conductor::tests::start;

    /// What validation found in its place may be gone when the work begins.
    #[tokio::test]
    async fn an_image_that_went_away_fails_the_deployment() {
        let (db, _folder) = crate::db::testing::scratch().await;
        let conductor = start(&db).await;
        let mut node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
        node.interfaces.set(InterfaceKind::Boot, "ipxe");
        node.interfaces.set(InterfaceKind::Deploy, "direct");
        conductor.drivers.compose(&mut node).unwrap();
        node.provision_state = ProvisionState::Deploying.into();
        node.provision_updated_at = Some(clock::now());
        node.reservation = Some(conductor.settings.host.clone());
        for key in ["deploy_kernel", "deploy_ramdisk"] {
            node.driver_info
                .insert(key.to_owned(), json!("file:///srv/gone"));
        }
        db.node_create(&node).await.unwrap();
        let ctx = Context {
            request_id: ident::request_id(),
        };
        let work = Work::Deploy { boot_volume: None };
        conductor.start_work(ctx, &node, work);
        for _ in 0..1000 {
            let found = db.node_get(node.uuid).await.unwrap().unwrap();
            if found.reservation.is_none() {
                assert_eq!(found.provision_state, ProvisionState::DeployFailed.into());
                let error = found.last_error.unwrap();
                assert!(
                    error.contains("cannot be deployed: kernel file:///srv/gone"),
                    "{error}"
                );
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the work does not end");
    }
}
