//! A real Galera cluster: what is committed on one node is booted from another, or nothing is.

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::galera::{Galera, state};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::mariadb::Mariadb;
use ironpxe_testkit::server::Server;
use serde_json::Value;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::runtime::Runtime;

use super::recorded::{recorded, start};
use crate::app::{self, eventually};

const MAC: &str = "52:54:00:be:01:01";
const COMMITS: usize = 200;
/// A client of a node.
struct Client {
    runtime: Runtime,
    connection: MySqlConnection,
}

impl Client {
    fn new(url: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let options: MySqlConnectOptions = url.parse()?;
        let connection = runtime.block_on(options.disable_statement_logging().connect())?;
        Ok(Self {
            runtime,
            connection,
        })
    }

    fn execute(&mut self, sql: String) -> Result<()> {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql));
        self.runtime.block_on(self.connection.execute(statement))?;
        Ok(())
    }

    fn name(&mut self) -> Result<String> {
        let sql = "SELECT name FROM nodes WHERE id = 1";
        let name = sqlx::query_scalar(sql).fetch_one(&mut self.connection);
        Ok(self.runtime.block_on(name)?)
    }

    fn close(self) -> Result<()> {
        self.runtime.block_on(self.connection.close())?;
        Ok(())
    }
}

/// Writes that keep the nodes of a cluster busy until it is dropped.
struct Load {
    stop: Arc<AtomicBool>,
    commits: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    fn start(node: &Mariadb, database: &str) -> Result<Self> {
        node.sql(
            database,
            "CREATE TABLE busy (id INT PRIMARY KEY, x LONGTEXT)",
        )?;
        node.sql(
            database,
            "INSERT INTO busy VALUES (0, ''), (1, ''), (2, '')",
        )?;
        let (stop, commits) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let threads = (0..3).map(|id| {
            let (url, stop) = (node.url(database), Arc::clone(&stop));
            let commits: Arc<AtomicUsize> = Arc::clone(&commits);
            thread::spawn(move || {
                let mut client = Client::new(&url)?;
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    client.execute(format!(
                        "UPDATE busy SET x = REPEAT('{number} ', 50000) WHERE id = {id}"
                    ))?;
                    commits.fetch_add(1, Ordering::Relaxed);
                }
                client.close()
            })
        });
        Ok(Self {
            threads: threads.collect(),
            stop,
            commits,
        })
    }

    fn stop(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let ended = thread.join();
            ended.map_err(|_| anyhow::anyhow!("a writer panicked"))??;
        }
        Ok(self.commits.load(Ordering::Relaxed))
    }
}

/// A cluster with the recorded nodes, and ironpxe, which reads them from its second node.
struct Site {
    database: String,
    folder: tempfile::TempDir,
    server: Server,
    client: Ironic,
    galera: Galera,
}

impl Site {
    fn start() -> Result<Self> {
        let galera = Galera::start()?;
        let [first, second, _] = &galera.nodes;
        let database = first.create_database()?;
        first.sql_file(&database, &recorded("mariadb.sql"))?;
        // Definitions and accounts are replicated, too.
        let folder = tempfile::tempdir()?;
        let (server, client) = start(folder.path(), "mysql", &second.reader(&database))?;
        Ok(Self {
            database,
            folder,
            server,
            client,
            galera,
        })
    }

    fn first(&self) -> &Mariadb {
        &self.galera.nodes[0]
    }

    fn second(&self) -> &Mariadb {
        &self.galera.nodes[1]
    }

    /// The status and the script of the machine.
    fn boot(&self) -> Result<(u16, String)> {
        let path = format!("/v1/boot/{MAC}/boot.ipxe");
        let reply = self.client.get_as_firmware(&path)?;
        Ok((reply.status, reply.text))
    }

    /// The name of the node that the machine's script has.
    fn name(&self) -> Result<String> {
        let (status, script) = self.boot()?;
        ensure!(status == 200, "{status}: {script}");
        let (_, rest) = script.split_once("number-").context(script.clone())?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Ok(format!("number-{digits}"))
    }

    /// Commits on the first node, and boots from the second, `COMMITS` times.
    fn commits_are_booted(&self) -> Result<()> {
        let mut writer = Client::new(&self.first().url(&self.database))?;
        for number in 0..COMMITS {
            let state = if number % 2 == 0 {
                "active"
            } else {
                "wait call-back"
            };
            writer.execute(format!(
                "UPDATE nodes SET name = 'number-{number}', provision_state = '{state}' WHERE id = 1"
            ))?;
            let name = self.name()?;
            ensure!(name == format!("number-{number}"), "{name} after {number}");
            let (_, script) = self.boot()?;
            let boots_ramdisk = script.contains("\nkernel ");
            ensure!(boots_ramdisk == (state != "active"), "{number}: {script}");
        }
        writer.close()
    }

    fn check(&self) -> Result<Value> {
        let args = [
            "beside", "check", "--json", "--node", "number-0", "--config",
        ];
        let file = self.folder.path().join("mysql.toml");
        let Output { stdout, stderr, .. } = app::command(&args).arg(file).output()?;
        let said = String::from_utf8_lossy(&stderr).into_owned();
        serde_json::from_slice(&stdout).context(said)
    }
}

/// Level and text of the finding about `subject`.
fn finding<'a>(report: &'a Value, subject: &str) -> Result<(&'a str, &'a str)> {
    let mut all = report["findings"].as_array().into_iter().flatten();
    let found = all.find(|it| it["subject"] == subject);
    let found = found.with_context(|| format!("nothing about {subject}: {report}"))?;
    let text = |key: &str| found[key].as_str().unwrap_or_default();
    Ok((text("level"), text("text")))
}

#[test]
#[ignore = "cargo xtask test --full: three servers, and hundreds of boots"]
fn commit_on_one_node_is_booted_from_another() -> Result<()> {
    let site = Site::start()?;
    let load = Load::start(site.first(), &site.database)?;
    site.commits_are_booted()?;
    // A node that is not synced with the others reads the same, but waits longer for it.
    site.second().sql("", "SET GLOBAL wsrep_desync = ON")?;
    eventually("the second node is desynced", || {
        Ok(state(site.second())? == "Donor/Desynced")
    })?;
    site.commits_are_booted()?;
    site.second().sql("", "SET GLOBAL wsrep_desync = OFF")?;

    let commits = load.stop()?;
    ensure!(commits > 10, "{commits}");
    Ok(())
}

#[test]
#[ignore = "cargo xtask test --full: three servers"]
fn node_that_cannot_apply_commits_gives_no_old_script() -> Result<()> {
    let site = Site::start()?;
    let mut writer = Client::new(&site.first().url(&site.database))?;
    writer.execute("UPDATE nodes SET name = 'number-0' WHERE id = 1".to_owned())?;
    ensure!(site.name()? == "number-0");
    let report = site.check()?;
    ensure!(finding(&report, "galera")?.0 == "OK", "{report}");

    // As a backup does: the node applies nothing meanwhile.
    let root = format!(
        "mysql://root@127.0.0.1:{}/{}",
        site.second().port,
        site.database
    );
    let mut backup = Client::new(&root)?;
    backup.execute("FLUSH TABLES WITH READ LOCK".to_owned())?;
    writer.execute("UPDATE nodes SET name = 'number-1' WHERE id = 1".to_owned())?;
    let mut reader = Client::new(&site.second().reader(&site.database))?;
    ensure!(reader.name()? == "number-0", "the node is not held up");
    let (status, script) = site.boot()?;
    ensure!(status == 503 && !script.contains("number-0"), "{script}");
    let report = site.check()?;
    let (level, text) = finding(&report, "galera")?;
    ensure!(
        level == "WARN" && text.contains("Donor/Desynced"),
        "{report}"
    );
    ensure!(finding(&report, "boot query")?.0 == "ERROR", "{report}");

    backup.execute("UNLOCK TABLES".to_owned())?;
    eventually("the machine boots again", || Ok(site.boot()?.0 == 200))?;
    ensure!(site.name()? == "number-1");
    Ok(())
}

#[test]
#[ignore = "cargo xtask test --full: three servers, of which two are suspended"]
fn node_without_the_majority_of_its_cluster_is_not_used() -> Result<()> {
    let site = Site::start()?;
    site.first().sql(
        &site.database,
        "UPDATE nodes SET name = 'number-0' WHERE id = 1",
    )?;
    ensure!(site.name()? == "number-0");

    let [first, second, third] = &site.galera.nodes;
    first.pause()?;
    third.pause()?;
    eventually("the second node has noticed", || {
        let (status, script) = site.boot()?;
        // Until it has, nothing was committed that it does not have.
        ensure!(status == 503 || script.contains("number-0"), "{script}");
        Ok(status == 503 && state(second)? == "Initialized")
    })?;
    let (status, _) = site.boot()?;
    ensure!(status == 503, "{status}");
    let log = site.server.log_with("Galera");
    ensure!(
        !log.is_empty(),
        "{:?}",
        site.server.log_with("Ironic's database")
    );
    let report = site.check()?;
    let (level, text) = finding(&report, "galera")?;
    ensure!(level == "ERROR" && text.contains("non-Primary"), "{report}");
    let (level, text) = finding(&report, "boot query")?;
    ensure!(level == "ERROR" && text.contains("Galera"), "{report}");

    first.resume()?;
    third.resume()?;
    eventually("the cluster is whole again, and the machine boots", || {
        Ok(site.boot()?.0 == 200)
    })?;
    ensure!(site.name()? == "number-0");
    Ok(())
}
