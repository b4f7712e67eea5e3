//! Tokens of Keystone (`auth_strategy = keystone`).
//!
//! A token is validated by Keystone once, and its result cached (`token_cache.rs`). Concurrent requests
//! with one token share a validation. The number of concurrent validations is limited, and so is how
//! many invalid tokens a client may send, so that a flood of them does not become one on Keystone.
//!
//! Source: keystonemiddleware's `auth_token`. Unlike there, a service token does not change the scope
//! of the user's, and invalid tokens are cached briefly.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use ironpxe_core::policy::Credentials;
use ironpxe_core::retry_after;
use tokio::sync::{OnceCell, Semaphore};
use tracing::error;

use super::keyed_hash::{Digest, KeyedHash};
use super::limits::{Limits, Rates, VerificationPermit};
use super::token_cache::{TokenCache, Validation};
use super::{AuthError, AuthRequest, access_rules};
use crate::clock;
use crate::log_interval::LogInterval;
use crate::openstack::{TokenValidator, ValidToken};

/// Longer than any token, in bytes.
const MAX_TOKEN: usize = 16 << 10;
/// The maximum number of concurrent requests to Keystone.
const MAX_VALIDATIONS: usize = 16;
/// Generous, because a balancer in front makes all clients one.
const RATES: Rates = Rates {
    max_waiting: 512,
    max_waiting_by_peer: 128,
    max_failures: 100,
    failure_expiry: Duration::from_millis(100),
};
/// The interval of log lines about an unavailable Keystone.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Settings of `[keystone_authtoken]`.
#[derive(Debug, Clone)]
pub(crate) struct KeystoneSettings {
    /// `www_authenticate_uri`, or else `auth_url`.
    pub www_authenticate_uri: String,
    /// `token_cache_time`; zero if tokens are not cached.
    pub token_cache_time: Duration,
    /// `service_token_roles`.
    pub service_token_roles: Vec<String>,
    /// `service_token_roles_required`.
    pub service_token_roles_required: bool,
    /// `service_type`.
    pub service_type: Option<String>,
}

/// Validates tokens. Clones share what they know.
#[derive(Debug, Clone)]
pub(crate) struct Keystone(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    validator: TokenValidator,
    settings: KeystoneSettings,
    www_authenticate_uri: Arc<str>,
    hash: KeyedHash,
    cache: Mutex<TokenCache>,
    /// The validations in progress.
    validations: Mutex<HashMap<Digest, Arc<OnceCell<Outcome>>>>,
    limits: Arc<Limits>,
    slots: Semaphore,
    unavailable: LogInterval,
}

type Outcome = Result<Validation, AuthError>;

/// A token to validate.
#[derive(Clone, Copy)]
struct Asked<'t> {
    token: &'t HeaderValue,
    /// Whether it may have expired.
    allow_expired: bool,
    client: Option<IpAddr>,
}

impl Keystone {
    /// Does not connect yet.
    pub(crate) fn new(validator: TokenValidator, settings: KeystoneSettings) -> Self {
        Self(Arc::new(Shared {
            validator,
            www_authenticate_uri: settings.www_authenticate_uri.as_str().into(),
            hash: KeyedHash::new(),
            cache: Mutex::new(TokenCache::new(settings.token_cache_time)),
            settings,
            validations: Mutex::default(),
            limits: Arc::new(Limits::new(RATES)),
            slots: Semaphore::new(MAX_VALIDATIONS),
            unavailable: LogInterval::every(LOG_INTERVAL),
        }))
    }

    /// The bearer of a request's token.
    pub(super) async fn authenticate(
        &self,
        request: &AuthRequest<'_>,
    ) -> Result<Arc<Credentials>, AuthError> {
        let token = header(request.headers, "x-auth-token")
            .or_else(|| header(request.headers, "x-storage-token"))
            .ok_or_else(|| self.no_token())?;
        let service = header(request.headers, "x-service-token");
        if let Some(service) = &service {
            self.check_service(service, request.client).await?;
        }
        let found = self
            .valid(Asked {
                token: &token,
                // A request that a service continues may take longer than its token is valid.
                allow_expired: service.is_some(),
                client: request.client,
            })
            .await?;
        if let (Some(rules), None) = (&found.access_rules, &service) {
            let service_type = self.0.settings.service_type.as_deref();
            if !access_rules::allow(rules, service_type, request.method, request.path) {
                return Err(self.no_token());
            }
        }
        Ok(Arc::clone(&found.credentials))
    }

    /// Rejects the request if its service token is invalid or has none of the roles.
    async fn check_service(
        &self,
        token: &HeaderValue,
        client: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let asked = Asked {
            token,
            allow_expired: false,
            client,
        };
        let found = self.valid(asked).await?;
        let KeystoneSettings {
            service_token_roles,
            service_token_roles_required,
            ..
        } = &self.0.settings;
        let mut roles = found.credentials.roles.iter();
        if !service_token_roles_required || roles.any(|role| service_token_roles.contains(role)) {
            return Ok(());
        }
        Err(self.no_token())
    }

    /// The token, if it is valid now.
    async fn valid(&self, asked: Asked<'_>) -> Result<Arc<ValidToken>, AuthError> {
        let is_token = |token: &[u8]| token.len() <= MAX_TOKEN && token.is_ascii();
        if !is_token(asked.token.as_bytes()) {
            return Err(self.no_token());
        }
        let used_as = u8::from(asked.allow_expired);
        let key = self.0.hash.of(used_as, asked.token.as_bytes());
        let cached = lock(&self.0.cache).get(&key, Instant::now());
        let found = match cached {
            Some(found) => found,
            // Boxed, because it is much larger than the common path.
            None => Box::pin(self.validate(key, asked)).await?,
        };
        // A cached token may have expired since.
        found
            .filter(|token| asked.allow_expired || clock::now() < token.expires_at)
            .ok_or_else(|| self.no_token())
    }

    async fn validate(&self, key: Digest, asked: Asked<'_>) -> Outcome {
        let (cell, permit) = {
            let mut validations = lock(&self.0.validations);
            // Those without waiters.
            validations.retain(|_, cell| Arc::strong_count(cell) > 1);
            if let Some(cell) = validations.get(&key) {
                (Arc::clone(cell), None)
            } else {
                let permit = self.permit(asked)?;
                let cell = Arc::new(OnceCell::new());
                validations.insert(key, Arc::clone(&cell));
                (cell, Some(permit))
            }
        };
        let outcome = cell.get_or_init(|| self.ask_keystone(key, asked, permit));
        outcome.await.clone()
    }

    async fn ask_keystone(
        &self,
        key: Digest,
        asked: Asked<'_>,
        permit: Option<VerificationPermit>,
    ) -> Outcome {
        // The request that started it may have been cancelled.
        let permit = match permit {
            Some(permit) => permit,
            None => self.permit(asked)?,
        };
        let Ok(_slot) = self.0.slots.acquire().await else {
            return Err(AuthError::KeystoneUnavailable);
        };
        let mut token = asked.token.clone();
        token.set_sensitive(true);
        match self.0.validator.validate(&token, asked.allow_expired).await {
            Ok(found) => {
                let found = found.map(Arc::new);
                if found.is_none() {
                    permit.record_failure();
                }
                lock(&self.0.cache).insert(key, &found, Instant::now());
                Ok(found)
            }
            Err(problem) => {
                if self.0.unavailable.is_due() {
                    error!(
                        "cannot validate tokens, so requests with tokens that are not cached get 503: \
                         {problem} ([keystone_authtoken])"
                    );
                }
                Err(AuthError::KeystoneUnavailable)
            }
        }
    }

    fn permit(&self, asked: Asked<'_>) -> Result<VerificationPermit, AuthError> {
        let permit = self.0.limits.acquire(asked.client, Instant::now());
        permit.map_err(|retry_after| AuthError::Busy {
            retry_after: retry_after.max(retry_after::SOON),
        })
    }

    /// The response to a request without a valid token.
    pub(super) fn no_token(&self) -> AuthError {
        AuthError::NoToken {
            keystone: Arc::clone(&self.0.www_authenticate_uri),
        }
    }
}

/// A header without surrounding spaces; `None` if it is empty.
fn header(headers: &HeaderMap, name: &str) -> Option<HeaderValue> {
    let value = headers.get(name)?;
    let trimmed = value.as_bytes().trim_ascii();
    if trimmed.is_empty() {
        return None;
    }
    if trimmed.len() == value.len() {
        return Some(value.clone());
    }
    HeaderValue::from_bytes(trimmed).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
