//! The data of a request for its handler.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use ironpxe_core::error::Fault;
use ironpxe_core::microversion::Microversion;
use ironpxe_core::policy::Policy;

use crate::api::audit::Audit;
use crate::api::error::ApiError;
use crate::api::links::{self, Links};
use crate::api::{AppState, CommonState};
use crate::auth::Caller;
use crate::rpc::Context;

/// The data of a request for its handler.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The request's context for the conductor.
    pub(crate) ctx: Context,
    /// The negotiated API version.
    pub(crate) version: Microversion,
    /// The base of links.
    pub(crate) links: Links,
    /// Whether the path ended in `.json`, which was stripped.
    pub(crate) json_suffix: bool,
    /// Who sent the request. Never [`Caller::Public`], except in a [`PublicCall`].
    pub(crate) caller: Caller,
    /// Who may do what; the same during the whole request.
    pub(crate) policy: Arc<Policy>,
    /// For the log of changes.
    pub(crate) audit: Audit,
}

/// The data of a request for the handler of a public route, which may run without credentials.
#[derive(Debug, Clone)]
pub(crate) struct PublicCall(pub(crate) Call);

/// Rejects requests without an authenticated caller with 401: for handlers without a [`Call`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Authenticated;

/// Marks a request whose path ended in `.json`.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonSuffix;

impl Call {
    /// Without restrictions, for a client of version 1.`minor`.
    #[cfg(test)]
    pub(crate) fn of_version(minor: u16) -> Self {
        Self {
            ctx: Context {
                request_id: "req-1".to_owned(),
            },
            version: Microversion::new(minor),
            links: Links {
                base: "http://h".to_owned(),
            },
            json_suffix: false,
            caller: Caller::Unrestricted { user: None },
            policy: Arc::new(Policy::defaults()),
            audit: Audit::default(),
        }
    }

    /// Whether the client's API version includes 1.`minor`.
    pub(crate) fn has(&self, minor: u16) -> bool {
        self.version >= Microversion::new(minor)
    }

    /// Rejects older clients with 406, naming the required version 1.`minor`.
    pub(crate) fn requires_version(&self, minor: u16) -> Result<(), ApiError> {
        if self.has(minor) {
            Ok(())
        } else {
            Err(Fault::NeedsVersion(minor).into())
        }
    }

    /// Rejects older clients than 1.`minor` with 406.
    pub(crate) fn not_acceptable_before(&self, minor: u16) -> Result<(), ApiError> {
        if self.has(minor) {
            Ok(())
        } else {
            Err(Fault::NotAcceptable.into())
        }
    }

    /// Rejects changes by older clients than 1.`minor` with 405: in Ironic the methods are new, not
    /// the URL.
    pub(crate) fn method_not_allowed_before(&self, minor: u16) -> Result<(), ApiError> {
        if self.has(minor) {
            Ok(())
        } else {
            Err(ApiError::MethodNotAllowed)
        }
    }

    /// Hides an endpoint from older clients than 1.`minor` with 404.
    pub(crate) fn not_found_before(&self, minor: u16) -> Result<(), ApiError> {
        if self.has(minor) {
            Ok(())
        } else {
            Err(Fault::NotInThisVersion.into())
        }
    }
}

impl FromRequestParts<AppState> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        Authenticated::from_request_parts(parts, state).await?;
        let PublicCall(call) = PublicCall::from_request_parts(parts, state).await?;
        Ok(call)
    }
}

impl<S> FromRequestParts<S> for Authenticated
where
    S: Sync,
    CommonState: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<Caller>() {
            Some(Caller::Unrestricted { .. } | Caller::Keystone(_)) => Ok(Self),
            None | Some(Caller::Public) => {
                let state = CommonState::from_ref(state);
                Err(state.authenticator.no_credentials().into())
            }
        }
    }
}

impl FromRequestParts<AppState> for PublicCall {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let missing = |what: &str| ApiError::from(Fault::Internal(format!("no {what} was set")));
        let extensions = &parts.extensions;
        Ok(Self(Call {
            policy: state.policy.current(),
            audit: extensions.get::<Audit>().cloned().unwrap_or_default(),
            ctx: extensions
                .get::<Context>()
                .cloned()
                .ok_or_else(|| missing("request id"))?,
            version: extensions
                .get::<Microversion>()
                .copied()
                .ok_or_else(|| missing("API version"))?,
            links: Links {
                base: links::base(parts, &state.common.settings),
            },
            json_suffix: extensions.get::<JsonSuffix>().is_some(),
            caller: extensions.get().cloned().unwrap_or(Caller::Public),
        }))
    }
}
