//! Where an ironpxe keeps its nodes, and how it gets thousands of them in seconds.
//!
//! One node and its port are made through the API and brought to where its machine boots. Then the
//! database copies their rows, with all columns, under other names, and is left as one in production
//! is: SQLite's log in the file (ironpxe never runs ANALYZE there), PostgreSQL's tables vacuumed and
//! analyzed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::postgres::Postgres;
use ironpxe_testkit::process::run;
use ironpxe_testkit::server::ServerOptions;

use crate::figures::mebibytes;
use crate::names::{TEMPLATE, mac, name, uuid};

/// How many nodes one transaction adds.
const TRANSACTION: u32 = 50_000;
/// How many names one statement adds: a parser keeps a statement in memory as a whole.
const STATEMENT: u32 = 1000;
/// Other than the tests' server: everything is flushed, and a quarter of a small machine is cache.
const SETTINGS: &[&str] =
    &["fsync=on", "full_page_writes=on", "shared_buffers=512MB", "max_wal_size=4GB"];
/// The database of a PostgreSQL server that has no other.
const DATABASE: &str = "postgres";

/// A database of its own.
pub(crate) struct Store {
    /// Of SQLite's file, and of logs.
    folder: PathBuf,
    /// Where there is none, the database is SQLite.
    server: Option<Postgres>,
}

impl Store {
    /// An empty one for this ironpxe: a file in the folder, or on a new PostgreSQL server.
    pub(crate) fn create(folder: PathBuf, ironpxe: &Path, postgres: bool) -> Result<Self> {
        fs::create_dir_all(&folder).context("cannot create a folder")?;
        let server = postgres.then(|| Postgres::start_with(SETTINGS)).transpose()?;
        let store = Self { folder, server };
        if postgres {
            let upgrade = store.options("upgrade").environment;
            run(Command::new(ironpxe).args(["db", "upgrade"]).envs(upgrade))?;
        }
        Ok(store)
    }

    /// The database server's first process, if there is one.
    pub(crate) fn pid(&self) -> Result<Option<u32>> {
        self.server.as_ref().map(Postgres::pid).transpose()
    }

    /// How an ironpxe of this name uses it. A log in a file costs us nothing while we measure.
    pub(crate) fn options(&self, host: &str) -> ServerOptions {
        let options = ServerOptions::default().state_dir(&self.folder);
        let mut options = options.set("IRONPXE_DEFAULT__HOST", host);
        options.log_file = Some(self.folder.join(host));
        match &self.server {
            Some(server) => options.database(server.url(DATABASE)),
            None => options,
        }
    }

    /// Adds the first `nodes` nodes. No other client uses the store meanwhile.
    pub(crate) fn add(&self, nodes: u32) -> Result<()> {
        for start in (0..nodes).step_by(TRANSACTION as usize) {
            let end = nodes.min(start + TRANSACTION);
            self.execute(&self.copies(start, end)?)?;
        }
        let settled = match self.server {
            None => "PRAGMA wal_checkpoint(TRUNCATE);\n",
            Some(_) => "VACUUM (ANALYZE);\nCHECKPOINT;\n",
        };
        self.execute(settled).map(drop)
    }

    /// How large it is on the disk, in MiB.
    pub(crate) fn size_mib(&self) -> Result<f64> {
        let size = "SELECT pg_database_size(current_database())";
        let bytes = match &self.server {
            None => fs::metadata(self.folder.join("ironpxe.sqlite"))?.len(),
            Some(server) => server.sql(DATABASE, size)?.parse()?,
        };
        Ok(mebibytes(bytes))
    }

    /// The SQL by which the rows of the template are copied.
    fn copies(&self, start: u32, end: u32) -> Result<String> {
        let (kind, open) = if self.server.is_none() { ("BLOB", "x'") } else { ("UUID", "'") };
        let row = |node| {
            let [one, two] = [1, 2].map(|kind| uuid(node, kind).replace('-', ""));
            format!("({node}, '{}', {open}{one}', {open}{two}', '{}')", name(node), mac(node))
        };
        let mut sql = format!(
            "CREATE TEMPORARY TABLE names (number BIGINT, name TEXT, node_uuid {kind}, \
             port_uuid {kind}, address TEXT);\nBEGIN;\n"
        );
        for first in (start..end).step_by(STATEMENT as usize) {
            let rows: Vec<String> = (first..end.min(first + STATEMENT)).map(row).collect();
            writeln!(sql, "INSERT INTO names VALUES {};", rows.join(","))?;
        }
        let template = format!("(SELECT id FROM nodes WHERE name = '{}')", name(TEMPLATE));
        let of_node = "(SELECT id FROM nodes WHERE uuid = new.node_uuid)";
        for (table, key, new) in [
            ("nodes", "id", &[("uuid", "new.node_uuid"), ("name", "new.name")][..]),
            (
                "ports",
                "node_id",
                &[("uuid", "new.port_uuid"), ("address", "new.address"), ("node_id", of_node)],
            ),
        ] {
            let columns = self.columns(table)?;
            let value = |column: &String| {
                let found = new.iter().find(|(name, _)| name == column);
                found.map_or_else(|| format!("old.{column}"), |(_, value)| (*value).to_owned())
            };
            let values: Vec<String> = columns.iter().map(value).collect();
            writeln!(
                sql,
                "INSERT INTO {table} ({}) SELECT {} FROM {table} AS old, names AS new \
                 WHERE old.{key} = {template} ORDER BY new.number;",
                columns.join(", "),
                values.join(", "),
            )?;
        }
        Ok(sql + "COMMIT;\n")
    }

    /// The columns of a table but for its number, which the database gives.
    fn columns(&self, table: &str) -> Result<Vec<String>> {
        let text = self.execute(&match self.server {
            None => format!("SELECT name FROM pragma_table_info('{table}');"),
            Some(_) => format!(
                "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}';"
            ),
        })?;
        ensure!(!text.is_empty(), "there is no table {table}");
        Ok(text.lines().filter(|it| *it != "id").map(str::to_owned).collect())
    }

    /// What the database says to this SQL.
    fn execute(&self, sql: &str) -> Result<String> {
        let file = tempfile::NamedTempFile::new().context("cannot create a file for SQL")?;
        fs::write(file.path(), sql).context("cannot write SQL")?;
        if let Some(server) = &self.server {
            server.sql_file(DATABASE, file.path())
        } else {
            let mut command = Command::new("sqlite3");
            command.args(["-bail", "-batch"]).arg(self.folder.join("ironpxe.sqlite"));
            run(command.arg(format!(".read {}", file.path().display())))
        }
    }
}
