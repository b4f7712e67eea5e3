//! `[inspector]`

use super::section::section;
use super::values::KernelParams;

section! {
    /// Inspection.
    ["inspector"] pub struct Inspector {
        /// More kernel parameters for the ramdisk when it inspects.
        pub extra_kernel_params: KernelParams = KernelParams(String::new());
    }
}
