//! Many machines, and machines that do not take what they asked for.

use std::io::Read;
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::server::ServerOptions;

use super::wire::{ask, fetch};
use super::{ImagesFixture, MAC, SOON};

const MIB: u64 = 1 << 20;

/// A site with a node whose kernel has so many bytes; the path of its image.
fn site(length: u64, options: ServerOptions) -> Result<(ImagesFixture, String)> {
    let site = ImagesFixture::with(options)?;
    let url = site.file("kernel", b"")?;
    let file = std::fs::File::options()
        .write(true)
        .open(site.folder.path().join("kernel"))?;
    // Takes no room on the disk.
    file.set_len(length)?;
    site.waits_for(MAC, &url, &url)?;
    let path = site.path_of(MAC, "kernel")?;
    Ok((site, path))
}

/// Downloads that have begun, and of which nothing more is read.
fn stalled(site: &ImagesFixture, path: &str, count: usize) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = ask(site.server.base_url(), "GET", path, &[])?;
        let mut begin = [0; 12];
        stream.read_exact(&mut begin)?;
        ensure!(
            &begin == b"HTTP/1.1 200",
            "{}",
            String::from_utf8_lossy(&begin)
        );
        streams.push(stream);
    }
    Ok(streams)
}

/// Memory that is in use for so many stalled downloads, beyond what was in use before.
fn memory_for(site: &mut ImagesFixture, path: &str, count: usize) -> Result<(u64, Vec<TcpStream>)> {
    // What every process takes once.
    drop(stalled(site, path, 2)?);
    site.server.wait_until_idle()?;
    let before = site.server.resident_memory()?;
    let streams = stalled(site, path, count)?;
    // It has sent and buffered all that it does without the clients.
    site.server.wait_until_idle()?;
    let used = site.server.resident_memory()?.saturating_sub(before);
    Ok((used, streams))
}

#[test]
fn image_bytes_are_fetched_only_as_fast_as_the_machine_reads() -> Result<()> {
    let (mut site, path) = site(512 * MIB, ServerOptions::default())?;
    let (used, mut streams) = memory_for(&mut site, &path, 20)?;
    ensure!(
        used < 20 * MIB,
        "{used} bytes for 20 downloads of 512 MiB each"
    );
    // And all of it comes when it is taken at last.
    let mut stream = streams.pop().context("no stream")?;
    let mut taken = 0;
    let mut piece = vec![0; 1 << 20];
    while taken < 64 * MIB {
        let read = stream.read(&mut piece)?;
        ensure!(read > 0, "it ended after {taken} bytes");
        taken += u64::try_from(read)?;
    }
    drop(stream);
    let line = site
        .server
        .wait_for_log("the machine closed the connection after", SOON)?;
    ensure!(line.contains("kernel not served"), "{line}");
    Ok(())
}

#[test]
#[ignore = "cargo xtask test --full: it opens thousands of files"]
fn thousand_concurrent_downloads_use_little_memory() -> Result<()> {
    // One node has half of all places without asking.
    let options = ServerOptions::default().set("IRONPXE_IMAGES__MAX_DOWNLOADS", "3000");
    let (mut site, path) = site(512 * MIB, options)?;
    let (used, streams) = memory_for(&mut site, &path, 1000)?;
    ensure!(streams.len() == 1000);
    println!("{} KiB for each of 1000 downloads", used / 1024 / 1000);
    ensure!(used < 500 * MIB, "{used} bytes for 1000 downloads");
    Ok(())
}

#[test]
fn downloads_over_the_limit_get_503_with_retry_after() -> Result<()> {
    let options = ServerOptions::default().set("IRONPXE_IMAGES__MAX_DOWNLOADS", "2");
    let (site, path) = site(64 * MIB, options)?;
    let base = site.server.base_url();
    let streams = stalled(&site, &path, 2)?;
    let got = fetch(base, "GET", &path, &[])?;
    ensure!(
        (got.status, got.header("Retry-After")) == (503, Some("5")),
        "{}",
        got.head
    );
    site.server.wait_for_log("[images]max_downloads", SOON)?;
    // The places are given back.
    drop(streams);
    let again = || fetch(base, "HEAD", &path, &[]);
    crate::app::eventually("the downloads are over", || Ok(again()?.status == 200))
}
