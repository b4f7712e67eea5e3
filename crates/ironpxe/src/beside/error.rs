//! Why a source gives no answer. The machine asks again.

use ironpxe_core::beside::Problem;
use ironpxe_core::error::Fault;
use ironpxe_core::retry_after;

use crate::error_chain::error_chain;
use crate::openstack::OpenStackError;

/// A source that cannot be used now. None of these says anything about a machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    /// The database did not answer, or with an error.
    #[error("Ironic's database cannot be read: {0}")]
    Database(String),
    /// The server is a replica, or read-only during a fail-over: its answers may be old.
    #[error(
        "Ironic's database server is read-only (@@read_only=1): a replica may be behind, so it is not \
         used; connect to the primary"
    )]
    ReadOnly,
    /// The server has no TLS, or not with the certificate that is required.
    #[error("{0}")]
    Tls(String),
    /// The server is a node of a Galera cluster, and does not know what the cluster has committed.
    #[error(
        "Ironic's database server is a node of a Galera cluster that has no contact with the majority \
         of the nodes, or is still joining them ({0}), so it may lack commits; machines retry until it \
         is Synced; or connect to another node"
    )]
    NotInCluster(String),
    /// The schema lacks something that all releases since Ironic 17.0 have.
    #[error(
        "the boot statement cannot be executed on Ironic's database: {0}; Ironic 17.0 and newer have \
         the required tables and columns, and the user needs the right to read them (`ironpxe beside \
         check`)"
    )]
    Schema(String),
    /// The API did not answer, or with an error.
    #[error("{0}")]
    Api(OpenStackError),
    /// 404 by something else than Ironic's API.
    #[error(
        "{0}: not by Ironic, whose responses have the header X-OpenStack-Ironic-API-Version; a proxy \
         in front of it, or another service"
    )]
    NotIronic(OpenStackError),
    /// The API answers, but not everything to this account.
    #[error(
        "Ironic's API shows this account no such port, but perhaps it may not see all: GET \
         /v1/conductors was refused ({0}); give the account the role reader in the scope system"
    )]
    Scope(OpenStackError),
    /// The answer is not Ironic's.
    #[error("{0}")]
    Answer(Problem),
}

impl SourceError {
    /// From an error of the database.
    pub(super) fn database(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::Database("no connection in time".to_owned()),
            sqlx::Error::ColumnNotFound(_) | sqlx::Error::ColumnDecode { .. } => {
                Self::Schema(error_chain(error))
            }
            error if number(error) == Some(ER_UNKNOWN_COM_ERROR) => {
                Self::NotInCluster(error_chain(error))
            }
            error if number(error) == Some(ER_LOCK_WAIT_TIMEOUT) => Self::Database(format!(
                "{}: waiting for a lock, or, on Galera, for the node to have applied what others \
                 committed",
                error_chain(error)
            )),
            error if number(error) == Some(ER_ACCESS_DENIED_ERROR) => Self::Database(format!(
                "{}: the password is wrong, the user may not connect from this host, or may only with \
                 TLS ([beside]cafile)",
                error_chain(error)
            )),
            error if is_about_schema(error) => Self::Schema(error_chain(error)),
            error => Self::Database(error_chain(error)),
        }
    }
}

/// What Galera answers to each query if a node is not in the primary component.
const ER_UNKNOWN_COM_ERROR: u16 = 1047;
const ER_LOCK_WAIT_TIMEOUT: u16 = 1205;
const ER_ACCESS_DENIED_ERROR: u16 = 1045;

/// The number of an error of `MariaDB` or `MySQL`.
fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?;
    let error = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?;
    Some(error.number())
}

/// Missing tables, columns, functions or rights.
fn is_about_schema(error: &sqlx::Error) -> bool {
    if let Some(number) = number(error) {
        // ER_BAD_FIELD, ER_NO_SUCH_TABLE, ER_TABLEACCESS_DENIED, ER_COLUMNACCESS_DENIED,
        // ER_SP_DOES_NOT_EXIST, ER_VIEW_INVALID, ER_DBACCESS_DENIED.
        return matches!(number, 1054 | 1146 | 1142 | 1143 | 1305 | 1356 | 1044);
    }
    let Some(error) = error.as_database_error() else {
        return false;
    };
    let message = error.message();
    ["no such table", "no such column", "no such function"]
        .iter()
        .any(|text| message.starts_with(text))
}

impl From<Problem> for SourceError {
    fn from(problem: Problem) -> Self {
        Self::Answer(problem)
    }
}

impl From<SourceError> for Fault {
    /// The client only learns that it should retry; the log has the reason.
    fn from(_: SourceError) -> Self {
        Self::unavailable(
            "Ironic cannot be asked about the node now",
            retry_after::SERVICE,
        )
    }
}
