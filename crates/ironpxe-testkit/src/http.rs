//! Blocking HTTP clients.

use reqwest::blocking::{Client, ClientBuilder};

/// A client that asks no proxy.
pub fn client() -> ClientBuilder {
    // Where reqwest is built with TLS, it wants to know by whose cryptography, also for a client
    // that does not use it. Somebody may have said so before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy()
}
