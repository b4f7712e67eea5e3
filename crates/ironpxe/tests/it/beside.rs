//! ironpxe beside a real Ironic: its recorded database, the check before it is used, and real
//! machines.

mod check;
mod galera;
mod recorded;
mod rollout;
mod site;
