//! Settings of OpenStack clients as plain data, read from the configuration by the application.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::tls::TlsError;

/// The settings of a client.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The credentials.
    pub auth: Auth,
    /// The endpoint, instead of the one in the catalog. Required with [`Auth::None`].
    pub endpoint_override: Option<String>,
    /// The region, if the catalog has several.
    pub region_name: Option<String>,
    /// The interfaces of the endpoint in the catalog, in order of preference (`internal`,
    /// `public`).
    pub valid_interfaces: Vec<String>,
    /// The trusted CA certificates, as PEM; the system's if unset.
    pub cafile: Option<PathBuf>,
    /// The timeout for a response, and the idle timeout of a download.
    pub timeout: Duration,
    /// The number of retries after temporary errors.
    pub retries: u32,
    /// The pause before the first retry; doubled for each further one.
    pub pause: Duration,
}

/// The credentials.
#[derive(Debug, Clone)]
pub(crate) enum Auth {
    /// None: the service does not authenticate clients.
    None,
    /// HTTP basic authentication, without Keystone. Without a catalog, too.
    HttpBasic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
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
        /// What the token is for.
        scope: Scope,
    },
    /// By an application credential, which belongs to a user and a project.
    ApplicationCredential {
        /// Keystone, with or without `/v3`.
        auth_url: String,
        /// The credential's ID.
        id: String,
        /// Its secret.
        secret: Secret,
    },
}

/// A domain of Keystone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Domain {
    /// By its id.
    Id(String),
    /// By its name.
    Name(String),
}

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The resources of a project.
    Project(Project),
    /// The whole deployment (`system_scope = all`).
    System,
}

/// A project of Keystone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Project {
    /// By its id.
    Id(String),
    /// By its name, which is unique in a domain.
    Name(String, Domain),
}

/// A secret text, hidden in `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// The CA certificates cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A URL is invalid.
    #[error("{what} {url:?} cannot be used: expected an http:// or https:// URL")]
    Url {
        /// The setting.
        what: &'static str,
        /// Its value.
        url: String,
    },
    /// Without a catalog, the endpoint is unknown.
    #[error("auth_type none has no catalog: set endpoint_override")]
    NoEndpoint,
    /// The HTTP client cannot be built.
    #[error("cannot build the HTTP client")]
    Client(#[source] reqwest::Error),
}
