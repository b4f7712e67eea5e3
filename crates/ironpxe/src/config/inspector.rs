//! `[inspector]`

use super::section::section;
use super::values::KernelParams;

section! {
    /// Inspection.
    ["inspector"] pub struct Inspector {
        /// Additional kernel parameters of the inspection ramdisk.
        pub extra_kernel_params: KernelParams = KernelParams(String::new());
    }
}
