//! The toy kernel: prints its command line and a fingerprint of its ramdisk, and powers off.
//!
//! Its source is `payload/toykernel.S` in this crate, next to the assembled file.

/// The kernel image: a Linux bzImage as far as any boot loader can tell. BIOS only.
pub const KERNEL: &[u8] = include_bytes!("../../payload/toykernel.bin");

/// The line it prints for this command line and this ramdisk.
pub fn report(command_line: &str, ramdisk: &[u8]) -> String {
    let sum = ramdisk
        .iter()
        .fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    format!(
        "IRONPXE-TOY cmdline=[{command_line}] initrd={:08x} sum={sum:08x}",
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
    use crate::process::find;
    use std::path::Path;
    use std::process::Command;

    #[test]
    fn toy_kernel_is_what_its_source_says() {
        let (Ok(assembler), Ok(linker)) = (find("as"), find("ld")) else {
            println!("no `as` and `ld` here: nothing to compare with");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("payload/toykernel.S");
        let (object, binary) = (folder.path().join("toy.o"), folder.path().join("toy.bin"));
        let assembled = Command::new(assembler)
            .args(["--32", "-o"])
            .args([&object, &source])
            .status();
        assert!(assembled.unwrap().success());
        let linked = Command::new(linker)
            .args([
                "-m",
                "elf_i386",
                "-e",
                "0",
                "-Ttext",
                "0",
                "--oformat",
                "binary",
                "-o",
            ])
            .args([&binary, &object])
            .status();
        assert!(linked.unwrap().success());
        assert!(
            std::fs::read(binary).unwrap() == KERNEL,
            "toykernel.bin is older than its source"
        );
    }

    #[test]
    fn report_is_in_the_kernels_words() {
        assert_eq!(
            report("a b=c", &[1, 2, 255]),
            "IRONPXE-TOY cmdline=[a b=c] initrd=00000003 sum=00000102"
        );
    }
}
