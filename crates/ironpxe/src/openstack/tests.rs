//! Against a cloud on a real socket that misbehaves as told.

mod answers;
mod faults;
mod real;
mod tokens;

use std::time::Duration;

use ironpxe_testkit::openstack::faulty::{FaultyCloud, PASSWORD, USER};

use super::testing::credential;
use super::*;

const IMAGE: &str = "11111111-2222-3333-4444-555555555555";
const PORT: &str = "aaaaaaaa-2222-3333-4444-555555555555";
const TOKENS: &str = "/v3/auth/tokens";
const IMAGE_PATH: &str = "/image/v2/images/11111111-2222-3333-4444-555555555555";
const FILE_PATH: &str = "/image/v2/images/11111111-2222-3333-4444-555555555555/file";
const PORT_PATH: &str = "/network/v2.0/ports/aaaaaaaa-2222-3333-4444-555555555555";

fn password(password: &str, cloud: &FaultyCloud) -> Auth {
    Auth::Password {
        auth_url: cloud.url(),
        username: USER.to_owned(),
        user_domain: Domain::Name("Default".to_owned()),
        password: Secret(password.to_owned()),
        scope: Scope::Project(Project::Name(
            "service".to_owned(),
            Domain::Id("default".to_owned()),
        )),
    }
}

fn settings(cloud: &FaultyCloud) -> Settings {
    testing::settings(password(PASSWORD, cloud))
}

fn cloud() -> FaultyCloud {
    let cloud = FaultyCloud::start().unwrap();
    let image = serde_json::json!({
        "id": IMAGE, "status": "active", "size": 10, "checksum": "781e5e245d69b566979b86e28d23f2c7",
        "os_hash_algo": "sha512", "os_hash_value": "bb96c2", "disk_format": "ari",
        "kernel_id": "k", "hw_firmware_type": "uefi", "min_ram": 0,
    });
    cloud.has_image(IMAGE, image, b"0123456789");
    cloud.has_port(PORT, "52:54:00:aa:00:01", &["192.0.2.7", "2001:db8::7"]);
    cloud
}

fn glance(cloud: &FaultyCloud) -> Glance {
    Glance::new(&settings(cloud)).unwrap()
}

fn neutron(cloud: &FaultyCloud) -> Neutron {
    Neutron::new(&settings(cloud)).unwrap()
}
