//! What is compared: nginx with files, and ironpxe in the ways it can be run and asked.
//!
//! All have the same nodes, and so the same scripts. These are compared before anything is measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use ironpxe_testkit::ironic::Ironic;
use serde_json::{Value, json};

use crate::Bench;
use crate::client;
use crate::names::mac;
use crate::servers::{BY_ADDRESS, Ironpxe, Nginx, Setup, Target, wait_until};
use crate::store::{Store, TEMPLATE};
use crate::usage::Usage;

/// A way to serve scripts, or to ask for them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// nginx with a file for each address, without a log
    Nginx,
    /// The same with its usual log
    NginxLog,
    /// ironpxe in one process with SQLite, asked by `port_address`
    Embedded,
    /// The same process, asked as `/v1/boot/<mac>/boot.ipxe`
    BootUrl,
    /// ironpxe in one process with PostgreSQL
    Postgres,
    /// API and conductor apart, with SQLite
    Roles,
    /// API and conductor apart, with PostgreSQL
    RolesPostgres,
}

impl Kind {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Nginx => "nginx, no log",
            Self::NginxLog => "nginx, access log",
            Self::Embedded => "ironpxe, SQLite",
            Self::BootUrl => "… by /v1/boot",
            Self::Postgres => "ironpxe, PostgreSQL",
            Self::Roles => "api + conductor, SQLite",
            Self::RolesPostgres => "api + conductor, PostgreSQL",
        }
    }

    fn is_nginx(self) -> bool {
        matches!(self, Self::Nginx | Self::NginxLog)
    }

    fn needs_postgres(self) -> bool {
        matches!(self, Self::Postgres | Self::RolesPostgres)
    }

    fn has_roles(self) -> bool {
        matches!(self, Self::Roles | Self::RolesPostgres)
    }

    /// The contestant whose process this one only asks in another way.
    fn server(self) -> Self {
        match self {
            Self::BootUrl => Self::Embedded,
            other => other,
        }
    }

    /// Whether it is an ironpxe of its own.
    pub(crate) fn is_ironpxe(self) -> bool {
        !self.is_nginx() && self.server() == self
    }
}

/// What the machines of the nodes boot.
#[derive(Clone, Copy)]
pub(crate) enum Template<'a> {
    /// A deploy ramdisk: this image.
    Deploying(&'a str),
    /// Their instance, which is a ramdisk. These nodes can be changed all the time.
    Running,
}

/// The deploy ramdisk where it does not matter.
pub(crate) const RAMDISK: Template<'static> = Template::Deploying("http://192.0.2.1/deploy");

impl Template<'_> {
    /// A node as it is enrolled.
    pub(crate) fn node(self, name: &str) -> Value {
        let instance = "http://192.0.2.1/instance";
        let (interface, image, instance_info) = match self {
            Self::Deploying(image) => (
                "direct",
                image,
                json!({
                    "image_source": instance,
                    "image_disk_format": "raw",
                    "image_os_hash_algo": "sha256",
                    "image_os_hash_value": "0".repeat(64),
                }),
            ),
            Self::Running => {
                ("ramdisk", instance, json!({ "kernel": instance, "ramdisk": instance }))
            }
        };
        json!({
            "name": name,
            "driver": "fake-hardware",
            "boot_interface": "ipxe",
            "deploy_interface": interface,
            "automated_clean": false,
            "properties": { "cpu_arch": "x86_64" },
            "driver_info": { "deploy_kernel": image, "deploy_ramdisk": image },
            "instance_info": instance_info,
        })
    }
}

/// Whether the node is in this state and not reserved.
pub(crate) fn is_settled(node: &Value, state: &str) -> bool {
    node.get("provision_state").and_then(Value::as_str) == Some(state)
        && node.get("reservation").is_none_or(Value::is_null)
}

/// Makes the node that the others are copies of, and brings it to where its machine boots.
pub(crate) fn prepare(setup: &Setup<'_>, template: Template<'_>) -> Result<()> {
    let ironpxe = Ironpxe::start_empty(setup)?;
    let ironic = Ironic::new(&format!("http://{}", ironpxe.address))?;
    let node = ironic.create_node(&template.node(TEMPLATE))?;
    let uuid = node.get("uuid").and_then(Value::as_str).context("no uuid")?;
    ironic.create_port(uuid, "06:00:00:00:00:01")?;
    let booted = match template {
        Template::Deploying(_) => "wait call-back",
        Template::Running => "active",
    };
    for (verb, state) in [("manage", "manageable"), ("provide", "available"), ("active", booted)] {
        ironic.provision(uuid, verb)?;
        wait_until(state, || Ok(is_settled(&ironic.node(uuid)?, state)))?;
    }
    Ok(())
}

/// One of them, running.
pub(crate) struct Contestant {
    pub(crate) kind: Kind,
    /// The heading of its column.
    pub(crate) title: String,
    pub(crate) target: Target,
    /// Until the first script, in milliseconds. Not a number for nginx, which has nothing to open.
    pub(crate) first_script_ms: f64,
    /// Before it had anything to do.
    pub(crate) idle: Usage,
}

/// The parameters of all servers.
pub(crate) struct Stage<'a> {
    pub(crate) bench: &'a Bench,
    /// Everything that is written goes here.
    pub(crate) folder: &'a Path,
    pub(crate) nodes: u32,
    pub(crate) template: Template<'a>,
    /// The processors that servers get, as `taskset` takes them; all, if not given.
    pub(crate) cores: Option<&'a str>,
}

/// The servers behind the contestants. They run until this is dropped, in this order.
pub(crate) struct Field {
    pub(crate) all: Vec<Contestant>,
    pub(crate) script_bytes: usize,
    _nginx: Vec<Nginx>,
    _others: Vec<Ironpxe>,
    _ironpxe: BTreeMap<Kind, Ironpxe>,
    _stores: BTreeMap<bool, Store>,
}

impl Stage<'_> {
    /// Fills their databases and starts them.
    pub(crate) fn start(&self, kinds: &[Kind]) -> Result<Field> {
        let mut stores = BTreeMap::from([(false, Store::Sqlite(self.folder.join("sqlite")))]);
        if kinds.iter().any(|it| it.needs_postgres()) {
            stores.insert(true, Store::postgres(&self.bench.ironpxe)?);
        }
        for store in stores.values() {
            prepare(&Setup::new(&self.bench.ironpxe, store, self.folder), self.template)?;
            store.add(0, self.nodes)?;
        }
        let (mut all, mut ironpxes, mut nginxes) = (Vec::new(), BTreeMap::new(), Vec::new());
        // nginx gets its files from the embedded one.
        for kind in kinds.iter().chain([&Kind::Embedded]).map(|it| it.server()) {
            if !kind.is_nginx() && !ironpxes.contains_key(&kind) {
                let store = stores.get(&kind.needs_postgres()).context("no store")?;
                // Two conductors of one database are two: each has its name.
                let host = kind.to_possible_value().context("no name")?.get_name().to_owned();
                let environment = &[("IRONPXE_DEFAULT__HOST", host)];
                let (roles, cores) = (kind.has_roles(), self.cores);
                let setup = Setup::new(&self.bench.ironpxe, store, self.folder);
                let setup = Setup { roles, cores, environment, ..setup };
                ironpxes.insert(kind, Ironpxe::start(&setup)?);
            }
        }
        let embedded = ironpxes.get(&Kind::Embedded).context("no source of files")?;
        let embedded = embedded.target(BY_ADDRESS, "");
        let script_bytes = client::get(embedded.address, &embedded.path(0))?.length;
        let files = self.folder.join("files");
        fs::create_dir_all(&files).context("cannot create a folder for files")?;
        if kinds.iter().any(|it| it.is_nginx()) {
            client::each_script(&embedded, self.nodes, |node, answer| {
                fs::write(files.join(mac(node)), answer.body).context("cannot write")
            })?;
        }
        for kind in kinds {
            let (target, first_script_ms) = if kind.is_nginx() {
                let (folder, logging) = (self.folder.join(kind.title()), *kind == Kind::NginxLog);
                let nginx = Nginx::start(&self.bench.nginx, &folder, &files, logging, self.cores)?;
                let target = nginx.target();
                nginxes.push(nginx);
                (target, f64::NAN)
            } else {
                let ironpxe = ironpxes.get(&kind.server()).context("not started")?;
                let target = match kind {
                    Kind::BootUrl => ironpxe.target("/v1/boot/", "/boot.ipxe"),
                    _ => ironpxe.target(BY_ADDRESS, ""),
                };
                (target, ironpxe.first_script.as_secs_f64() * 1e3)
            };
            let (title, idle) = (kind.title().to_owned(), target.usage()?);
            all.push(Contestant { kind: *kind, title, target, first_script_ms, idle });
        }
        let mut others = Vec::new();
        for (number, executable) in self.bench.beside.iter().enumerate() {
            let host = format!("other-{number}");
            let environment = &[("IRONPXE_DEFAULT__HOST", host)];
            let store = stores.get(&false).context("no store")?;
            let setup = Setup::new(executable, store, self.folder);
            let other = Ironpxe::start(&Setup { cores: self.cores, environment, ..setup })?;
            let target = other.target(BY_ADDRESS, "");
            let name = executable.file_name().unwrap_or(executable.as_os_str());
            let title = format!("{}, SQLite", name.to_string_lossy());
            let first_script_ms = other.first_script.as_secs_f64() * 1e3;
            let (kind, idle) = (Kind::Embedded, target.usage()?);
            all.push(Contestant { kind, title, target, first_script_ms, idle });
            others.push(other);
        }
        compare(&all, self.nodes)?;
        Ok(Field {
            all,
            script_bytes,
            _nginx: nginxes,
            _others: others,
            _ironpxe: ironpxes,
            _stores: stores,
        })
    }
}

/// All must give the same scripts, up to what may differ. Afterwards each machine has asked once.
fn compare(all: &[Contestant], nodes: u32) -> Result<()> {
    let mut wanted: BTreeMap<u32, String> = BTreeMap::new();
    for Contestant { title, target, .. } in all {
        client::each_script(target, nodes, |node, answer| {
            let text = comparable(&answer.text());
            let first = wanted.entry(node).or_insert_with(|| text.clone());
            ensure!(*first == text, "{title} has another script:\n{first}\n---\n{text}");
            Ok(())
        })?;
    }
    Ok(())
}

/// A script without what may differ: each `req-<uuid>`, and the port of our own address.
fn comparable(script: &str) -> String {
    let mut script = script.to_owned();
    for (mark, ends) in [("req-", " \n"), ("127.0.0.1:", "/ \n")] {
        let mut parts = script.split(mark);
        let first = parts.next().unwrap_or_default().to_owned();
        script =
            parts.fold(first, |kept, part| kept + part.trim_start_matches(|it| !ends.contains(it)));
    }
    script
}
