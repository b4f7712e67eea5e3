//! Where an ironpxe keeps its nodes, and how it gets thousands of them in seconds.
//!
//! One node and its port are made through the API and brought to where the node waits for its
//! deploy ramdisk. Then the database copies their rows, all columns of them, with other names:
//! what is in the tables, and in each of their indexes, is what as many calls of the API would
//! have left. Afterwards the copy is in the state that a database in production is in: its log is
//! moved into the file (SQLite; ironpxe itself never runs ANALYZE there), or it is vacuumed and
//! analyzed, as autovacuum does in the background (PostgreSQL).

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::postgres::{self, Postgres};

use super::names::{self, Kind};
use crate::shell;

const CONNECTION: &str = "IRONPXE_DATABASE__CONNECTION";
/// How many nodes one transaction adds.
const CHUNK: u32 = 50_000;
/// The node that the others are copies of.
pub(super) const TEMPLATE: &str = "bench-template";

/// A database.
pub(super) enum Store {
    /// A file in this state folder.
    Sqlite(PathBuf),
    /// A database of a server.
    Postgres(Arc<Postgres>, String),
}

/// How the benchmark's PostgreSQL is set, other than the tests' one: as in production, where
/// everything is flushed, and a quarter of a small machine's memory is cache.
pub(super) const POSTGRES_SETTINGS: &[&str] = &[
    "fsync=on",
    "full_page_writes=on",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
];

impl Store {
    /// An empty one on a server.
    pub(super) fn on(server: &Arc<Postgres>, binary: &Path) -> Result<Self> {
        let name = server.create_database(None)?;
        let mut upgrade = Command::new(binary);
        upgrade.args(["db", "upgrade"]);
        upgrade.env(CONNECTION, server.url(&name));
        shell::run_quiet(&mut upgrade)?;
        Ok(Self::Postgres(Arc::clone(server), name))
    }

    /// For people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(..) => "PostgreSQL",
        }
    }

    /// The server's first process, if it is one of its own.
    pub(super) fn pid(&self) -> Result<Option<u32>> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(server, _) => server.pid().map(Some),
        }
    }

    /// Tells an ironpxe about to be started where it is, and takes away what else it might hear.
    pub(super) fn tell(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("IRONPXE_") {
                command.env_remove(name);
            }
        }
        match self {
            Self::Sqlite(folder) => {
                command.arg("--state-dir").arg(folder);
            }
            Self::Postgres(server, name) => {
                command.env(CONNECTION, server.url(name));
            }
        }
    }

    /// Adds the nodes from `from` up to `to`, and has them as they are in production. Nobody else
    /// uses the store meanwhile.
    pub(super) fn add(&self, from: u32, to: u32) -> Result<()> {
        let scratch = tempfile::tempdir().context("cannot create a scratch folder")?;
        let file = scratch.path().join("nodes.sql");
        let mut start = from;
        while start < to {
            let end = to.min(start.saturating_add(CHUNK));
            self.write_chunk(&file, start, end)?;
            self.execute(&file)?;
            start = end;
        }
        fs::write(&file, self.settled()).context("cannot write SQL")?;
        self.execute(&file)
    }

    /// How large it is on the disk, in MiB.
    pub(super) fn size_mib(&self) -> Result<f64> {
        let bytes: u64 = match self {
            Self::Sqlite(folder) => {
                let entries = fs::read_dir(folder).context("cannot list the state folder")?;
                entries
                    .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
                    .sum()
            }
            Self::Postgres(server, name) => {
                let asked = server.sql(name, "SELECT pg_database_size(current_database())")?;
                asked.parse().context("the database has no size")?
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
        let mib = bytes as f64 / 1024.0 / 1024.0;
        Ok(mib)
    }

    /// Removes it.
    pub(super) fn remove(self) -> Result<()> {
        match self {
            Self::Sqlite(folder) => {
                fs::remove_dir_all(folder).context("cannot remove a state folder")
            }
            Self::Postgres(server, name) => server.drop_database(&name),
        }
    }

    fn write_chunk(&self, file: &Path, start: u32, end: u32) -> Result<()> {
        let nodes = self.columns("nodes")?;
        let ports = self.columns("ports")?;
        let mut out = BufWriter::new(File::create(file).context("cannot create a file of SQL")?);
        let types = match self {
            Self::Sqlite(_) => ("BLOB", "x'", "'"),
            Self::Postgres(..) => ("UUID", "'", "'"),
        };
        let (uuid_type, open, close) = types;
        writeln!(
            out,
            "CREATE TEMPORARY TABLE names (number BIGINT, name TEXT, node_uuid {uuid_type}, \
             port_uuid {uuid_type}, address TEXT);\nBEGIN;"
        )?;
        for (position, index) in (start..end).enumerate() {
            // Not all in one statement: a parser keeps it all in memory.
            match position % 1000 {
                0 => write!(out, "INSERT INTO names VALUES ")?,
                _ => writeln!(out, ",")?,
            }
            let uuid = |kind| match self {
                Self::Sqlite(_) => names::uuid(index, kind).replace('-', ""),
                Self::Postgres(..) => names::uuid(index, kind),
            };
            write!(
                out,
                "({index}, '{}', {open}{}{close}, {open}{}{close}, '{}')",
                names::name(index),
                uuid(Kind::Node),
                uuid(Kind::Port),
                names::mac(index, ":"),
            )?;
            if position % 1000 == 999 || index + 1 == end {
                writeln!(out, ";")?;
            }
        }
        writeln!(
            out,
            "INSERT INTO nodes ({}) SELECT {} FROM nodes AS old, names AS new \
             WHERE old.name = '{TEMPLATE}' ORDER BY new.number;",
            nodes.join(", "),
            copied(&nodes, &[("uuid", "new.node_uuid"), ("name", "new.name")]),
        )?;
        writeln!(
            out,
            "INSERT INTO ports ({}) SELECT {} FROM ports AS old, names AS new \
             WHERE old.node_id = (SELECT id FROM nodes WHERE name = '{TEMPLATE}') \
             ORDER BY new.number;",
            ports.join(", "),
            copied(
                &ports,
                &[
                    ("uuid", "new.port_uuid"),
                    ("address", "new.address"),
                    (
                        "node_id",
                        "(SELECT nodes.id FROM nodes WHERE nodes.uuid = new.node_uuid)"
                    ),
                ]
            ),
        )?;
        writeln!(out, "COMMIT;")?;
        if let Self::Sqlite(_) = self {
            writeln!(out, "PRAGMA wal_checkpoint(TRUNCATE);")?;
        }
        out.flush().context("cannot write a file of SQL")
    }

    /// The columns of a table but for its number, which the database gives.
    fn columns(&self, table: &str) -> Result<Vec<String>> {
        let text = match self {
            Self::Sqlite(folder) => shell::run_quiet(
                Command::new("sqlite3")
                    .arg(database_file(folder))
                    .arg(format!("SELECT name FROM pragma_table_info('{table}')")),
            )?,
            Self::Postgres(server, name) => server.sql(
                name,
                &format!(
                    "SELECT column_name FROM information_schema.columns \
                     WHERE table_name = '{table}' ORDER BY ordinal_position"
                ),
            )?,
        };
        let columns: Vec<String> = text.lines().map(str::to_owned).collect();
        ensure!(!columns.is_empty(), "there is no table {table}");
        Ok(columns.into_iter().filter(|it| it != "id").collect())
    }

    fn settled(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "PRAGMA wal_checkpoint(TRUNCATE);\n",
            Self::Postgres(..) => "VACUUM (ANALYZE);\nCHECKPOINT;\n",
        }
    }

    fn execute(&self, file: &Path) -> Result<()> {
        let mut command = match self {
            Self::Sqlite(folder) => {
                let mut command = Command::new("sqlite3");
                command.args(["-bail", "-batch"]);
                command.arg(database_file(folder));
                // No flush for each chunk: the last checkpoint has one.
                command.arg(format!(".read {}", file.display()));
                command
            }
            Self::Postgres(server, name) => {
                let mut command = Command::new(postgres::binaries()?.join("psql"));
                command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]);
                command.arg(file).arg(server.url(name));
                command.env("PGCONNECT_TIMEOUT", "10");
                command
            }
        };
        command.stdin(Stdio::null());
        shell::run_quiet(&mut command).map(drop)
    }
}

fn database_file(folder: &Path) -> PathBuf {
    folder.join("ironpxe.sqlite")
}

/// The columns as they are selected: those of the old row, but for some.
fn copied(columns: &[String], other: &[(&str, &str)]) -> String {
    let value = |column: &String| {
        let found = other.iter().find(|(name, _)| name == column);
        found.map_or_else(|| format!("old.{column}"), |(_, value)| (*value).to_owned())
    };
    columns.iter().map(value).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::copied;

    #[test]
    fn a_copy_has_every_column_of_the_old_row() {
        let columns = ["uuid", "extra"].map(str::to_owned);
        assert_eq!(copied(&columns, &[("uuid", "new.u")]), "new.u, old.extra");
    }
}
