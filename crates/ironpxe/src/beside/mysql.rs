//! Ironic's `MariaDB` (also Galera) or `MySQL` database.
//!
//! Every statement is a transaction of its own (autocommit) and limited in time on both sides: an
//! open read transaction would stop `ironic-dbsync upgrade`, and with it every other reader. On
//! Galera each statement waits until its node has applied what others have committed
//! (`wsrep_sync_wait`). A server that is read-only is a replica, or in a fail-over, and not used.
//!
//! Sources: the manuals of `MariaDB` (`max_statement_time`, `wsrep_sync_wait`) and `MySQL`
//! (`max_execution_time`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::port::Port;
use sqlx::mysql::{
    MySqlConnectOptions, MySqlConnection, MySqlPool, MySqlPoolOptions, MySqlRow, MySqlSslMode,
};
use sqlx::pool::PoolConnection;
use sqlx::{Column as _, ConnectOptions as _, Connection as _, Executor as _, MySql, Row as _};
use sqlx::{TypeInfo as _, ValueRef as _};

use super::ListedNode;
use super::error::SourceError;
use super::rows::{self, Cell, CellRow, Rows};
use super::statements::{self, Dialect};
use crate::error_chain::error_chain;
use crate::openstack::Secret;

/// The timeout for getting a connection, including a new one.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// From waiting for a connection to the last row.
const DEADLINE: Duration = Duration::from_secs(5);
/// Connections that were idle for longer are tested before use.
const TEST_IDLE_AFTER: Duration = Duration::from_secs(1);
/// Idle connections are closed after this time, before the server or a proxy does so.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);
/// A new connection costs thirty times as much as a statement.
const CONNECTIONS: u32 = 4;

/// The settings of a session. Those that a server does not know are skipped.
const SESSION: [&str; 5] = [
    "SET SESSION TRANSACTION READ ONLY",
    "SET SESSION lock_wait_timeout = 2",
    "SET SESSION wsrep_sync_wait = 1",
    // MariaDB, in seconds.
    "SET SESSION max_statement_time = 2",
    // MySQL, in milliseconds.
    "SET SESSION max_execution_time = 2000",
];

/// `ER_UNKNOWN_SYSTEM_VARIABLE`
const UNKNOWN_VARIABLE: u16 = 1193;

/// Where Ironic's database is.
#[derive(Debug, Clone)]
pub(crate) struct MysqlSettings {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its Unix socket, instead of host and port.
    pub socket: Option<PathBuf>,
    /// The user, who needs nothing but SELECT.
    pub user: String,
    /// The user's password.
    pub password: Option<Secret>,
    /// The database with Ironic's tables, or with views of them.
    pub database: String,
    /// Whether the connection is encrypted.
    pub tls: MysqlTls,
}

/// The encryption of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MysqlTls {
    /// None.
    Off,
    /// TLS; certificate and name of the server are verified with the system's CA certificates, and
    /// with these, as PEM.
    Verified(Option<PathBuf>),
}

impl MysqlSettings {
    /// Why no connection could be established, if that is about TLS: never without encryption instead.
    fn tls_problem(&self, error: &sqlx::Error) -> Option<SourceError> {
        let MysqlTls::Verified(cafile) = &self.tls else {
            return None;
        };
        is_about_tls(error).then(|| {
            let cas = match cafile {
                Some(cafile) => format!(
                    "signed by a CA of {} ([beside]cafile, or ssl_ca in [beside]connection)",
                    cafile.display()
                ),
                None => {
                    "signed by one of the system's CAs (set [beside]cafile for another)".to_owned()
                }
            };
            let Self { host, port, .. } = self;
            SourceError::Tls(format!(
                "no TLS with Ironic's database server at {host}:{port}: {}; the server must have a \
                 certificate for {host:?} that is {cas}",
                error_chain(error)
            ))
        })
    }
}

/// Whether a server has no TLS, or not with the right certificate.
fn is_about_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        // Of the handshake.
        sqlx::Error::Io(error) => {
            let inner = error.get_ref();
            inner
                .and_then(|it| it.downcast_ref::<rustls::Error>())
                .is_some()
        }
        _ => false,
    }
}

#[derive(Debug)]
pub(super) struct Mysql {
    pool: MySqlPool,
    settings: MysqlSettings,
}

impl Mysql {
    pub(super) fn new(settings: &MysqlSettings) -> Self {
        let options = MySqlConnectOptions::new()
            .host(&settings.host)
            .port(settings.port)
            .username(&settings.user)
            .database(&settings.database)
            .disable_statement_logging();
        let options = match &settings.socket {
            Some(socket) => options.socket(socket),
            None => options,
        };
        let options = match &settings.password {
            Some(Secret(password)) => options.password(password),
            None => options,
        };
        let options = match &settings.tls {
            MysqlTls::Off => options.ssl_mode(MySqlSslMode::Disabled),
            MysqlTls::Verified(None) => options.ssl_mode(MySqlSslMode::VerifyIdentity),
            MysqlTls::Verified(Some(cafile)) => options
                .ssl_mode(MySqlSslMode::VerifyIdentity)
                .ssl_ca(cafile),
        };
        let pool = MySqlPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(IDLE_TIMEOUT)
            .test_before_acquire(false)
            .after_connect(|connection, _| Box::pin(prepare(connection)))
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    if about.idle_for < TEST_IDLE_AFTER {
                        return Ok(true);
                    }
                    Ok(connection.ping().await.is_ok())
                })
            })
            .connect_lazy_with(options);
        let settings = settings.clone();
        Self { pool, settings }
    }

    pub(super) async fn rows(&self, machines: &[BootIdent]) -> Result<Rows, SourceError> {
        let mut all = Rows::default();
        for statement in statements::boot(machines, Dialect::Mysql) {
            let rows = self.fetch(statement.text, &statement.values).await?;
            let is_read_only = |row: &CellRow| row.cell("read_only") != Some(&Cell::Integer(0));
            if rows.first().is_none_or(is_read_only) {
                return Err(SourceError::ReadOnly);
            }
            all.add(statement.key, rows, machines)?;
        }
        Ok(all)
    }

    pub(super) async fn node_by_name(&self, name: &str) -> Result<Option<NodeUuid>, SourceError> {
        let rows = self
            .fetch(statements::NODE_BY_NAME, &[name.to_owned()])
            .await?;
        rows::node_uuid(&rows)
    }

    pub(super) async fn ports(&self, node: NodeUuid) -> Result<Vec<Port>, SourceError> {
        let rows = self.fetch(statements::PORTS, &[node.to_string()]).await?;
        rows::ports(node, &rows)
    }

    pub(super) async fn list(&self) -> Result<Vec<ListedNode>, SourceError> {
        rows::list(&self.fetch(statements::LIST, &[]).await?)
    }

    /// Executes the boot statement for a machine that does not exist.
    pub(super) async fn ping(&self) -> Result<(), SourceError> {
        let no_node = BootIdent::Node(NodeUuid(uuid::Uuid::nil()));
        self.rows(&[no_node]).await.map(drop)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    async fn fetch_once(
        &self,
        text: &'static str,
        values: &[String],
    ) -> Result<Vec<MySqlRow>, sqlx::Error> {
        let mut lease = Lease(Some(self.pool.acquire().await?));
        let mut query = sqlx::query(text);
        for value in values {
            query = query.bind(value);
        }
        let rows = query.fetch_all(lease.get()?).await;
        if matches!(rows, Ok(_) | Err(sqlx::Error::Database(_))) {
            lease.give_back();
        }
        rows
    }

    /// The rows of a statement. A broken connection is replaced: a query can be repeated.
    pub(super) async fn fetch(
        &self,
        text: &'static str,
        values: &[String],
    ) -> Result<Vec<CellRow>, SourceError> {
        let fetch = async {
            let mut tries = 0;
            loop {
                tries += 1;
                match self.fetch_once(text, values).await {
                    Err(error) if is_about_tls(&error) => return Err(error),
                    Err(sqlx::Error::Io(_) | sqlx::Error::Protocol(_)) if tries <= CONNECTIONS => {}
                    rows => return rows,
                }
            }
        };
        // Boxed, because it is much larger than its callers.
        match tokio::time::timeout(DEADLINE, Box::pin(fetch)).await {
            Ok(Ok(rows)) => cells(&rows).map_err(|error| SourceError::database(&error)),
            Ok(Err(error)) => Err(self
                .settings
                .tls_problem(&error)
                .unwrap_or_else(|| SourceError::database(&error))),
            Err(_) => Err(SourceError::Database(format!(
                "no answer within {} s (a node of a Galera cluster waits while it lacks what others \
                 committed, or has lost contact with them)",
                DEADLINE.as_secs()
            ))),
        }
    }
}

/// A connection from the pool, which is closed unless its statement was answered: returning it would
/// wait for the answer, for which a server that has vanished needs many minutes.
struct Lease(Option<PoolConnection<MySql>>);

impl Lease {
    fn get(&mut self) -> Result<&mut MySqlConnection, sqlx::Error> {
        self.0.as_deref_mut().ok_or(sqlx::Error::WorkerCrashed)
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}

async fn prepare(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    for statement in SESSION {
        match connection.execute(statement).await {
            Ok(_) => {}
            Err(sqlx::Error::Database(error))
                if error
                    .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                    .is_some_and(|error| error.number() == UNKNOWN_VARIABLE) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn cells(rows: &[MySqlRow]) -> Result<Vec<CellRow>, sqlx::Error> {
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let columns = first.columns().iter().map(|column| column.name().into());
    let columns: Arc<[Box<str>]> = columns.collect();
    let row = |row: &MySqlRow| {
        let cells = (0..columns.len()).map(|index| cell(row, index));
        Ok(CellRow::new(
            Arc::clone(&columns),
            cells.collect::<Result<_, _>>()?,
        ))
    };
    rows.iter().map(row).collect()
}

fn cell(row: &MySqlRow, index: usize) -> Result<Cell, sqlx::Error> {
    let value = row.try_get_raw(index)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info().into_owned();
    let kind = kind.name();
    Ok(match kind.trim_end_matches(" UNSIGNED") {
        "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "VARCHAR" | "CHAR" | "JSON" | "ENUM" => {
            Cell::Text(row.try_get_unchecked(index)?)
        }
        // Texts, too, if their collation is binary, as that of MySQL's JSON functions is
        // (utf8mb4_bin).
        "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" | "VARBINARY" | "BINARY" => {
            match String::from_utf8(row.try_get_unchecked(index)?) {
                Ok(text) => Cell::Text(text),
                Err(_) => Cell::Other(format!("{kind} that is not UTF-8")),
            }
        }
        "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => {
            Cell::Integer(row.try_get_unchecked(index)?)
        }
        _ => Cell::Other(kind.to_owned()),
    })
}
