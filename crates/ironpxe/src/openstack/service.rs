//! Requests to a service: its endpoint, the token, and retries.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::warn;

use super::error::{Cause, OpenStackError};
use super::http::{Http, MICROVERSION_HEADER};
use super::keystone::{Login, Token, service_url};
use super::session::Session;
use super::settings::{Auth, Secret, Settings, SetupError};

/// The maximum pause before a retry, whatever the service requests.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// The characters to encode in a path segment: all except RFC 3986's unreserved ones, and the dot,
/// which could change the path.
pub(super) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// A service. Clones share connections and the token.
#[derive(Debug, Clone)]
pub(super) struct Service {
    name: &'static str,
    http: Http,
    session: Option<Arc<Session>>,
    /// The user and password of HTTP basic authentication.
    basic: Option<(String, Secret)>,
    endpoint_filter: Arc<EndpointFilter>,
    retries: u32,
    pause: Duration,
}

/// How the endpoint is determined.
#[derive(Debug)]
struct EndpointFilter {
    /// Its type in the catalog.
    service_type: &'static str,
    /// The API version in paths, which the endpoint may include.
    version: &'static str,
    endpoint_override: Option<String>,
    region_name: Option<String>,
    valid_interfaces: Vec<String>,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct ApiRequest {
    /// Its purpose, for messages: `for port <id>`.
    pub(super) asked: String,
    pub(super) method: Method,
    /// Path and query after the version, with a leading slash.
    pub(super) path: String,
    pub(super) body: Option<Value>,
    /// The value of a `Range` header.
    pub(super) range: Option<String>,
    /// Whether a conflict (409) is temporary.
    pub(super) conflicts_pass: bool,
    /// Ironic's API microversion.
    pub(super) microversion: Option<&'static str>,
}

impl ApiRequest {
    pub(super) fn get(asked: String, path: String) -> Self {
        Self {
            asked,
            method: Method::GET,
            path,
            body: None,
            range: None,
            conflicts_pass: false,
            microversion: None,
        }
    }
}

impl Service {
    pub(super) fn new(
        name: &'static str,
        service_type: &'static str,
        version: &'static str,
        settings: &Settings,
    ) -> Result<Self, SetupError> {
        let login = Login::new(&settings.auth)?;
        let endpoint_override = settings
            .endpoint_override
            .as_deref()
            .map(|url| service_url("endpoint_override", url))
            .transpose()?;
        if login.is_none() && endpoint_override.is_none() {
            return Err(SetupError::NoEndpoint);
        }
        Ok(Self {
            name,
            http: Http::new(settings)?,
            session: login.map(|login| Arc::new(Session::new(login))),
            basic: match &settings.auth {
                Auth::HttpBasic { username, password } => {
                    Some((username.clone(), password.clone()))
                }
                _ => None,
            },
            endpoint_filter: Arc::new(EndpointFilter {
                service_type,
                version,
                endpoint_override,
                region_name: settings.region_name.clone(),
                valid_interfaces: settings.valid_interfaces.clone(),
            }),
            retries: settings.retries,
            pause: settings.pause,
        })
    }

    /// Sends a request, and reads the response as JSON.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        question: &ApiRequest,
    ) -> Result<T, OpenStackError> {
        let read = |response| self.http.json(response);
        self.retried(question, read).await
    }

    /// Sends a request, and reads the response as it is.
    pub(super) async fn bytes(&self, question: &ApiRequest) -> Result<Vec<u8>, OpenStackError> {
        let read = |response| self.http.bytes(response);
        self.retried(question, read).await
    }

    /// Sends a request, and returns the response for streaming.
    pub(super) async fn stream(&self, question: &ApiRequest) -> Result<Response, OpenStackError> {
        let read = |response| std::future::ready(Ok(response));
        self.retried(question, read).await
    }

    /// Sends a request until its response was read, or the retries are used up.
    async fn retried<T, F>(
        &self,
        question: &ApiRequest,
        read: impl Fn(Response) -> F,
    ) -> Result<T, OpenStackError>
    where
        F: Future<Output = Result<T, Cause>>,
    {
        let mut repeats = self.repeats();
        loop {
            let answer = match self.once(question).await {
                Ok(response) => read(response).await,
                Err(cause) => Err(cause),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(cause) => {
                    repeats
                        .pause_after(self.error(question, cause), question)
                        .await?;
                }
            }
        }
    }

    /// The endpoint of another service in the same catalog.
    pub(super) async fn neighbour(
        &self,
        asked: &str,
        service_type: &'static str,
    ) -> Result<String, OpenStackError> {
        let looked_up = async {
            let token = self.token(None).await?;
            let token = token.ok_or_else(|| self.endpoint_filter.not_in_catalog(service_type))?;
            let found = self.endpoint_filter.in_catalog(&token, service_type)?;
            Ok(found.trim_end_matches('/').to_owned())
        };
        looked_up.await.map_err(|cause| OpenStackError {
            service: self.name,
            asked: asked.to_owned(),
            cause,
        })
    }

    /// Sends a request once, and once more with a new token if the old one is refused.
    async fn once(&self, question: &ApiRequest) -> Result<Response, Cause> {
        let token = self.token(None).await?;
        match (self.send(question, token.as_ref()).await, token) {
            (Err(Cause::Status { status: 401, .. }), Some(refused)) => {
                let token = self.token(Some(&refused)).await?;
                match self.send(question, token.as_ref()).await {
                    Err(Cause::Status {
                        status: 401,
                        message,
                        ..
                    }) => Err(Cause::TokenRefused(message)),
                    answer => answer,
                }
            }
            (answer, _) => answer,
        }
    }

    async fn send(
        &self,
        question: &ApiRequest,
        token: Option<&Arc<Token>>,
    ) -> Result<Response, Cause> {
        let base = self.endpoint_filter.find(token)?;
        let url = format!("{base}{}{}", self.endpoint_filter.version, question.path);
        let mut request = self
            .http
            .request(question.method.clone(), &url)
            .header("Accept", "application/json, */*");
        if let Some(token) = token {
            request = request.header("X-Auth-Token", token.id.clone());
        }
        if let Some((username, Secret(password))) = &self.basic {
            request = request.basic_auth(username, Some(password));
        }
        if let Some(microversion) = question.microversion {
            request = request.header(MICROVERSION_HEADER, microversion);
        }
        if let Some(range) = &question.range {
            request = request.header("Range", range);
        }
        if let Some(body) = &question.body {
            request = request.json(body);
        }
        self.http.send(request).await
    }

    async fn token(&self, refused: Option<&Arc<Token>>) -> Result<Option<Arc<Token>>, Cause> {
        let Some(session) = &self.session else {
            return Ok(None);
        };
        match session.token(&self.http, refused).await {
            Ok(token) => Ok(Some(token)),
            Err(error) => Err(Cause::NoToken(Box::new(error))),
        }
    }

    fn error(&self, question: &ApiRequest, cause: Cause) -> OpenStackError {
        OpenStackError {
            service: self.name,
            asked: question.asked.clone(),
            cause,
        }
    }

    fn repeats(&self) -> Retries {
        Retries {
            left: self.retries,
            pause: self.pause,
        }
    }
}

impl EndpointFilter {
    /// The service's endpoint without its version.
    fn find<'a>(&'a self, token: Option<&'a Arc<Token>>) -> Result<&'a str, Cause> {
        let url = match (&self.endpoint_override, token) {
            (Some(url), _) => url,
            (None, Some(token)) => self.in_catalog(token, self.service_type)?,
            (None, None) => return Err(self.not_in_catalog(self.service_type)),
        };
        let url = url.trim_end_matches('/');
        Ok(url.strip_suffix(self.version).unwrap_or(url))
    }

    fn in_catalog<'a>(
        &self,
        token: &'a Token,
        service_type: &'static str,
    ) -> Result<&'a str, Cause> {
        let region = self.region_name.as_deref();
        token
            .endpoint(service_type, &self.valid_interfaces, region)
            .ok_or_else(|| self.not_in_catalog(service_type))
    }

    fn not_in_catalog(&self, service_type: &'static str) -> Cause {
        let interfaces = self.valid_interfaces.join(" or ");
        Cause::NotInCatalog {
            service_type,
            looked_for: match &self.region_name {
                Some(region) => format!("{interfaces}, in {region}"),
                None => interfaces,
            },
        }
    }
}

/// The remaining retries of a request, and the next pause.
struct Retries {
    left: u32,
    pause: Duration,
}

impl Retries {
    /// Waits before the next attempt, or returns the error.
    async fn pause_after(
        &mut self,
        error: OpenStackError,
        question: &ApiRequest,
    ) -> Result<(), OpenStackError> {
        let conflict = matches!(error.cause, Cause::Status { status: 409, .. });
        let may_pass = error.is_temporary() || (conflict && question.conflicts_pass);
        if self.left == 0 || !may_pass {
            return Err(error);
        }
        self.left -= 1;
        let pause = self
            .pause
            .max(error.cause.retry_after().unwrap_or_default());
        warn!("{error}; retrying");
        tokio::time::sleep(pause.min(MAX_PAUSE)).await;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        Ok(())
    }
}
