//! HTTP clients.

use reqwest::blocking::{Client, ClientBuilder};

/// A blocking client that asks no proxy.
pub fn client() -> ClientBuilder {
    choose_cryptography();
    Client::builder().no_proxy()
}

/// A client for asynchronous tests that asks no proxy.
pub fn async_client() -> reqwest::ClientBuilder {
    choose_cryptography();
    reqwest::Client::builder().no_proxy()
}

/// Where reqwest is built with TLS, it wants to know by whose cryptography, also for a client that does
/// not use it. Somebody may have said so before.
fn choose_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
