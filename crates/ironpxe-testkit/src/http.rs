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

/// reqwest with TLS requires a default cryptography provider, even for clients without TLS. It may be
/// set already.
fn choose_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
