//! `[database]connection`: the database's URL.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

const SQLITE_FORM: &str = "expected sqlite:///path/to/file, with an absolute path and nothing else";
const POSTGRES_FORM: &str = "expected postgresql://user:password@host:port/database";
/// The supported query parameters of a PostgreSQL URL, as in libpq.
const POSTGRES_OPTIONS: [&str; 8] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "port",
    "user",
    "application_name",
];

/// The database. Its output formats omit the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Connection {
    /// A `SQLite` file.
    Sqlite(PathBuf),
    /// A database on a `PostgreSQL` server.
    Postgres(Postgres),
}

/// The connection to a `PostgreSQL` server.
#[derive(Clone)]
pub struct Postgres {
    /// The driver's options, including the password.
    pub options: Box<PgConnectOptions>,
    url: String,
}

impl PartialEq for Postgres {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for Postgres {}

/// A placeholder before [`super::Config`] is loaded.
impl Default for Connection {
    fn default() -> Self {
        Self::Sqlite(PathBuf::new())
    }
}

impl TryFrom<String> for Connection {
    type Error = String;

    // Errors do not contain the URL, because it may have a password.
    fn try_from(url: String) -> Result<Self, Self::Error> {
        match url.split_once("://") {
            Some(("sqlite", path)) => sqlite(path),
            Some(("postgresql" | "postgres", rest)) => postgres(&url, rest),
            Some((scheme, _)) => Err(format!(
                "expected sqlite:///path/to/file or postgresql://…, not {scheme}"
            )),
            None => Err(format!("{SQLITE_FORM}; or {POSTGRES_FORM}")),
        }
    }
}

fn sqlite(path: &str) -> Result<Connection, String> {
    // Ironic's files have four slashes before an absolute path, URLs have three.
    let file = path.trim_start_matches('/');
    if !path.starts_with('/') || file.is_empty() || file.ends_with('/') || file.contains('?') {
        return Err(SQLITE_FORM.to_owned());
    }
    Ok(Connection::Sqlite(PathBuf::from(format!("/{file}"))))
}

fn postgres(url: &str, rest: &str) -> Result<Connection, String> {
    if let Some((_, options)) = rest.split_once('?') {
        // The driver would only log a warning, with the value.
        for option in options.split('&') {
            let key = option.split('=').next().unwrap_or_default();
            if key == "password" {
                return Err(format!(
                    "the password belongs before the host: {POSTGRES_FORM}"
                ));
            }
            if !POSTGRES_OPTIONS.contains(&key) {
                return Err(format!(
                    "the supported parameters after ? are {}, separated by &; a ? in the password is \
                     written %3F",
                    POSTGRES_OPTIONS.join(", ")
                ));
            }
        }
    }
    // An unencoded one of these in a password changes the URL's meaning: the end of the password
    // would be the host name.
    let database = rest
        .split(['?', '#'])
        .next()
        .and_then(|it| it.split_once('/'))
        .map(|(_, database)| database)
        .unwrap_or_default();
    if rest.contains('#') || database.contains(['@', '/']) || rest.matches('@').count() > 1 {
        return Err(format!(
            "{POSTGRES_FORM}; in the password, / is written %2F, @ is %40, # is %23 and : is %3A"
        ));
    }
    if database.is_empty() {
        return Err(format!("the URL has no database name: {POSTGRES_FORM}"));
    }
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| format!("{POSTGRES_FORM}; the driver says: {error}"))?;
    Ok(Connection::Postgres(Postgres {
        options: Box::new(options),
        url: url.to_owned(),
    }))
}

impl From<Connection> for String {
    fn from(connection: Connection) -> Self {
        connection.to_string()
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(postgres) => postgres.fmt(f),
        }
    }
}

impl fmt::Display for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        let (user, host, port) = (
            options.get_username(),
            options.get_host(),
            options.get_port(),
        );
        let database = options.get_database().unwrap_or_default();
        let mut separator = '?';
        match options.get_socket() {
            Some(folder) => {
                let folder = folder.display();
                write!(
                    f,
                    "postgresql:///{database}?host={folder}&port={port}&user={user}"
                )?;
                separator = '&';
            }
            None => write!(f, "postgresql://{user}@{host}:{port}/{database}")?,
        }
        let mode = match options.get_ssl_mode() {
            PgSslMode::Disable => "disable",
            PgSslMode::Allow => "allow",
            PgSslMode::Prefer => return Ok(()),
            PgSslMode::Require => "require",
            PgSslMode::VerifyCa => "verify-ca",
            PgSslMode::VerifyFull => "verify-full",
        };
        write!(f, "{separator}sslmode={mode}")
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
