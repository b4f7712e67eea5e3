//! ironpxe beside a real Ironic, with real machines.

mod rollout;
mod site;
