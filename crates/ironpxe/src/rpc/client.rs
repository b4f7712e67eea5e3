//! Sends HTTP requests to conductors.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use ironpxe_core::error::Fault;

use crate::auth::BasicCredentials;
use crate::error_chain::error_chain;
use crate::tls::TlsError;

/// The maximum size of a response, in bytes.
const MAX_ANSWER: usize = 80 * 1024 * 1024;
/// The idle timeout of connections; shorter than the server's.
const KEPT: Duration = Duration::from_secs(15);

/// Why a call failed.
#[derive(Debug, Clone)]
pub(super) enum CallError {
    /// It was definitely not executed: the conductor was not reached, or rejected the request.
    NotAccepted(String),
    /// It may have been executed.
    NoAnswer(String),
    /// The conductor returned a fault.
    Fault(Fault),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAccepted(problem) | Self::NoAnswer(problem) => f.write_str(problem),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

/// The connection of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    /// A pooled one, if available.
    Kept,
    /// A new one.
    New,
}

type Http = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Sends requests to conductors.
#[derive(Debug)]
pub(super) struct Client {
    keeping: Http,
    fresh: Http,
    authorization: Option<HeaderValue>,
    scheme: &'static str,
}

impl Client {
    pub(super) fn new(
        connect_timeout: Duration,
        credentials: Option<&BasicCredentials>,
        tls: Option<rustls::ClientConfig>,
    ) -> Result<Self, TlsError> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let tls = match tls {
            Some(tls) => tls,
            None => crate::tls::no_client()?,
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = |idle: usize| {
            legacy::Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(KEPT)
                .pool_max_idle_per_host(idle)
                .build(connector.clone())
        };
        Ok(Self {
            keeping: client(256),
            fresh: client(0),
            authorization: credentials.map(BasicCredentials::header),
            scheme,
        })
    }

    /// Sends a body to `host:port`; returns the body of a response with status 200.
    pub(super) async fn post(
        &self,
        endpoint: &str,
        body: Bytes,
        connection: Connection,
    ) -> Result<Bytes, CallError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}://{endpoint}/", self.scheme))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| CallError::NotAccepted(error.to_string()))?;
        let client = match connection {
            Connection::Kept => &self.keeping,
            Connection::New => &self.fresh,
        };
        let response = client.request(request).await.map_err(|error| {
            let problem = error_chain(&error);
            if error.is_connect() {
                CallError::NotAccepted(problem)
            } else {
                CallError::NoAnswer(problem)
            }
        })?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => {
                return Err(CallError::NotAccepted(
                    "authentication failed: compare [json_rpc] username and password with its \
                     http_basic_auth_user_file"
                        .to_owned(),
                ));
            }
            // The request was not executed.
            StatusCode::SERVICE_UNAVAILABLE => {
                return Err(CallError::NotAccepted(
                    "authentication is temporarily unavailable: too many passwords are being verified there, or too many \
                     from this host were wrong"
                        .to_owned(),
                ));
            }
            StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(CallError::Fault(Fault::InvalidParameterValue(
                    "The request is larger than conductors accept ([json_rpc]max_body_size)."
                        .to_owned(),
                )));
            }
            status => {
                return Err(CallError::NoAnswer(format!(
                    "it responds with HTTP status {status}"
                )));
            }
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| CallError::NoAnswer(error_chain(error.as_ref())))
    }
}
