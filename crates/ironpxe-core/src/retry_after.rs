//! When a client should retry what is unavailable, in seconds: the values of `Retry-After`.

/// A limit of this process is reached for a moment.
pub const SOON: u16 = 1;
/// The database does not respond, or too many changes of the same row compete.
pub const DATABASE: u16 = 2;
/// A conductor or another service does not respond, or too many requests are in progress.
pub const SERVICE: u16 = 5;
/// The server of an image does not respond, and has not said for how long.
pub const IMAGE: u16 = 5;
/// A DHCP server does not take a node's options.
pub const DHCP: u16 = 10;
