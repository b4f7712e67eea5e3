//! The committed binaries are what their sources say.

use std::path::Path;
use std::process::Command;

use super::{disk, toy};
use crate::process::find;

#[test]
fn committed_payloads_match_their_assembled_sources() {
    for (name, bits, format, address, committed) in [
        ("toykernel", "--32", "elf_i386", "0", toy::KERNEL),
        (
            "bootsector",
            "--32",
            "elf_i386",
            "0x7c00",
            disk::BOOT_SECTOR,
        ),
        ("toyefi", "--64", "elf_x86_64", "0", toy::EFI_KERNEL),
    ] {
        let (Ok(assembler), Ok(linker)) = (find("as"), find("ld")) else {
            println!("no `as` and `ld` here: nothing to compare with");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("payload");
        let source = sources.join(name).with_extension("S");
        let (object, binary) = (folder.path().join("o"), folder.path().join("bin"));
        let assembled = Command::new(assembler)
            .args([bits, "-o"])
            .args([&object, &source])
            .status();
        assert!(assembled.unwrap().success(), "{name}");
        let linked = Command::new(linker)
            .args(["-m", format, "-e", "0", "-Ttext", address])
            .args(["--oformat", "binary", "-o"])
            .args([&binary, &object])
            .status();
        assert!(linked.unwrap().success(), "{name}");
        assert!(
            std::fs::read(binary).unwrap() == committed,
            "{name} is older than its source"
        );
    }
}
