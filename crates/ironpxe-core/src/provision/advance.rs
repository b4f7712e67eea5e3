//! The one way in which a node moves through its provision states.

use super::event::{Event, Facts, Next, What};
use super::transition::transition;
use super::{accept, deadline, heartbeat, task};
use crate::error::{Fault, Result};
use crate::node::Node;
use crate::provision_state::{FsmEvent, ProvisionState};

/// Says what the node becomes by the event, and what is to be done next. A fault refuses the event:
/// then nothing becomes of it.
pub fn advance(node: &Node, event: &Event<'_>, facts: &Facts<'_>) -> Result<Next> {
    let mut node = node.clone();
    let at = event.at;
    let action = match &event.what {
        What::Verb(request) => {
            accept::accept(&mut node, request, at, facts)?;
            None
        }
        What::Task { since, progress } => {
            refuse_if_taken(&node, facts.host, *since)?;
            task::go_on(&mut node, progress, at, facts)?
        }
        What::Heartbeat(heartbeat) => heartbeat::apply(&mut node, heartbeat, at, facts)?,
        What::DeadlinePassed => deadline::apply(&mut node, at, facts)?,
        What::ConductorGone => {
            release(&mut node, at)?;
            None
        }
    };
    Ok(Next { node, action })
}

/// Refuses to touch a node that a conductor is changing.
pub fn refuse_if_reserved(node: &Node) -> Result<()> {
    match &node.reservation {
        Some(host) => Err(Fault::NodeLocked {
            node: node.uuid,
            host: host.clone(),
        }),
        None => Ok(()),
    }
}

/// Refuses to go on with work that was taken away from the conductor `host`: one that hung may come
/// back after others gave up on it. Its name alone does not tell, because since then it may have got
/// the node again for other work; but then the node's state has changed after `since`, too.
pub fn refuse_if_taken(node: &Node, host: &str, since: Option<time::OffsetDateTime>) -> Result<()> {
    let holder = node.reservation.as_deref();
    if holder == Some(host) && node.provision_updated_at == since {
        return Ok(());
    }
    Err(Fault::Internal(format!(
        "the work was taken away: the node is in \"{}\" and held by {}",
        node.provision_state,
        holder.unwrap_or("no conductor")
    )))
}

/// Releases the node from a conductor that is gone, and fails the work that is lost with it.
fn release(node: &mut Node, at: time::OffsetDateTime) -> Result<()> {
    let holder = node.reservation.take().unwrap_or_default();
    let before = node.provision_state.clone();
    if before
        .known()
        .is_some_and(ProvisionState::fails_when_abandoned)
    {
        transition(node, FsmEvent::Fail, at)?;
        node.last_error = Some(format!(
            "The conductor {holder} stopped while the node was in state \"{before}\"; the work was \
             not finished."
        ));
    }
    node.target_power_state = None;
    Ok(())
}
