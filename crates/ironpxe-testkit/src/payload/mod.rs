//! What the machines boot.
//!
//! [`toy`] is a kernel of a kilobyte that reports what it was given: for tests, hundreds of them.
//! [`linux`] is a real Debian kernel with a tiny system around it: for the proof that it is real.
//! [`disk`] and [`iso`] are media that say that they were booted, by a BIOS or by UEFI.

pub mod cpio;
pub mod disk;
pub mod iso;
pub mod linux;
pub mod toy;

#[cfg(test)]
mod sources;
