//! A cluster of three real `MariaDB` servers that replicate to each other by Galera, on the loopback.
//!
//! The first creates the cluster; the others get their files from it, by the tools that
//! `cargo xtask test --full` unpacks.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::mariadb::{Launch, Mariadb, NEW_CLUSTER};
use crate::server::Server;
use crate::wait::eventually;

const LIBRARY: &str = "usr/lib/galera/libgalera_smm.so";
/// How often to try other ports if the free ones were taken meanwhile.
const TRIES: usize = 3;
/// What a node keeps for others that were away for a moment.
const PROVIDER: &str = "gcache.size=32M";

/// Where `cargo xtask test --full` unpacks Galera.
pub fn folder() -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let workspace = workspace.context("the crate is not in a workspace")?;
    Ok(workspace.join("target/tools/galera"))
}

/// Whether everything is there that the nodes of a cluster need.
pub fn is_unpacked(folder: &Path) -> bool {
    let programs = ["usr/bin/rsync", "usr/bin/wsrep_sst_rsync", LIBRARY];
    programs
        .iter()
        .all(|program| folder.join(program).is_file())
}

/// A running cluster. Dropping it ends it and removes what it kept.
#[derive(Debug)]
pub struct Galera {
    /// Its nodes.
    pub nodes: [Mariadb; 3],
}

impl Galera {
    /// Starts a cluster whose nodes are all synced.
    pub fn start() -> Result<Self> {
        let folder = folder()?;
        ensure!(
            is_unpacked(&folder),
            "Galera is not in {}: run `cargo xtask test --full`, which unpacks it",
            folder.display()
        );
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::start_once(&folder) {
                Err(_) if tries < TRIES => {}
                started => return started,
            }
        }
    }

    fn start_once(folder: &Path) -> Result<Self> {
        let mut ports = Vec::new();
        for _ in 0..3 {
            ports.push([
                Server::free_port()?,
                Server::free_port()?,
                Server::free_port()?,
            ]);
        }
        let all: Vec<String> = ports
            .iter()
            .map(|[cluster, ..]| format!("127.0.0.1:{cluster}"))
            .collect();
        let node = |number: usize| -> Result<Mariadb> {
            let [cluster, changes, files] = *ports.get(number).context("no ports")?;
            let mut settings = vec![
                "wsrep-on=ON".to_owned(),
                format!("wsrep-provider={}", folder.join(LIBRARY).display()),
                "wsrep-cluster-name=test".to_owned(),
                format!("wsrep-cluster-address=gcomm://{}", all.join(",")),
                format!("wsrep-node-address=127.0.0.1:{cluster}"),
                format!("wsrep-node-name=node-{number}"),
                "wsrep-sst-method=rsync".to_owned(),
                format!("wsrep-sst-receive-address=127.0.0.1:{files}"),
                format!(
                    "wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{cluster};\
                     ist.recv_addr=127.0.0.1:{changes};{PROVIDER}"
                ),
                "binlog-format=ROW".to_owned(),
                "innodb-autoinc-lock-mode=2".to_owned(),
            ];
            settings.extend((number == 0).then(|| NEW_CLUSTER.to_owned()));
            let node = Mariadb::launch(Launch {
                settings,
                galera: Some(folder.to_owned()),
                joins: number > 0,
                ..Launch::default()
            })?;
            eventually("the node is synced", || {
                Ok(state(&node).is_ok_and(|state| state == "Synced"))
            })?;
            Ok(node)
        };
        Ok(Self {
            nodes: [node(0)?, node(1)?, node(2)?],
        })
    }
}

/// What a node is in its cluster: `Synced`, `Donor/Desynced`, `Initialized`, …
pub fn state(node: &Mariadb) -> Result<String> {
    let row = node.sql("", "SHOW STATUS LIKE 'wsrep_local_state_comment'")?;
    Ok(row.split('\t').nth(1).unwrap_or_default().to_owned())
}
