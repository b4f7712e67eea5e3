//! Real machines and real servers, for the tests and the demo. Never part of the product.
//!
//! A [`machine::Machine`] is a QEMU with real iPXE firmware, a [`server::Server`] is the `ironpxe`
//! executable as an operator runs it, an [`ironic_server::IronicServer`] is a real Ironic, an [`imageserver::ImageServer`] serves kernels (and injects
//! faults on request), and [`ironic::Ironic`] is an operator's API client; an [`iscsi::Target`] has
//! remote volumes, a [`postgres::Postgres`], a [`mariadb::Mariadb`] and a [`galera::Galera`] have databases, and [`openstack`] has the services of a
//! cloud. Almost nothing needs root, a bridge or a DHCP server: the machines are on QEMU's user
//! network, where [`machine::HOST`] is this host's loopback. Tests of DHCP use a [`lan::Lan`].
//!
//! Without the feature `servers`, which is on where it is not switched off, there is only [`docs`]: the core's
//! tests need no HTTP client.
//!
//! Everything is plain threads and blocking calls, and everything that was started is stopped
//! when its value is dropped, or when the test process dies in whatever way.

#[cfg(feature = "servers")]
pub mod console;
#[cfg(feature = "servers")]
pub mod dhcp_client;
pub mod docs;
#[cfg(feature = "servers")]
pub mod galera;
#[cfg(feature = "servers")]
pub mod http;
#[cfg(feature = "servers")]
pub mod imageserver;
#[cfg(feature = "servers")]
mod instance;
#[cfg(feature = "servers")]
pub mod ironic;
#[cfg(feature = "servers")]
pub mod ironic_server;
#[cfg(feature = "servers")]
pub mod iscsi;
#[cfg(feature = "servers")]
pub mod journal;
#[cfg(feature = "servers")]
pub mod lan;
#[cfg(feature = "servers")]
pub mod machine;
#[cfg(feature = "servers")]
pub mod mariadb;
#[cfg(feature = "servers")]
pub mod openstack;
#[cfg(feature = "servers")]
pub mod payload;
#[cfg(feature = "servers")]
pub mod postgres;
#[cfg(feature = "servers")]
pub mod process;
#[cfg(feature = "servers")]
pub mod proxy;
#[cfg(feature = "servers")]
pub mod semaphore;
#[cfg(feature = "servers")]
pub mod server;
#[cfg(feature = "servers")]
pub mod wait;
#[cfg(feature = "servers")]
pub mod writes;
