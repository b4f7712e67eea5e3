//! ironpxe beside a real Ironic: its recorded database, and with real machines.

mod recorded;
mod rollout;
mod site;
