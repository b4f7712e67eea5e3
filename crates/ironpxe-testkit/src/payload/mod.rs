//! What the machines boot.
//!
//! [`toy`] is a kernel of a kilobyte that reports what it was given: for tests, hundreds of them.
//! [`linux`] is a real Debian kernel with a tiny system around it: for the proof that it is real.

pub mod cpio;
pub mod linux;
pub mod toy;
