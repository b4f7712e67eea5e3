//! Questions to the source of nodes about itself.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ironpxe_core::beside::rest;

use super::super::error::SourceError;
use super::super::mysql::Mysql;
use super::super::rest::Rest;
use super::super::rows::CellRow;
use super::super::sqlite::Sqlite;
use super::super::{Ironic, Source};
use super::grants::too_many;
use super::web::clock;
use super::{Finding, Level};

/// The schemas of Ironic's releases: the heads of alembic.
const SCHEMAS: [(&str, &str); 12] = [
    ("c0455649680c", "17.0"),
    ("4dbec778866e", "21.4"),
    ("01f21d5e5195", "24.1"),
    ("66bd9c5604d5", "26.1"),
    ("21c48150dea9", "29.0"),
    ("1c14278d6e33", "31.0"),
    ("3ef27505c9fb", "32.1"),
    ("15e9d00367b0", "33.0"),
    ("9f8c7d6e5b4a", "34.0"),
    ("2a3b4c5d6e7f", "35.1"),
    ("e2d316b60d9e", "36.0 or 37.0"),
    ("16990309ad9d", "38.0"),
];
/// The newest known one.
const NEWEST: (&str, &str) = ("9fb44677ef15", "39.0");
const ALEMBIC: &str = "SELECT version_num FROM alembic_version";

/// The oldest API with everything that a boot needs, in its minor version.
const API_MINOR: u32 = 72;

impl Ironic {
    /// Checks the source: server, rights, schema, coherence, clock.
    pub(crate) async fn probe(&self) -> Vec<Finding> {
        let mut found = match &*self.0 {
            Source::Sqlite(sqlite) => of_sqlite(sqlite).await,
            Source::Mysql(mysql) => of_mysql(mysql).await,
            Source::Rest(rest) => of_rest(rest).await,
        };
        // Whatever is unusual, this is what a boot does.
        match self.ping().await {
            Ok(()) => found.push(Finding::ok(
                "boot query",
                "works: everything that a boot needs can be read",
            )),
            Err(error) => found.push(unusable(&error)),
        }
        if let Source::Sqlite(sqlite) = &*self.0
            && !found.iter().any(|it| it.level == Level::Error)
        {
            found.push(match sqlite.version() {
                Some(_) => Finding::ok(
                    "changes",
                    "are seen without a query: cached scripts are proved current",
                ),
                None => Finding::ok("changes", "are seen by reading at each boot"),
            });
        }
        found
    }
}

/// Why nothing can be decided.
fn unusable(error: &SourceError) -> Finding {
    let advice = match error {
        SourceError::Database(_) => {
            "check [beside]connection and password_file, that the database runs, and that this user \
             may connect or read the file; a locked database is only busy: check again"
        }
        SourceError::ReadOnly => "connect to the primary",
        SourceError::Tls(_) => {
            "give the server a certificate (ssl_cert, ssl_key), name the CA that signed it, and connect by \
             a name or address that is in it"
        }
        SourceError::NotInCluster(_) => "connect to a node that is Synced, or restore the cluster",
        SourceError::Schema(_) => {
            "give the user SELECT on what is named, or upgrade Ironic to 17.0 or newer"
        }
        SourceError::Api(_) | SourceError::NotIronic(_) | SourceError::Answer(_) => {
            "check [beside]endpoint_override, auth_url and the account, and that Ironic's API runs"
        }
        SourceError::Scope(_) => {
            "openstack role add --user USER --user-domain DOMAIN --system all reader, and \
             [beside]system_scope = \"all\""
        }
    };
    Finding::error("boot query", error.to_string(), advice)
}

async fn of_sqlite(sqlite: &Sqlite) -> Vec<Finding> {
    let path = sqlite.path();
    let mut found = Vec::new();
    let about = "SELECT sqlite_version() AS version";
    match sqlite.select(about, None).await {
        Ok(rows) => {
            let version = first(&rows, "version").unwrap_or_default();
            let text = format!("{} can be read (SQLite {version})", path.display());
            found.push(Finding::ok("database", text));
        }
        // The boot query will say so.
        Err(_) => return found,
    }
    if let Ok(rows) = sqlite.select("PRAGMA journal_mode", None).await {
        let mode = first(&rows, "journal_mode").unwrap_or_default();
        found.push(Finding::ok("journal", format!("journal_mode is {mode}")));
    }
    found.push(rights_to_file(path));
    found.push(schema(sqlite.select(ALEMBIC, None).await));
    found
}

/// This user should not be able to write the database.
fn rights_to_file(path: &Path) -> Finding {
    let is_writable = rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    if is_writable {
        Finding::warning(
            "rights",
            format!("this user could write {}", path.display()),
            "run ironpxe as a user who may only read it; ironpxe itself opens it read-only",
        )
    } else {
        Finding::ok("rights", "this user may read the file, not write it")
    }
}

fn first(rows: &[CellRow], column: &str) -> Option<String> {
    rows.first()?.shown(Some(column))
}

/// An unknown schema works if the boot statement does.
fn schema(rows: Result<Vec<CellRow>, SourceError>) -> Finding {
    let advice = "nothing, if the boot query works; look at the comparison of the machines below";
    let Ok(rows) = rows else {
        let text = "the version of the schema cannot be read (table alembic_version)";
        return Finding::warning("schema", text, advice);
    };
    let version = first(&rows, "version_num").unwrap_or_default();
    let mut known = SCHEMAS.iter().chain([&NEWEST]);
    if let Some((_, release)) = known.find(|(known, _)| *known == version) {
        let text = format!("alembic version {version}: that of Ironic {release}");
        return Finding::ok("schema", text);
    }
    let text = format!("the alembic version {version:?} is unknown to this release");
    Finding::warning("schema", text, advice)
}

const SERVER: &str = "SELECT VERSION() AS version, @@global.read_only AS read_only, \
     CAST(UNIX_TIMESTAMP() AS SIGNED) AS now";
const WSREP_ON: &str = "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'";
const WSREP_STATE: &str = "SHOW GLOBAL STATUS LIKE 'wsrep_local_state_comment'";
const WSREP_CLUSTER: &str = "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_status'";
const WSREP_WAIT: &str = "SHOW SESSION VARIABLES LIKE 'wsrep_sync_wait'";
const CIPHER: &str = "SHOW SESSION STATUS LIKE 'Ssl_cipher'";

async fn of_mysql(mysql: &Mysql) -> Vec<Finding> {
    let mut found = Vec::new();
    let variable = async |query| {
        let rows = mysql.fetch(query, &[]).await.unwrap_or_default();
        first(&rows, "Value").unwrap_or_default()
    };
    // First, because a node that lacks commits answers this, but holds back queries.
    if variable(WSREP_ON).await == "ON" {
        found.push(galera(
            &variable(WSREP_STATE).await,
            &variable(WSREP_CLUSTER).await,
            &variable(WSREP_WAIT).await,
        ));
    }
    // The boot query will say so.
    let Ok(server) = mysql.fetch(SERVER, &[]).await else {
        return found;
    };
    let version = first(&server, "version").unwrap_or_default();
    found.push(Finding::ok("database", format!("connected: {version}")));
    match first(&server, "read_only").as_deref() {
        Some("0") => found.push(Finding::ok("primary", "the server is not read-only")),
        _ => found.push(Finding::error(
            "primary",
            "the server is read-only: a replica, which may be behind",
            "connect to the primary",
        )),
    }
    found.push(match variable(CIPHER).await.as_str() {
        "" => Finding::warning(
            "tls",
            "the connection is not encrypted",
            "fine for a socket or the same host; else set [beside]cafile, and REQUIRE SSL for the user",
        ),
        cipher => Finding::ok("tls", format!("the connection is encrypted ({cipher})")),
    });
    found.push(rights(mysql).await);
    found.push(schema(mysql.fetch(ALEMBIC, &[]).await));
    let seconds = first(&server, "now").and_then(|now| now.parse().ok());
    found.extend(seconds.map(|seconds| {
        let theirs = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        clock("the clock of the database", theirs)
    }));
    found
}

/// A node of a cluster: its state, that of its part of the cluster, and `wsrep_sync_wait`.
fn galera(state: &str, cluster: &str, waits: &str) -> Finding {
    match (state, cluster, waits) {
        ("Synced", "Primary", "1") => {
            let text = "this node of the cluster is Synced, wsrep_sync_wait is set";
            Finding::ok("galera", text)
        }
        ("Donor/Desynced", "Primary", "1") => Finding::warning(
            "galera",
            "this node of the cluster is Donor/Desynced: it may fall behind the others, and each read \
             waits until it has caught up (wsrep_sync_wait is set)",
            "connect to a node that is Synced, or end what desynced it (a backup, a node that joins, \
             wsrep_desync)",
        ),
        (.., "1") => Finding::error(
            "galera",
            format!(
                "this node of the cluster is {state:?} in a component that is {cluster:?}: it may lack \
                 what others have committed"
            ),
            "connect to a node that is Synced, or restore the cluster",
        ),
        _ => Finding::error(
            "galera",
            "wsrep_sync_wait could not be set: reads may miss the last commits",
            "connect to a node directly, or let the proxy pass SET SESSION",
        ),
    }
}

async fn rights(mysql: &Mysql) -> Finding {
    let Ok(rows) = mysql.fetch("SHOW GRANTS", &[]).await else {
        let text = "the user's rights cannot be listed (SHOW GRANTS)";
        return Finding::warning("rights", text, "check that it has no right but SELECT");
    };
    let grants = rows.iter().filter_map(|row| row.shown(None));
    let mut rights: Vec<String> = grants.flat_map(|grant| too_many(&grant)).collect();
    rights.sort();
    rights.dedup();
    if rights.is_empty() {
        return Finding::ok("rights", "the user may read, and change nothing");
    }
    Finding::warning(
        "rights",
        format!(
            "the user has more rights than SELECT: {}",
            rights.join(", ")
        ),
        "use a user of ironpxe's own that has SELECT only; ironpxe itself only reads",
    )
}

async fn of_rest(rest: &Rest) -> Vec<Finding> {
    let mut found = Vec::new();
    let body = rest
        .get("for its versions".to_owned(), "/".to_owned())
        .await;
    // The boot query will say so.
    let Ok(body) = body else {
        return found;
    };
    let minor = |version: &str| version.strip_prefix("1.")?.parse::<u32>().ok();
    match rest::newest_version(&body) {
        Ok(version) if minor(&version).is_some_and(|minor| minor >= API_MINOR) => {
            let text = format!("answers, with versions up to {version}");
            found.push(Finding::ok("api", text));
        }
        Ok(version) => found.push(Finding::error(
            "api",
            format!("its newest version is {version}; 1.{API_MINOR} is required"),
            "upgrade Ironic to 17.0 or newer",
        )),
        Err(problem) => found.push(Finding::error(
            "api",
            problem.to_string(),
            "correct [beside]endpoint_override: it must be the URL of Ironic's API",
        )),
    }
    found
}
