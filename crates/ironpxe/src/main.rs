//! The `ironpxe` executable.

use std::process::ExitCode;

fn main() -> ExitCode {
    ironpxe::run()
}
