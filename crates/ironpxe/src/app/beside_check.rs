//! `ironpxe beside check`: the source's own findings, then every machine of an existing Ironic,
//! compared with Ironic's file. Nothing is changed anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::OnceLock;

use futures_util::{StreamExt as _, stream};
use ironpxe_core::beside::{
    Difference, FileProblem, IronicFile, IronicMachine, ScriptBoot, Topic, differences,
};
use ironpxe_core::boot::{BootPlan, Scripts};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::mac::MacAddress;

use super::{OfflineError, beside, preview_images};
use crate::app::settings::{refusals, selection, unknown_policy};
use crate::beside::check::{ComparedMachine, Finding, NotRead, Outcome, Report, WebServers};
use crate::beside::{Ironic, ListedNode};
use crate::boot::preview::{Context, Decided, decided};
use crate::config::Config;

/// How many machines are compared at the same time.
const AT_ONCE: usize = 4;

/// What is compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckOptions {
    /// Only these nodes, by name or UUID; empty for all.
    pub nodes: Vec<String>,
    /// Whether the content of images is compared.
    pub digests: bool,
}

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    /// This service has its own nodes.
    #[error("[beside]source is not set: this is for a service beside an existing Ironic")]
    NotBeside,
    /// An existing Ironic cannot be used as configured.
    #[error(transparent)]
    Beside(#[from] beside::BesideSetupError),
    /// There is no HTTP client.
    #[error("cannot ask web servers")]
    Web(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Images are not available.
    #[error(transparent)]
    Images(#[from] OfflineError),
}

/// What all comparisons share.
struct Check<'a> {
    ironic: &'a Ironic,
    http_urls: &'a BTreeMap<String, String>,
    web: &'a WebServers,
    context: Context<'a>,
    digests: bool,
    /// The first failure of the source; the other machines are not asked for then.
    failed: OnceLock<String>,
    /// Conductors whose web server is not configured.
    without_url: std::sync::Mutex<BTreeSet<String>>,
}

type FileResult = Option<Result<IronicFile, FileProblem>>;

/// Checks everything.
pub(crate) async fn check(
    config: &Config,
    scripts: &Scripts,
    options: &CheckOptions,
) -> Result<Report, CheckError> {
    let ironic = beside::ironic(config)?.ok_or(CheckError::NotBeside)?;
    let web = WebServers::new(config.beside.cafile.as_deref());
    let web = web.map_err(|error| CheckError::Web(Box::new(error)))?;
    let url = beside::ironic_url(config);
    let check = Check {
        ironic: &ironic,
        http_urls: &beside::http_urls(config),
        web: &web,
        context: Context {
            settings: &config.boot_settings(url.clone()),
            scripts,
            images: &preview_images(config)?,
            unknown_machines: &unknown_policy(config),
            selection: &selection(config),
            refusals: refusals(config),
        },
        digests: options.digests,
        failed: OnceLock::new(),
        without_url: std::sync::Mutex::default(),
    };
    let mut report = Report {
        findings: ironic.probe().await,
        machines: Vec::new(),
    };
    report.add(of_ironic_conf(&config.beside.ironic_conf.0));
    report.findings.extend(web.api(&url).await);
    match ironic.list().await {
        Ok(nodes) => {
            let nodes = selected(nodes, options, &mut report);
            check.machines(&nodes, &mut report).await;
        }
        Err(error) => report.add(Finding::error(
            "nodes",
            format!("cannot be listed: {error}"),
            "see the findings above; then check again",
        )),
    }
    ironic.close().await;
    Ok(report)
}

/// Where kernel arguments and images come from.
fn of_ironic_conf(paths: &[PathBuf]) -> Finding {
    if paths.is_empty() {
        return Finding::warning(
            "ironic.conf",
            "is not read: kernel arguments and images are those of ironpxe's own configuration",
            "set [beside]ironic_conf to Ironic's configuration files",
        );
    }
    let paths: Vec<String> = paths.iter().map(|it| it.display().to_string()).collect();
    let text = format!("is read: {}", paths.join(", "));
    Finding::ok("ironic.conf", text)
}

/// The nodes to compare; says which there are not.
fn selected(
    nodes: Vec<ListedNode>,
    options: &CheckOptions,
    report: &mut Report,
) -> Vec<ListedNode> {
    let is_it = |node: &ListedNode, name: &String| {
        node.name.as_ref() == Some(name) || node.uuid.to_string() == *name
    };
    if nodes.is_empty() {
        report.add(Finding::error(
            "nodes",
            "there are none, or this account may not see them",
            "if Ironic has nodes: check the database's name, or the account's role and scope",
        ));
    }
    for name in &options.nodes {
        if !nodes.iter().any(|node| is_it(node, name)) {
            let text = format!("no node has the name or UUID {name:?}");
            report.add(Finding::error("nodes", text, "correct --node"));
        }
    }
    let is_wanted = |node: &ListedNode| {
        options.nodes.is_empty() || options.nodes.iter().any(|name| is_it(node, name))
    };
    nodes.into_iter().filter(is_wanted).collect()
}

impl Check<'_> {
    async fn machines(&self, nodes: &[ListedNode], report: &mut Report) {
        let without_port = nodes
            .iter()
            .filter(|node| node.addresses.is_empty())
            .count();
        if !nodes.is_empty() {
            let text = format!("{} nodes, {without_port} without a port", nodes.len());
            report.add(Finding::ok("nodes", text));
        }
        let pairs = nodes
            .iter()
            .flat_map(|node| node.addresses.iter().map(move |address| (node, address)));
        let compared = stream::iter(pairs)
            .map(|(node, address)| self.machine(node, address))
            .buffered(AT_ONCE);
        report.machines = compared.collect().await;
        if let Some(problem) = self.failed.get() {
            report.add(Finding::error(
                "nodes",
                problem.clone(),
                "not all machines are compared; check again",
            ));
        }
        report.findings.extend(self.web.problems());
        let missing = self.without_url.lock();
        let missing = missing.unwrap_or_else(std::sync::PoisonError::into_inner);
        for conductor in &*missing {
            report.add(Finding::error(
                "web server",
                format!(
                    "that of conductor {conductor:?} is unknown, so its files are not compared"
                ),
                format!("set [beside]http_urls = {{ {conductor:?} = URL }}: its [deploy]http_url"),
            ));
        }
    }

    async fn machine(&self, node: &ListedNode, address: &str) -> ComparedMachine {
        let mut compared = ComparedMachine {
            node: node.name.clone().unwrap_or_else(|| node.uuid.to_string()),
            uuid: node.uuid.to_string(),
            address: address.to_owned(),
            state: String::new(),
            boots: String::new(),
            outcome: Outcome::NotCompared(String::new()),
        };
        let Ok(mac) = address.parse::<MacAddress>() else {
            compared.outcome = Outcome::NotCompared("not an Ethernet address".to_owned());
            return compared;
        };
        // A node may change between the decision and the reading of the file, so what differs is
        // read once more.
        for _ in 0..2 {
            compared.outcome = match self.compare(mac, &mut compared).await {
                Ok(differences) if differences.is_empty() => Outcome::Agrees,
                Ok(differences) => Outcome::Differs(differences),
                Err(why) => Outcome::NotCompared(why),
            };
            if !matches!(compared.outcome, Outcome::Differs(_)) {
                break;
            }
        }
        compared
    }

    async fn compare(
        &self,
        mac: MacAddress,
        compared: &mut ComparedMachine,
    ) -> Result<Vec<Difference>, String> {
        if self.failed.get().is_some() {
            return Err("Ironic cannot be asked".to_owned());
        }
        let ident = BootIdent::Address(mac);
        let answer = self.ironic.machines(&[ident]).await.map_err(|error| {
            // Only the first is reported.
            let _ = self.failed.set(error.to_string());
            error.to_string()
        })?;
        let found = answer.found.get(&ident).ok_or("the port is gone")?;
        let machine = &found.machine;
        let decided = decided(machine, self.http_urls, self.context);
        let decided = decided.await.map_err(|fault| fault.to_string())?;
        let state = machine.node.provision_state.name();
        state.clone_into(&mut compared.state);
        decided.plan.title().clone_into(&mut compared.boots);
        let file = self.file(machine, mac).await?;
        let Decided { plan, script } = &decided;
        let mut found = differences(machine, plan, script, file.as_ref());
        if let (true, BootPlan::Linux(_), Some(Ok(file))) = (self.digests, plan, &file)
            && found.iter().all(|it| it.topic != Topic::Section)
        {
            self.compare_digests(&ScriptBoot::of_script(script), &file.boot, &mut found)
                .await;
        }
        Ok(found)
    }

    /// Ironic's file: that of the node's conductor, or, if none has prepared it, of any.
    async fn file(&self, machine: &IronicMachine, mac: MacAddress) -> Result<FileResult, String> {
        let urls: Vec<&String> = match &machine.conductor {
            None => self.http_urls.values().collect(),
            Some(conductor) => {
                let Some(url) = self.http_urls.get(conductor) else {
                    let missing = self.without_url.lock();
                    let mut missing = missing.unwrap_or_else(std::sync::PoisonError::into_inner);
                    missing.insert(conductor.clone());
                    return Err(format!("the web server of {conductor} is unknown"));
                };
                vec![url]
            }
        };
        for url in urls {
            match self.web.file(url, mac).await {
                Ok(None) => {}
                Ok(file) => return Ok(file),
                Err(NotRead) => return Err("the web server gives no file".to_owned()),
            }
        }
        Ok(None)
    }

    /// Replaces the comparison of the images' names by that of their content.
    async fn compare_digests(
        &self,
        ours: &ScriptBoot,
        theirs: &ScriptBoot,
        found: &mut Vec<Difference>,
    ) {
        let kernels = ours.kernel.iter().zip(&theirs.kernel);
        let kernels = kernels.map(|pair| (Topic::Kernel, pair));
        let ramdisks = ours.ramdisks.iter().zip(&theirs.ramdisks);
        let is_same_number = ours.ramdisks.len() == theirs.ramdisks.len();
        let ramdisks = ramdisks.map(|pair| (Topic::Ramdisk, pair));
        found.retain(|it| match it.topic {
            Topic::Kernel => false,
            Topic::Ramdisk => !is_same_number,
            _ => true,
        });
        for (topic, (here, of_ironic)) in kernels.chain(ramdisks) {
            let (one, other) = (
                self.web.digest(here).await,
                self.web.digest(of_ironic).await,
            );
            let text = match (one, other) {
                (Ok(one), Ok(other)) if one == other => continue,
                (Ok(one), Ok(other)) => {
                    format!("SHA-256 of Ironic's copy: {other}; of the image here: {one}")
                }
                (Err(problem), _) => format!("the image here cannot be read: {problem}"),
                (_, Err(problem)) => format!("Ironic's copy cannot be read: {problem}"),
            };
            found.push(Difference {
                topic,
                text,
                known: None,
            });
        }
    }
}
