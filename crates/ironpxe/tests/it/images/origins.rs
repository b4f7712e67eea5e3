//! Images on other servers, which are slow, odd, or not there.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Result, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::server::ServerOptions;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;

use super::wire::fetch;
use super::{ImagesFixture, MAC, SOON, content};

/// What an origin answers at a path: these bytes, and then it hangs up or says no more.
#[derive(Clone)]
pub(super) enum Says {
    Bytes(Vec<u8>),
    NoMore(Vec<u8>),
}

/// A server that says just what it is told to.
pub(super) struct Origin {
    url: String,
    paths: Arc<Mutex<HashMap<String, Says>>>,
}

impl Origin {
    pub(super) fn start() -> Result<Self> {
        Self::open("http", answer)
    }

    /// One that speaks TLS, and the certificate of who vouches for it.
    fn start_tls() -> Result<(Self, String)> {
        let mut authority = CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        let certificate = names.signed_by(&key, &authority)?;
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )?;
        let tls = Arc::new(tls);
        let origin = Self::open("https", move |stream, known| {
            let tls = rustls::ServerConnection::new(Arc::clone(&tls)).ok()?;
            answer(rustls::StreamOwned::new(tls, stream), known)
        })?;
        Ok((origin, authority.pem()))
    }

    fn open(
        scheme: &str,
        answer: impl Fn(TcpStream, &Mutex<HashMap<String, Says>>) -> Option<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let paths: Arc<Mutex<HashMap<String, Says>>> = Arc::default();
        let known = Arc::clone(&paths);
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (known, answer) = (Arc::clone(&known), Arc::clone(&answer));
                thread::spawn(move || answer(stream, &known));
            }
        });
        Ok(Self { url, paths })
    }

    pub(super) fn says(&self, path: &str, says: Says) -> String {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.insert(path.to_owned(), says);
        format!("{}{path}", self.url)
    }
}

fn answer(stream: impl Read + Write, known: &Mutex<HashMap<String, Says>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line).ok()?;
    }
    let says = known
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&path)
        .cloned();
    match says {
        Some(Says::Bytes(bytes)) => send(reader.get_mut(), &bytes),
        Some(Says::NoMore(bytes)) => {
            send(reader.get_mut(), &bytes)?;
            // Until the other side has had enough.
            let _ = reader.read_line(&mut line);
            Some(())
        }
        None => None,
    }
}

fn send(stream: &mut impl Write, bytes: &[u8]) -> Option<()> {
    stream.write_all(bytes).ok()?;
    stream.flush().ok()
}

pub(super) fn http(head: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {head}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn relays() -> ServerOptions {
    ServerOptions::default()
        .set("IRONPXE_IMAGES__RELAY", "always")
        .set("IRONPXE_IMAGES__RELAY_ALLOWED", "127.0.0.0/8")
        .set("IRONPXE_IMAGES__TIMEOUT", "3")
}

#[test]
fn image_of_another_server_is_relayed() -> Result<()> {
    let site = ImagesFixture::with(relays())?;
    let images = ImageServer::start()?;
    let kernel = content(100_000);
    images.serve("/kernel", kernel.clone());
    site.waits_for(
        MAC,
        &images.local_url("/kernel"),
        "http://127.0.0.1:1/ramdisk",
    )?;
    let path = site.path_of(MAC, "kernel")?;
    let base = site.server.base_url();
    let got = site.get(&path)?;
    ensure!(
        (got.status, got.body == kernel) == (200, true),
        "{}",
        got.head
    );
    let got = fetch(base, "GET", &path, &[("Range", "bytes=10-19")])?;
    ensure!(
        got.status == 206 && Some(got.body.as_slice()) == kernel.get(10..20),
        "{}",
        got.head
    );
    ensure!(
        got.header("Content-Range") == Some("bytes 10-19/100000"),
        "{}",
        got.head
    );
    let got = fetch(base, "GET", &path, &[("Range", "bytes=100000-")])?;
    ensure!(got.status == 416, "{}", got.head);
    let got = fetch(base, "HEAD", &path, &[])?;
    ensure!(
        got.header("Content-Length") == Some("100000"),
        "{}",
        got.head
    );
    // A server that knows no parts.
    images.forget_ranges();
    let got = fetch(base, "GET", &path, &[("Range", "bytes=10-19")])?;
    ensure!(
        (got.status, got.body.len()) == (200, 100_000),
        "{}",
        got.head
    );
    Ok(())
}

/// A machine that cannot do TLS, or knows no authority of the operator's, gets it without.
#[test]
fn image_of_a_tls_server_is_relayed_if_its_ca_is_trusted() -> Result<()> {
    let (origin, authority) = Origin::start_tls()?;
    let kernel = content(100_000);
    let head = "200 OK\r\nContent-Length: 100000\r\nConnection: close";
    let url = origin.says("/kernel", Says::Bytes(http(head, &kernel)));
    let folder = tempfile::tempdir()?;
    let cafile = folder.path().join("authority.pem");
    fs::write(&cafile, authority)?;
    let trusting = || {
        ServerOptions::default()
            .set("IRONPXE_IMAGES__RELAY", "https")
            .set("IRONPXE_IMAGES__RELAY_ALLOWED", "127.0.0.1")
            .set("IRONPXE_IMAGES__CAFILE", cafile.display().to_string())
    };
    for (options, status) in [
        (trusting(), 200),
        (
            ServerOptions::default()
                .set("IRONPXE_IMAGES__RELAY", "https")
                .set("IRONPXE_IMAGES__RELAY_ALLOWED", "127.0.0.1"),
            503,
        ),
    ] {
        let site = ImagesFixture::with(options)?;
        site.waits_for(MAC, &url, "http://127.0.0.1:1/ramdisk")?;
        let got = site.get(&site.path_of(MAC, "kernel")?)?;
        ensure!(got.status == status, "{}", got.head);
        ensure!((got.body == kernel) == (status == 200), "{}", got.head);
        if status == 503 {
            let line = site.server.wait_for_log("certificate", SOON)?;
            ensure!(line.contains(&url), "{line}");
        }
    }
    Ok(())
}

#[test]
fn only_configured_images_are_relayed() -> Result<()> {
    let site = ImagesFixture::with(
        ServerOptions::default()
            .set("IRONPXE_IMAGES__RELAY", "https")
            .set("IRONPXE_IMAGES__RELAY_ALLOWED", "127.0.0.1"),
    )?;
    site.waits_for(
        MAC,
        "http://127.0.0.1:1/kernel",
        "https://127.0.0.1:1/ramdisk",
    )?;
    let script = site.script(MAC)?;
    ensure!(script.contains(" http://127.0.0.1:1/kernel "), "{script}");
    ensure!(
        !script.contains(" https://127.0.0.1:1/ramdisk ||"),
        "{script}"
    );
    let got = site.get(&site.path_of(MAC, "initrd")?)?;
    ensure!(got.status == 503, "{}", got.head);
    Ok(())
}

/// Each of them is told as one line with node, image and cause; the machine asks again, or knows
/// that it has not got all.
#[test]
fn faults_of_the_image_server_are_reported() -> Result<()> {
    let site = ImagesFixture::with(relays())?;
    let origin = Origin::start()?;
    let node = site.runs(MAC, &format!("{}/none", origin.url), "http://127.0.0.1:1/r")?;
    let set = |image: &str| site.set_kernel(&node, image);
    let long = content(1 << 20);
    let half = long.get(..1 << 19).unwrap_or_default();
    let cut = http("200 OK\r\nContent-Length: 1048576", half);
    let moved = |to: &str| {
        http(
            &format!("302 Found\r\nLocation: {to}\r\nContent-Length: 0"),
            b"",
        )
    };
    for (path, says, status, complete, cause) in [
        (
            "/gone",
            Says::Bytes(http("404 Not Found\r\nContent-Length: 0", b"")),
            404,
            true,
            "404 Not Found",
        ),
        (
            "/forbidden",
            Says::Bytes(http("403 Forbidden\r\nContent-Length: 0", b"")),
            404,
            true,
            "403 Forbidden",
        ),
        (
            "/sick",
            Says::Bytes(http("500 Oops\r\nContent-Length: 0", b"")),
            503,
            true,
            "500 Internal Server Error",
        ),
        (
            "/busy",
            Says::Bytes(http("503 Busy\r\nRetry-After: 7\r\nContent-Length: 0", b"")),
            503,
            true,
            "503 Service Unavailable",
        ),
        (
            "/garbage",
            Says::Bytes(b"What?\r\n\r\n".to_vec()),
            503,
            true,
            "cannot reach its server",
        ),
        (
            "/mute",
            Says::NoMore(Vec::new()),
            503,
            true,
            "did not respond within 3 s",
        ),
        (
            "/hangs-up",
            Says::Bytes(Vec::new()),
            503,
            true,
            "cannot reach its server",
        ),
        (
            "/loop",
            Says::Bytes(moved("/loop")),
            503,
            true,
            "more than 5 redirects",
        ),
        (
            "/chunked",
            Says::Bytes(http(
                "200 OK\r\nTransfer-Encoding: chunked",
                b"3\r\nabc\r\n0\r\n\r\n",
            )),
            404,
            true,
            "does not send its size",
        ),
        (
            "/packed",
            Says::Bytes(http(
                "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3",
                b"abc",
            )),
            404,
            true,
            "compressed",
        ),
        (
            "/short",
            Says::Bytes(cut.clone()),
            200,
            false,
            "its server aborted the response",
        ),
        ("/stalls", Says::NoMore(cut), 200, false, "no data for 3 s"),
    ] {
        let url = origin.says(path, says);
        set(&url)?;
        let got = site.get(&site.path_of(MAC, "kernel")?)?;
        ensure!(
            (got.status, got.complete) == (status, complete),
            "{path}: {}",
            got.head
        );
        if status == 503 {
            let expected = if path == "/busy" { "7" } else { "5" };
            ensure!(
                got.header("Retry-After") == Some(expected),
                "{path}: {}",
                got.head
            );
        }
        if status != 200 {
            ensure!(
                !got.text().contains(&url),
                "{path} tells of the server: {}",
                got.text()
            );
        }
        site.server.wait_for_log(&url, SOON)?;
        let lines: Vec<String> = site
            .server
            .log_with("kernel not served")
            .into_iter()
            .filter(|line| line.contains(&url))
            .collect();
        ensure!(lines.len() == 1, "{path}: {lines:#?}");
        let line = lines.concat();
        ensure!(
            line.contains(cause) && line.contains(&node),
            "{path}: {line}"
        );
    }
    let others = site.server.log_with("request failed");
    ensure!(others.is_empty(), "{others:#?}");
    // Elsewhere once is not too often.
    origin.says(
        "/there",
        Says::Bytes(http("200 OK\r\nContent-Length: 3", b"abc")),
    );
    set(&origin.says("/moved", Says::Bytes(moved("/there"))))?;
    ensure!(site.get(&site.path_of(MAC, "kernel")?)?.body == b"abc");
    Ok(())
}
