//! Provisioning: the verbs of the API ([`Verb`]), and what follows from them ([`advance()`]).
//!
//! `advance` is pure: it computes the node after an event and the next action. A conductor saves
//! the node, executes the action and reports its result as the next event. A node can be taken over
//! from a dead conductor at any time, because its record says what it was doing: the task of its
//! state ([`Phase`](crate::provision_state::Phase)), the reservation, and the deploy step.
//!
//! Continue with `verb.rs` for the verbs, `event.rs` for events and actions, and `task.rs` for the
//! actions of each task.

mod accept;
mod advance;
mod args;
mod deadline;
mod event;
mod heartbeat;
mod image;
mod task;
mod transition;
mod verb;

pub use accept::{RESCUE_ABORTED, refuse, refuse_if_reserved};
pub use advance::{advance, refuse_if_taken};
pub use args::{Argument, ProvisionArgs};
pub use event::{
    Action, AgentStatus, CallbackTimeouts, Event, EventKind, Facts, Heartbeat, Next, Progress,
    Request,
};
pub use image::ImageProperties;
pub use verb::{RefusedBy, Validates, Verb, VerbRow};

#[cfg(test)]
mod tests;
