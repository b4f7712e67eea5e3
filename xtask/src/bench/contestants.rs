//! Who is compared: nginx with files, and ironpxe in the ways it can be run and asked.
//!
//! All have the same nodes, and so the same scripts: each node's is compared between all of them
//! before anything is measured.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use ironpxe_testkit::postgres::Postgres;

use super::{
    api::{self, Template},
    client, http,
    ironpxe::{BY_ADDRESS, BY_UUID, Ironpxe, Setup},
    load::{self, Target},
    names::Key,
    nginx::Nginx,
    process::Usage,
    store::{POSTGRES_SETTINGS, Store},
};

/// A way to serve scripts, or to ask for them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Kind {
    /// nginx with a file for each address, without a log
    Nginx,
    /// The same with its usual log
    NginxLog,
    /// ironpxe in one process with SQLite, asked by `port_address`
    Embedded,
    /// The same process, asked by `node_uuid`
    NodeUuid,
    /// The same process, asked as `/v1/boot/<mac>/boot.ipxe`
    BootDoor,
    /// ironpxe in one process with PostgreSQL
    Postgres,
    /// API and conductor apart, with SQLite
    Roles,
    /// API and conductor apart, with PostgreSQL
    RolesPostgres,
}

impl Kind {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Nginx => "nginx, no log",
            Self::NginxLog => "nginx, access log",
            Self::Embedded => "ironpxe, SQLite",
            Self::NodeUuid => "… by node_uuid",
            Self::BootDoor => "… by /v1/boot",
            Self::Postgres => "ironpxe, PostgreSQL",
            Self::Roles => "api + conductor, SQLite",
            Self::RolesPostgres => "api + conductor, PostgreSQL",
        }
    }

    /// In the JSON, and on the command line.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::NginxLog => "nginx-log",
            Self::Embedded => "embedded",
            Self::NodeUuid => "node-uuid",
            Self::BootDoor => "boot-door",
            Self::Postgres => "postgres",
            Self::Roles => "roles",
            Self::RolesPostgres => "roles-postgres",
        }
    }

    fn is_nginx(self) -> bool {
        matches!(self, Self::Nginx | Self::NginxLog)
    }

    pub(super) fn needs_postgres(self) -> bool {
        matches!(self, Self::Postgres | Self::RolesPostgres)
    }

    /// Whether it is an ironpxe of its own.
    pub(super) fn is_a_server(self) -> bool {
        !self.is_nginx() && self.server() == self
    }

    /// The contestant whose process this one only asks in another way.
    fn server(self) -> Self {
        match self {
            Self::NodeUuid | Self::BootDoor => Self::Embedded,
            other => other,
        }
    }
}

/// One of them, running.
pub(super) struct Contestant {
    pub(super) kind: Kind,
    pub(super) target: Target,
    /// Until the first script, in milliseconds. Not a number for nginx, which has nothing to open.
    pub(super) first_script_ms: f64,
    /// Each process before it had anything to do.
    pub(super) idle: Vec<(&'static str, Usage)>,
}

/// What everybody needs to start servers.
pub(super) struct Stage<'a> {
    pub(super) ironpxe: &'a Path,
    pub(super) nginx: &'a Path,
    /// Everything that is written goes here.
    pub(super) folder: &'a Path,
    pub(super) nodes: u32,
    pub(super) template: Template,
    /// Settings for the process by which the first node is made.
    pub(super) environment: &'a [(&'a str, String)],
    /// The processors that servers get, as `taskset` takes them; all, if not given.
    pub(super) cores: Option<&'a str>,
}

/// The servers behind the contestants. They run until this is dropped.
pub(super) struct Field {
    pub(super) all: Vec<Contestant>,
    pub(super) script_bytes: usize,
    ironpxes: BTreeMap<Kind, Ironpxe>,
    nginxes: Vec<Nginx>,
    /// Ends after those who use it.
    postgres: Option<Arc<Postgres>>,
}

impl Stage<'_> {
    /// Fills their databases and starts them.
    pub(super) fn start(&self, kinds: &[Kind]) -> Result<Field> {
        let mut field = Field {
            all: Vec::new(),
            script_bytes: 0,
            ironpxes: BTreeMap::new(),
            nginxes: Vec::new(),
            postgres: None,
        };
        let mut stores: BTreeMap<bool, Store> = BTreeMap::new();
        if kinds.iter().any(|it| it.needs_postgres()) {
            let server = Arc::new(Postgres::start_with(POSTGRES_SETTINGS)?);
            stores.insert(true, self.filled(Store::on(&server, self.ironpxe)?)?);
            field.postgres = Some(server);
        }
        // nginx gets its files from the embedded one.
        let sqlite = Store::Sqlite(self.folder.join("sqlite"));
        stores.insert(false, self.filled(sqlite)?);
        let mut servers: Vec<Kind> = kinds.iter().map(|it| it.server()).collect();
        servers.push(Kind::Embedded);
        servers.sort_unstable();
        servers.dedup();
        for kind in servers.into_iter().filter(|it| !it.is_nginx()) {
            let store = stores.get(&kind.needs_postgres()).context("no store")?;
            let ironpxe = self.ironpxe(kind, store)?;
            field.script_bytes = script_bytes(&ironpxe)?;
            let database = store.pid()?;
            for kind in kinds.iter().filter(|it| it.server() == kind) {
                field.all.push(contestant(*kind, &ironpxe, database)?);
            }
            field.ironpxes.insert(kind, ironpxe);
        }
        if kinds.iter().any(|it| it.is_nginx()) {
            let files = self.folder.join("files");
            let embedded = field.ironpxes.get(&Kind::Embedded).context("no source")?;
            self.write_files(embedded, &files)?;
            for kind in kinds.iter().filter(|it| it.is_nginx()) {
                let folder = self.folder.join(kind.key());
                let logging = *kind == Kind::NginxLog;
                let nginx = Nginx::start(self.nginx, &folder, &files, logging, self.cores)?;
                field.all.push(nginx_contestant(*kind, &nginx)?);
                field.nginxes.push(nginx);
            }
        }
        field.all.sort_by_key(|it| it.kind);
        field.compare(self.nodes)?;
        Ok(field)
    }

    /// The store with all nodes in it.
    pub(super) fn filled(&self, store: Store) -> Result<Store> {
        self.prepare(&store)?;
        store.add(0, self.nodes)?;
        Ok(store)
    }

    /// The store with the node that the others are copies of.
    pub(super) fn prepare(&self, store: &Store) -> Result<()> {
        let ironpxe = Ironpxe::start_on_anything(&Setup {
            binary: self.ironpxe,
            store,
            folder: &self.folder.join("preparing"),
            roles: false,
            cores: None,
            environment: self.environment,
        })?;
        api::make_template(ironpxe.address, self.template)
    }

    fn ironpxe(&self, kind: Kind, store: &Store) -> Result<Ironpxe> {
        Ironpxe::start(&Setup {
            binary: self.ironpxe,
            store,
            folder: &self.folder.join(kind.key()),
            roles: matches!(kind, Kind::Roles | Kind::RolesPostgres),
            cores: self.cores,
            // Two conductors of one database are two: each has its name.
            environment: &[("IRONPXE_DEFAULT__HOST", kind.key().to_owned())],
        })
    }

    /// Writes what ironpxe answers for each node as the file which the static layout has for it.
    fn write_files(&self, ironpxe: &Ironpxe, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).context("cannot create the folder for files")?;
        let path = |index| format!("{BY_ADDRESS}{}", Key::Address.of(index));
        let ask = |index| http::firmware_request(&path(index));
        client::fetch_all(ironpxe.address, self.nodes, 16, ask, |index, answer| {
            ensure!(answer.status == 200, "no script for node {index}");
            let file: PathBuf = folder.join(Key::FileName.of(index));
            fs::write(&file, &answer.body)
                .with_context(|| format!("cannot write {}", file.display()))
        })
    }
}

fn script_bytes(ironpxe: &Ironpxe) -> Result<usize> {
    let mut bytes = 0;
    let ask = |_| http::firmware_request(&format!("{BY_ADDRESS}{}", Key::Address.of(0)));
    client::fetch_all(ironpxe.address, 1, 1, ask, |_, answer| {
        bytes = answer.length;
        Ok(())
    })?;
    Ok(bytes)
}

fn contestant(kind: Kind, ironpxe: &Ironpxe, database: Option<u32>) -> Result<Contestant> {
    let (before, key, after) = match kind {
        Kind::NodeUuid => (BY_UUID, Key::Uuid, ""),
        Kind::BootDoor => ("/v1/boot/", Key::Address, "/boot.ipxe"),
        _ => (BY_ADDRESS, Key::Address, ""),
    };
    let target = Target {
        address: ironpxe.address,
        before,
        key,
        after,
        processes: ironpxe.processes(),
        database,
    };
    Ok(Contestant {
        kind,
        idle: load::usages(&target)?,
        target,
        first_script_ms: ironpxe.first_script.as_secs_f64() * 1e3,
    })
}

fn nginx_contestant(kind: Kind, nginx: &Nginx) -> Result<Contestant> {
    let target = Target {
        address: nginx.address,
        before: "/",
        key: Key::FileName,
        after: "",
        processes: vec![("nginx", nginx.running.pid())],
        database: None,
    };
    Ok(Contestant {
        kind,
        idle: load::usages(&target)?,
        target,
        first_script_ms: f64::NAN,
    })
}

/// How many answers are compared before anything is measured.
const SAMPLE: u32 = 100;

impl Field {
    /// All must give the same script, up to the identifier that each request gets and to how the
    /// API is reached.
    fn compare(&self, nodes: u32) -> Result<()> {
        let step = (nodes / SAMPLE).max(1);
        let count = nodes.div_ceil(step);
        let mut wanted: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for contestant in &self.all {
            let target = &contestant.target;
            let ask = |position| http::firmware_request(&target.path(position * step));
            client::fetch_all(target.address, count, 8, ask, |position, answer| {
                let title = contestant.kind.title();
                let index = position * step;
                ensure!(
                    answer.status == 200,
                    "{title}: {} for {index}",
                    answer.status
                );
                ensure!(answer.body.starts_with(b"#!ipxe"), "{title}: no script");
                let text = comparable(&answer.body);
                let first = wanted.entry(index).or_insert_with(|| text.clone());
                if *first != text {
                    bail!(
                        "the script of node {index} from {title} is another:\n{}\n---\n{}",
                        String::from_utf8_lossy(first),
                        String::from_utf8_lossy(&text)
                    );
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// A script without what may differ: each `req-<uuid>`, the port of our own address, and the card
/// that the ramdisk is told of, which a request by UUID leaves to iPXE.
fn comparable(script: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(script);
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("req-") {
            rest = after.get(36..).unwrap_or_default();
        } else if let Some(after) = rest.strip_prefix("BOOTIF=") {
            rest = after.trim_start_matches(|it: char| it != ' ');
        } else if let Some(after) = rest.strip_prefix("127.0.0.1:") {
            rest = after.trim_start_matches(|it: char| it.is_ascii_digit());
        } else {
            kept.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    kept.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::comparable;

    #[test]
    fn only_what_may_differ_is_taken_out() {
        let script =
            b"echo req-0a1b2c3d-0000-4000-8000-0123456789ab, BOOTIF=02:00 127.0.0.1:80/x\n";
        assert_eq!(comparable(script), b"echo ,  /x\n");
        assert_eq!(comparable(b"cut req-12"), b"cut ");
    }
}
