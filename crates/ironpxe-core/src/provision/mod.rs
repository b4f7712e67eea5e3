//! Provisioning: what an operator may ask of a node ([`Verb`]).

mod args;
mod verb;

pub use args::{Argument, ProvisionArgs};
pub use verb::{RefusedBy, Takes, Validates, Verb, VerbRow, Word};

#[cfg(test)]
mod tests;
