//! Validation of clients' tokens by Keystone.

use std::sync::Arc;
use std::time::Duration;

use ironpxe_core::policy::Credentials;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use time::OffsetDateTime;

use super::error::{Cause, OpenStackError};
use super::http::Http;
use super::keystone::Login;
use super::session::Session;
use super::settings::{Settings, SetupError};

/// Asks Keystone about tokens, as a service user.
#[derive(Debug)]
pub(crate) struct TokenValidator {
    http: Http,
    session: Session,
    url: String,
    retries: u32,
    pause: Duration,
}

/// A valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ValidToken {
    /// Who has it, and what it is for.
    pub credentials: Arc<Credentials>,
    /// When it expires, by Keystone's clock.
    pub expires_at: OffsetDateTime,
    /// The only requests that it is for, if it is restricted.
    pub access_rules: Option<Vec<AccessRule>>,
}

/// One of the requests that a restricted token is for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct AccessRule {
    /// The type of the service.
    pub service: String,
    /// The HTTP method.
    pub method: String,
    /// A pattern of paths: `*` and `{name}` for one segment, `**` for any number.
    pub path: String,
}

impl ValidToken {
    /// Its memory, in bytes.
    pub(crate) fn size(&self) -> usize {
        let credentials = &self.credentials;
        let texts = [
            &credentials.user_id,
            &credentials.user_name,
            &credentials.user_domain_id,
            &credentials.project_id,
            &credentials.project_name,
            &credentials.project_domain_id,
            &credentials.domain_id,
            &credentials.system_scope,
        ];
        // An allocation takes a little more than its content.
        let of = |text: &String| text.capacity() + 16;
        let roles = credentials.roles.iter();
        let rules = self.access_rules.iter().flatten();
        size_of::<Self>()
            + size_of::<Credentials>()
            + texts.into_iter().flatten().map(of).sum::<usize>()
            + roles.map(|it| size_of::<String>() + of(it)).sum::<usize>()
            + rules
                .map(|it| size_of::<AccessRule>() + of(&it.service) + of(&it.method) + of(&it.path))
                .sum::<usize>()
    }
}

impl TokenValidator {
    /// Builds a client without connecting; `None` without an account in Keystone.
    pub(crate) fn new(settings: &Settings) -> Result<Option<Self>, SetupError> {
        let Some(login) = Login::new(&settings.auth)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            http: Http::new(settings)?,
            url: login.url().to_owned(),
            session: Session::new(login),
            retries: settings.retries,
            pause: settings.pause,
        }))
    }

    /// What Keystone says about a token: `None` if it is not valid. With `allow_expired`, it may have
    /// expired not long ago, as the tokens of requests that services continue.
    pub(crate) async fn validate(
        &self,
        token: &HeaderValue,
        allow_expired: bool,
    ) -> Result<Option<ValidToken>, OpenStackError> {
        let mut pause = self.pause;
        for left in (0..=self.retries).rev() {
            let cause = match self.once(token, allow_expired).await {
                Ok(found) => return Ok(Some(found)),
                Err(Cause::Status { status: 404, .. }) => return Ok(None),
                Err(cause) => cause,
            };
            // A new token of ours was refused: the next one would be, too.
            let is_final = matches!(cause, Cause::TokenRefused(_)) || !cause.is_temporary();
            if left == 0 || is_final {
                return Err(Self::error(cause));
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Ok(None)
    }

    fn error(cause: Cause) -> OpenStackError {
        OpenStackError {
            service: "Keystone",
            asked: "to validate a token".to_owned(),
            cause,
        }
    }

    /// Asks once, and once more with a new token of ours if the old one is refused.
    async fn once(&self, token: &HeaderValue, allow_expired: bool) -> Result<ValidToken, Cause> {
        let no_token = |error| Cause::NoToken(Box::new(error));
        let own = self.session.token(&self.http, None).await;
        let own = own.map_err(no_token)?;
        let refused = match self.send(&own.id, token, allow_expired).await {
            Err(Cause::Status { status: 401, .. }) => own,
            answer => return answer,
        };
        let own = self.session.token(&self.http, Some(&refused)).await;
        let own = own.map_err(no_token)?;
        match self.send(&own.id, token, allow_expired).await {
            Err(Cause::Status {
                status: 401,
                message,
                ..
            }) => Err(Cause::TokenRefused(message)),
            answer => answer,
        }
    }

    async fn send(
        &self,
        own: &HeaderValue,
        token: &HeaderValue,
        allow_expired: bool,
    ) -> Result<ValidToken, Cause> {
        // The catalog is the largest part of the response, and is not needed.
        let expired = if allow_expired {
            "&allow_expired=1"
        } else {
            ""
        };
        let url = format!("{}?nocatalog{expired}", self.url);
        let request = self
            .http
            .request(Method::GET, &url)
            .header("Accept", "application/json")
            // Keystone does not validate restricted tokens for services that would ignore that.
            .header("OpenStack-Identity-Access-Rules", "1")
            .header("X-Auth-Token", own.clone())
            .header("X-Subject-Token", token.clone());
        let response = self.http.send(request).await?;
        let Body { token } = self.http.json(response).await?;
        Ok(token.into())
    }
}

#[derive(Debug, Deserialize)]
struct Body {
    token: Token,
}

#[derive(Debug, Deserialize)]
struct Token {
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    user: Named,
    #[serde(default)]
    project: Option<Named>,
    #[serde(default)]
    domain: Option<Domain>,
    #[serde(default)]
    system: Option<System>,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    is_admin_project: Option<bool>,
    #[serde(default)]
    application_credential: Option<ApplicationCredential>,
}

/// A user or a project.
#[derive(Debug, Deserialize)]
struct Named {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    domain: Option<Domain>,
}

#[derive(Debug, Deserialize)]
struct Domain {
    #[serde(default)]
    id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct System {
    #[serde(default)]
    all: bool,
}

#[derive(Debug, Deserialize)]
struct Role {
    name: String,
}

#[derive(Debug, Deserialize)]
struct ApplicationCredential {
    #[serde(default)]
    access_rules: Option<Vec<AccessRule>>,
}

impl From<Token> for ValidToken {
    fn from(token: Token) -> Self {
        let of = |domain: Option<Domain>| domain.and_then(|it| it.id);
        let (project_id, project_name, project_domain_id) = match token.project {
            Some(project) => (Some(project.id), project.name, of(project.domain)),
            None => (None, None, None),
        };
        Self {
            credentials: Arc::new(Credentials {
                roles: token.roles.into_iter().map(|role| role.name).collect(),
                user_id: Some(token.user.id),
                user_name: token.user.name,
                user_domain_id: of(token.user.domain),
                project_id,
                project_name,
                project_domain_id,
                domain_id: of(token.domain),
                system_scope: token
                    .system
                    .filter(|system| system.all)
                    .map(|_| "all".to_owned()),
                is_admin_project: token.is_admin_project.unwrap_or(true),
            }),
            expires_at: token.expires_at,
            access_rules: token.application_credential.and_then(|it| it.access_rules),
        }
    }
}
