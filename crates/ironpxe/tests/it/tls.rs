//! The API over TLS: its certificate, and what happens when the files change.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::server::{Server, ServerOptions};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::app::{self, TIMEOUT, eventually};

/// A CA, and the files of a certificate that it signs.
struct Pki {
    authority: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Pki {
    fn new() -> Result<Self> {
        let mut authority = CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Ok(Self {
            authority: CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?,
            folder: tempfile::tempdir()?,
        })
    }

    fn cert_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    fn key_file(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Writes a new certificate of 127.0.0.1 with its key.
    fn issue(&self) -> Result<CertificateDer<'static>> {
        self.issue_with(|_| {})
    }

    fn issue_with(
        &self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<CertificateDer<'static>> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        change(&mut params);
        let certificate = params.signed_by(&key, &self.authority)?;
        fs::write(self.cert_file(), certificate.pem())?;
        fs::write(self.key_file(), key.serialize_pem())?;
        Ok(certificate.der().clone())
    }

    fn options(&self) -> ServerOptions {
        ServerOptions::default()
            .set("IRONPXE_API__ENABLE_SSL_API", "true")
            .set("IRONPXE_API__CERT_FILE", self.cert_file().to_string_lossy())
            .set("IRONPXE_API__KEY_FILE", self.key_file().to_string_lossy())
    }

    /// A connection whose server is verified, with any of these versions of TLS.
    fn connect(
        &self,
        server: &Server,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Result<Client> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone())?;
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(ring)
            .with_protocol_versions(versions)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let address = server.base_url().trim_start_matches("https://");
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let name = ServerName::try_from("127.0.0.1")?;
        let connection = ClientConnection::new(Arc::new(config), name)?;
        let mut client = Client(BufReader::new(StreamOwned::new(connection, stream)));
        client.get("/healthz")?;
        Ok(client)
    }
}

/// An open connection.
struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Client {
    fn get(&mut self, path: &str) -> Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut length = None;
        let mut first = String::new();
        self.0.read_line(&mut first)?;
        ensure!(first.starts_with("HTTP/1.1 200"), "{path}: {first:?}");
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = Some(value.trim().parse()?);
            }
        }
        let mut body = vec![0; length.context("no length")?];
        self.0.read_exact(&mut body)?;
        Ok(String::from_utf8(body)?)
    }

    /// The server's certificate.
    fn certificate(&self) -> Option<CertificateDer<'_>> {
        let connection = &self.0.get_ref().conn;
        connection.peer_certificates()?.first().cloned()
    }
}

#[test]
fn api_is_served_with_tls_and_reloads_its_certificate() -> Result<()> {
    let pki = Pki::new()?;
    let first = pki.issue()?;
    let server = app::start(&pki.options())?;
    let mut open = pki.connect(&server, &[&rustls::version::TLS13])?;
    ensure!(open.certificate().as_ref() == Some(&first));
    ensure!(open.get("/v1")?.contains("https://127.0.0.1:1/v1"), "links");
    ensure!(
        open.get("/boot.ipxe")?.starts_with("#!ipxe"),
        "the fast path"
    );
    let mut older = pki.connect(&server, &[&rustls::version::TLS12])?;

    let second = pki.issue()?;
    server.wait_for_log("TLS certificate reloaded", TIMEOUT)?;
    let new = pki.connect(&server, rustls::ALL_VERSIONS)?;
    ensure!(new.certificate().as_ref() == Some(&second));
    open.get("/healthz")
        .context("an open connection was lost")?;
    older
        .get("/healthz")
        .context("an open connection was lost")?;

    fs::write(pki.key_file(), KeyPair::generate()?.serialize_pem())?;
    let line = server.wait_for_log("TLS certificate not reloaded", TIMEOUT)?;
    ensure!(
        line.contains("cert.pem") && line.contains("key.pem"),
        "{line}"
    );
    let kept = pki.connect(&server, rustls::ALL_VERSIONS)?;
    ensure!(kept.certificate().as_ref() == Some(&second));
    let third = pki.issue()?;
    eventually("the repaired pair is used", || {
        let client = pki.connect(&server, rustls::ALL_VERSIONS)?;
        Ok(client.certificate().as_ref() == Some(&third))
    })?;
    ensure!(server.log_with("TLS certificate not reloaded").len() == 1);
    Ok(())
}

#[test]
fn unusable_certificate_is_refused_at_start_and_an_expired_one_is_served() -> Result<()> {
    let pki = Pki::new()?;
    let refused = |says: &[&str]| {
        let said = app::start_refused(&pki.options())?;
        for part in says {
            ensure!(said.contains(part), "{part:?}: {said}");
        }
        Ok(())
    };
    refused(&["[api]cert_file", "cert.pem"])?;
    pki.issue()?;
    fs::write(pki.key_file(), "no key")?;
    refused(&["[api]key_file", "key.pem"])?;
    fs::write(pki.key_file(), KeyPair::generate()?.serialize_pem())?;
    refused(&["[api]key_file", "cert.pem", "key.pem"])?;
    let incomplete = ServerOptions::default().set("IRONPXE_API__ENABLE_SSL_API", "true");
    let said = app::start_refused(&incomplete)?;
    ensure!(said.contains("[api]cert_file and key_file"), "{said}");

    pki.issue_with(|params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    })?;
    let server = app::start(&pki.options())?;
    let line = server.wait_for_log("the TLS certificate expired", TIMEOUT)?;
    ensure!(line.contains("cert.pem"), "{line}");
    let refused = pki.connect(&server, rustls::ALL_VERSIONS).err();
    let refused = format!("{:#}", refused.context("the client accepted it")?);
    ensure!(refused.contains("expired"), "{refused}");
    Ok(())
}
