//! The toy kernel: prints its command line and a fingerprint of its ramdisk, and powers off.
//!
//! It exists twice, for the two kinds of firmware. The sources are `payload/toykernel.S` and
//! `payload/toyefi.S` in this crate, next to the assembled files.

/// The kernel image for a BIOS: a Linux bzImage as far as any boot loader can tell.
pub const KERNEL: &[u8] = include_bytes!("../../payload/toykernel.bin");

/// The kernel image for UEFI: an application, as Linux is with its EFI stub.
pub const EFI_KERNEL: &[u8] = include_bytes!("../../payload/toyefi.efi");

/// How the line begins that either prints.
pub const MARKER: &str = "IRONPXE-TOY";

/// The line it prints for this command line and this ramdisk. Under UEFI iPXE puts the kernel
/// image's name before the command line.
pub fn report(command_line: &str, ramdisk: &[u8]) -> String {
    let sum = ramdisk
        .iter()
        .fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    format!(
        "{MARKER} cmdline=[{command_line}] initrd={:08x} sum={sum:08x}",
        ramdisk.len()
    )
}

/// A ramdisk of `size` bytes that no accident would produce: every prefix has its own sum.
pub fn ramdisk(size: usize) -> Vec<u8> {
    (1..=251_u8).cycle().take(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_has_the_format_of_the_toy_kernel() {
        assert_eq!(
            report("a b=c", &[1, 2, 255]),
            "IRONPXE-TOY cmdline=[a b=c] initrd=00000003 sum=00000102"
        );
    }
}
