//! See `crates/ironpxe/src/fuzzing.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ironpxe::fuzzing::run("rpc_bodies", data));
