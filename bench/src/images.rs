//! Images on their way to machines: a large file, sent by nginx and passed on by ironpxe, from a file
//! and from another server.
//!
//! Four machines at a time fetch the same file, which is in the page cache: what is measured is the
//! passing on, and no disk. Then a thousand are in the middle of a download and read no further.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::Bench;
use crate::client;
use crate::figures::{Table, median, rounds, shown};
use crate::servers::Service;
use crate::variants::{Deployment, Setup, Template, Variant};
use crate::wrk::Load;

const FILE_BYTES: usize = 64 * 1024 * 1024;
const AT_ONCE: u32 = 4;
/// How many downloads are open when memory is looked at.
const OPEN: usize = 1000;

pub(crate) fn run(bench: &Bench) -> Result<String> {
    let scratch = tempfile::tempdir()?;
    let (folder, file) = (scratch.path(), scratch.path().join("image"));
    fs::write(&file, vec![0x5a; FILE_BYTES]).context("cannot write an image")?;
    let nginx = |title, serves: &str| -> Result<Service> {
        let mut service = Service::nginx(title, &bench.nginx, folder, serves, "off", None)?;
        "/image".clone_into(&mut service.target.before);
        Ok(service)
    };
    let root = format!("root {};", folder.display());
    let origin = nginx("origin", &root)?;
    let origin = &origin.target.address;
    let sendfile = nginx("nginx, file (sendfile)", &root)?;
    let url = format!("file://{}", file.display());
    let relay_file = relay(bench, "ironpxe, file", folder, &url)?;
    let proxy = nginx("nginx, other server (proxy_pass)", &proxy_of(origin))?;
    let url = format!("http://{origin}/image");
    let relay_server = relay(bench, "ironpxe, other server", folder, &url)?;
    let services = [&sendfile].into_iter().chain(&relay_file.services);
    let services: Vec<_> = services.chain([&proxy]).chain(&relay_server.services).collect();
    // There is one name, and it is empty: the path is all in the target.
    let load = Load::new("\n", AT_ONCE, bench.time())?;
    let measured = rounds(&services, bench.rounds, |it| load.run(&it.target))?;
    let mut table = Table::new("");
    for (service, rounds) in services.iter().zip(&measured) {
        let rate = median(rounds, |it| it.wrk.bytes / it.wrk.seconds);
        let cpu = median(rounds, |it| it.server.cpu * it.wrk.requests / it.wrk.bytes);
        let failed = rounds.iter().map(|it| it.wrk.failed).sum();
        let cells = [
            ("MB/s", shown(rate / 1e6, 0)),
            ("CPU seconds per GB", shown(cpu * 1e9, 2)),
            ("memory idle (PSS), MiB", shown(service.idle.pss, 1)),
            ("with 1000 downloads open, MiB", shown(memory_with_open_downloads(service)?, 1)),
            ("failed", shown(failed, 0)),
        ];
        table.row(&service.title, cells);
    }
    Ok(format!(
        "A file of {} MiB from the page cache, {AT_ONCE} downloads at once, over the loopback; medians of {} \
         rounds. The other server is an nginx whose own CPU does not count.\n\n{table}",
        FILE_BYTES >> 20,
        bench.rounds
    ))
}

/// An nginx that passes on what another server sends, and keeps nothing of it on the disk.
fn proxy_of(origin: &SocketAddr) -> String {
    format!(
        "location / {{ proxy_pass http://origin; proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; proxy_max_temp_file_size 0; }} }}
         upstream origin {{ server {origin}; keepalive 64;"
    )
}

/// An ironpxe with a node whose deploy kernel is the image. Its path is the one by which the machine gets it.
fn relay(bench: &Bench, title: &str, folder: &Path, image: &str) -> Result<Deployment> {
    let settings = [
        ("IRONPXE_CONDUCTOR__FILE_URL_ALLOWED_PATHS", folder.display().to_string()),
        ("IRONPXE_IMAGES__RELAY", "always".to_owned()),
        ("IRONPXE_IMAGES__RELAY_ALLOWED", "127.0.0.0/8".to_owned()),
        // While half of them are free, one node and one address may have any number.
        ("IRONPXE_IMAGES__MAX_DOWNLOADS", (4 * OPEN).to_string()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value)).into();
    let setup = Setup { nodes: 1, settings, ..bench.setup(Template::Deploying(image)) };
    let mut deployment = setup.deploy(&[Variant::Embedded])?;
    let service = deployment.services.first_mut().context("nothing runs")?;
    let script = client::get(service.target.address, &service.target.path(0))?.text();
    let image = script.split_ascii_whitespace().find_map(|it| it.split_once("/v1/images/"));
    let (_, signed) =
        image.with_context(|| format!("no image comes through ironpxe:\n{script}"))?;
    service.target.before = format!("/v1/images/{signed}");
    title.clone_into(&mut service.title);
    Ok(deployment)
}

fn memory_with_open_downloads(service: &Service) -> Result<f64> {
    let Service { title, target, .. } = service;
    let path = &target.before;
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: iPXE/1.0.0\r\n\r\n");
    let mut open = Vec::new();
    for _ in 0..OPEN {
        let mut stream = TcpStream::connect(target.address).context("cannot connect")?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        stream.write_all(request.as_bytes())?;
        // It begins; the server fills what there is between it and us, and then waits.
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).context("a download does not begin")?;
        ensure!(begin.ends_with(b"200"), "{title}: no download, but {begin:?}");
        open.push(stream);
    }
    Ok(target.usage()?.pss)
}
