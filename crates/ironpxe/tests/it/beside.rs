//! ironpxe beside a real Ironic: its recorded database, the check before it is used, and real
//! machines.

mod check;
mod galera;
mod keystone;
mod recorded;
mod rollout;
mod site;
