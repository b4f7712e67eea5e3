//! From where images are fetched for machines, and from where not, whatever the name, the spelling
//! or the redirect. In a network of its own, in which this host has addresses of all kinds.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use ironpxe_testkit::imageserver::{Answer, ImageServer};
use ironpxe_testkit::lan::Lan;
use ironpxe_testkit::server::ServerOptions;

use super::{ImagesFixture, MAC, SOON};

/// A public address, which inside of this network namespace belongs to no host.
const PUBLIC: &str = "100.128.0.1";
const PRIVATE: &str = "10.77.0.1";
const METADATA: &str = "169.254.169.254";

fn relays(lan: &Lan, allowed: &str) -> ServerOptions {
    ServerOptions::on_lan(lan)
        .set("IRONPXE_IMAGES__RELAY", "always")
        .set("IRONPXE_IMAGES__RELAY_ALLOWED", allowed)
}

/// A server at an address, with something at `/secret`.
fn server(address: &str) -> Result<ImageServer> {
    let server = ImageServer::start_at(SocketAddr::new(address.parse()?, 0))?;
    server.serve("/secret", b"secret".as_slice());
    Ok(server)
}

fn port(server: &ImageServer) -> Result<u16> {
    let url = server.local_url("");
    Ok(url.parse::<http::Uri>()?.port_u16().unwrap_or_default())
}

/// The script says why not, and so does the log.
fn refused_at_once(site: &ImagesFixture, node: &str, url: &str, why: &[&str]) -> Result<()> {
    site.set_kernel(node, url)?;
    let script = site.script(MAC)?;
    let shown = script.replace('\n', " ").replace(" echo ", " ");
    ensure!(!script.contains("\nkernel "), "{url}: {script}");
    for words in why {
        ensure!(shown.contains(words), "{url}: {words:?} is not in {script}");
    }
    let line = site
        .server
        .wait_for_log(&format!("machine not booted: kernel {url}:"), SOON)?;
    ensure!(line.contains("(instance_info.kernel)"), "{line}");
    Ok(())
}

/// Nothing but the fetch itself can tell.
fn refused_when_fetched(site: &ImagesFixture, node: &str, url: &str, why: &str) -> Result<()> {
    site.set_kernel(node, url)?;
    let got = site.get(&site.path_of(MAC, "kernel")?)?;
    ensure!(got.status == 404, "{url}: {}", got.head);
    ensure!(!got.text().contains("secret"), "{url}: {}", got.text());
    let said = format!("kernel not served: {why}");
    let line = site.server.wait_for_log(&said, SOON)?;
    ensure!(line.contains("(instance_info.kernel)"), "{line}");
    Ok(())
}

fn fetched(site: &ImagesFixture, node: &str, url: &str) -> Result<()> {
    site.set_kernel(node, url)?;
    let got = site.get(&site.path_of(MAC, "kernel")?)?;
    ensure!(
        (got.status, got.body.as_slice()) == (200, b"secret"),
        "{url}: {}",
        got.head
    );
    Ok(())
}

#[test]
fn only_public_addresses_are_fetched_by_default() -> Result<()> {
    Lan::run(&[], |lan| {
        for address in ["100.128.0.1/24", "169.254.169.254/16"] {
            lan.add_address(address)?;
        }
        let (public, private, loopback, metadata) = (
            server(PUBLIC)?,
            server(PRIVATE)?,
            server("127.0.0.1")?,
            server(METADATA)?,
        );
        let site = ImagesFixture::with(relays(lan, ""))?;
        let nothing = "http://100.128.0.1/r";
        let node = site.runs(MAC, &public.local_url("/secret"), nothing)?;
        fetched(&site, &node, &public.local_url("/secret"))?;

        let at = port(&loopback)?;
        for host in ["127.0.0.1", "[::ffff:127.0.0.1]"] {
            let url = format!("http://{host}:{at}/secret");
            let why = ["127.0.0.1 is loopback", "[images]relay_allowed"];
            refused_at_once(&site, &node, &url, &why)?;
        }
        // A host that is a number is refused in a URL; in a redirect it is read as an address.
        for host in ["2130706433", "0x7f.1", "127.1"] {
            let url = format!("http://{host}:{at}/secret");
            site.set_kernel(&node, &url)?;
            let script = site.script(MAC)?;
            ensure!(
                script.contains("its host is neither an IPv4 address nor a name")
                    && !script.contains("\nkernel "),
                "{url}: {script}"
            );
        }
        refused_at_once(&site, &node, &private.local_url("/secret"), &["is private"])?;
        let why = ["169.254.169.254 is link-local"];
        refused_at_once(&site, &node, &metadata.local_url("/secret"), &why)?;
        let zero = format!("http://0.0.0.0:{at}/secret");
        refused_at_once(&site, &node, &zero, &["0.0.0.0 is unspecified"])?;

        // Names and redirects show where they lead when they are followed.
        let name = format!("http://localhost:{at}/secret");
        refused_when_fetched(&site, &node, &name, "its server's address ")?;
        for (path, to, why) in [
            (
                "/a",
                loopback.local_url("/secret"),
                "redirect refused: its server's address 127.0.0.1",
            ),
            (
                "/b",
                metadata.local_url("/secret"),
                "redirect refused: its server's address 169.254",
            ),
            (
                "/c",
                format!("http://localhost:{at}/secret"),
                "redirect refused: its server's address 127",
            ),
            (
                "/n",
                format!("http://2130706433:{at}/secret"),
                "redirect refused: its server's address 127.0.0.1",
            ),
            (
                "/d",
                "file:///etc/passwd".to_owned(),
                "redirect refused: file: URLs are not supported",
            ),
            (
                "/e",
                site.server.base_url().to_owned(),
                "redirect refused: its server 10.77.0.1:",
            ),
        ] {
            let answer = Answer::status(302).header("Location", &to);
            public.fail_next(path, 1, answer);
            refused_when_fetched(&site, &node, &public.local_url(path), why)?;
        }
        for server in [&private, &loopback, &metadata] {
            let requests = server.requests.entries();
            ensure!(requests.is_empty(), "{requests:?}");
        }
        Ok(())
    })
}

#[test]
fn allowed_networks_are_fetched_but_never_the_service_itself() -> Result<()> {
    Lan::run(&[], |lan| {
        lan.add_address("10.78.0.1/24")?;
        let (private, loopback) = (server(PRIVATE)?, server("127.0.0.1")?);
        let site = ImagesFixture::with(relays(lan, "10.0.0.0/8, 127.0.0.0/8, ::1"))?;
        let node = site.runs(MAC, &private.local_url("/secret"), "http://10.77.0.1/r")?;
        fetched(&site, &node, &private.local_url("/secret"))?;
        fetched(&site, &node, &loopback.local_url("/secret"))?;
        let name = format!("http://localhost:{}/secret", port(&loopback)?);
        fetched(&site, &node, &name)?;
        private.fail_next(
            "/moved",
            1,
            Answer::status(307).header("Location", &loopback.local_url("/secret")),
        );
        fetched(&site, &node, &private.local_url("/moved"))?;

        let own = format!("{}/v1/nodes/{node}", site.server.base_url());
        refused_at_once(&site, &node, &own, &["is this service itself"])?;
        let by_name = own.replace(PRIVATE, "localhost");
        refused_when_fetched(&site, &node, &by_name, "its server ")?;
        // By whatever address of this host.
        for host in ["127.0.0.1", "127.0.0.9", "10.78.0.1"] {
            let other = own.replace(PRIVATE, host);
            refused_at_once(&site, &node, &other, &["is this service itself"])?;
        }
        Ok(())
    })
}
