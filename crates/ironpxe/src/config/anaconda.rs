//! `[anaconda]`

use std::path::PathBuf;

use super::section::section;

section! {
    /// Deployment by the operating system's installer (deploy interface `anaconda`).
    ["anaconda"] pub struct Anaconda {
        /// The kickstart template of installers, a file path. It is validated at start. Not set:
        /// the built-in one, which erases all disks of the machine.
        pub default_ks_template: Option<PathBuf> = None;
    }
}
