//! The settings shared by all sections of OpenStack services: the service's location and the
//! credentials. The names are keystoneauth's, as in Ironic.

use serde::{Deserialize, Serialize};

/// The credentials of a client, which in ironic.conf can be in the group that
/// `auth_section` names.
pub(super) const CREDENTIALS: [&str; 12] = [
    "auth_type",
    "auth_url",
    "username",
    "user_domain_id",
    "user_domain_name",
    "password",
    "project_id",
    "project_name",
    "project_domain_id",
    "project_domain_name",
    "system_scope",
    "application_credential_id",
];

/// How to authenticate to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum AuthType {
    /// Not at all.
    #[serde(rename = "none")]
    None,
    /// By user and password.
    #[serde(rename = "password")]
    Password,
    /// By an application credential.
    #[serde(rename = "v3applicationcredential")]
    ApplicationCredential,
    /// By user and password in each request (RFC 7617), without Keystone.
    #[serde(rename = "http_basic")]
    HttpBasic,
}

/// The scope of a user with roles in the whole deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub(crate) enum SystemScope {
    /// The only one that Keystone has.
    All,
}

impl TryFrom<String> for SystemScope {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "all" => Ok(Self::All),
            _ => Err(format!("unknown scope {name:?}; expected \"all\"")),
        }
    }
}

impl TryFrom<String> for AuthType {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "none" => Ok(Self::None),
            "password" | "v3password" => Ok(Self::Password),
            "v3applicationcredential" => Ok(Self::ApplicationCredential),
            "http_basic" => Ok(Self::HttpBasic),
            _ => Err(format!(
                "unknown type {name:?}; expected \"password\", \"v3applicationcredential\", \
                 \"none\", or in [beside] \"http_basic\""
            )),
        }
    }
}

/// The shared settings of these sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenStack {
    pub section: &'static str,
    pub auth_type: Option<AuthType>,
    pub auth_url: Option<super::Endpoint>,
    pub username: Option<String>,
    pub user_domain_id: Option<String>,
    pub user_domain_name: Option<String>,
    pub password: Option<super::Secret>,
    pub project_id: Option<String>,
    pub project_name: Option<String>,
    pub project_domain_id: Option<String>,
    pub project_domain_name: Option<String>,
    pub system_scope: Option<SystemScope>,
    pub application_credential_id: Option<String>,
    pub application_credential_secret: Option<super::Secret>,
    pub endpoint_override: Option<super::Endpoint>,
    pub region_name: Option<String>,
    pub valid_interfaces: super::Names,
    pub cafile: Option<std::path::PathBuf>,
}

impl OpenStack {
    /// Missing settings: the key that requires them, and the message.
    pub(super) fn missing(&self) -> Vec<(&'static str, String)> {
        let mut missing = Vec::new();
        let beside = |is_there: bool, key: &str| {
            (!is_there).then(|| format!("this requires [{}]{key}", self.section))
        };
        let needed = match self.auth_type {
            None => Vec::new(),
            Some(AuthType::None) => {
                vec![beside(
                    self.endpoint_override.is_some(),
                    "endpoint_override",
                )]
            }
            Some(AuthType::HttpBasic) => vec![
                beside(self.endpoint_override.is_some(), "endpoint_override"),
                beside(self.username.is_some(), "username"),
                beside(self.password.is_some(), "password"),
            ],
            Some(AuthType::Password) => {
                let user_domain = self.user_domain_id.is_some() || self.user_domain_name.is_some();
                let project = self.project_id.is_some()
                    || self.project_name.is_some()
                    || self.system_scope.is_some();
                let project_domain = self.project_id.is_some()
                    || self.system_scope.is_some()
                    || self.project_domain_id.is_some()
                    || self.project_domain_name.is_some();
                vec![
                    beside(self.auth_url.is_some(), "auth_url"),
                    beside(self.username.is_some(), "username"),
                    beside(self.password.is_some(), "password"),
                    beside(user_domain, "user_domain_name or user_domain_id"),
                    beside(project, "project_name or project_id, or system_scope"),
                    beside(project_domain, "project_domain_name or project_domain_id"),
                ]
            }
            Some(AuthType::ApplicationCredential) => vec![
                beside(self.auth_url.is_some(), "auth_url"),
                beside(
                    self.application_credential_id.is_some(),
                    "application_credential_id",
                ),
                beside(
                    self.application_credential_secret.is_some(),
                    "application_credential_secret",
                ),
            ],
        };
        missing.extend(needed.into_iter().flatten().map(|it| ("auth_type", it)));
        if self.system_scope.is_some() && (self.project_id.is_some() || self.project_name.is_some())
        {
            let message = "a token is either for a project or for the system".to_owned();
            missing.push(("system_scope", message));
        }
        if self.auth_type.is_none() && (self.auth_url.is_some() || self.username.is_some()) {
            let key = match self.auth_url {
                Some(_) => "auth_url",
                None => "username",
            };
            missing.extend(beside(false, "auth_type").map(|it| (key, it)));
        }
        missing
    }
}

/// Declares a section of an OpenStack service: `section!` with the shared keys before its own, but
/// after those in brackets.
macro_rules! openstack_section {
    (
        $(#[doc = $about:literal])*
        [$section:literal] pub struct $Name:ident $([ $($first:tt)* ])? { $($own:tt)* }
    ) => {
        $crate::config::section::section! {
            $(#[doc = $about])*
            [$section] pub struct $Name {
                $($($first)*)?
                /// How to authenticate: `password` (`auth_url`, `username`, `password`, a project,
                /// and the domains of both), `v3applicationcredential` (`auth_url`,
                /// `application_credential_id` and `application_credential_secret`), `none` (only
                /// `endpoint_override`) or, in `[beside]`, `http_basic` (`endpoint_override`,
                /// `username` and `password`). Not set: the service is not used.
                pub auth_type: Option<$crate::config::AuthType> = None;
                /// Keystone's URL, for example `https://keystone.example:5000/v3`.
                pub auth_url: Option<$crate::config::Endpoint> = None;
                /// The user.
                pub username: Option<String> = None;
                /// The ID of the user's domain; this or its name is required.
                pub user_domain_id: Option<String> = None;
                /// The name of the user's domain.
                pub user_domain_name: Option<String> = None;
                /// The user's password.
                pub password: Option<$crate::config::Secret> = None;
                /// The ID of the project; this or its name is required.
                pub project_id: Option<String> = None;
                /// The name of the project; requires a domain.
                pub project_name: Option<String> = None;
                /// The ID of the project's domain.
                pub project_domain_id: Option<String> = None;
                /// The name of the project's domain.
                pub project_domain_name: Option<String> = None;
                /// `all`: the user has roles in the whole deployment, instead of in a project.
                pub system_scope: Option<$crate::config::SystemScope> = None;
                /// The ID of the application credential.
                pub application_credential_id: Option<String> = None;
                /// The secret of the application credential.
                pub application_credential_secret: Option<$crate::config::Secret> = None;
                /// The service's URL, instead of the one in Keystone's catalog.
                pub endpoint_override: Option<$crate::config::Endpoint> = None;
                /// The region of the service. Not set: any.
                pub region_name: Option<String> = None;
                /// The interfaces of the endpoint in the catalog, in order of preference.
                pub valid_interfaces: $crate::config::Names = $crate::config::Names(vec![
                    "internal".to_owned(),
                    "public".to_owned(),
                ]);
                /// The trusted CA certificates, as PEM. Not set: those of the system.
                pub cafile: Option<std::path::PathBuf> = None;
                $($own)*
            }
        }

        impl $Name {
            /// The shared settings of this section.
            pub(crate) fn openstack(&self) -> $crate::config::OpenStack {
                $crate::config::OpenStack {
                    section: $section,
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
                    endpoint_override: self.endpoint_override.clone(),
                    region_name: self.region_name.clone(),
                    valid_interfaces: self.valid_interfaces.clone(),
                    cafile: self.cafile.clone(),
                }
            }
        }
    };
}
pub(super) use openstack_section;
