//! Provisioning: carries out what [`provision::advance`] decides.
//!
//! Each event is one guarded statement: the node is read, advanced, and saved over the revision it
//! was read at, before the action that follows is done; its result is the next event. Of two
//! operators who ask for a verb at once, one wins. What is left of the work when this conductor is
//! gone is the node's record, which another one fails or leaves waiting ([`EventKind::ConductorGone`]).

mod dhcp;

use std::time::Duration;

use ironpxe_core::driver::deploy::DeployInterface;
use ironpxe_core::driver::{management, storage};
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::provision::{
    self, Action, Event, EventKind, Facts, ImageProperties, Next, Progress, ProvisionArgs, Request,
    Validates, Verb,
};
use ironpxe_core::provision_state::Phase;
use time::OffsetDateTime;
use tracing::{error, info, warn};

pub(super) use dhcp::DhcpProblem;

use super::LocalConductor;
use crate::rpc::Context;
use crate::{clock, ident};

/// How long to wait before the database is tried again: first, and at most.
const SHORTEST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// A node before and after an event.
pub(super) struct Advanced {
    pub(super) before: Node,
    pub(super) node: Node,
    pub(super) action: Option<Action>,
}

impl LocalConductor {
    pub(super) async fn start_provision(
        &self,
        ctx: &Context,
        uuid: NodeUuid,
        verb: Verb,
        args: ProvisionArgs,
    ) -> Result<()> {
        let node = self.node(uuid).await?;
        // What the state machine or a reservation refuses is the better answer.
        provision::refuse(&node, verb, &args, &self.facts(&ctx.request_id, ""))?;
        self.validate_verb(ctx, &node, verb, &args).await?;
        let mut boot_volume = None;
        if verb.row().validates == Validates::Deployment {
            let volumes = self.db.node_volumes(uuid).await?;
            boot_volume = storage::boot_volume(&node, &volumes).map(|target| target.uuid);
        }
        let request = Request {
            verb,
            args: &args,
            boot_volume,
        };
        let accepted = self.advance(ctx, uuid, clock::now(), EventKind::Verb(request));
        let accepted = accepted.await?;
        let node = &accepted.node;
        info!(
            req.id = ctx.request_id,
            node.uuid = %uuid,
            node.name = node.name,
            node.state = %node.provision_state,
            "accepted: {}",
            args.target,
        );
        self.start_task(ctx, accepted);
        Ok(())
    }

    /// Saves what becomes of the node by an event.
    pub(super) async fn advance(
        &self,
        ctx: &Context,
        uuid: NodeUuid,
        at: OffsetDateTime,
        kind: EventKind<'_>,
    ) -> Result<Advanced> {
        let token = ident::secret();
        let facts = self.facts(&ctx.request_id, &token);
        let event = Event { at, kind };
        let change = |node: &mut Node| {
            let next = self.next(node, &event, &facts)?;
            Ok((std::mem::replace(node, next.node), next.action))
        };
        let (node, (before, action)) = self.change_node(uuid, change).await?;
        Ok(Advanced {
            before,
            node,
            action,
        })
    }

    /// What there is to know besides a node.
    pub(super) fn facts<'a>(&'a self, request_id: &'a str, agent_token: &'a str) -> Facts<'a> {
        Facts {
            host: &self.settings.host,
            automated_clean: self.settings.automated_clean,
            allow_provisioning_in_maintenance: self.settings.allow_provisioning_in_maintenance,
            callback_timeouts: &self.settings.callback_timeouts,
            boot: &self.settings.boot,
            request_id,
            agent_token,
        }
    }

    /// What becomes of the node until there is something to be done outside of its record.
    fn next(&self, node: &Node, event: &Event<'_>, facts: &Facts<'_>) -> Result<Next> {
        let dhcp = &self.settings.dhcp;
        let mut next = provision::advance(node, event, facts)?;
        if let EventKind::Task { progress, .. } = &event.kind
            && *progress == Progress::Done(Action::ClearDhcp)
        {
            dhcp.note_cleared(&mut next.node);
        }
        while let Some(action) = next.action.filter(|action| self.is_done_by_saving(*action)) {
            if let Action::SetBootDevice(device, persistent) = action {
                management::set(&mut next.node, device, persistent);
            }
            let kind = EventKind::Task {
                since: next.node.provision_updated_at,
                progress: Progress::Done(action),
            };
            next = provision::advance(&next.node, &Event { at: event.at, kind }, facts)?;
        }
        // Saved before the server knows the node: from now on it is told of every change of the
        // node's ports, and none is lost.
        if next.action == Some(Action::UpdateDhcp) && !dhcp.has_options_for(&next.node) {
            dhcp.note(&mut next.node);
        }
        Ok(next)
    }

    /// Whether the node's record is all that the action changes: the interfaces `fake` and `noop`
    /// have no machine, and there may be no DHCP server that is told anything.
    fn is_done_by_saving(&self, action: Action) -> bool {
        match action {
            Action::CheckImage => false,
            Action::UpdateDhcp | Action::ClearDhcp => !self.settings.dhcp.is_configured(),
            Action::SetBootDevice(..) | Action::SetPower(_) => true,
        }
    }

    /// If the event has reserved the node, does what is to be done and all that follows.
    pub(super) fn start_task(&self, ctx: &Context, started: Advanced) {
        if started.before.reservation.is_some() || started.node.reservation.is_none() {
            return;
        }
        let (conductor, ctx) = (self.clone(), ctx.clone());
        let (mut node, mut action) = (started.node, started.action);
        self.tasks.spawn("provision work", async move {
            let uuid = node.uuid;
            loop {
                let progress = match action {
                    Some(action) => conductor.act(&ctx, &node, action).await,
                    None => Progress::Started,
                };
                match conductor.save_progress(&ctx, &node, progress).await {
                    Ok(next) => {
                        node = next.node;
                        action = next.action;
                        if action.is_some() {
                            continue;
                        }
                        log_end(&ctx, &node);
                    }
                    Err(fault) => error!(
                        req.id = ctx.request_id,
                        node.uuid = %uuid,
                        "provision work not finished: {fault}"
                    ),
                }
                return;
            }
        });
    }

    /// Saves how the work on a reserved node has come on. While the database is away it tries again
    /// until this conductor stops: if the work were given up, the node would stay reserved.
    async fn save_progress(
        &self,
        ctx: &Context,
        before: &Node,
        progress: Progress,
    ) -> Result<Advanced> {
        let (uuid, since) = (before.uuid, before.provision_updated_at);
        let at = clock::now();
        let stopping = self.tasks.stopping();
        let mut delay = SHORTEST_DELAY;
        loop {
            let progress = progress.clone();
            let kind = EventKind::Task { since, progress };
            let fault = match self.advance(ctx, uuid, at, kind.clone()).await {
                Err(fault @ Fault::Unavailable { .. }) => fault,
                saved_or_refused => return saved_or_refused,
            };
            warn!(
                req.id = ctx.request_id,
                node.uuid = %uuid,
                node.state = %before.provision_state,
                "progress of the provision work not saved, retrying in {} s: {fault}",
                delay.as_secs()
            );
            tokio::select! {
                () = stopping.cancelled() => return Err(fault),
                () = tokio::time::sleep(delay) => {}
            }
            delay = (delay * 2).min(LONGEST_DELAY);
            if let Some(saved) = self.committed(ctx, before, Event { at, kind }).await {
                return saved;
            }
        }
    }

    /// The outcome of an event that was saved although the database's answer was lost; `None` if it
    /// was not saved, or the database is still away.
    pub(super) async fn committed(
        &self,
        ctx: &Context,
        before: &Node,
        event: Event<'_>,
    ) -> Option<Result<Advanced>> {
        let node = self.node(before.uuid).await.ok()?;
        if node.provision_updated_at != Some(event.at) {
            return None;
        }
        let next = self.next(before, &event, &self.facts(&ctx.request_id, ""));
        Some(next.map(|next| Advanced {
            before: before.clone(),
            node,
            action: next.action,
        }))
    }

    /// Does the action.
    async fn act(&self, ctx: &Context, node: &Node, action: Action) -> Progress {
        let done = match action {
            Action::CheckImage => match self.check_image(ctx, node).await {
                Ok(properties) => return Progress::ImageFound(properties),
                Err(fault) => Err(fault.into()),
            },
            Action::UpdateDhcp => self.update_dhcp_opts(node).await,
            Action::ClearDhcp => self.clear_dhcp_opts(node).await,
            // The only power and management interfaces are `fake` and `noop`.
            Action::SetBootDevice(..) | Action::SetPower(_) => Ok(()),
        };
        match done {
            Ok(()) => Progress::Done(action),
            Err(problem) => Progress::Failed(action, problem.to_string()),
        }
    }

    /// What is to be found out about the image before a deployment. What validation found in its
    /// place may be gone when the work begins.
    async fn check_image(&self, ctx: &Context, node: &Node) -> Result<ImageProperties> {
        let properties = self.image_properties(node).await?;
        let mut described = node.clone();
        properties.apply(&mut described);
        if let Some(deploy) = DeployInterface::of(node) {
            self.check_plan(ctx, &described, deploy.boots_in(), None)
                .await?;
        }
        Ok(properties)
    }
}

/// Logs that no more is to be done for the node, and whether its task failed.
fn log_end(ctx: &Context, node: &Node) {
    let state = node.provision_state.known();
    let failed = state.is_some_and(|state| matches!(state.row().phase, Phase::Failed(_)));
    macro_rules! log {
        ($level:ident, $message:literal) => {
            $level!(
                req.id = ctx.request_id,
                node.uuid = %node.uuid,
                node.name = node.name,
                node.state = %node.provision_state,
                error = node.last_error,
                $message
            )
        };
    }
    if failed {
        log!(warn, "provision work failed");
    } else {
        log!(info, "provision work ended");
    }
}
