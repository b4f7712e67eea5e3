//! Settings for tests with a cloud of their own.

use std::time::Duration;

use ironpxe_testkit::openstack::faulty::{CREDENTIAL, FaultyCloud};

use super::{Auth, Secret, Settings};

/// Longer than any answer takes that comes at all.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// Nothing is tried again, and what a catalog offers to the public is used.
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

/// The application credential that the cloud knows.
pub(crate) fn credential(cloud: &FaultyCloud) -> Auth {
    Auth::ApplicationCredential {
        auth_url: format!("{}/v3/", cloud.url()),
        id: CREDENTIAL.0.to_owned(),
        secret: Secret(CREDENTIAL.1.to_owned()),
    }
}
