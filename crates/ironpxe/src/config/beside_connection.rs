//! `[beside]connection`: the URL of another Ironic's database, in the form of `SQLAlchemy`.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::values::Secret;

const FORM: &str = "expected mysql://user@host:port/database (or mysql+pymysql://…), \
                    sqlite:////path/to/file, or the absolute path of a file";
const ENCODING: &str = "in a user name or password, @ is written %40, : is %3A, / is %2F, ? is %3F \
                        and % is %25";

/// Parameters without a meaning here: this driver always uses UTF-8, and has timeouts of its own.
const IGNORED: [&str; 6] = [
    "charset",
    "use_unicode",
    "connect_timeout",
    "read_timeout",
    "write_timeout",
    "autocommit",
];

/// Another Ironic's database. Its output formats omit the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum BesideConnection {
    /// An `SQLite` file.
    Sqlite(PathBuf),
    /// A database on a server.
    Mysql(Box<Mysql>),
}

/// A database on a `MySQL` or `MariaDB` server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Mysql {
    /// The server's name or address (IPv6 without brackets).
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// Its Unix socket, which is used instead of host and port (`unix_socket`).
    pub socket: Option<PathBuf>,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: Option<Secret>,
    /// The database's name.
    pub database: String,
    /// Whether the connection is encrypted.
    pub tls: MysqlTls,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MysqlTls {
    /// It is not.
    Off,
    /// It is. The server's certificate must have its name, and be signed by one of these CAs (PEM),
    /// or by one of the system's.
    Verify {
        /// The file of the CA certificates.
        cafile: Option<PathBuf>,
    },
}

impl TryFrom<String> for BesideConnection {
    type Error = String;

    // Errors do not contain the URL, because it may have a password.
    fn try_from(written: String) -> Result<Self, Self::Error> {
        if written.starts_with('/') {
            return sqlite(&written);
        }
        let Some((scheme, rest)) = written.split_once("://") else {
            return Err(FORM.to_owned());
        };
        let dialect = scheme.split('+').next().unwrap_or_default();
        match dialect {
            "sqlite" => sqlite(rest),
            "mysql" | "mariadb" => mysql(rest).map(|it| Self::Mysql(Box::new(it))),
            "postgresql" | "postgres" => Err(format!(
                "Ironic does not support PostgreSQL since release 27.0, and it is not supported here \
                 (use source = \"rest\"); {FORM}"
            )),
            _ => Err(FORM.to_owned()),
        }
    }
}

fn sqlite(path: &str) -> Result<BesideConnection, String> {
    // SQLAlchemy's URLs of absolute paths have four slashes, those of ironpxe's own database three.
    let file = path.trim_start_matches('/');
    if !path.starts_with('/') || file.is_empty() || file.ends_with('/') || file.contains('?') {
        return Err(format!(
            "expected the absolute path of a file, without parameters: {FORM}"
        ));
    }
    Ok(BesideConnection::Sqlite(PathBuf::from(format!("/{file}"))))
}

/// What follows the scheme, split as `SQLAlchemy`'s `engine/url.py` does.
fn mysql(rest: &str) -> Result<Mysql, String> {
    let wrong = |problem: &str| format!("{problem}: {FORM}; {ENCODING}");
    let (login, rest) = match rest.split_once('@') {
        Some((login, rest)) => {
            let (user, password) = match login.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (login, None),
            };
            if user.contains('/') {
                return Err(wrong("the user name has a /"));
            }
            (Some((user, password)), rest)
        }
        None => (None, rest),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (server, database) = rest.split_once('/').unwrap_or((rest, ""));
    if [server, database].iter().any(|it| it.contains(['@', '#'])) || database.contains('/') {
        return Err(wrong("the URL has more than one @, or a / or # too many"));
    }
    if database.is_empty() {
        return Err(wrong("the URL has no database name"));
    }
    let (user, password) = login.unwrap_or_default();
    if user.is_empty() {
        return Err(wrong("the URL has no user"));
    }
    let (host, port) = host_and_port(server).ok_or_else(|| wrong("invalid host or port"))?;
    let mut mysql = Mysql {
        host: host.to_owned(),
        port,
        socket: None,
        user: decoded(user)?,
        password: password.map(decoded).transpose()?.map(Secret),
        database: database.to_owned(),
        tls: MysqlTls::Off,
    };
    parameters(&mut mysql, query)?;
    if mysql.host.is_empty() && mysql.socket.is_none() {
        return Err(wrong("the URL has no host"));
    }
    Ok(mysql)
}

fn host_and_port(server: &str) -> Option<(&str, u16)> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            match after {
                "" => (host, None),
                _ => (host, Some(after.strip_prefix(':')?)),
            }
        }
        None => match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    let port = match port {
        None | Some("") => 3306,
        Some(port) => port.parse().ok().filter(|&it| it != 0)?,
    };
    let is_plain = host.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain.then_some((host, port))
}

fn parameters(mysql: &mut Mysql, query: &str) -> Result<(), String> {
    let mut cafile = None;
    let mut ssl = None;
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(&value.replace('+', " "))?;
        // As in SQLAlchemy, which leaves out empty ones.
        if value.is_empty() {
            continue;
        }
        match key {
            "ssl_ca" => cafile = Some(PathBuf::from(value)),
            "unix_socket" => mysql.socket = Some(PathBuf::from(value)),
            "ssl" => {
                ssl = Some(match value.to_ascii_lowercase().as_str() {
                    "on" | "true" | "1" | "yes" => true,
                    "off" | "false" | "0" | "no" => false,
                    _ => return Err("the parameter ssl must be on or off".to_owned()),
                });
            }
            // Certificates are always verified, with the server's name.
            "ssl_verify_cert" | "ssl_verify_identity" | "ssl_check_hostname" => {}
            _ if IGNORED.contains(&key) => {}
            "password" => return Err(format!("the password belongs before the host: {FORM}")),
            _ => {
                return Err(format!(
                    "a parameter after ? is not supported; the supported ones are ssl_ca, ssl, \
                     unix_socket, and, without effect, {}; {ENCODING}",
                    IGNORED.join(", ")
                ));
            }
        }
    }
    mysql.tls = match (ssl, cafile) {
        (Some(false) | None, None) => MysqlTls::Off,
        (Some(false), Some(_)) => {
            return Err("the parameters ssl=off and ssl_ca contradict each other".to_owned());
        }
        (_, cafile) => MysqlTls::Verify { cafile },
    };
    Ok(())
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8().map(Cow::into_owned);
    decoded.map_err(|_| format!("a percent-encoded part of the URL is not UTF-8: {ENCODING}"))
}

impl From<BesideConnection> for String {
    fn from(connection: BesideConnection) -> Self {
        connection.to_string()
    }
}

impl fmt::Display for BesideConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:///{}", path.display()),
            Self::Mysql(mysql) => mysql.fmt(f),
        }
    }
}

impl fmt::Display for Mysql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            socket,
            user,
            password: _,
            database,
            tls,
        } = self;
        let server = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        write!(f, "mysql://{user}@{server}/{database}")?;
        let mut separator = '?';
        if let Some(socket) = socket {
            write!(f, "?unix_socket={}", socket.display())?;
            separator = '&';
        }
        match tls {
            MysqlTls::Off => Ok(()),
            MysqlTls::Verify { cafile: None } => write!(f, "{separator}ssl=on"),
            MysqlTls::Verify {
                cafile: Some(cafile),
            } => write!(f, "{separator}ssl_ca={}", cafile.display()),
        }
    }
}

impl fmt::Debug for BesideConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Mysql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
