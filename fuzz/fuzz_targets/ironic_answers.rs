//! See `crates/ironpxe-core/src/fuzzing.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironpxe_core::fuzzing::run("ironic_answers", data));
