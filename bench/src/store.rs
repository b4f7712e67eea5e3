//! Where an ironpxe or an Ironic keeps its nodes, and how it gets thousands of them in seconds.
//!
//! One node and its port are made through the API and brought to where its machine boots. Then the
//! database copies their rows, with all columns, under other names, and is left as one in production
//! is: SQLite's log in the file (ironpxe never runs ANALYZE there), PostgreSQL's tables vacuumed and
//! analyzed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use ironpxe_testkit::mariadb::Mariadb;
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
    /// Of logs, and the state folder of an ironpxe.
    folder: PathBuf,
    database: Database,
}

enum Database {
    Sqlite(PathBuf),
    Postgres(Postgres),
    /// SQLite's file, with Ironic's tables.
    IronicSqlite(PathBuf),
    /// A server, and the database with Ironic's tables.
    IronicMariadb(Mariadb, String),
}

impl Store {
    /// An empty one for this ironpxe: a file in the folder, or on a new PostgreSQL server.
    pub(crate) fn create(folder: PathBuf, ironpxe: &Path, postgres: bool) -> Result<Self> {
        fs::create_dir_all(&folder).context("cannot create a folder")?;
        let database = if postgres {
            Database::Postgres(Postgres::start_with(SETTINGS)?)
        } else {
            Database::Sqlite(folder.join("ironpxe.sqlite"))
        };
        let store = Self { folder, database };
        if postgres {
            let upgrade = store.options("upgrade").environment;
            run(Command::new(ironpxe).args(["db", "upgrade"]).envs(upgrade))?;
        }
        Ok(store)
    }

    /// The one of an Ironic: its file, or a database of a server.
    pub(crate) fn of_ironic(
        folder: PathBuf,
        file: PathBuf,
        server: Option<(Mariadb, String)>,
    ) -> Self {
        let database = match server {
            Some((server, name)) => Database::IronicMariadb(server, name),
            None => Database::IronicSqlite(file),
        };
        Self { folder, database }
    }

    /// The database server's first process, if there is one.
    pub(crate) fn processes(&self) -> Result<Vec<u32>> {
        match &self.database {
            Database::Sqlite(_) | Database::IronicSqlite(_) => Ok(Vec::new()),
            Database::Postgres(server) => Ok(vec![server.pid()?]),
            Database::IronicMariadb(server, _) => Ok(vec![server.pid()?]),
        }
    }

    /// How an ironpxe of this name uses it. A log in a file costs us nothing while we measure.
    pub(crate) fn options(&self, host: &str) -> ServerOptions {
        let options = ServerOptions::default().state_dir(&self.folder);
        let mut options = options.set("IRONPXE_DEFAULT__HOST", host);
        options.log_file = Some(self.folder.join(host));
        match &self.database {
            Database::Postgres(server) => options.database(server.url(DATABASE)),
            _ => options,
        }
    }

    /// Adds the first `nodes` nodes. No other client uses the store meanwhile.
    pub(crate) fn add(&self, nodes: u32) -> Result<()> {
        for start in (0..nodes).step_by(TRANSACTION as usize) {
            let end = nodes.min(start + TRANSACTION);
            self.execute(&self.copies(start, end)?)?;
        }
        let settled = match self.database {
            Database::Sqlite(_) | Database::IronicSqlite(_) => "PRAGMA wal_checkpoint(TRUNCATE);\n",
            Database::Postgres(_) => "VACUUM (ANALYZE);\nCHECKPOINT;\n",
            Database::IronicMariadb(..) => "ANALYZE TABLE nodes, ports;\n",
        };
        self.execute(settled).map(drop)
    }

    /// How large it is on the disk, in MiB.
    pub(crate) fn size_mib(&self) -> Result<f64> {
        let size = "SELECT pg_database_size(current_database())";
        let bytes = match &self.database {
            Database::Sqlite(file) | Database::IronicSqlite(file) => fs::metadata(file)?.len(),
            Database::Postgres(server) => server.sql(DATABASE, size)?.parse()?,
            Database::IronicMariadb(..) => bail!("the size of MariaDB's databases is not known"),
        };
        Ok(mebibytes(bytes))
    }

    /// The SQL by which the rows of the template are copied.
    fn copies(&self, start: u32, end: u32) -> Result<String> {
        let (kind, open) = match self.database {
            Database::Sqlite(_) => ("BLOB", "x'"),
            Database::Postgres(_) => ("UUID", "'"),
            Database::IronicSqlite(_) | Database::IronicMariadb(..) => ("VARCHAR(36)", "'"),
        };
        let row = |node| {
            let dashes = if kind == "BLOB" { "" } else { "-" };
            let [one, two] = [1, 2].map(|kind| uuid(node, kind).replace('-', dashes));
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
        let query = format!(
            "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
        );
        let text = match &self.database {
            Database::Sqlite(_) | Database::IronicSqlite(_) => {
                self.execute(&format!("SELECT name FROM pragma_table_info('{table}');"))?
            }
            Database::Postgres(_) => self.execute(&(query + ";"))?,
            Database::IronicMariadb(server, name) => {
                server.sql(name, &(query + " AND table_schema = DATABASE()"))?
            }
        };
        ensure!(!text.is_empty(), "there is no table {table}");
        Ok(text.lines().filter(|it| *it != "id").map(str::to_owned).collect())
    }

    /// What the database says to this SQL.
    fn execute(&self, sql: &str) -> Result<String> {
        let file = tempfile::NamedTempFile::new().context("cannot create a file for SQL")?;
        fs::write(file.path(), sql).context("cannot write SQL")?;
        match &self.database {
            Database::Postgres(server) => server.sql_file(DATABASE, file.path()),
            Database::IronicMariadb(server, name) => {
                server.sql_file(name, file.path()).map(|()| String::new())
            }
            Database::Sqlite(database) | Database::IronicSqlite(database) => {
                let mut command = Command::new("sqlite3");
                // Its Ironic may be writing.
                command.args(["-bail", "-batch", "-cmd", ".timeout 10000"]).arg(database);
                run(command.arg(format!(".read {}", file.path().display())))
            }
        }
    }
}
