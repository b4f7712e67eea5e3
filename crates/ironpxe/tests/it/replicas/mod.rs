//! Several replicas of the service on one database: whichever is asked, the answer is the same, and
//! it is the one that counts now.
#![expect(
    clippy::print_stderr,
    reason = "what faults cost is shown with --nocapture"
)]

mod chaos;
mod cluster;
mod fixture;
mod fleet;
mod identical;
mod linearizable;
mod port_changes;
mod race;
mod register;
mod upgrade;
