//! Database errors, and their faults for clients.

use std::error::Error;
use std::path::PathBuf;

use ironpxe_core::error::Fault;
use ironpxe_core::id::{
    NodeHistoryUuid, NodeUuid, PortUuid, VolumeConnectorUuid, VolumeTargetUuid,
};
use ironpxe_core::mac::MacAddress;
use ironpxe_core::retry_after;
use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;
use uuid::Uuid;

use crate::error_chain::error_chain;

/// Why a database operation failed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A unique value exists in another row.
    #[error("{0:?} already exists")]
    Duplicate(Duplicate),
    /// The node does not exist.
    #[error("there is no node {0}")]
    NodeMissing(NodeUuid),
    /// The port does not exist.
    #[error("there is no port {0}")]
    PortMissing(PortUuid),
    /// The volume connector does not exist.
    #[error("there is no volume connector {0}")]
    VolumeConnectorMissing(VolumeConnectorUuid),
    /// The volume target does not exist.
    #[error("there is no volume target {0}")]
    VolumeTargetMissing(VolumeTargetUuid),
    /// The history entry does not exist.
    #[error("there is no node history entry {0}")]
    NodeHistoryMissing(NodeHistoryUuid),
    /// Lists cannot be sorted by this field.
    #[error("cannot sort by {0}")]
    SortKey(&'static str),
    /// The database file does not exist.
    #[error("there is no database at {}", .0.display())]
    NoDatabase(PathBuf),
    /// The database cannot be opened, created or reached.
    #[error("cannot open the database {location}")]
    Open {
        /// The database's location.
        location: String,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A migration failed.
    #[error("cannot migrate the schema of {location}")]
    Migrate {
        /// The database's location.
        location: String,
        /// The cause.
        source: MigrateError,
    },
    /// The schema is older than this program, which does not migrate a server by itself.
    #[error(
        "the schema of {location} lacks {pending} migrations of this ironpxe: run `ironpxe db \
         upgrade`"
    )]
    SchemaOlder {
        /// The database's location.
        location: String,
        /// The number of missing migrations.
        pending: usize,
    },
    /// The schema is newer than this program and incompatible with it.
    #[error(
        "the schema of {location} has version {here}, but this ironpxe only supports up to \
         version {executable}: upgrade ironpxe"
    )]
    SchemaNewer {
        /// The database's location.
        location: String,
        /// The schema's version.
        here: i64,
        /// The program's version.
        executable: i64,
    },
    /// An applied migration differs from the one of this program.
    #[error(
        "migration {version} of {location} differs from the one in this ironpxe: \
         use the release that created the schema, or a later one"
    )]
    SchemaAltered {
        /// The database's location.
        location: String,
        /// The migration's version.
        version: i64,
    },
    /// A value that the database cannot store.
    #[error("{operation}: the database cannot store the value")]
    Unstorable {
        /// The operation.
        operation: &'static str,
        /// The cause.
        source: sqlx::Error,
    },
    /// The database is temporarily unavailable: busy, locked, full or unreachable.
    #[error("{operation}: the database is not available")]
    Unavailable {
        /// The operation.
        operation: &'static str,
        /// The cause.
        source: sqlx::Error,
    },
    /// A stored value cannot be read.
    #[error("{operation}: the database contains an unreadable value")]
    Corrupt {
        /// The operation.
        operation: &'static str,
        /// The value and the cause.
        source: sqlx::Error,
    },
    /// Anything else.
    #[error("{operation}: the database reported an error")]
    Sqlx {
        /// The operation.
        operation: &'static str,
        /// The cause.
        source: sqlx::Error,
    },
}

/// A unique value that already exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duplicate {
    /// A node's UUID.
    NodeUuid(NodeUuid),
    /// A node's name.
    NodeName(String),
    /// An instance on another node.
    Instance {
        /// The instance.
        instance: Uuid,
        /// The node that the request is about.
        node: NodeUuid,
    },
    /// A port's UUID.
    PortUuid(PortUuid),
    /// A port's name.
    PortName(String),
    /// A port's MAC address.
    PortAddress(MacAddress),
    /// A volume connector's UUID.
    VolumeConnectorUuid(VolumeConnectorUuid),
    /// A node's identity for storage.
    VolumeConnector {
        /// The type.
        kind: String,
        /// The connector ID.
        connector_id: String,
    },
    /// A volume target's UUID.
    VolumeTargetUuid(VolumeTargetUuid),
    /// The boot index of another target of the same node.
    VolumeBootIndex(i64),
}

impl DbError {
    /// Classifies an error of the driver.
    pub(super) fn from_sqlx(operation: &'static str, source: sqlx::Error) -> Self {
        match &source {
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => Self::Unavailable { operation, source },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Corrupt { operation, source }
            }
            sqlx::Error::Database(error) => match class(error.as_ref()) {
                Class::Unavailable => Self::Unavailable { operation, source },
                Class::Corrupt => Self::Corrupt { operation, source },
                Class::Unstorable => Self::Unstorable { operation, source },
                Class::Other => Self::Sqlx { operation, source },
            },
            _ => Self::Sqlx { operation, source },
        }
    }

    /// The constraint that was violated.
    pub(super) fn violation(&self) -> Option<Violation> {
        let Self::Sqlx { source, .. } = self else {
            return None;
        };
        let error = source.as_database_error()?;
        match error.kind() {
            ErrorKind::UniqueViolation => taken(error).map(Violation::Taken),
            // Only a child's node can be missing, or be deleted concurrently.
            ErrorKind::ForeignKeyViolation => Some(Violation::NoNode),
            ErrorKind::NotNullViolation => empty(error)
                .is_some_and(|column| column == "node_id")
                .then_some(Violation::NoNode),
            _ => None,
        }
    }

    /// Whether a file is not writable, but may be readable.
    pub(super) fn is_about_writing(&self) -> bool {
        let source = match self {
            Self::Open { source, .. } => {
                if let Some(error) = source.downcast_ref::<std::io::Error>() {
                    return WriteProblem::of_io(error).is_some();
                }
                source.downcast_ref::<sqlx::Error>()
            }
            Self::Migrate {
                source: MigrateError::Execute(source),
                ..
            }
            | Self::Unavailable { source, .. } => Some(source),
            _ => None,
        };
        source.is_some_and(|source| WriteProblem::of(source).is_some())
    }

    /// Whether the database aborted this for a concurrent transaction.
    pub(super) fn is_serialization_failure(&self) -> bool {
        let Self::Unavailable { source, .. } = self else {
            return false;
        };
        // Serialization failure, deadlock.
        source
            .as_database_error()
            .and_then(DatabaseError::code)
            .is_some_and(|code| matches!(&*code, "40001" | "40P01"))
    }
}

/// Why a readable database is not writable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteProblem {
    /// Its disk is full, or a quota is exceeded.
    Full,
    /// It is read-only.
    ReadOnly,
    /// Writing to its file fails.
    Failing,
}

impl WriteProblem {
    /// The message for clients.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Full => "the database cannot be written to: its disk is full",
            Self::ReadOnly => "the database cannot be written to: it is read-only",
            Self::Failing => "the database cannot be written to: writing its file failed",
        }
    }

    pub(super) fn of(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::Io(error) => Self::of_io(error),
            sqlx::Error::Database(error) => {
                if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
                    return match error.code() {
                        "53100" => Some(Self::Full),
                        "25006" => Some(Self::ReadOnly),
                        _ => None,
                    };
                }
                // READONLY, CANTOPEN; IOERR; FULL
                match sqlite_code(error.as_ref())? {
                    8 | 14 => Some(Self::ReadOnly),
                    10 => Some(Self::Failing),
                    13 => Some(Self::Full),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn of_io(error: &std::io::Error) -> Option<Self> {
        use std::io::ErrorKind as Kind;
        match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded => Some(Self::Full),
            Kind::FileTooLarge => Some(Self::Failing),
            Kind::ReadOnlyFilesystem | Kind::PermissionDenied => Some(Self::ReadOnly),
            _ => None,
        }
    }
}

/// A violated constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Violation {
    /// A unique constraint, by its name in `PostgreSQL` (by default `table_column_column_key`).
    Taken(String),
    /// The node does not exist.
    NoNode,
}

/// The unique constraint that was violated.
fn taken(error: &dyn DatabaseError) -> Option<String> {
    if let Some(constraint) = error.constraint() {
        return Some(constraint.to_owned());
    }
    // SQLite's message is `table.column, table.column`.
    let columns = error
        .message()
        .strip_prefix("UNIQUE constraint failed: ")?
        .split(", ");
    let mut name = String::new();
    for column in columns {
        let (table, column) = column.split_once('.')?;
        if name.is_empty() {
            name.push_str(table);
        }
        name.push('_');
        name.push_str(column);
    }
    Some(name + "_key")
}

/// The column of a violated NOT NULL constraint.
fn empty(error: &dyn DatabaseError) -> Option<&str> {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return error.column();
    }
    let column = error
        .message()
        .strip_prefix("NOT NULL constraint failed: ")?;
    column.split_once('.').map(|(_, column)| column)
}

/// The classes of database errors.
enum Class {
    Unavailable,
    Corrupt,
    Unstorable,
    Other,
}

fn class(error: &dyn DatabaseError) -> Class {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return postgres_class(error.code());
    }
    match sqlite_code(error) {
        // BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN
        Some(5 | 6 | 8 | 10 | 13 | 14) => Class::Unavailable,
        // CORRUPT, NOTADB
        Some(11 | 26) => Class::Corrupt,
        _ => Class::Other,
    }
}

/// By SQLSTATE (`PostgreSQL`'s documentation, appendix A).
fn postgres_class(code: &str) -> Class {
    match code {
        // A NUL character; a text too long for an index.
        "22021" | "54000" => Class::Unstorable,
        // A standby; a lock or a statement that took too long; no such database, for now.
        "25006" | "55P03" | "3D000" => Class::Unavailable,
        _ => match code.get(..2) {
            // Connection, authentication, serialization, resources, operator intervention, system.
            Some("08" | "28" | "40" | "53" | "57" | "58") => Class::Unavailable,
            Some("XX") => Class::Corrupt,
            _ => Class::Other,
        },
    }
}

/// `SQLite`'s primary result code.
fn sqlite_code(error: &dyn DatabaseError) -> Option<u32> {
    error
        .code()?
        .parse::<u32>()
        .ok()
        .map(|extended| extended & 0xff)
}

/// Whether another process has locked the file.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlite_code) == Some(5)
}

impl From<DbError> for Fault {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Duplicate(duplicate) => duplicate.into(),
            DbError::NodeMissing(uuid) => Self::NodeNotFound(uuid.to_string()),
            DbError::PortMissing(uuid) => Self::PortNotFound(uuid.to_string()),
            DbError::VolumeConnectorMissing(uuid) => {
                Self::VolumeConnectorNotFound(uuid.to_string())
            }
            DbError::VolumeTargetMissing(uuid) => Self::VolumeTargetNotFound(uuid.to_string()),
            DbError::NodeHistoryMissing(uuid) => Self::NodeHistoryNotFound(uuid.to_string()),
            DbError::SortKey(key) => Self::InvalidParameterValue(format!(
                "The sort_key value \"{key}\" is invalid for sorting"
            )),
            DbError::Unstorable { .. } => Self::InvalidParameterValue(
                "A text has a NUL character, or is too long to be indexed".to_owned(),
            ),
            DbError::Unavailable { operation, source } => {
                let problem = WriteProblem::of(&source);
                let error = DbError::Unavailable { operation, source };
                tracing::warn!(error = error_chain(&error), "the database is not available");
                let reason = problem.map_or_else(
                    || "The database is not available".to_owned(),
                    |problem| format!("The database is not available: {}", problem.text()),
                );
                Self::unavailable(reason, retry_after::DATABASE)
            }
            error @ (DbError::NoDatabase(_)
            | DbError::Open { .. }
            | DbError::Migrate { .. }
            | DbError::SchemaOlder { .. }
            | DbError::SchemaNewer { .. }
            | DbError::SchemaAltered { .. }
            | DbError::Corrupt { .. }
            | DbError::Sqlx { .. }) => Self::Internal(error_chain(&error)),
        }
    }
}

impl From<Duplicate> for Fault {
    fn from(duplicate: Duplicate) -> Self {
        match duplicate {
            Duplicate::NodeUuid(uuid) => Self::NodeAlreadyExists(uuid),
            Duplicate::NodeName(name) => Self::DuplicateName(name),
            Duplicate::Instance { instance, node } => Self::InstanceAssociated {
                instance: instance.to_string(),
                node: node.to_string(),
            },
            Duplicate::PortUuid(uuid) => Self::PortAlreadyExists(uuid.to_string()),
            Duplicate::PortName(name) => Self::PortDuplicateName(name),
            Duplicate::PortAddress(address) => Self::MacAlreadyExists(address.to_string()),
            Duplicate::VolumeConnectorUuid(uuid) => Self::VolumeUuidExists {
                what: "connector".into(),
                uuid: uuid.to_string(),
            },
            Duplicate::VolumeConnector { kind, connector_id } => {
                Self::VolumeConnectorExists { kind, connector_id }
            }
            Duplicate::VolumeTargetUuid(uuid) => Self::VolumeUuidExists {
                what: "target".into(),
                uuid: uuid.to_string(),
            },
            Duplicate::VolumeBootIndex(index) => Self::VolumeBootIndexExists(index),
        }
    }
}

/// The fault after too many concurrent changes of the same row.
pub(super) fn contended() -> Fault {
    Fault::unavailable("Too many concurrent changes", retry_after::DATABASE)
}
