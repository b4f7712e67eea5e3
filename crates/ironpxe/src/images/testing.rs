//! Images for tests and fuzzing.

#![expect(clippy::unwrap_used, reason = "no part of the service")]

use std::time::Duration;

use ironpxe_core::boot::FileUrls;

use super::{Images, OwnService, Relayed, Settings};
use crate::url_key::UrlKey;

/// Nothing is relayed.
pub(crate) fn settings() -> Settings {
    Settings {
        relay: Relayed::Never,
        relay_allowed: Vec::new(),
        own: OwnService::default(),
        key: UrlKey::new("a key of tests"),
        base: "http://127.0.0.1:6385".to_owned(),
        url_lifetime: Duration::from_mins(1),
        idle_timeout: Duration::from_secs(10),
        downloads: 10,
        file_urls: FileUrls::default(),
        allowed_paths: Vec::new(),
        cafile: None,
        glance: None,
        temp_urls: None,
        temp_url_lifetime: Duration::from_mins(1),
    }
}

/// Images that machines fetch from where they are.
pub(crate) fn images() -> Images {
    Images::new(settings()).unwrap()
}
