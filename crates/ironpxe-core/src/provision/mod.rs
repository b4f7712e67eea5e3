//! Provisioning: what an operator may ask of a node ([`Verb`]), and what follows ([`advance()`]).
//!
//! `advance` is pure: it says what the node becomes by an event and which action is done next. A
//! conductor saves the node, does the action and reports back by the next event. So a node can be
//! taken over from a conductor that is gone at any moment: its record says what it is in the middle
//! of, namely the task of its state ([`Phase`](crate::provision_state::Phase)), the reservation, and
//! the deploy step.
//!
//! Read on in `verb.rs` for the verbs, in `event.rs` for what can happen and be done, in `task.rs`
//! for what is done when.

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

pub use accept::{RESCUE_ABORTED, refuse};
pub use advance::{advance, refuse_if_reserved, refuse_if_taken};
pub use args::{Argument, ProvisionArgs};
pub use deadline::CallbackTimeouts;
pub use event::{Action, Event, Facts, Next, Progress, Request, What};
pub use heartbeat::{AgentStatus, Heartbeat};
pub use image::ImageProperties;
pub use verb::{RefusedBy, Validates, Verb, VerbRow};

#[cfg(test)]
mod tests;
