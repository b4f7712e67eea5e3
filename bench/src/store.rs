//! Where an ironpxe keeps its nodes, and how it gets thousands of them in seconds.
//!
//! One node and its port are made through the API and brought to where its machine boots. Then the
//! database copies their rows, with all columns, under other names, and is left as one in production
//! is: SQLite's log in the file (ironpxe never runs ANALYZE there), PostgreSQL's tables vacuumed and
//! analyzed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::postgres::{self, Postgres};

use crate::figures::number;
use crate::names::{mac, name, uuid};

/// How many nodes one transaction adds.
const CHUNK: u32 = 50_000;
/// The node that the others are copies of.
pub(crate) const TEMPLATE: &str = "bench-template";
/// Other than the tests' server: everything is flushed, and a quarter of a small machine is cache.
const SETTINGS: &[&str] =
    &["fsync=on", "full_page_writes=on", "shared_buffers=512MB", "max_wal_size=4GB"];

/// A database.
pub(crate) enum Store {
    /// A file in this state folder.
    Sqlite(PathBuf),
    /// A database of a server of its own.
    Postgres(Arc<Postgres>, String),
}

impl Store {
    /// An empty one on a new server.
    pub(crate) fn postgres(ironpxe: &Path) -> Result<Self> {
        let server = Arc::new(Postgres::start_with(SETTINGS)?);
        let name = server.create_database(None)?;
        let store = Self::Postgres(server, name);
        run(Command::new(ironpxe).args(["db", "upgrade"]).envs(store.settings().1))?;
        Ok(store)
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(..) => "PostgreSQL",
        }
    }

    /// The database server's first process, if there is one.
    pub(crate) fn pid(&self) -> Result<Option<u32>> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(server, _) => server.pid().map(Some),
        }
    }

    /// What tells an ironpxe where it is: `--state-dir`, and a setting of the environment.
    pub(crate) fn settings(&self) -> (Option<PathBuf>, Vec<(String, String)>) {
        let connection = "IRONPXE_DATABASE__CONNECTION".to_owned();
        match self {
            Self::Sqlite(folder) => (Some(folder.clone()), Vec::new()),
            Self::Postgres(server, name) => (None, vec![(connection, server.url(name))]),
        }
    }

    /// Adds the nodes from `from` up to `to`. Nobody else uses the store meanwhile.
    pub(crate) fn add(&self, from: u32, to: u32) -> Result<()> {
        let mut start = from;
        while start < to {
            let end = to.min(start.saturating_add(CHUNK));
            self.execute(&self.copies(start, end)?)?;
            start = end;
        }
        let settled = match self {
            Self::Sqlite(_) => "PRAGMA wal_checkpoint(TRUNCATE);\n",
            Self::Postgres(..) => "VACUUM (ANALYZE);\nCHECKPOINT;\n",
        };
        self.execute(settled).map(drop)
    }

    /// How large it is on the disk, in MiB.
    pub(crate) fn size_mib(&self) -> Result<f64> {
        let bytes = match self {
            Self::Sqlite(folder) => fs::metadata(folder.join("ironpxe.sqlite"))?.len(),
            Self::Postgres(..) => {
                self.execute("SELECT pg_database_size(current_database());")?.trim().parse()?
            }
        };
        Ok(number(usize::try_from(bytes)?) / 1024.0 / 1024.0)
    }

    /// The SQL by which the rows of the template are copied.
    fn copies(&self, start: u32, end: u32) -> Result<String> {
        let sqlite = matches!(self, Self::Sqlite(_));
        let (kind, open) = if sqlite { ("BLOB", "x'") } else { ("UUID", "'") };
        let uuid = |node, kind| {
            let uuid = uuid(node, kind);
            if sqlite { uuid.replace('-', "") } else { uuid }
        };
        let mut sql = format!(
            "CREATE TEMPORARY TABLE names (number BIGINT, name TEXT, node_uuid {kind}, \
             port_uuid {kind}, address TEXT);\nBEGIN;\n"
        );
        for node in start..end {
            // Not all in one statement: a parser keeps it all in memory.
            let first = (node - start).is_multiple_of(1000);
            let before = if first { ";\nINSERT INTO names VALUES " } else { "," };
            let (one, two) = (uuid(node, 1), uuid(node, 2));
            let (name, mac) = (name(node), mac(node));
            writeln!(sql, "{before}({node}, '{name}', {open}{one}', {open}{two}', '{mac}')")?;
        }
        sql.push(';');
        let template = format!("(SELECT id FROM nodes WHERE name = '{TEMPLATE}')");
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
        let text = self.execute(&match self {
            Self::Sqlite(_) => format!("SELECT name FROM pragma_table_info('{table}');"),
            Self::Postgres(..) => format!(
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
        match self {
            Self::Sqlite(folder) => {
                let mut command = Command::new("sqlite3");
                command.args(["-bail", "-batch"]).arg(folder.join("ironpxe.sqlite"));
                run(command.arg(format!(".read {}", file.path().display())))
            }
            Self::Postgres(server, name) => {
                let mut command = Command::new(postgres::binaries()?.join("psql"));
                command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f"]);
                run(command.arg(file.path()).arg(server.url(name)))
            }
        }
    }
}

/// What a program prints, which has to succeed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} ended with {}: {errors}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
