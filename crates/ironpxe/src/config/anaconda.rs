//! `[anaconda]`

use std::path::PathBuf;

use super::section::section;

section! {
    /// Deployment by the operating system's own installer (deploy interface `anaconda`).
    ["anaconda"] pub struct Anaconda {
        /// The template of the kickstarts that installers get: a file's path. It is tried out at
        /// the start, with everything it may be asked for. Not set: a built-in one, which erases
        /// all disks of the machine.
        pub default_ks_template: Option<PathBuf> = None;
    }
}
