//! What must hold whatever bytes come from outside, for what is parsed in this crate; where it takes
//! the whole service to tell, a check asks in two ways, and compares the answers.
//!
//! As in `ironpxe_core::fuzzing`: the fuzz targets in `fuzz/` call these with bytes they make up,
//! and a test with the files of `fuzz/corpus/`, on every run of `cargo test`. Not part of the
//! service: compiled for tests and with the feature `fuzzing` alone.
//!
//! How to run them: `docs/testing.md`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a check stops at anything unexpected, and is no part of the service"
)]

mod request_paths;
mod rpc_bodies;
mod service;

/// A check, which panics if something is wrong.
pub type Check = fn(&[u8]);

/// Each target by the name of its file in `fuzz/fuzz_targets/` and its folder in `fuzz/corpus/`.
pub const TARGETS: [(&str, Check); 3] = [
    ("request_paths", request_paths::check),
    ("rpc_bodies", rpc_bodies::check),
    ("wal_index", crate::db::fuzz_wal_index),
];

/// Runs one target; for `fuzz/fuzz_targets/`.
///
/// # Panics
///
/// If something is not as it must be, or there is no such target.
pub fn run(target: &str, data: &[u8]) {
    match TARGETS.iter().find(|(name, _)| *name == target) {
        Some((_, check)) => check(data),
        None => panic!("no such target: {target}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
    }

    #[test]
    fn every_file_of_the_corpus_is_fine() {
        for (target, check) in TARGETS {
            let corpus = folder().join("corpus").join(target);
            let mut files = 0;
            for entry in std::fs::read_dir(&corpus).unwrap() {
                let path = entry.unwrap().path();
                // The name of the file that breaks it is in the output of the test.
                println!("{}", path.display());
                check(&std::fs::read(path).unwrap());
                files += 1;
            }
            assert!(files > 0, "{} is empty", corpus.display());
        }
    }

    #[test]
    fn every_target_has_its_file() {
        let mut files = BTreeSet::new();
        for entry in std::fs::read_dir(folder().join("fuzz_targets")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            if text.contains(&format!(" ironpxe::fuzzing::run(\"{name}\", data)")) {
                files.insert(name);
            }
        }
        let targets: BTreeSet<String> =
            TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(files, targets);
        let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
        for target in targets {
            assert!(
                manifest.contains(&format!("name = \"{target}\"")),
                "{target}"
            );
        }
    }
}
