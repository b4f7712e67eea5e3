//! ironpxe beside a real Ironic: scripts from each source of its nodes, compared with nginx that serves
//! the file which Ironic's conductor wrote for each machine, and with the two requests to Ironic's API
//! by which anybody else gets to know what a machine boots.
//!
//! One node is enrolled and deployed in Ironic; the database copies its rows, and the conductor's file
//! is copied likewise. There are two Ironics with the same nodes: one on SQLite, and one on MariaDB, which
//! is ended once it has made its tables and rows.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use futures_util::future::try_join_all;
use hyper::Method;
use ironpxe_testkit::ironic_server::{IronicOptions, IronicServer, version};
use ironpxe_testkit::mariadb::Mariadb;
use ironpxe_testkit::process::guarded_by;
use ironpxe_testkit::server::ServerOptions;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::Bench;
use crate::client::{self, Connection};
use crate::figures::{Table, Tally, median, number, percentile, rounds, shown, spread};
use crate::names::{TEMPLATE, mac, name, uuid};
use crate::servers::Service;
use crate::store::Store;
use crate::variants::compare;
use crate::wrk::{Load, Round, Summary};

/// Other than the tests' server: everything is flushed.
const MARIADB: &[&str] = &[
    "innodb-flush-method=fsync",
    "innodb-flush-log-at-trx-commit=1",
    "innodb-buffer-pool-size=256M",
];
/// Nothing that the conductor does by itself for each of thousands of nodes. Images follow.
const IRONIC: &str = "[conductor]\nsync_power_state_interval = 0\n\
                      sync_local_state_interval = 0\nfile_url_allowed_paths = ";
/// The kernel argument of a node by which its changes are told apart.
const MARK: &str = "bench-change";
/// The time between two commits while there is load.
const COMMIT_EVERY: Duration = Duration::from_millis(10);
/// Of Ironic's API, as many as ironpxe sends.
const API_CONNECTIONS: usize = 4;
/// How many scripts of all sources are compared.
const COMPARED: u32 = 100;

/// What happens to the nodes under load.
#[derive(Clone, Copy, PartialEq)]
enum Changes {
    Nothing,
    /// Commits in random nodes.
    Commits,
    /// One before each request, of the node that is asked for. One request at a time.
    BeforeEach,
}

impl Changes {
    const ALL: [Self; 3] = [Self::Nothing, Self::Commits, Self::BeforeEach];

    fn title(self) -> &'static str {
        match self {
            Self::Nothing => "Nothing changes",
            Self::Commits => "A hundred commits a second",
            Self::BeforeEach => "A commit before each request, one request at a time",
        }
    }
}

/// What is asked for a script.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Nginx,
    Ironpxe,
    /// Ironic's API: the port of an address, and its node.
    Api,
}

struct Subject<'a> {
    service: &'a Service,
    kind: Kind,
    /// Changes the nodes of its source.
    writer: &'a Writer,
}

pub(crate) fn run(bench: &Bench, venv: &Path) -> Result<String> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path();
    let sqlite = Existing::start(bench, venv, folder.join("sqlite"), None)?;
    let mariadb = Mariadb::start_with(MARIADB)?;
    let database = mariadb.create_database()?;
    let reader = mariadb.reader(&database);
    let server = Some((mariadb, database));
    let mysql = Existing::start(bench, venv, folder.join("mysql"), server)?;
    mysql.ironic.kill()?;
    let files = sqlite.write_files(bench.nodes)?;

    let root = format!("root {};", files.display());
    let api = format!(
        "source = \"rest\"\nauth_type = \"none\"\nendpoint_override = \"{}\"\n",
        sqlite.ironic.url()
    );
    let file = format!(
        "source = \"sqlite\"\nconnection = \"sqlite:///{}\"\n",
        sqlite.ironic.database_file().display()
    );
    let server = format!("source = \"mysql\"\nconnection = \"{reader}\"\n");
    let ironic = vec![sqlite.ironic.pid()?];
    let ironpxes = [
        sqlite.ironpxe(bench, "ironpxe, SQLite", &file, Vec::new())?,
        mysql.ironpxe(bench, "ironpxe, MariaDB", &server, mysql.store.processes()?)?,
        sqlite.ironpxe(bench, "ironpxe, REST", &api, ironic)?,
    ];
    compare(&ironpxes, bench.nodes.min(COMPARED))?;
    let nginx = Service::nginx("nginx", &bench.nginx, folder, &root, "off", None)?;
    let Existing { ironic, writer, store: _store, .. } = sqlite;
    let api = Service::ironic("Ironic, two GETs", ironic)?;
    let [one, two, three] = &ironpxes;
    // From SQLite and MariaDB, each machine has asked once.
    for service in [one, two] {
        client::each_script(&service.target, bench.nodes, |_, _| Ok(()))?;
    }
    let subject = |service, kind, writer| Subject { service, kind, writer };
    let subjects = [
        subject(&nginx, Kind::Nginx, &writer),
        subject(one, Kind::Ironpxe, &writer),
        subject(two, Kind::Ironpxe, &mysql.writer),
        subject(three, Kind::Ironpxe, &writer),
        subject(&api, Kind::Api, &writer),
    ];
    let load = Load::of_scripts(bench.nodes, bench.time())?;
    let turns: Vec<_> =
        Changes::ALL.iter().flat_map(|it| subjects.iter().map(move |of| (*it, of))).collect();
    let measured =
        rounds(&turns, bench.rounds, |(changes, subject)| subject.measure(bench, &load, *changes))?;
    let mut text = format!(
        "{}; {} nodes; wrk with 64 connections, the API's requests with {API_CONNECTIONS}; medians of \
         {} rounds (least–most). \"Source\" is MariaDB, or Ironic's API.\n",
        version(venv)?,
        bench.nodes,
        bench.rounds
    );
    for (changes, measured) in Changes::ALL.iter().zip(measured.chunks(subjects.len())) {
        text += &format!("\n### {}\n\n{}", changes.title(), table(&subjects, measured));
    }
    Ok(text)
}

/// Each subject with its rounds.
fn table(subjects: &[Subject<'_>], measured: &[Vec<Round>]) -> String {
    let (nginx, api) = (measured.first(), measured.last());
    let mut table = Table::new("");
    for (subject, rounds) in subjects.iter().zip(measured) {
        let figure = |figure: fn(&Round) -> f64, digits| shown(median(rounds, figure), digits);
        let ratio = |base: Option<&Vec<Round>>, ratio: fn(&Round, &Round) -> f64| {
            let pairs = rounds.iter().zip(base.into_iter().flatten());
            spread(&pairs.map(|(one, base)| ratio(one, base)).collect::<Vec<_>>())
        };
        let of_api: fn(&Round, &Round) -> f64 = |one, base| one.database.cpu / base.server.cpu;
        let is_rest = rounds.iter().zip(api.into_iter().flatten()).all(|(one, base)| {
            // MariaDB needs a small part of this.
            one.database.cpu > base.server.cpu / 5.0
        });
        let failed = rounds.iter().map(|it| it.wrk.failed).sum();
        let cells = [
            ("per second", figure(Round::per_second, 0)),
            ("× nginx", ratio(nginx, |one, base| one.per_second() / base.per_second())),
            ("its CPU, µs", figure(|it| it.server.cpu * 1e6, 1)),
            ("source CPU, µs", figure(|it| it.database.cpu * 1e6, 1)),
            ("× two GETs", if is_rest { ratio(api, of_api) } else { "–".to_owned() }),
            ("p50, ms", figure(|it| it.wrk.p50_ms, 2)),
            ("p99, ms", figure(|it| it.wrk.p99_ms, 2)),
            ("RSS idle, MiB", shown(subject.service.idle.rss, 1)),
            ("RSS after load, MiB", figure(|it| it.server.rss, 1)),
            ("failed", shown(failed, 0)),
        ];
        table.row(&subject.service.title, cells);
    }
    table.transposed().to_string()
}

impl Subject<'_> {
    fn measure(&self, bench: &Bench, load: &Load, changes: Changes) -> Result<Round> {
        let target = &self.service.target;
        let under_load = || match self.kind {
            Kind::Api => Round::of(target, || self.requests(bench, API_CONNECTIONS, false)),
            _ => load.run(target),
        };
        match changes {
            Changes::Nothing => under_load(),
            Changes::Commits => self.writer.while_writing(bench.nodes, under_load),
            Changes::BeforeEach => Round::of(target, || self.requests(bench, 1, true)),
        }
    }

    /// Asks again and again for random nodes, if wanted each after a commit, which the response must
    /// show. Then, only the requests' time counts.
    fn requests(&self, bench: &Bench, connections: usize, commits: bool) -> Result<Summary> {
        let (start, tally) = (Instant::now(), Tally::default());
        let worker = || async {
            let mut connection = Connection::new(self.service.target.address);
            while start.elapsed() < bench.time() {
                let node = fastrand::u32(..bench.nodes);
                let mark = if commits { self.writer.commit(node)? } else { String::new() };
                let sent = Instant::now();
                let text = self.ask(&mut connection, node).await?;
                tally.record("done", sent);
                let is_current = self.kind == Kind::Nginx || text.contains(&mark);
                ensure!(is_current, "{}: no {mark} in\n{text}", self.service.title);
            }
            Ok(())
        };
        client::run(try_join_all((0..connections).map(|_| worker())))?;
        let times = tally.times("done");
        let seconds =
            if commits { times.iter().sum::<f64>() / 1e3 } else { start.elapsed().as_secs_f64() };
        let [p50_ms, p99_ms, p999_ms] = [50.0, 99.0, 99.9].map(|it| percentile(times.clone(), it));
        let requests = number(times.len());
        Ok(Summary { requests, bytes: 0.0, seconds, p50_ms, p99_ms, p999_ms, failed: 0.0 })
    }

    async fn ask(&self, connection: &mut Connection, node: u32) -> Result<String> {
        if self.kind == Kind::Api {
            let port = format!("/v1/ports/detail?address={}", mac(node));
            connection.call(Method::GET, &port, &Value::Null).await?;
            let node = format!("/v1/nodes/{}", uuid(node, 1));
            return Ok(connection.call(Method::GET, &node, &Value::Null).await?.text());
        }
        let answer = connection.get(&self.service.target.path(node)).await?;
        ensure!(answer.is_script(), "{}: {}", self.service.title, answer.status);
        Ok(answer.text())
    }
}

/// An Ironic with its nodes.
struct Existing {
    // What uses the database ends before it.
    ironic: IronicServer,
    writer: Writer,
    store: Store,
    folder: PathBuf,
    images: PathBuf,
}

impl Existing {
    /// Starts it on SQLite or this server, and gives it its nodes.
    fn start(
        bench: &Bench,
        venv: &Path,
        folder: PathBuf,
        server: Option<(Mariadb, String)>,
    ) -> Result<Self> {
        // The same for all, because scripts name them.
        let images = folder.with_file_name("images");
        for folder in [&folder, &images] {
            fs::create_dir_all(folder).context("cannot create a folder")?;
        }
        let database = server.as_ref().map(|(server, name)| server.url(name));
        let settings = format!("{IRONIC}{}\n", images.display());
        let options =
            IronicOptions { database: database.clone(), settings, ..IronicOptions::default() };
        let ironic = IronicServer::start(venv, options)?;
        let image = |name: &str| {
            let file = images.join(name);
            fs::write(&file, name).context("cannot write an image")?;
            anyhow::Ok(format!("file://{}", file.display()))
        };
        let info = json!({
            "kernel": image("kernel")?,
            "ramdisk": image("ramdisk")?,
            "ramdisk_kernel_arguments": format!("{MARK}=0;"),
        });
        let node = json!({
            "name": name(TEMPLATE),
            "uuid": uuid(TEMPLATE, 1),
            "driver": "fake-hardware",
            "deploy_interface": "ramdisk",
            "instance_info": info,
        });
        let client = ironic.client()?;
        client.enrol(&node, &mac(TEMPLATE))?;
        let steps = [("manage", "manageable"), ("provide", "available"), ("active", "active")];
        client.walk(&uuid(TEMPLATE, 1), &steps)?;
        let file = ironic.database_file();
        let url = match database {
            Some(url) => url.replace("mysql://", "mysql+pymysql://"),
            None => format!("sqlite:///{}", file.display()),
        };
        let store = Store::of_ironic(folder.clone(), file, server);
        store.add(bench.nodes)?;
        let kept = client.node(&uuid(TEMPLATE, 1))?;
        let info = kept.get("instance_info").context("no instance_info")?;
        let writer = Writer::start(venv, &url, info.to_string())?;
        Ok(Self { ironic, writer, store, folder, images })
    }

    /// What the conductor wrote for the template, for each node. Returns the folder of the files.
    fn write_files(&self, nodes: u32) -> Result<PathBuf> {
        let text = self.ironic.boot_file(&mac(TEMPLATE)).context("Ironic wrote no boot file")?;
        let files = self.folder.join("files");
        fs::create_dir_all(&files).context("cannot create a folder for files")?;
        for node in 0..nodes {
            let text = text.replace(&uuid(TEMPLATE, 1), &uuid(node, 1));
            fs::write(files.join(mac(node)), text).context("cannot write a boot file")?;
        }
        Ok(files)
    }

    /// ironpxe beside it. `source` is the beginning of `[beside]`.
    fn ironpxe(
        &self,
        bench: &Bench,
        title: &str,
        source: &str,
        processes: Vec<u32>,
    ) -> Result<Service> {
        let configuration = self.folder.join(format!("{title}.toml"));
        let text = format!(
            "[beside]\n{source}api_url = \"http://192.0.2.1:6385\"\nironic_conf = [\"{}\"]\n\
             file_urls = {{ \"file://{}/\" = \"http://192.0.2.1/\" }}\n",
            self.ironic.configuration().display(),
            self.images.display()
        );
        fs::write(&configuration, text).context("cannot write a configuration")?;
        let options = ServerOptions {
            log_file: Some(self.folder.join(title)),
            ..ServerOptions::default().config(configuration)
        };
        let service = Service::ironpxe(title, &bench.ironpxe, processes, &options, &["all"])?;
        Ok(service.by_boot_url())
    }
}

/// A process that commits changes to an Ironic's database.
struct Writer {
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    /// The `instance_info` of the nodes.
    info: String,
}

impl Writer {
    fn start(venv: &Path, url: &str, info: String) -> Result<Self> {
        let mut command = guarded_by(Signal::SIGKILL, &venv.join("bin/python"), None)?;
        command.args(["-c", include_str!("commits.py"), url]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().context("cannot run Python")?;
        let input = child.stdin.take().context("no stdin")?;
        let output = child.stdout.take().context("no stdout")?;
        Ok(Self { child, pipes: Mutex::new((input, BufReader::new(output))), info })
    }

    /// Changes the node, and returns the kernel argument that it has from now on.
    fn commit(&self, node: u32) -> Result<String> {
        let mark = format!("{MARK}={};", fastrand::u64(..));
        let info = self.info.replace(&format!("{MARK}=0;"), &mark);
        let mut pipes = self.pipes.lock().map_err(|_| anyhow!("writing has failed before"))?;
        let (input, output) = &mut *pipes;
        writeln!(input, "{} {info}", uuid(node, 1)).context("cannot ask for a commit")?;
        let mut changed = String::new();
        output.read_line(&mut changed).context("no commit")?;
        ensure!(changed.trim() == "1", "{changed:?} rows changed for node {node}");
        Ok(mark)
    }

    /// Does something while random nodes are changed.
    fn while_writing<T>(&self, nodes: u32, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let mut due = Instant::now();
                while !is_over.load(Ordering::Relaxed) {
                    self.commit(fastrand::u32(..nodes))?;
                    due += COMMIT_EVERY;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                anyhow::Ok(())
            });
            let done = work();
            is_over.store(true, Ordering::Relaxed);
            writing.join().map_err(|_| anyhow!("writing panicked"))??;
            done
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
