//! Who sends a request of the API: the three values of `[DEFAULT]auth_strategy`.
//!
//! The service layer of the API asks an [`Authenticator`] about each request except those of
//! [`is_public`] routes, before it reads the body and before routing. Handlers get the [`Caller`];
//! those of routes that are not public do not run without one.
//!
//! Source: Ironic's `common/auth_basic.py`, `api/middleware/auth_public_routes.py`, and
//! keystonemiddleware's `auth_token`.

mod access_rules;
mod error;
mod keyed_hash;
mod keystone;
mod limits;
mod passwords;
mod public_routes;
mod token_cache;

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, header};
use ironpxe_core::policy::Credentials;

pub(crate) use self::error::AuthError;
pub(crate) use self::keystone::{Keystone, KeystoneSettings};
pub(crate) use self::passwords::{AuthResult, BasicCredentials, Users};
pub(crate) use self::public_routes::is_public;

/// Who sent a request.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Someone who may do everything (`auth_strategy = noauth` or `http_basic`).
    Unrestricted {
        /// The user, if there was a password.
        user: Option<Arc<str>>,
    },
    /// The bearer of a token, about whom the policy is asked.
    Keystone(Arc<Credentials>),
    /// Anyone: a request of a public route, whose credentials are not read.
    Public,
}

impl Caller {
    /// The user, for the log.
    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Self::Unrestricted { user } => user.as_deref(),
            Self::Keystone(credentials) => credentials
                .user_name
                .as_deref()
                .or(credentials.user_id.as_deref()),
            Self::Public => None,
        }
    }

    /// The ID of the project that the token is for, for the log.
    pub(crate) fn project(&self) -> Option<&str> {
        match self {
            Self::Keystone(credentials) => credentials.project_id.as_deref(),
            Self::Unrestricted { .. } | Self::Public => None,
        }
    }
}

/// What authentication reads of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AuthRequest<'r> {
    /// The method, for access rules.
    pub method: &'r Method,
    /// The normalized path, for access rules.
    pub path: &'r str,
    /// The headers with credentials.
    pub headers: &'r HeaderMap,
    /// The client's address, for limits.
    pub client: Option<IpAddr>,
}

/// Authenticates requests. Clones share what they know.
#[derive(Debug, Clone)]
pub(crate) enum Authenticator {
    /// Nobody: everyone may do everything.
    NoAuth,
    /// By user name and password. Every user may do everything.
    HttpBasic(Users),
    /// By a token of Keystone.
    Keystone(Keystone),
}

impl Authenticator {
    /// Who sent a request of a route that is not public.
    pub(crate) async fn authenticate(
        &self,
        request: &AuthRequest<'_>,
    ) -> Result<Caller, AuthError> {
        match self {
            Self::NoAuth => Ok(Caller::Unrestricted { user: None }),
            Self::HttpBasic(users) => {
                let header = request.headers.get(header::AUTHORIZATION);
                let user = users.user(header, request.client).await?;
                Ok(Caller::Unrestricted { user: Some(user) })
            }
            Self::Keystone(keystone) => Ok(Caller::Keystone(keystone.authenticate(request).await?)),
        }
    }

    /// The response to a request without credentials.
    pub(crate) fn no_credentials(&self) -> AuthError {
        match self {
            Self::NoAuth | Self::HttpBasic(_) => AuthError::NoPassword,
            Self::Keystone(keystone) => keystone.no_token(),
        }
    }
}
