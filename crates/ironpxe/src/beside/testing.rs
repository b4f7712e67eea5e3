//! A recorded database of Ironic for tests, and a server of its API.

mod api;

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;

pub(crate) use self::api::{RecordedApi, api_at, recorded_nodes};
use super::Ironic;

const RECORDED: &str = include_str!("../../tests/oracle/ironic-db/sqlite.sql");

/// Ironic's `SQLite` database, with a connection that writes to it as Ironic does.
pub(crate) struct IronicDb {
    pub(crate) path: PathBuf,
    writer: SqliteConnection,
    _folder: TempDir,
}

impl IronicDb {
    /// The recorded nodes.
    pub(crate) async fn recorded() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("ironic.sqlite");
        let mut db = Self {
            writer: connect(&path).await,
            path,
            _folder: folder,
        };
        db.execute(RECORDED).await;
        db
    }

    pub(crate) fn source(&self) -> Ironic {
        Ironic::sqlite(&self.path)
    }

    /// Executes statements, each committed.
    pub(crate) async fn execute(&mut self, text: &str) {
        let statements = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        statements.execute(&mut self.writer).await.unwrap();
    }

    /// Closes the writer's connection, and opens one to another file.
    pub(crate) async fn write_to(&mut self, path: &Path) {
        let before = std::mem::replace(&mut self.writer, connect(path).await);
        before.close().await.unwrap();
    }
}

async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    options.foreign_keys(false).connect().await.unwrap()
}
