//! How a service is asked, as plain data. Who reads it from the configuration is the application.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::tls::TlsError;

/// How one service is found and asked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How we prove who we are.
    pub auth: Auth,
    /// Where the service is, whatever the catalog says. Needed with [`Auth::None`].
    pub endpoint_override: Option<String>,
    /// Which region's service, if the catalog has several.
    pub region_name: Option<String>,
    /// Which of the service's addresses in the catalog, the best first (`internal`, `public`).
    pub valid_interfaces: Vec<String>,
    /// The authorities that are believed, as PEM; those of the system if not set.
    pub cafile: Option<PathBuf>,
    /// How long one answer may take, and of a download each part of it.
    pub timeout: Duration,
    /// How often a request that failed for a reason that may pass is repeated.
    pub retries: u32,
    /// How long to wait before the first repetition. Each further one waits twice as long.
    pub pause: Duration,
}

/// How we prove who we are.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Not at all: the service asks nobody.
    None,
    /// By user and password.
    Password {
        /// Keystone, with or without `/v3`.
        auth_url: String,
        /// The user.
        username: String,
        /// The domain of the user.
        user_domain: Domain,
        /// The password.
        password: Secret,
        /// The project to work in.
        project: Project,
    },
    /// By an application credential, which belongs to a user and a project.
    ApplicationCredential {
        /// Keystone, with or without `/v3`.
        auth_url: String,
        /// Which credential.
        id: String,
        /// Its secret.
        secret: Secret,
    },
}

/// A domain of Keystone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Domain {
    /// By its id.
    Id(String),
    /// By its name.
    Name(String),
}

/// A project of Keystone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Project {
    /// By its id.
    Id(String),
    /// By its name, which is unique in a domain.
    Name(String, Domain),
}

/// A text that is not shown to anybody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The authorities cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address is none.
    #[error("{what} {url:?} cannot be used: expected an http:// or https:// URL")]
    Url {
        /// Which setting.
        what: &'static str,
        /// What stands there.
        url: String,
    },
    /// Nobody is asked where the service is.
    #[error("with auth_type none there is no catalog: set endpoint_override")]
    NoEndpoint,
    /// HTTP itself does not work.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
}
