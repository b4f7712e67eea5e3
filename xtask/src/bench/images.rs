//! Images on their way to machines: a large file, sent by nginx and passed on by ironpxe, from its
//! own disk and from another server.
//!
//! Four machines at a time fetch the same file, which is in the page cache: what is measured is
//! the passing on, and no disk. Then a thousand are in the middle of a download and read no
//! further, to see what they hold in memory.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::{
    api::Template,
    boot::Outcome,
    client::{self, Client, On, Request},
    contestants::Stage,
    figures::{Table, median, number, shown},
    http,
    ironpxe::{BY_ADDRESS, Ironpxe, Setup},
    names::Key,
    nginx::Nginx,
    process,
    store::Store,
};

const FILE_BYTES: usize = 64 * 1024 * 1024;
const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_mins(1);
/// How many downloads are open when memory is looked at.
const OPEN: usize = 1000;

pub(super) struct Plan<'a> {
    pub(super) ironpxe: &'a Path,
    pub(super) nginx: &'a Path,
    pub(super) time: Duration,
    pub(super) rounds: u64,
}

/// One way to get the file.
struct Way {
    name: &'static str,
    key: &'static str,
    address: SocketAddr,
    path: String,
    pid: u32,
    rounds: Vec<Round>,
    idle_mib: f64,
    open_mib: f64,
}

struct Round {
    mb_per_second: f64,
    cpu_seconds_per_gb: f64,
    failed: usize,
}

/// Measures all ways in turns.
pub(super) fn run(plan: &Plan<'_>) -> Result<Outcome> {
    let scratch = tempfile::tempdir().context("cannot create a scratch folder")?;
    let folder = scratch.path();
    let files = folder.join("images");
    fs::create_dir_all(&files).context("cannot create a folder")?;
    let file = files.join("image");
    fs::write(&file, vec![0x5a; FILE_BYTES]).context("cannot write an image")?;
    let origin = Nginx::start(plan.nginx, &folder.join("origin"), &files, false, None)?;
    let sending = Nginx::start(plan.nginx, &folder.join("sending"), &files, false, None)?;
    let proxy = Nginx::proxy(plan.nginx, &folder.join("proxy"), origin.address)?;
    let from_file = Door::open(plan, folder, &files, &format!("file://{}", file.display()))?;
    let from_server = format!("http://{}/image", origin.address);
    let from_server = Door::open(plan, folder, &files, &from_server)?;
    let nginx = |name, key, nginx: &Nginx| Way {
        name,
        key,
        address: nginx.address,
        path: "/image".to_owned(),
        pid: nginx.running.pid(),
        rounds: Vec::new(),
        idle_mib: 0.0,
        open_mib: 0.0,
    };
    let mut ways = [
        nginx("nginx, file (sendfile)", "nginx-file", &sending),
        from_file.way("ironpxe, file", "ironpxe-file")?,
        nginx("nginx, other server (proxy_pass)", "nginx-proxy", &proxy),
        from_server.way("ironpxe, other server", "ironpxe-relay")?,
    ];
    for way in &mut ways {
        way.idle_mib = process::usage(way.pid)?.pss_mib;
        way.download(Duration::from_secs(1))?;
    }
    for round in 0..plan.rounds {
        for way in &mut ways {
            let round = way.download(plan.time)?;
            way.rounds.push(round);
        }
        // Who goes first alternates, so that a slow phase of the machine hits everybody.
        if round + 1 < plan.rounds {
            ways.reverse();
        }
    }
    for way in &mut ways {
        way.open_mib = way.memory_with_open_downloads()?;
    }
    ways.sort_by_key(|it| (it.key.ends_with('y'), it.key.starts_with("ironpxe")));
    Ok(outcome(&ways, plan.rounds))
}

fn outcome(ways: &[Way], rounds: u64) -> Outcome {
    let mut table = Table::new([
        "",
        "MB/s",
        "CPU seconds per GB",
        "memory idle (PSS), MiB",
        "with 1000 downloads open, MiB",
        "failed",
    ]);
    let mut all = Map::new();
    for way in ways {
        let of =
            |figure: fn(&Round) -> f64| median(&way.rounds.iter().map(figure).collect::<Vec<_>>());
        let speed = of(|it| it.mb_per_second);
        let cpu = of(|it| it.cpu_seconds_per_gb);
        let failed: usize = way.rounds.iter().map(|it| it.failed).sum();
        table.row([
            way.name.to_owned(),
            shown(speed, 0),
            shown(cpu, 2),
            shown(way.idle_mib, 1),
            shown(way.open_mib, 1),
            failed.to_string(),
        ]);
        let figures = json!({
            "mb_per_second": speed,
            "cpu_seconds_per_gb": cpu,
            "pss_idle_mib": way.idle_mib,
            "pss_with_open_downloads_mib": way.open_mib,
            "failed": failed,
        });
        all.insert(way.key.to_owned(), figures);
    }
    Outcome {
        markdown: format!(
            "A file of {} MiB from the page cache, {AT_ONCE} downloads at once, over the loopback; \
             medians of {rounds} rounds. The other server is an nginx whose own CPU does not \
             count.\n\n{}",
            FILE_BYTES >> 20,
            table.into_text()
        ),
        json: Value::Object(all),
    }
}

/// An ironpxe with one node whose deploy kernel is the image.
struct Door {
    ironpxe: Ironpxe,
    path: String,
}

impl Door {
    fn open(plan: &Plan<'_>, folder: &Path, files: &Path, image: &str) -> Result<Self> {
        let kind = image.split(':').next().unwrap_or_default();
        let store = Store::Sqlite(folder.join(format!("state-{kind}")));
        let environment = [
            (
                "IRONPXE_CONDUCTOR__FILE_URL_ALLOWED_PATHS",
                files.display().to_string(),
            ),
            ("IRONPXE_CONDUCTOR__DEPLOY_KERNEL", image.to_owned()),
            ("IRONPXE_CONDUCTOR__DEPLOY_RAMDISK", image.to_owned()),
            ("IRONPXE_IMAGES__RELAY", "always".to_owned()),
            ("IRONPXE_IMAGES__RELAY_ALLOWED", "127.0.0.0/8".to_owned()),
            ("IRONPXE_IMAGES__MAX_DOWNLOADS", (2 * OPEN).to_string()),
        ];
        let stage = Stage {
            ironpxe: plan.ironpxe,
            nginx: plan.nginx,
            folder,
            nodes: 1,
            template: Template::Bare,
            environment: &environment,
            cores: None,
        };
        let store = stage.filled(store)?;
        let ironpxe = Ironpxe::start(&Setup {
            binary: plan.ironpxe,
            store: &store,
            folder: &folder.join(format!("log-{kind}")),
            roles: false,
            cores: None,
            environment: &environment,
        })?;
        let mut script = String::new();
        let ask = |_| http::firmware_request(&format!("{BY_ADDRESS}{}", Key::Address.of(0)));
        client::fetch_all(ironpxe.address, 1, 1, ask, |_, answer| {
            script = String::from_utf8_lossy(&answer.body).into_owned();
            Ok(())
        })?;
        let url = script
            .split_ascii_whitespace()
            .find_map(|word| word.split_once("/v1/images/"))
            .with_context(|| format!("no image comes through ironpxe:\n{script}"))?;
        let path = format!("/v1/images/{}", url.1);
        Ok(Self { ironpxe, path })
    }

    fn way(&self, name: &'static str, key: &'static str) -> Result<Way> {
        let processes = self.ironpxe.processes();
        let (_, pid) = processes.first().context("no process")?;
        Ok(Way {
            name,
            key,
            address: self.ironpxe.address,
            path: self.path.clone(),
            pid: *pid,
            rounds: Vec::new(),
            idle_mib: 0.0,
            open_mib: 0.0,
        })
    }
}

impl Way {
    fn download(&self, time: Duration) -> Result<Round> {
        let mut client = Client::new(AT_ONCE, PATIENCE)?;
        let (mut bytes, mut failed) = (0, 0);
        let before = process::usage(self.pid)?.cpu_seconds;
        let start = Instant::now();
        loop {
            let more = start.elapsed() < time;
            if !more && client.under_way() == 0 {
                break;
            }
            while more && client.under_way() < AT_ONCE {
                client.submit(Request {
                    to: self.address,
                    bytes: http::firmware_request(&self.path),
                    tag: 0,
                    due: Instant::now(),
                    on: On::Any,
                })?;
            }
            for done in client.turn(Instant::now() + PATIENCE)? {
                match done.outcome {
                    Ok(answer) if answer.status == 200 && answer.length == FILE_BYTES => {
                        bytes += answer.length;
                    }
                    _ => failed += 1,
                }
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let cpu = process::usage(self.pid)?.cpu_seconds - before;
        ensure!(bytes > 0, "{} sent nothing", self.name);
        Ok(Round {
            mb_per_second: number(bytes) / 1e6 / seconds,
            cpu_seconds_per_gb: cpu / (number(bytes) / 1e9),
            failed,
        })
    }

    fn memory_with_open_downloads(&self) -> Result<f64> {
        let mut open = Vec::new();
        for _ in 0..OPEN {
            let mut stream = TcpStream::connect(self.address).context("cannot connect")?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(&http::firmware_request(&self.path))?;
            open.push(stream);
        }
        let mut begun = [0; 1024];
        for stream in &mut open {
            // It has begun; the server fills what there is between it and us, and then waits.
            let got = stream
                .read(&mut begun)
                .context("a download does not begin")?;
            let status = begun.get(..got).unwrap_or_default();
            ensure!(
                status.starts_with(b"HTTP/1.1 200"),
                "{}: no download",
                self.name
            );
        }
        Ok(process::usage(self.pid)?.pss_mib)
    }
}
