//! Provisioning: executes the actions of the state machine ([`provision::advance`]).
//!
//! For each event the node is read, advanced, and saved if its revision has not changed since. Only
//! then the action is executed; its result is the next event. Of two concurrent requests, one
//! succeeds. If this conductor dies, another one fails the node or leaves it waiting
//! ([`EventKind::ConductorGone`]).

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

use super::{LocalConductor, renewal_record};
use crate::rpc::Context;
use crate::{clock, ident};

/// The delay before the first retry if the database is unavailable; it doubles with each retry.
const MIN_RETRY_DELAY: Duration = Duration::from_secs(1);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);

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
        // Report state and reservation conflicts first.
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
            "provision request accepted: {}",
            args.target,
        );
        self.start_task(ctx, accepted);
        Ok(())
    }

    /// Applies the event and saves the node.
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

    /// What the state machine needs besides the node.
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

    /// Applies the event, and all actions that only change the node's record, up to one that does not.
    fn next(&self, node: &Node, event: &Event<'_>, facts: &Facts<'_>) -> Result<Next> {
        let dhcp = &self.settings.dhcp;
        let mut next = provision::advance(node, event, facts)?;
        if let EventKind::Task { progress, .. } = &event.kind
            && *progress == Progress::Done(Action::ClearDhcp)
        {
            dhcp.note_cleared(&mut next.node);
            renewal_record::forget(&mut next.node);
        }
        while let Some(action) = next
            .action
            .filter(|action| self.changes_only_record(*action))
        {
            if let Action::SetBootDevice(device, persistent) = action {
                management::set(&mut next.node, device, persistent);
            }
            let kind = EventKind::Task {
                since: next.node.provision_updated_at,
                progress: Progress::Done(action),
            };
            next = provision::advance(&next.node, &Event { at: event.at, kind }, facts)?;
        }
        // Saved before the DHCP server has the options, so that a change of the node's ports in
        // between updates them.
        if next.action == Some(Action::UpdateDhcp) {
            if !dhcp.has_options_for(&next.node) {
                dhcp.note(&mut next.node);
            }
            if let Some(tokens) = &self.settings.boot_tokens {
                renewal_record::note(&mut next.node, tokens, event.at);
            }
        }
        Ok(next)
    }

    /// Whether the action changes only the node's record: the interfaces `fake` and `noop` control no
    /// hardware, and there may be no DHCP server with options per node.
    fn changes_only_record(&self, action: Action) -> bool {
        match action {
            Action::CheckImage => false,
            Action::UpdateDhcp | Action::ClearDhcp => !self.settings.dhcp.is_configured(),
            Action::SetBootDevice(..) | Action::SetPower(_) => true,
        }
    }

    /// If the event has reserved the node, executes its action and the following ones in a task.
    pub(super) fn start_task(&self, ctx: &Context, started: Advanced) {
        if started.before.reservation.is_some() || started.node.reservation.is_none() {
            return;
        }
        let (conductor, ctx) = (self.clone(), ctx.clone());
        let (mut node, mut action) = (started.node, started.action);
        self.tasks.spawn("provisioning task", async move {
            let uuid = node.uuid;
            loop {
                let progress = match action {
                    Some(action) => conductor.execute(&ctx, &node, action).await,
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
                        "cannot save the task's progress: {fault}"
                    ),
                }
                return;
            }
        });
    }

    /// Saves a task's progress; retries while the database is unavailable, until shutdown. Without
    /// that, the node would stay reserved.
    async fn save_progress(
        &self,
        ctx: &Context,
        before: &Node,
        progress: Progress,
    ) -> Result<Advanced> {
        let (uuid, since) = (before.uuid, before.provision_updated_at);
        let at = clock::now();
        let stopping = self.tasks.stopping();
        let mut delay = MIN_RETRY_DELAY;
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
                "cannot save the task's progress; retrying in {} s: {fault}",
                delay.as_secs()
            );
            tokio::select! {
                () = stopping.cancelled() => return Err(fault),
                () = tokio::time::sleep(delay) => {}
            }
            delay = (delay * 2).min(MAX_RETRY_DELAY);
            if let Some(saved) = self.committed(ctx, before, Event { at, kind }).await {
                return saved;
            }
        }
    }

    /// The outcome of an event that was saved although the database's response was lost; `None` if it
    /// was not saved, or the database is still unavailable.
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

    /// Executes the action.
    async fn execute(&self, ctx: &Context, node: &Node, action: Action) -> Progress {
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

    /// Reads the image's properties and re-validates: the image may have changed since the request.
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

/// Logs the end of the node's task.
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
        log!(warn, "provisioning task failed");
    } else {
        log!(info, "provisioning task finished");
    }
}
