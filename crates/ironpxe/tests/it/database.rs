//! The database that several processes of a test share: a file, or one of a PostgreSQL server's.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::postgres::Postgres;
use ironpxe_testkit::server::ServerOptions;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;

/// How long a statement waits for others who write to the same file.
const TIMEOUT: Duration = crate::app::TIMEOUT;

/// A database with ironpxe's tables. Dropping it deletes it.
pub(crate) enum Database<'server> {
    /// `ironpxe.sqlite` in a folder.
    File(TempDir),
    /// A database of a server.
    Server(&'server Postgres, String),
}

impl Database<'static> {
    /// Runs a test on a file, and on the server that all tests share where there is one.
    pub(crate) fn for_each(test: impl Fn(Self) -> Result<()>) -> Result<()> {
        test(Self::file()?).context("on SQLite")?;
        if let Some(server) = Postgres::shared() {
            test(Database::on(server)?).context("on PostgreSQL")?;
        }
        Ok(())
    }

    pub(crate) fn file() -> Result<Self> {
        Ok(Self::File(tempfile::tempdir()?))
    }
}

impl<'server> Database<'server> {
    /// A new database of `server`.
    pub(crate) fn on(server: &'server Postgres) -> Result<Self> {
        Ok(Self::Server(server, Self::create(server)?))
    }

    /// Creates a database with ironpxe's tables, and gives its name.
    pub(crate) fn create(server: &Postgres) -> Result<String> {
        let name = server.create_database(None)?;
        let upgraded = Command::new(env!("CARGO_BIN_EXE_ironpxe"))
            .args(["db", "upgrade"])
            .env("IRONPXE_DATABASE__CONNECTION", server.url(&name))
            .output()?;
        ensure!(upgraded.status.success(), "{upgraded:?}");
        Ok(name)
    }

    /// What a process needs to be told to use it.
    pub(crate) fn options(&self) -> ServerOptions {
        match self {
            Self::File(folder) => ServerOptions::default().state_dir(folder.path()),
            Self::Server(server, name) => ServerOptions::default().database(server.url(name)),
        }
    }

    /// Whether it is a file, which one process that is stopped can lock for all others.
    pub(crate) fn file_path(&self) -> Option<std::path::PathBuf> {
        match self {
            Self::File(folder) => Some(folder.path().join("ironpxe.sqlite")),
            Self::Server(..) => None,
        }
    }

    /// A UUID as this database's SQL has it.
    pub(crate) fn uuid(&self, uuid: &str) -> String {
        match self {
            Self::File(_) => format!("x'{}'", uuid.replace('-', "")),
            Self::Server(..) => format!("'{uuid}'"),
        }
    }

    /// Runs statements behind the backs of all processes.
    pub(crate) fn execute(&self, sql: &str) -> Result<()> {
        match self {
            Self::File(folder) => {
                execute_in_file(&folder.path().join("ironpxe.sqlite"), TIMEOUT, sql)
            }
            Self::Server(server, name) => server.sql(name, sql).map(drop),
        }
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if let Self::Server(server, name) = self {
            // Where the server is gone, so is the database.
            let _ = server.drop_database(name);
        }
    }
}

/// Runs statements on a SQLite file, waiting at most so long for others who write.
pub(crate) fn execute_in_file(file: &Path, timeout: Duration, sql: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .busy_timeout(timeout);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await;
        connection.close().await?;
        done?;
        Ok(())
    })
}
