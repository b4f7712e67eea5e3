//! What is compared: nginx with files, and ironpxe in the ways it can be run and asked.
//!
//! All have the same nodes, and so the same scripts. These are compared before anything is measured.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::server::{Server, ServerOptions};
use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Bench;
use crate::client;
use crate::names::{TEMPLATE, mac, name, uuid};
use crate::servers::Service;
use crate::store::Store;

/// A way to serve scripts, or to ask for them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Variant {
    /// nginx with a file for each address, without a log
    Nginx,
    /// The same with its usual log
    NginxLog,
    /// ironpxe in one process with SQLite, asked by `port_address`
    Embedded,
    /// The same, asked as `/v1/boot/<mac>/boot.ipxe`
    BootUrl,
    /// ironpxe in one process with PostgreSQL
    Postgres,
    /// API and conductor apart, with SQLite
    Roles,
    /// API and conductor apart, with PostgreSQL
    RolesPostgres,
}

impl Variant {
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

    /// nginx's access log, of those that are nginx.
    fn nginx_log(self) -> Option<&'static str> {
        match self {
            Self::Nginx => Some("off"),
            Self::NginxLog => Some("access.log"),
            _ => None,
        }
    }

    pub(crate) fn is_ironpxe(self) -> bool {
        self.nginx_log().is_none()
    }

    fn needs_postgres(self) -> bool {
        matches!(self, Self::Postgres | Self::RolesPostgres)
    }

    fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Roles | Self::RolesPostgres => &["conductor", "api"],
            _ => &["all"],
        }
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
    pub(crate) fn node(self, node: u32) -> Value {
        let instance = "http://192.0.2.1/instance";
        let ramdisk = json!({ "kernel": instance, "ramdisk": instance });
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
            Self::Running => ("ramdisk", instance, ramdisk),
        };
        json!({
            "name": name(node),
            "uuid": uuid(node, 1),
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

/// The parameters of all servers.
pub(crate) struct Setup<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) nodes: u32,
    pub(crate) template: Template<'a>,
    /// The processors that servers get, as `taskset` takes them; all, if not given.
    pub(crate) cores: Option<&'a str>,
    /// Of ironpxe, as its environment has them.
    pub(crate) settings: Vec<(String, String)>,
}

/// Variants that run, and what they need, which ends after them.
pub(crate) struct Deployment {
    pub(crate) services: Vec<Service>,
    /// PostgreSQL is `true`.
    pub(crate) stores: BTreeMap<bool, Store>,
    _folder: TempDir,
}

impl Setup<'_> {
    /// Starts the variants, and the executables to compare with, and compares their scripts.
    pub(crate) fn start(&self, variants: &[Variant]) -> Result<Deployment> {
        let mut deployment = self.deploy(variants)?;
        for executable in &self.bench.compare {
            let name = executable.file_name().unwrap_or(executable.as_os_str());
            let title = format!("{}, SQLite", name.to_string_lossy());
            let stores = &deployment.stores;
            let service = self.ironpxe(Variant::Embedded, &title, executable, stores)?;
            deployment.services.push(service);
        }
        compare(&deployment.services, self.nodes)?;
        Ok(deployment)
    }

    /// Fills the databases and starts the variants. Without nginx, whose files are the scripts of all
    /// nodes, no machine but the first has asked for its script then.
    pub(crate) fn deploy(&self, variants: &[Variant]) -> Result<Deployment> {
        let (scratch, executable) = (tempfile::tempdir()?, &self.bench.ironpxe);
        let (folder, files) = (scratch.path(), scratch.path().join("files"));
        // nginx gets its files from SQLite.
        let mut needed: BTreeSet<bool> = variants.iter().map(|it| it.needs_postgres()).collect();
        needed.extend(self.bench.compare.iter().map(|_| false));
        let filled = |postgres| {
            let folder = folder.join(if postgres { "postgres" } else { "sqlite" });
            let store = Store::create(folder, executable, postgres)?;
            self.prepare(&store)?;
            store.add(self.nodes)?;
            Ok((postgres, store))
        };
        let stores = needed.into_iter().map(filled).collect::<Result<_>>()?;
        if !variants.iter().all(|it| it.is_ironpxe()) {
            fs::create_dir_all(&files).context("cannot create a folder for files")?;
            let source = self.ironpxe(Variant::Embedded, "source", executable, &stores)?;
            client::each_script(&source.target, self.nodes, |node, answer| {
                fs::write(files.join(mac(node)), answer.body).context("cannot write a script")
            })?;
        }
        let start = |variant: &Variant| match variant.nginx_log() {
            None => self.ironpxe(*variant, variant.title(), executable, &stores),
            Some(log) => {
                let (nginx, root) = (&self.bench.nginx, format!("root {};", files.display()));
                Service::nginx(variant.title(), nginx, folder, &root, log, self.cores)
            }
        };
        let services = variants.iter().map(start).collect::<Result<_>>()?;
        Ok(Deployment { services, stores, _folder: scratch })
    }

    /// Makes the node that the others are copies of, and brings it to where its machine boots.
    fn prepare(&self, store: &Store) -> Result<()> {
        let mut server = Server::start(&self.bench.ironpxe, &self.options(store))?;
        let ironic = Ironic::new(server.base_url())?;
        let node = ironic.enrol(&self.template.node(TEMPLATE), &mac(TEMPLATE))?;
        let booted = match self.template {
            Template::Deploying(_) => "wait call-back",
            Template::Running => "active",
        };
        let steps = [("manage", "manageable"), ("provide", "available"), ("active", booted)];
        ironic.walk(&node, &steps)?;
        ironic.wait_unreserved(&node)?;
        server.terminate().map(drop)
    }

    fn ironpxe(
        &self,
        variant: Variant,
        title: &str,
        executable: &Path,
        stores: &BTreeMap<bool, Store>,
    ) -> Result<Service> {
        let store = stores.get(&variant.needs_postgres()).context("no database")?;
        let options = self.options(store);
        let database = store.processes()?;
        let service = Service::ironpxe(title, executable, database, &options, variant.roles())?;
        Ok(if variant == Variant::BootUrl { service.by_boot_url() } else { service })
    }

    fn options(&self, store: &Store) -> ServerOptions {
        // Conductors of one database need names of their own.
        let mut options = store.options(&format!("bench-{:016x}", fastrand::u64(..)));
        options.environment.extend(self.settings.iter().cloned());
        options.cores = self.cores.map(str::to_owned);
        options
    }
}

/// All must give the same scripts, up to what may differ: the request's identifier, and the port of our own
/// address. Afterwards each machine has asked once.
pub(crate) fn compare(all: &[Service], nodes: u32) -> Result<()> {
    let differs = Regex::new(r"req-[0-9a-f-]+|127\.0\.0\.1:\d+")?;
    let mut wanted: BTreeMap<u32, String> = BTreeMap::new();
    for Service { title, target, .. } in all {
        client::each_script(target, nodes, |node, answer| {
            let text = differs.replace_all(&answer.text(), "").into_owned();
            let first = wanted.entry(node).or_insert_with(|| text.clone());
            ensure!(*first == text, "{title} has another script:\n{first}\n---\n{text}");
            Ok(())
        })?;
    }
    Ok(())
}
