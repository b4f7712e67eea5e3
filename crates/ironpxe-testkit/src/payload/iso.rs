//! A CD image that says so when it is booted: El Torito without emulation, and next to no files.
//!
//! A BIOS starts the boot sector of [`disk`], UEFI the volume of the same module,
//! which is the catalog's second entry.

use anyhow::Result;

use super::disk;

const SECTOR: usize = 2048;
/// Where everything is, in sectors. The descriptors' place is the standard's.
const DESCRIPTORS: u32 = 16;
const CATALOG: u32 = 19;
const BOOT_SECTOR: u32 = 20;
const ROOT: u32 = 21;
const PATHS_LITTLE: u32 = 22;
const PATHS_BIG: u32 = 23;
const VOLUME: u32 = 24;
const PATHS_SIZE: u32 = 10;

/// A CD with this label. What it prints is what a disk prints.
pub fn image(label: &str) -> Result<Vec<u8>> {
    let volume = disk::volume(label)?;
    let sectors = VOLUME + u32::try_from(volume.len().div_ceil(SECTOR))?;
    let mut image = Image(vec![0; sectors as usize * SECTOR]);
    image.put(DESCRIPTORS, &primary(sectors));
    let mut boot_record = b"\0CD001\x01EL TORITO SPECIFICATION".to_vec();
    boot_record.resize(71, 0);
    boot_record.extend(CATALOG.to_le_bytes());
    image.put(DESCRIPTORS + 1, &boot_record);
    image.put(DESCRIPTORS + 2, b"\xffCD001\x01");
    image.put(CATALOG, &catalog());
    image.put(BOOT_SECTOR, &disk::boot_sector(label)?);
    let mut root = folder(0);
    root.extend(folder(1));
    image.put(ROOT, &root);
    let mut paths = vec![1, 0];
    paths.extend(ROOT.to_le_bytes());
    paths.extend([1, 0, 0, 0]);
    image.put(PATHS_LITTLE, &paths);
    let mut paths = vec![1, 0];
    paths.extend(ROOT.to_be_bytes());
    paths.extend([0, 1, 0, 0]);
    image.put(PATHS_BIG, &paths);
    image.put(VOLUME, &volume);
    Ok(image.0)
}

struct Image(Vec<u8>);

impl Image {
    fn put(&mut self, sector: u32, what: &[u8]) {
        let places = self.0.iter_mut().skip(sector as usize * SECTOR);
        for (place, byte) in places.zip(what) {
            *place = *byte;
        }
    }
}

/// The primary volume descriptor.
fn primary(sectors: u32) -> Vec<u8> {
    let mut bytes = b"\x01CD001\x01\0".to_vec();
    bytes.extend([b' '; 32]);
    bytes.extend(format!("{:<32}", "IRONPXE").into_bytes());
    bytes.extend([0; 8]);
    bytes.extend(both(sectors));
    bytes.extend([0; 32]);
    for number in [1, 1, 2048] {
        bytes.extend(both_short(number));
    }
    bytes.extend(both(PATHS_SIZE));
    bytes.extend(PATHS_LITTLE.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(PATHS_BIG.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(folder(0));
    bytes.resize(813, b' '); // who made it
    for _ in 0..4 {
        bytes.extend(b"0000000000000000\0"); // when
    }
    bytes.push(1);
    bytes
}

/// A folder's entry: the root's own, for itself and for its parent.
fn folder(name: u8) -> Vec<u8> {
    let mut entry = vec![34, 0];
    entry.extend(both(ROOT));
    entry.extend(both(2048));
    entry.extend([100, 1, 1, 0, 0, 0, 0]); // 2000-01-01
    entry.extend([2, 0, 0]);
    entry.extend(both_short(1));
    entry.push(1);
    entry.push(name);
    entry
}

/// What can be booted: first for a BIOS, then for UEFI.
fn catalog() -> Vec<u8> {
    let mut validation = vec![1, 0, 0, 0];
    validation.resize(28, 0);
    validation.extend([0, 0, 0x55, 0xaa]);
    let sum = validation.chunks(2).fold(0_u16, |sum, pair| {
        let word = pair
            .iter()
            .rev()
            .fold(0_u16, |word, byte| word << 8 | u16::from(*byte));
        sum.wrapping_add(word)
    });
    let checksum = sum.wrapping_neg().to_le_bytes();
    let mut catalog = validation;
    catalog.splice(28..30, checksum);
    catalog.extend(boot_entry(1, BOOT_SECTOR));
    catalog.extend([0x91, 0xef, 1, 0]); // the last section, for UEFI, has one entry
    catalog.resize(96, 0);
    // 1 MiB in sectors of 512 bytes.
    catalog.extend(boot_entry(2048, VOLUME));
    catalog
}

fn boot_entry(sectors: u16, at: u32) -> Vec<u8> {
    let mut entry = vec![0x88, 0, 0, 0, 0, 0];
    entry.extend(sectors.to_le_bytes());
    entry.extend(at.to_le_bytes());
    entry.resize(32, 0);
    entry
}

/// The standard has every number in both byte orders.
fn both(number: u32) -> Vec<u8> {
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

fn both_short(number: u16) -> Vec<u8> {
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_descriptors_are_at_the_standard_offsets() {
        let image = image("cd").unwrap();
        let sector = |number: usize| &image[number * SECTOR..][..SECTOR];
        assert_eq!(&sector(16)[..6], b"\x01CD001");
        assert_eq!(sector(16)[128..132], [0, 8, 8, 0], "the size of a sector");
        assert_eq!(sector(16)[156], 34, "the root folder");
        assert_eq!(sector(16)[881], 1, "the version");
        assert_eq!(&sector(17)[7..30], b"EL TORITO SPECIFICATION");
        assert_eq!(sector(17)[71], 19);
        assert_eq!(sector(20)[510..512], [0x55, 0xaa]);
    }

    #[test]
    fn boot_catalog_checksum_is_zero() {
        let catalog = catalog();
        let words = catalog[..32].chunks(2);
        let sum = words.fold(0_u16, |sum, pair| {
            sum.wrapping_add(u16::from_le_bytes([pair[0], pair[1]]))
        });
        assert_eq!(sum, 0);
        assert_eq!(catalog.len(), 128);
    }
}
