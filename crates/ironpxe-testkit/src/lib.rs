//! Real machines and real servers, for the tests and the demo. Never part of the product.
//!
//! A test here is a small theatre: a [`machine::Machine`] is a QEMU with real iPXE firmware, a
//! [`server::Server`] is the `ironpxe` executable as an operator runs it, an
//! [`imageserver::ImageServer`] hands out kernels (and, when told to, misbehaves), and
//! [`ironic::Ironic`] is the operator at the API; an [`iscsi::Target`] has remote volumes, a
//! [`postgres::Postgres`] has databases, and [`openstack`] has the services of a cloud. Almost nothing
//! needs root, a bridge or a DHCP server: the machines live on QEMU's user network, where
//! [`machine::HOST`] is this host's loopback. What is about DHCP itself has a [`lan::Lan`].
//!
//! Everything is plain threads and blocking calls, and everything that was started is stopped
//! when its value is dropped, or when the test process dies in whatever way.

pub mod console;
pub mod dhcp_client;
pub mod docs;
pub mod http;
pub mod imageserver;
pub mod ironic;
pub mod iscsi;
pub mod journal;
pub mod lan;
pub mod machine;
pub mod openstack;
pub mod payload;
pub mod postgres;
pub mod proxy;
pub mod server;
pub mod turnstile;
pub mod writes;

mod process;
