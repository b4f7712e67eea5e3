//! Settings for tests with fake services.

use std::time::Duration;

use ironpxe_testkit::openstack::faulty::{CREDENTIAL, FaultyCloud};

use super::{Auth, Secret, Settings};

/// Longer than any response takes.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// Without retries, with the catalog's public endpoints.
pub(crate) fn settings(auth: Auth) -> Settings {
    Settings {
        auth,
        endpoint_override: None,
        region_name: None,
        valid_interfaces: vec!["public".to_owned()],
        cafile: None,
        timeout: TIMEOUT,
        retries: 0,
        pause: Duration::from_millis(1),
    }
}

/// The application credential of the fake Keystone.
pub(crate) fn credential(cloud: &FaultyCloud) -> Auth {
    Auth::ApplicationCredential {
        auth_url: format!("{}/v3/", cloud.url()),
        id: CREDENTIAL.0.to_owned(),
        secret: Secret(CREDENTIAL.1.to_owned()),
    }
}
