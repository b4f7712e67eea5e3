//! The authentication of the API's clients, as configured.

use std::time::Duration;

use super::openstack::token_validator;
use crate::auth::{Authenticator, Keystone, KeystoneSettings, Users};
use crate::config::{AuthStrategy, Config, Word};
use crate::error_chain::error_chain;
use crate::openstack::SetupError;

/// Reads the users, or prepares requests to Keystone, without connecting. The error is the setting and
/// its problem.
pub(super) fn authenticator(config: &Config) -> Result<Authenticator, (String, String)> {
    match config.general.auth_strategy {
        AuthStrategy::NoAuth => Ok(Authenticator::NoAuth),
        AuthStrategy::HttpBasic => {
            let users = Users::read(&config.general.http_basic_auth_user_file);
            users.map(Authenticator::HttpBasic).map_err(|error| {
                let key = "[DEFAULT]http_basic_auth_user_file".to_owned();
                (key, error_chain(&error))
            })
        }
        AuthStrategy::Keystone => keystone(config),
    }
}

fn keystone(config: &Config) -> Result<Authenticator, (String, String)> {
    let section = &config.keystone_authtoken;
    let validator = token_validator(section).map_err(|error| {
        let key = match &error {
            SetupError::Tls(_) => "cafile",
            SetupError::Url { .. } => "auth_url",
            SetupError::NoEndpoint | SetupError::Client(_) => "auth_type",
        };
        (format!("[keystone_authtoken]{key}"), error_chain(&error))
    })?;
    let uri = section.www_authenticate_uri.as_ref();
    let uri = uri.or(section.auth_url.as_ref());
    let settings = KeystoneSettings {
        www_authenticate_uri: uri.map(|it| it.0.clone()).unwrap_or_default(),
        token_cache_time: u64::try_from(section.token_cache_time)
            .map(Duration::from_secs)
            .unwrap_or_default(),
        service_token_roles: section.service_token_roles.0.clone(),
        service_token_roles_required: section.service_token_roles_required,
        service_type: section.service_type.as_ref().map(|Word(name)| name.clone()),
    };
    Ok(Authenticator::Keystone(Keystone::new(validator, settings)))
}
