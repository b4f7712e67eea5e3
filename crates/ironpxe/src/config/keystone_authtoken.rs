//! `[keystone_authtoken]`

use std::path::PathBuf;

use super::endpoint::Endpoint;
use super::openstack::{AuthType, OpenStack, SystemScope};
use super::section::section;
use super::values::{Names, Secret, Word};

section! {
    /// How tokens of clients are validated by Keystone, with `[DEFAULT]auth_strategy = "keystone"`, and
    /// the account for that.
    ["keystone_authtoken"] pub struct KeystoneAuthtoken {
        /// How to authenticate to Keystone: `password` (`auth_url`, `username`, `password`, a project,
        /// and the domains of both), or `v3applicationcredential` (`auth_url`,
        /// `application_credential_id` and `application_credential_secret`).
        pub auth_type: Option<AuthType> = None;
        /// Keystone's URL for this service, for example `https://keystone.example:5000/v3`.
        pub auth_url: Option<Endpoint> = None;
        /// Keystone's URL for clients, which those without a valid token are told. Not set: `auth_url`.
        pub www_authenticate_uri: Option<Endpoint> = None;
        /// The user; needs a role that may validate tokens: `service` or `admin`.
        pub username: Option<String> = None;
        /// The ID of the user's domain; this or its name is required.
        pub user_domain_id: Option<String> = None;
        /// The name of the user's domain.
        pub user_domain_name: Option<String> = None;
        /// The user's password.
        pub password: Option<Secret> = None;
        /// The ID of the project; this or its name is required.
        pub project_id: Option<String> = None;
        /// The name of the project; requires a domain.
        pub project_name: Option<String> = None;
        /// The ID of the project's domain.
        pub project_domain_id: Option<String> = None;
        /// The name of the project's domain.
        pub project_domain_name: Option<String> = None;
        /// `all`: the user has roles in the whole deployment, instead of in a project.
        pub system_scope: Option<SystemScope> = None;
        /// The ID of the application credential.
        pub application_credential_id: Option<String> = None;
        /// The secret of the application credential.
        pub application_credential_secret: Option<Secret> = None;
        /// The CA certificates to trust for Keystone, as PEM. Not set: those of the system.
        pub cafile: Option<PathBuf> = None;
        /// How long a valid token is trusted without asking Keystone again, in seconds; -1 not at all.
        /// A revoked token can be used for that long. Up to 10,000 tokens are remembered.
        pub token_cache_time: i32 = 300, in -1..=86_400;
        /// The timeout for connecting to Keystone, and for its response, in seconds (in Ironic: none).
        pub http_connect_timeout: u32 = 10, in 1..=600;
        /// How often a request to Keystone is retried after a temporary error.
        pub http_request_max_retries: u32 = 3, in 0..=10;
        /// The roles of services: a request with one of their tokens as `X-Service-Token` may continue
        /// with a user's token that has expired.
        pub service_token_roles: Names = Names(vec!["service".to_owned()]);
        /// Whether a service token without any of these roles is refused (in older releases of
        /// keystonemiddleware: no).
        pub service_token_roles_required: bool = true;
        /// The type of this service in access rules of application credentials: `baremetal`. Not set:
        /// restricted credentials are refused.
        pub service_type: Option<Word> = None;
    }
}

impl KeystoneAuthtoken {
    /// The account in the form that all services share.
    pub(crate) fn openstack(&self) -> OpenStack {
        OpenStack {
            section: "keystone_authtoken",
            auth_type: self.auth_type,
            auth_url: self.auth_url.clone(),
            username: self.username.clone(),
            user_domain_id: self.user_domain_id.clone(),
            user_domain_name: self.user_domain_name.clone(),
            password: self.password.clone(),
            project_id: self.project_id.clone(),
            project_name: self.project_name.clone(),
            project_domain_id: self.project_domain_id.clone(),
            project_domain_name: self.project_domain_name.clone(),
            system_scope: self.system_scope,
            application_credential_id: self.application_credential_id.clone(),
            application_credential_secret: self.application_credential_secret.clone(),
            endpoint_override: None,
            region_name: None,
            valid_interfaces: Names(Vec::new()),
            cafile: self.cafile.clone(),
        }
    }
}
