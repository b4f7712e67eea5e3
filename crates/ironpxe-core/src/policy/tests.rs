//! Tests of the policy, against recordings of real Ironic and oslo.policy.

mod table;
mod vectors;
