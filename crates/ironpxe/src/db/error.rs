//! What can go wrong in the database, and what of it a client may hear.

use std::error::Error;
use std::path::PathBuf;

use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, PortUuid, VolumeConnectorUuid, VolumeTargetUuid};
use ironpxe_core::mac::MacAddress;
use sqlx::migrate::MigrateError;
use uuid::Uuid;

/// When a client may try again after [`DbError::Unavailable`], in seconds.
const RETRY_AFTER: u16 = 2;

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A value that must be unique stands in another row.
    #[error("{0:?} exists already")]
    Duplicate(Duplicate),
    /// The node that is named is not there.
    #[error("there is no node {0}")]
    NodeMissing(NodeUuid),
    /// The port that is named is not there.
    #[error("there is no port {0}")]
    PortMissing(PortUuid),
    /// The volume connector that is named is not there.
    #[error("there is no volume connector {0}")]
    VolumeConnectorMissing(VolumeConnectorUuid),
    /// The volume target that is named is not there.
    #[error("there is no volume target {0}")]
    VolumeTargetMissing(VolumeTargetUuid),
    /// The list cannot be sorted by this field.
    #[error("there is no order by {0}")]
    SortKey(&'static str),
    /// There is nothing to read.
    #[error("there is no database at {}", .0.display())]
    NoDatabase(PathBuf),
    /// The tables are those of another release, and are only to be read.
    #[error(
        "the database {} is of schema {found}, and this ironpxe needs {needed}: {}",
        .path.display(),
        if found < needed {
            "start this ironpxe's service on it, which brings it up to date"
        } else {
            "use the ironpxe that its service is of"
        }
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The number of its last migration; 0 for none.
        found: i64,
        /// The number of the last one of this release.
        needed: i64,
    },
    /// The database file cannot be opened or created.
    #[error("cannot open the database file {}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The tables cannot be brought to the form this release works with.
    #[error("cannot bring the tables of {} up to date", .path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: MigrateError,
    },
    /// The database cannot be worked with now: busy, locked, full or unreachable.
    #[error("{operation}: the database is not available")]
    Unavailable {
        /// What was to be done.
        operation: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// What is stored cannot be read.
    #[error("{operation}: the database holds something unreadable")]
    Corrupt {
        /// What was to be done.
        operation: &'static str,
        /// What, and why.
        source: sqlx::Error,
    },
    /// Anything else.
    #[error("{operation}: the database refused")]
    Sqlx {
        /// What was to be done.
        operation: &'static str,
        /// Why.
        source: sqlx::Error,
    },
}

/// Which value is already taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duplicate {
    /// A node's UUID.
    NodeUuid(NodeUuid),
    /// A node's name.
    NodeName(String),
    /// A node's instance.
    Instance {
        /// The instance, which is on another node.
        instance: Uuid,
        /// The node that was to get it.
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
    /// What a node is called by its storage.
    VolumeConnector {
        /// The kind of name.
        kind: String,
        /// The name.
        connector_id: String,
    },
    /// A volume target's UUID.
    VolumeTargetUuid(VolumeTargetUuid),
    /// The boot index of another target of the node.
    VolumeBootIndex(i64),
}

impl DbError {
    /// Sorts an error of the driver into the classes of this enum.
    pub(super) fn from_sqlx(operation: &'static str, source: sqlx::Error) -> Self {
        match &source {
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Io(_) => Self::Unavailable { operation, source },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Corrupt { operation, source }
            }
            sqlx::Error::Database(error) => match sqlite_code(error.as_ref()) {
                // BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN
                Some(5 | 6 | 8 | 10 | 13 | 14) => Self::Unavailable { operation, source },
                // CORRUPT, NOTADB
                Some(11 | 26) => Self::Corrupt { operation, source },
                _ => Self::Sqlx { operation, source },
            },
            _ => Self::Sqlx { operation, source },
        }
    }
}

/// `SQLite`'s primary result code.
fn sqlite_code(error: &dyn sqlx::error::DatabaseError) -> Option<u32> {
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

/// The `table.column` whose uniqueness a write would have broken.
pub(super) fn taken_column(error: &sqlx::Error) -> Option<&str> {
    violation(error, "UNIQUE constraint failed: ")
}

/// The `table.column` that a write would have left empty.
pub(super) fn empty_column(error: &sqlx::Error) -> Option<&str> {
    violation(error, "NOT NULL constraint failed: ")
}

fn violation<'e>(error: &'e sqlx::Error, kind: &str) -> Option<&'e str> {
    error.as_database_error()?.message().strip_prefix(kind)
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
            DbError::SortKey(key) => Self::InvalidParameterValue(format!(
                "The sort_key value \"{key}\" is invalid for sorting"
            )),
            error @ DbError::Unavailable { .. } => {
                tracing::warn!(error = chain(&error), "the database is not available");
                Self::Unavailable {
                    reason: "The database is not available".to_owned(),
                    retry_after: RETRY_AFTER,
                }
            }
            error @ (DbError::NoDatabase(_)
            | DbError::Schema { .. }
            | DbError::Open { .. }
            | DbError::Migrate { .. }
            | DbError::Corrupt { .. }
            | DbError::Sqlx { .. }) => Self::Internal(chain(&error)),
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

/// What to say when a row was changed by others as often as it was tried to change it here.
pub(super) fn contended() -> Fault {
    Fault::Unavailable {
        reason: "Too many changes at once".to_owned(),
        retry_after: RETRY_AFTER,
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
