//! Images for tests of other modules.

use std::path::PathBuf;
use std::time::Duration;

use super::{Images, Key, OwnService, Relayed, Settings};

/// Images that are never relayed.
pub(crate) fn images() -> Images {
    images_below(Vec::new())
}

/// Like [`images`], with files below these directories.
pub(crate) fn images_below(allowed_paths: Vec<PathBuf>) -> Images {
    Images::new(Settings {
        relay: Relayed::Never,
        relay_allowed: Vec::new(),
        own: OwnService::default(),
        key: Key::new("a key of tests"),
        base: "http://127.0.0.1:6385".to_owned(),
        url_lifetime: Duration::from_mins(1),
        idle_timeout: Duration::from_secs(10),
        downloads: 10,
        allowed_paths,
        cafile: None,
        glance: None,
        temp_urls: None,
        temp_url_lifetime: Duration::from_mins(1),
    })
    .unwrap()
}
