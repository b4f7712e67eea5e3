//! Keystone's Identity API v3: tokens and the catalog.

use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::error::Cause;
use super::http::Http;
use super::settings::{Auth, Domain, Project, Scope, Secret, SetupError};

/// How long before its expiry a token is renewed; after three quarters of a short lifetime.
const MARGIN: Duration = Duration::from_mins(1);
/// Longer than the lifetime of any token.
const LONGEST_LIFE: Duration = Duration::from_hours(24 * 365);

/// A token with the catalog.
#[derive(Debug)]
pub(super) struct Token {
    /// The header value, marked as sensitive.
    pub(super) id: HeaderValue,
    /// When it should be renewed.
    pub(super) due: Instant,
    /// When it expires.
    pub(super) end: Instant,
    catalog: Vec<CatalogService>,
}

#[derive(Debug, Deserialize)]
struct Body {
    token: TokenBody,
}

#[derive(Debug, Deserialize)]
struct TokenBody {
    #[serde(with = "time::serde::rfc3339")]
    issued_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    #[serde(default)]
    catalog: Vec<CatalogService>,
}

#[derive(Debug, Deserialize)]
struct CatalogService {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    endpoints: Vec<CatalogEndpoint>,
}

#[derive(Debug, Deserialize)]
struct CatalogEndpoint {
    interface: String,
    #[serde(default)]
    region_id: Option<String>,
    url: String,
}

/// A prepared token request.
#[derive(Debug, Clone)]
pub(super) struct Login {
    url: String,
    body: Secret,
}

impl Login {
    /// `None` without authentication.
    pub(super) fn new(auth: &Auth) -> Result<Option<Self>, SetupError> {
        let (auth_url, auth) = match auth {
            Auth::None | Auth::HttpBasic { .. } => return Ok(None),
            Auth::Password {
                auth_url,
                username,
                user_domain,
                password: Secret(password),
                scope,
            } => {
                let user = json!({
                    "name": username, "domain": domain(user_domain), "password": password,
                });
                let identity = json!({ "methods": ["password"], "password": { "user": user } });
                let scope = match scope {
                    Scope::Project(Project::Id(id)) => json!({ "project": { "id": id } }),
                    Scope::Project(Project::Name(name, of)) => {
                        json!({ "project": { "name": name, "domain": domain(of) } })
                    }
                    Scope::System => json!({ "system": { "all": true } }),
                };
                (auth_url, json!({ "identity": identity, "scope": scope }))
            }
            Auth::ApplicationCredential {
                auth_url,
                id,
                secret: Secret(secret),
            } => {
                let identity = json!({
                    "methods": ["application_credential"],
                    "application_credential": { "id": id, "secret": secret },
                });
                (auth_url, json!({ "identity": identity }))
            }
        };
        let base = service_url("auth_url", auth_url)?;
        let base = base.strip_suffix("/v3").unwrap_or(&base);
        Ok(Some(Self {
            url: format!("{base}/v3/auth/tokens"),
            body: Secret(json!({ "auth": auth }).to_string()),
        }))
    }

    /// The URL of tokens.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Sends one request to Keystone.
    pub(super) async fn token(&self, http: &Http) -> Result<Token, Cause> {
        let asked = Instant::now();
        let Secret(body) = &self.body;
        let request = http
            .request(Method::POST, &self.url)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json")
            .body(body.clone());
        let response = http.send(request).await?;
        let id = response.headers().get("X-Subject-Token").cloned();
        let mut id = id.ok_or_else(|| Cause::Malformed("no X-Subject-Token header".to_owned()))?;
        id.set_sensitive(true);
        let Body { token } = http.json(response).await?;
        // Both times are Keystone's, so the local clock does not matter.
        let life = Duration::try_from(token.expires_at - token.issued_at).unwrap_or_default();
        let life = life.min(LONGEST_LIFE);
        Ok(Token {
            id,
            due: asked + life.saturating_sub(MARGIN).max(life * 3 / 4),
            end: asked + life,
            catalog: token.catalog,
        })
    }
}

impl Token {
    /// The service's endpoint: by the first interface that the catalog has.
    pub(super) fn endpoint(
        &self,
        kind: &str,
        interfaces: &[String],
        region: Option<&str>,
    ) -> Option<&str> {
        let services = self.catalog.iter().filter(|service| service.kind == kind);
        let endpoints: Vec<_> = services
            .flat_map(|service| &service.endpoints)
            .filter(|it| region.is_none() || it.region_id.as_deref() == region)
            .collect();
        interfaces.iter().find_map(|interface| {
            let found = endpoints.iter().find(|it| it.interface == *interface);
            found.map(|it| it.url.as_str())
        })
    }
}

/// A service's URL without trailing slashes, if it is valid.
pub(super) fn service_url(what: &'static str, url: &str) -> Result<String, SetupError> {
    let parsed = Url::parse(url).ok().filter(|parsed| {
        matches!(parsed.scheme(), "http" | "https")
            && parsed.has_host()
            && parsed.username().is_empty()
            && parsed.password().is_none()
            && parsed.query().is_none()
            && parsed.fragment().is_none()
    });
    match parsed {
        Some(_) => Ok(url.trim_end_matches('/').to_owned()),
        None => Err(SetupError::Url {
            what,
            // An invalid URL may still have a password.
            url: match url.rsplit_once('@') {
                Some((_, host)) => format!("...@{host}"),
                None => url.to_owned(),
            },
        }),
    }
}

fn domain(domain: &Domain) -> Value {
    match domain {
        Domain::Id(id) => json!({ "id": id }),
        Domain::Name(name) => json!({ "name": name }),
    }
}
