//! Tests of the policy, against recordings of real Ironic and oslo.policy.

mod docs;
mod files;
mod language;
mod matrix;
mod reach;
mod table;
mod vectors;
