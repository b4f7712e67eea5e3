//! The configured clients of OpenStack services.

use std::time::Duration;

use ironpxe_core::swift::TempUrlDigest;

use crate::config::{self, AuthType, Config, Endpoint, Names, Secret, SystemScope, Word};
use crate::openstack::{
    Auth, Domain, Glance, Ironic, Neutron, Project, Scope, Settings, SetupError, TempUrlSettings,
    TempUrls, TokenValidator,
};

/// How long an existing Ironic may take to respond, in seconds. Firmware waits longer.
const IRONIC_TIMEOUT: u32 = 10;
/// The delay before the first retry of a request.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a client cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("[{section}]")]
pub(crate) struct OpenStackSetupError {
    /// The section.
    pub section: &'static str,
    /// The problem.
    pub source: SetupError,
}

/// The clients of the configured services.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients {
    /// With `[glance]auth_type`.
    pub glance: Option<Glance>,
    /// With `[glance]swift_temp_url_key` as well.
    pub temp_urls: Option<TempUrls>,
    /// With `[neutron]auth_type`.
    pub neutron: Option<Neutron>,
}

impl Clients {
    /// Creates the clients.
    pub(crate) fn new(config: &Config) -> Result<Self, OpenStackSetupError> {
        let of = |section| move |source| OpenStackSetupError { section, source };
        let (glance, neutron) = (&config.glance, &config.neutron);
        let settings = settings(&glance.openstack(), glance.timeout, glance.num_retries);
        let client = settings.map(|it| Glance::new(&it)).transpose();
        let client = client.map_err(of("glance"))?;
        let temp_urls = client
            .clone()
            .zip(temp_urls(glance))
            .map(|(client, settings)| TempUrls::new(client, settings));
        let settings = self::settings(
            &neutron.openstack(),
            neutron.request_timeout,
            neutron.retries,
        );
        let neutron = settings.map(|it| Neutron::new(&it)).transpose();
        Ok(Self {
            glance: client,
            temp_urls,
            neutron: neutron.map_err(of("neutron"))?,
        })
    }
}

/// `None` if the service is not configured.
fn settings(service: &config::OpenStack, timeout: u32, retries: u32) -> Option<Settings> {
    let Names(valid_interfaces) = &service.valid_interfaces;
    let url = |url: &Endpoint| url.0.clone();
    Some(Settings {
        auth: auth(service)?,
        endpoint_override: service.endpoint_override.as_ref().map(url),
        region_name: service.region_name.clone(),
        valid_interfaces: valid_interfaces.clone(),
        cafile: service.cafile.clone(),
        timeout: Duration::from_secs(timeout.into()),
        retries,
        pause: PAUSE,
    })
}

/// The client of an existing Ironic. Requests are not retried: machines are.
pub(crate) fn ironic_client(api: &config::OpenStack) -> Result<Ironic, SetupError> {
    let settings = settings(api, IRONIC_TIMEOUT, 0).ok_or(SetupError::NoEndpoint)?;
    Ironic::new(&settings)
}

/// The client that validates tokens.
pub(crate) fn token_validator(
    section: &config::KeystoneAuthtoken,
) -> Result<TokenValidator, SetupError> {
    let retries = section.http_request_max_retries;
    let settings = settings(&section.openstack(), section.http_connect_timeout, retries);
    let validator = settings.map(|it| TokenValidator::new(&it)).transpose()?;
    validator.flatten().ok_or(SetupError::NoEndpoint)
}

/// Missing settings were reported when the configuration was loaded.
fn auth(service: &config::OpenStack) -> Option<Auth> {
    let auth_url = service.auth_url.as_ref().map(|it| it.0.clone());
    let secret = |it: &Secret| crate::openstack::Secret(it.0.clone());
    let domain = |id: &Option<String>, name: &Option<String>| match (id, name) {
        (Some(id), _) => Some(Domain::Id(id.clone())),
        (None, Some(name)) => Some(Domain::Name(name.clone())),
        (None, None) => None,
    };
    match service.auth_type? {
        AuthType::None => Some(Auth::None),
        AuthType::HttpBasic => Some(Auth::HttpBasic {
            username: service.username.clone()?,
            password: service.password.as_ref().map(secret)?,
        }),
        AuthType::Password => Some(Auth::Password {
            auth_url: auth_url?,
            username: service.username.clone()?,
            user_domain: domain(&service.user_domain_id, &service.user_domain_name)?,
            password: service.password.as_ref().map(secret)?,
            scope: match (
                service.system_scope,
                &service.project_id,
                &service.project_name,
            ) {
                (Some(SystemScope::All), ..) => Scope::System,
                (None, Some(id), _) => Scope::Project(Project::Id(id.clone())),
                (None, None, name) => Scope::Project(Project::Name(
                    name.clone()?,
                    domain(&service.project_domain_id, &service.project_domain_name)?,
                )),
            },
        }),
        AuthType::ApplicationCredential => Some(Auth::ApplicationCredential {
            auth_url: auth_url?,
            id: service.application_credential_id.clone()?,
            secret: service.application_credential_secret.as_ref().map(secret)?,
        }),
    }
}

fn temp_urls(glance: &config::Glance) -> Option<TempUrlSettings> {
    let Secret(key) = glance.swift_temp_url_key.as_ref()?;
    let Word(container) = &glance.swift_container;
    Some(TempUrlSettings {
        key: crate::openstack::Secret(key.clone()),
        digest: match glance.swift_temp_url_digest {
            config::TempUrlDigest::Sha1 => TempUrlDigest::Sha1,
            config::TempUrlDigest::Sha256 => TempUrlDigest::Sha256,
            config::TempUrlDigest::Sha512 => TempUrlDigest::Sha512,
        },
        duration: Duration::from_secs(glance.swift_temp_url_duration.into()),
        endpoint_url: glance.swift_endpoint_url.as_ref().map(|it| it.0.clone()),
        account: glance.swift_account.as_ref().map(|it| it.0.clone()),
        container: container.clone(),
        multiple_containers_seed: glance.swift_store_multiple_containers_seed.into(),
    })
}
