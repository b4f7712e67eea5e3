//! Several replicas of the service on one database: whoever is asked, the answer is the same, and
//! it is the one that counts now.

mod chaos;
mod cluster;
mod fleet;
mod identical;
mod linearizable;
mod moves;
mod register;
mod site;
