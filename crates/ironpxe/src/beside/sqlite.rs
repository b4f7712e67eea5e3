//! Ironic's `SQLite` database, on this host.
//!
//! The file is opened read-only, like any other reader, so Ironic's locks are respected, and short
//! reads do not slow it down. Never as `immutable`, which would miss commits and read uncommitted
//! rows. Ironic's own file is not in WAL mode; one that an operator has put into it works, too.
//!
//! A locked file, or one whose writer was killed in the middle of a commit, is an error; the machine
//! asks again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::port::Port;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{
    Column as _, ConnectOptions as _, Connection as _, Row as _, TypeInfo as _, ValueRef as _,
};
use tokio::sync::Mutex;

use super::ListedNode;
use super::error::SourceError;
use super::rows::{self, Cell, CellRow, Rows};
use super::statements::{self, Dialect};
use crate::db::{CommitVersion, FileVersions};

/// How long a read waits for a commit of Ironic.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// The timeout for getting a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Reads take tens of microseconds, so few connections suffice.
const CONNECTIONS: u32 = 2;

#[derive(Debug)]
pub(super) struct Sqlite {
    path: PathBuf,
    /// The open file; another one may take its place under its path.
    open: std::sync::RwLock<Option<Arc<Open>>>,
    /// Held while the file is opened.
    opening: Mutex<()>,
}

#[derive(Debug)]
struct Open {
    pool: SqlitePool,
    versions: FileVersions,
}

impl Open {
    /// Closes the file when its last read has ended.
    async fn close(&self) {
        self.pool.close().await;
        self.versions.close();
    }
}

impl Sqlite {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            open: std::sync::RwLock::default(),
            opening: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// See [`super::Ironic::version`].
    pub(super) fn version(&self) -> Option<CommitVersion> {
        self.current()?.versions.current()
    }

    pub(super) async fn rows(&self, machines: &[BootIdent]) -> Result<Rows, SourceError> {
        let (open, mut connection) = self.connection().await?;
        let read = async {
            let before = open.versions.current();
            // One transaction, so that all rows are of one moment, and so that nothing can be
            // committed to a file in rollback mode before its version is read again.
            let mut transaction = connection.begin().await?;
            let mut found = Vec::new();
            for statement in statements::boot(machines, Dialect::Sqlite) {
                let mut query = sqlx::query(statement.text);
                for value in statement.values {
                    query = query.bind(value);
                }
                let rows = query.fetch_all(&mut *transaction).await?;
                found.push((statement.key, rows));
            }
            let after = open.versions.current();
            transaction.rollback().await?;
            Ok((found, before.filter(|version| Some(*version) == after)))
        };
        let (found, version) = read.await.map_err(|error| SourceError::database(&error))?;
        let mut all = Rows {
            version,
            ..Rows::default()
        };
        for (key, rows) in found {
            all.add(key, cells(&rows)?, machines)?;
        }
        Ok(all)
    }

    pub(super) async fn node_by_name(&self, name: &str) -> Result<Option<NodeUuid>, SourceError> {
        rows::node_uuid(&self.select(statements::NODE_BY_NAME, Some(name)).await?)
    }

    pub(super) async fn ports(&self, node: NodeUuid) -> Result<Vec<Port>, SourceError> {
        let uuid = node.to_string();
        rows::ports(node, &self.select(statements::PORTS, Some(&uuid)).await?)
    }

    pub(super) async fn list(&self) -> Result<Vec<ListedNode>, SourceError> {
        rows::list(&self.select(statements::LIST, None).await?)
    }

    /// Executes the boot statement for a machine that does not exist.
    pub(super) async fn ping(&self) -> Result<(), SourceError> {
        let no_node = BootIdent::Node(NodeUuid(uuid::Uuid::nil()));
        self.rows(&[no_node]).await.map(drop)
    }

    pub(super) async fn close(&self) {
        if let Some(open) = self.current() {
            open.close().await;
        }
    }

    /// The rows of a statement.
    pub(super) async fn select(
        &self,
        text: &'static str,
        value: Option<&str>,
    ) -> Result<Vec<CellRow>, SourceError> {
        let (_, mut connection) = self.connection().await?;
        let mut query = sqlx::query(text);
        if let Some(value) = value {
            query = query.bind(value.to_owned());
        }
        let rows = query.fetch_all(&mut *connection).await;
        cells(&rows.map_err(|error| SourceError::database(&error))?)
    }

    /// The open file, if it is still the one at the path.
    fn current(&self) -> Option<Arc<Open>> {
        let open = self
            .open
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        open.clone().filter(|open| open.versions.is_at_its_path())
    }

    /// A connection to the file that is at the path.
    async fn connection(&self) -> Result<(Arc<Open>, PoolConnection<sqlx::Sqlite>), SourceError> {
        let open = self.opened().await?;
        match open.pool.acquire().await {
            Ok(connection) => Ok((open, connection)),
            // The file was replaced a moment ago.
            Err(sqlx::Error::PoolClosed) if !open.versions.is_at_its_path() => {
                let open = self.opened().await?;
                let connection = open.pool.acquire().await;
                Ok((
                    open,
                    connection.map_err(|error| SourceError::database(&error))?,
                ))
            }
            Err(error) => Err(SourceError::database(&error)),
        }
    }

    async fn opened(&self) -> Result<Arc<Open>, SourceError> {
        if let Some(open) = self.current() {
            return Ok(open);
        }
        let _opening = self.opening.lock().await;
        if let Some(open) = self.current() {
            return Ok(open);
        }
        let failed = |problem: &dyn std::fmt::Display| {
            SourceError::Database(format!("{}: {problem}", self.path.display()))
        };
        let versions = FileVersions::of(&self.path).map_err(|error| failed(&error))?;
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(|error| {
                versions.close();
                failed(&error)
            })?;
        let open = Arc::new(Open { pool, versions });
        if !open.versions.is_at_its_path() {
            open.close().await;
            return Err(failed(&"it was replaced while it was opened"));
        }
        let before = {
            let current = self.open.write();
            let mut current = current.unwrap_or_else(std::sync::PoisonError::into_inner);
            current.replace(Arc::clone(&open))
        };
        if let Some(before) = before {
            before.close().await;
        }
        Ok(open)
    }
}

fn cells(rows: &[SqliteRow]) -> Result<Vec<CellRow>, SourceError> {
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let columns = first.columns().iter().map(|column| column.name().into());
    let columns: Arc<[Box<str>]> = columns.collect();
    let row = |row: &SqliteRow| {
        let cells = (0..columns.len()).map(|index| cell(row, index));
        Ok(CellRow::new(
            Arc::clone(&columns),
            cells.collect::<Result<_, _>>()?,
        ))
    };
    let cells: Result<_, sqlx::Error> = rows.iter().map(row).collect();
    cells.map_err(|error| SourceError::database(&error))
}

fn cell(row: &SqliteRow, index: usize) -> Result<Cell, sqlx::Error> {
    let value = row.try_get_raw(index)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info().into_owned();
    Ok(match kind.name() {
        "TEXT" => Cell::Text(row.try_get_unchecked(index)?),
        "INTEGER" | "BOOLEAN" => Cell::Integer(row.try_get_unchecked(index)?),
        kind => Cell::Other(kind.to_owned()),
    })
}
