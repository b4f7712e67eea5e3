//! A single transition of the state machine.

use time::OffsetDateTime;

use crate::driver::agent;
use crate::error::{Fault, Result};
use crate::node::Node;
use crate::provision_state::{FsmEvent, Phase, ProvisionState, Task};

/// Moves the node to the state that `event` leads to, and sets its target and the time.
///
/// During manual cleaning the target is always `manageable`, although the default target of its
/// states is `available`.
pub(super) fn transition(node: &mut Node, event: FsmEvent, at: OffsetDateTime) -> Result<()> {
    let refused = || Fault::InvalidStateRequested {
        action: event.name().to_owned(),
        node: node.uuid,
        state: node.provision_state.name().to_owned(),
    };
    let next = node
        .provision_state
        .known()
        .and_then(|state| state.on(event))
        .ok_or_else(refused)?;
    if !(heads_for_manageable(node) && next.target() == CLEANED) {
        node.target_provision_state = next.target().map(|state| state.name().to_owned());
    }
    // The token is invalid after the deployment, whether it succeeded or failed.
    if node.provision_state.known().is_some_and(is_deployment) && !is_deployment(next) {
        agent::forget(node);
    }
    node.provision_state = next.into();
    node.provision_updated_at = Some(at);
    Ok(())
}

fn is_deployment(state: ProvisionState) -> bool {
    match state.row().phase {
        Phase::Working(task) | Phase::Waiting(task) | Phase::Held(task) => task == Task::Deploy,
        Phase::Idle | Phase::Failed(_) => false,
    }
}

const CLEANED: Option<ProvisionState> = Some(ProvisionState::Available);

/// Whether the node is in manual cleaning.
pub(super) fn heads_for_manageable(node: &Node) -> bool {
    node.target_provision_state.as_deref() == Some(ProvisionState::Manageable.name())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::NodeUuid;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn walk(events: &[FsmEvent]) -> Vec<(String, Option<String>)> {
        let mut node = Node::enroll(NodeUuid(Uuid::from_u128(1)), "fake-hardware", NOW);
        events
            .iter()
            .map(|&event| {
                transition(&mut node, event, NOW).unwrap();
                (
                    node.provision_state.name().to_owned(),
                    node.target_provision_state.clone(),
                )
            })
            .collect()
    }

    #[test]
    fn transition_sets_the_target_provision_state() {
        let steps = walk(&[
            FsmEvent::Manage,
            FsmEvent::Done,
            FsmEvent::Provide,
            FsmEvent::Done,
            FsmEvent::Deploy,
        ]);
        let steps: Vec<(&str, Option<&str>)> = steps
            .iter()
            .map(|(state, target)| (state.as_str(), target.as_deref()))
            .collect();
        assert_eq!(
            steps,
            [
                ("verifying", Some("manageable")),
                ("manageable", None),
                ("cleaning", Some("available")),
                ("available", None),
                ("deploying", Some("active")),
            ]
        );
    }

    #[test]
    fn event_without_a_transition_is_refused_and_changes_nothing() {
        let mut node = Node::enroll(NodeUuid(Uuid::from_u128(1)), "fake-hardware", NOW);
        let before = node.clone();
        let refused = transition(&mut node, FsmEvent::Deploy, NOW);
        assert!(matches!(refused, Err(Fault::InvalidStateRequested { .. })));
        assert_eq!(node, before);
    }
}
