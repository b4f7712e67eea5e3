//! The only function that moves a node through its provision states.

use super::event::{Event, EventKind, Facts, Next};
use super::transition::transition;
use super::{accept, deadline, heartbeat, task};
use crate::error::{Fault, Result};
use crate::node::Node;
use crate::provision_state::{FsmEvent, ProvisionState};

/// Computes the node after the event, and the next action. An error rejects the event: nothing is
/// changed.
pub fn advance(node: &Node, event: &Event<'_>, facts: &Facts<'_>) -> Result<Next> {
    let mut node = node.clone();
    let at = event.at;
    let action = match &event.kind {
        EventKind::Verb(request) => {
            accept::accept(&mut node, request, at, facts)?;
            None
        }
        EventKind::Task { since, progress } => {
            refuse_if_taken(&node, facts.host, *since)?;
            task::continue_task(&mut node, progress, at, facts)?
        }
        EventKind::Heartbeat(heartbeat) => heartbeat::apply(&mut node, heartbeat, at, facts)?,
        EventKind::DeadlinePassed => deadline::apply(&mut node, at, facts)?,
        EventKind::ConductorGone => {
            release(&mut node, at)?;
            None
        }
    };
    Ok(Next { node, action })
}

/// Rejects the continuation of a task that conductor `host` has lost: after a hang it may return
/// when another conductor has already failed the task. The reservation alone is not proof, since
/// the same conductor may have reserved the node again for another task; then the state has changed
/// after `since`, too.
pub fn refuse_if_taken(node: &Node, host: &str, since: Option<time::OffsetDateTime>) -> Result<()> {
    let holder = node.reservation.as_deref();
    if holder == Some(host) && node.provision_updated_at == since {
        return Ok(());
    }
    Err(Fault::Internal(format!(
        "the task was taken over: the node is in state \"{}\" and reserved by {}",
        node.provision_state,
        holder.unwrap_or("no conductor")
    )))
}

/// Removes the reservation of a dead conductor, and fails the task that is lost with it.
fn release(node: &mut Node, at: time::OffsetDateTime) -> Result<()> {
    let holder = node.reservation.take().unwrap_or_default();
    let before = node.provision_state.clone();
    if before
        .known()
        .is_some_and(ProvisionState::fails_when_abandoned)
    {
        transition(node, FsmEvent::Fail, at)?;
        node.last_error = Some(format!(
            "Conductor {holder} stopped while the node was in state \"{before}\"; the task was \
             not finished."
        ));
    }
    node.target_power_state = None;
    Ok(())
}
