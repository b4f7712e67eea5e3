//! Images on their way to machines: a large file, sent by nginx and passed on by ironpxe, from a file
//! and from another server.
//!
//! Four machines at a time fetch the same file, which is in the page cache: what is measured is the
//! passing on, and no disk. Then a thousand are in the middle of a download and read no further.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;

use crate::Bench;
use crate::client::{self, Connection};
use crate::contestants::{Template, prepare};
use crate::figures::{Table, median, number, shown};
use crate::servers::{BY_ADDRESS, Ironpxe, Nginx, Setup, Target};
use crate::store::Store;

const FILE_BYTES: usize = 64 * 1024 * 1024;
const AT_ONCE: usize = 4;
/// How many downloads are open when memory is looked at.
const OPEN: usize = 1000;
const HEADINGS: &str = "|MB/s|CPU seconds per GB|memory idle (PSS), MiB|\
    with 1000 downloads open, MiB|failed";

/// One way to get the file.
struct Way {
    name: &'static str,
    target: Target,
    path: String,
    idle_mib: f64,
    /// Bytes a second, CPU seconds for each byte, and downloads that failed.
    rounds: Vec<(f64, f64, usize)>,
}

pub(crate) fn run(bench: &Bench) -> Result<String> {
    let scratch = tempfile::tempdir()?;
    let (folder, nginx) = (scratch.path(), &bench.nginx);
    let files = folder.join("images");
    let file = files.join("image");
    fs::create_dir_all(&files)?;
    fs::write(&file, vec![0x5a; FILE_BYTES]).context("cannot write an image")?;
    let origin = Nginx::start(nginx, &folder.join("origin"), &files, false, None)?;
    let sending = Nginx::start(nginx, &folder.join("sending"), &files, false, None)?;
    let proxy = Nginx::proxy(nginx, &folder.join("proxy"), origin.address)?;
    let url = format!("file://{}", file.display());
    let (relay_file, file_path) = relay(bench, &folder.join("file"), &files, &url)?;
    let url = format!("http://{}/image", origin.address);
    let (relay_server, server_path) = relay(bench, &folder.join("server"), &files, &url)?;
    let way = |name, target: Target, path: &str| -> Result<Way> {
        let (idle_mib, path) = (target.usage()?.pss, path.to_owned());
        Ok(Way { name, target, path, idle_mib, rounds: Vec::new() })
    };
    let target = |it: &Ironpxe| it.target(BY_ADDRESS, "");
    let mut ways = [
        way("nginx, file (sendfile)", sending.target(), "/image")?,
        way("ironpxe, file", target(&relay_file), &file_path)?,
        way("nginx, other server (proxy_pass)", proxy.target(), "/image")?,
        way("ironpxe, other server", target(&relay_server), &server_path)?,
    ];
    for way in &ways {
        way.download(Duration::from_secs(1))?;
    }
    for round in 0..bench.rounds {
        let mut turns: Vec<&mut Way> = ways.iter_mut().collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for way in turns {
            way.rounds.push(way.download(bench.time())?);
        }
    }
    let mut table = Table::new(HEADINGS);
    for way in &ways {
        let cells = [
            shown(median(&way.rounds, |it| it.0) / 1e6, 0),
            shown(median(&way.rounds, |it| it.1) * 1e9, 2),
            shown(way.idle_mib, 1),
            shown(way.memory_with_open_downloads()?, 1),
            way.rounds.iter().map(|it| it.2).sum::<usize>().to_string(),
        ];
        table.row(way.name, cells);
    }
    Ok(format!(
        "A file of {} MiB from the page cache, {AT_ONCE} downloads at once, over the loopback; medians of {} \
         rounds. The other server is an nginx whose own CPU does not count.\n\n{}",
        FILE_BYTES >> 20,
        bench.rounds,
        table.into_text()
    ))
}

/// An ironpxe with a node whose deploy kernel is the image, and the path by which its machine gets it.
fn relay(bench: &Bench, folder: &Path, files: &Path, image: &str) -> Result<(Ironpxe, String)> {
    let environment = [
        ("IRONPXE_CONDUCTOR__FILE_URL_ALLOWED_PATHS", files.display().to_string()),
        ("IRONPXE_IMAGES__RELAY", "always".to_owned()),
        ("IRONPXE_IMAGES__RELAY_ALLOWED", "127.0.0.0/8".to_owned()),
        // While half of them are free, one node and one address may have any number.
        ("IRONPXE_IMAGES__MAX_DOWNLOADS", (4 * OPEN).to_string()),
    ];
    let store = Store::Sqlite(folder.join("state"));
    let setup = Setup::new(&bench.ironpxe, &store, folder);
    let setup = Setup { environment: &environment, ..setup };
    prepare(&setup, Template::Deploying(image))?;
    store.add(0, 1)?;
    let ironpxe = Ironpxe::start(&setup)?;
    let path = ironpxe.target(BY_ADDRESS, "").path(0);
    let script = client::get(ironpxe.address, &path)?.text();
    let image = script.split_ascii_whitespace().find_map(|it| it.split_once("/v1/images/"));
    let (_, signed) =
        image.with_context(|| format!("no image comes through ironpxe:\n{script}"))?;
    Ok((ironpxe, format!("/v1/images/{signed}")))
}

impl Way {
    fn download(&self, time: Duration) -> Result<(f64, f64, usize)> {
        let before = self.target.usage()?.cpu;
        let start = Instant::now();
        let machine = || async {
            let mut connection = Connection::new(self.target.address);
            let (mut bytes, mut failed) = (0, 0);
            while start.elapsed() < time {
                match connection.get(&self.path).await {
                    Ok(answer) if answer.status == 200 && answer.length == FILE_BYTES => {
                        bytes += FILE_BYTES;
                    }
                    _ => failed += 1,
                }
            }
            (bytes, failed)
        };
        let all = client::run(async { Ok(join_all((0..AT_ONCE).map(|_| machine())).await) })?;
        let (bytes, failed) = all.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        ensure!(bytes > 0, "{} sent nothing", self.name);
        let cpu = self.target.usage()?.cpu - before;
        Ok((number(bytes) / start.elapsed().as_secs_f64(), cpu / number(bytes), failed))
    }

    fn memory_with_open_downloads(&self) -> Result<f64> {
        let request =
            format!("GET {} HTTP/1.1\r\nHost: bench\r\nUser-Agent: iPXE/1.0.0\r\n\r\n", self.path);
        let mut open = Vec::new();
        for _ in 0..OPEN {
            let mut stream = TcpStream::connect(self.target.address).context("cannot connect")?;
            stream.set_read_timeout(Some(Duration::from_mins(1)))?;
            stream.write_all(request.as_bytes())?;
            open.push(stream);
        }
        for stream in &mut open {
            // It has begun; the server fills what there is between it and us, and then waits.
            let mut begun = [0; 12];
            stream.read_exact(&mut begun).context("a download does not begin")?;
            let begun = String::from_utf8_lossy(&begun);
            ensure!(begun.ends_with("200"), "{}: no download, but {begun}", self.name);
        }
        Ok(self.target.usage()?.pss)
    }
}
