//! A disk that says so when it is booted, by a BIOS or by UEFI.
//!
//! It is one FAT volume without a partition table. Its first sector is `payload/bootsector.S`,
//! for a BIOS; UEFI finds `\EFI\BOOT\BOOTX64.EFI` in it, which is `payload/toyefi.S`.

use anyhow::{Result, ensure};

use super::toy;

/// The sector that a BIOS starts.
pub const BOOT_SECTOR: &[u8] = include_bytes!("../../payload/bootsector.bin");

/// How the line begins that a booted disk prints, whatever booted it.
pub const MARKER: &str = "LOCAL-DISK-BOOT";

/// The longest label.
pub const LONGEST_LABEL: usize = 31;

const LABEL_OFFSET: usize = 400;
/// Two cylinders of 255 heads and 63 sectors fit.
const DISK: usize = 16 << 20;
const SECTOR: usize = 512;
/// Of the volume.
const SECTORS: u16 = 2048;
const RESERVED_SECTORS: u16 = 1;
const TABLE_SECTORS: u16 = 6;
const ROOT_ENTRIES: u16 = 16;
const ENTRY: usize = 32;
const FOLDER: u8 = 0x10;
const FILE: u8 = 0x20;
const END_OF_CHAIN: u16 = 0xfff;
/// Clusters are sectors; the first two numbers mean something else.
const FIRST_CLUSTER: u16 = 2;

/// The line a disk prints that a BIOS started under this number, without its end: when there is
/// a drive with the next number, that one's label follows.
pub fn bios_report(drive: u8, label: &str) -> String {
    format!("{MARKER} drive={drive:02x} label=[{label}]")
}

/// The line a disk prints that UEFI started.
pub fn uefi_report(label: &str) -> String {
    format!("{MARKER} efi label=[{label}]")
}

/// The boot sector with this label.
pub fn boot_sector(label: &str) -> Result<Vec<u8>> {
    ensure!(
        label.len() <= LONGEST_LABEL && label.is_ascii(),
        "no label for a disk: {label:?}"
    );
    let mut sector = BOOT_SECTOR.to_vec();
    put(&mut sector, LABEL_OFFSET, label.as_bytes());
    Ok(sector)
}

/// A disk with this label.
///
/// Most of it is empty: a BIOS counts in cylinders, and iPXE cannot read the first sector of a
/// disk that has not even one ("Input/output error").
pub fn image(label: &str) -> Result<Vec<u8>> {
    let mut image = volume(label)?;
    image.resize(DISK, 0);
    Ok(image)
}

/// What is on the disk.
pub(super) fn volume(label: &str) -> Result<Vec<u8>> {
    let mut volume = Volume::new(boot_sector(label)?);
    let loader = volume.store(toy::EFI_KERNEL);
    let boot = volume.store(&entry("BOOTX64 EFI", FILE, loader, toy::EFI_KERNEL.len()));
    let efi = volume.store(&entry("BOOT       ", FOLDER, boot, 0));
    let text = volume.store(label.as_bytes());
    let mut root = entry("EFI        ", FOLDER, efi, 0);
    root.extend(entry("LABEL      ", FILE, text, label.len()));
    Ok(volume.finish(&root))
}

/// A FAT12 volume being written: nothing is ever deleted, so files lie one behind the other.
struct Volume {
    bytes: Vec<u8>,
    /// What each cluster says of the next one.
    chain: Vec<u16>,
}

impl Volume {
    fn new(mut boot_sector: Vec<u8>) -> Self {
        let mut parameters = Vec::new();
        parameters.extend(b"IRONPXE "); // who formatted it
        parameters.extend(512_u16.to_le_bytes());
        parameters.push(1); // sectors of a cluster
        parameters.extend(RESERVED_SECTORS.to_le_bytes());
        parameters.push(1); // tables
        parameters.extend(ROOT_ENTRIES.to_le_bytes());
        parameters.extend(SECTORS.to_le_bytes());
        parameters.push(0xf8); // a hard disk
        parameters.extend(TABLE_SECTORS.to_le_bytes());
        parameters.extend(32_u16.to_le_bytes()); // sectors of a track
        parameters.extend(2_u16.to_le_bytes()); // heads
        parameters.extend([0; 8]);
        parameters.extend([0x80, 0, 0x29]);
        parameters.extend([0x78, 0x56, 0x34, 0x12]); // serial number
        parameters.extend(b"TESTKIT    FAT12   ");
        put(&mut boot_sector, 3, &parameters);
        boot_sector.resize(Self::first_sector() * SECTOR, 0);
        Self {
            bytes: boot_sector,
            chain: vec![0xff8, END_OF_CHAIN],
        }
    }

    /// Of the clusters.
    fn first_sector() -> usize {
        let root = usize::from(ROOT_ENTRIES) * ENTRY / SECTOR;
        usize::from(RESERVED_SECTORS + TABLE_SECTORS) + root
    }

    /// Adds a file's or folder's content; returns its first cluster.
    fn store(&mut self, content: &[u8]) -> u16 {
        let first = self.next_cluster();
        for sector in content.chunks(SECTOR) {
            self.bytes.extend_from_slice(sector);
            self.bytes
                .resize(self.bytes.len().next_multiple_of(SECTOR), 0);
            self.chain.push(self.next_cluster() + 1);
        }
        if let Some(last) = self.chain.last_mut() {
            *last = END_OF_CHAIN;
        }
        first
    }

    fn next_cluster(&self) -> u16 {
        u16::try_from(self.chain.len()).unwrap_or(FIRST_CLUSTER)
    }

    /// Twelve bits for each cluster, two in three bytes.
    fn finish(mut self, root: &[u8]) -> Vec<u8> {
        let mut table = Vec::new();
        for pair in self.chain.chunks(2) {
            let low = u32::from(pair.first().copied().unwrap_or_default());
            let high = u32::from(pair.get(1).copied().unwrap_or_default());
            table.extend(&(low | high << 12).to_le_bytes()[..3]);
        }
        put(
            &mut self.bytes,
            usize::from(RESERVED_SECTORS) * SECTOR,
            &table,
        );
        put(
            &mut self.bytes,
            usize::from(RESERVED_SECTORS + TABLE_SECTORS) * SECTOR,
            root,
        );
        self.bytes.resize(usize::from(SECTORS) * SECTOR, 0);
        self.bytes
    }
}

fn entry(name: &str, attribute: u8, cluster: u16, size: usize) -> Vec<u8> {
    let mut entry = name.as_bytes().to_vec();
    entry.push(attribute);
    entry.resize(26, 0);
    entry.extend(cluster.to_le_bytes());
    entry.extend(u32::try_from(size).unwrap_or_default().to_le_bytes());
    entry
}

fn put(bytes: &mut [u8], offset: usize, what: &[u8]) {
    for (place, byte) in bytes.iter_mut().skip(offset).zip(what) {
        *place = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fat_volume_can_be_read_back() {
        let image = volume("rack-1").unwrap();
        assert_eq!(image.len(), 1 << 20);
        assert_eq!(image[510..512], [0x55, 0xaa]);
        assert_eq!(&image[LABEL_OFFSET..LABEL_OFFSET + 7], b"rack-1\0");
        let root = 7 * SECTOR;
        assert_eq!(&image[root..root + 11], b"EFI        ");
        assert_eq!(&image[root + ENTRY..root + ENTRY + 11], b"LABEL      ");
        let cluster = usize::from(image[root + ENTRY + 26]);
        let start = (8 + cluster - 2) * SECTOR;
        assert_eq!(&image[start..start + 6], b"rack-1");
        // The loader's three sectors: 2 → 3 → 4 → end, then each folder on its own.
        assert_eq!(
            image[SECTOR..SECTOR + 12],
            [
                0xf8, 0xff, 0xff, 3, 0x40, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
            ]
        );
    }

    #[test]
    fn too_long_label_is_refused() {
        assert!(image(&"x".repeat(LONGEST_LABEL)).is_ok());
        assert!(image(&"x".repeat(LONGEST_LABEL + 1)).is_err());
    }
}
