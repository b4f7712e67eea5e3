//! Writes the archive format of Linux initramfs: cpio, "newc".
//!
//! Only what a tiny system needs: folders, files, links and character devices, all of root.

use std::fmt::Write as _;

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// An archive being written.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: usize,
}

impl Archive {
    /// Adds a folder.
    pub fn folder(&mut self, path: &str) {
        self.entry(path, FOLDER | 0o755, (0, 0), &[]);
    }

    /// Adds a file that may be executed.
    pub fn program(&mut self, path: &str, content: &[u8]) {
        self.entry(path, FILE | 0o755, (0, 0), content);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.entry(path, LINK | 0o777, (0, 0), target.as_bytes());
    }

    /// Adds a character device.
    pub fn character_device(&mut self, path: &str, major: usize, minor: usize) {
        self.entry(path, CHARACTER_DEVICE | 0o600, (major, minor), &[]);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, device: (usize, usize), content: &[u8]) {
        self.entries += 1;
        let mut header = String::from("070701");
        let links = 1 + usize::from(mode & FOLDER == FOLDER);
        let fields = [
            self.entries, // inode
            mode as usize,
            0, // owner
            0, // group
            links,
            0, // modified
            content.len(),
            0, // device the entry is on, major and minor
            0,
            device.0,
            device.1,
            path.len() + 1, // with its NUL
            0,              // checksum, unused in this format
        ];
        for field in fields {
            // Writing to a String cannot fail.
            let _ = write!(header, "{field:08X}");
        }
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_has_a_hex_header_a_padded_name_and_padded_content() {
        let mut archive = Archive::default();
        archive.program("init", b"hello");
        let bytes = archive.finish();
        let header = "070701\
            00000001000081ED000000000000000000000001000000000000000500000000000000000000000000000000\
            0000000500000000";
        let expected = format!("{header}init\0\0hello\0\0\0");
        assert_eq!(
            bytes.get(..expected.len()),
            Some(expected.as_bytes()),
            "{}",
            bytes.escape_ascii()
        );
        assert!(
            bytes.ends_with(b"TRAILER!!!\0\0\0\0"),
            "{}",
            bytes.escape_ascii()
        );
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn links_and_devices_have_their_file_types() {
        let mut archive = Archive::default();
        archive.folder("dev");
        archive.character_device("dev/console", 5, 1);
        archive.link("sh", "busybox");
        let text = String::from_utf8(archive.finish()).unwrap();
        for (what, mode) in [
            ("folder", "000041ED"),
            ("device", "00002180"),
            ("link", "0000A1FF"),
        ] {
            assert!(text.contains(mode), "no {what} in {text:?}");
        }
        assert!(
            text.contains("00000005000000010000000C00000000dev/console\0"),
            "{text:?}"
        );
        assert!(text.contains("sh\0\0\0\0busybox\0"), "{text:?}");
    }
}
