//! What must hold whatever comes from outside: one function for each parser of outside bytes.
//!
//! Each takes any bytes, lets them be parsed, and panics if something is not as it must be. The
//! fuzz targets in `fuzz/` call them with bytes they make up, and a test with the files of
//! `fuzz/corpus/`, on every run of `cargo test`. Not part of the service: compiled for tests and
//! with the feature `fuzzing` alone.
//!
//! How to run them: `docs/testing.md`.

mod boot;
mod documents;
mod kickstart;
mod names;
pub(crate) mod script;

/// A check, which panics if something is wrong.
pub type Check = fn(&[u8]);

/// Each target by the name of its file in `fuzz/fuzz_targets/` and its folder in `fuzz/corpus/`.
pub const TARGETS: [(&str, Check); 9] = [
    ("boot_ident", names::boot_ident),
    ("capabilities", boot::capabilities),
    ("image_url", boot::image_url),
    ("kernel_args", boot::kernel_args),
    ("kickstart", kickstart::kickstart),
    ("mac_uuid", names::mac_uuid),
    ("patch", documents::patch),
    ("render", boot::render),
    ("volume", boot::volume),
];

/// Runs one target; for `fuzz/fuzz_targets/`.
pub fn run(target: &str, data: &[u8]) {
    match TARGETS.iter().find(|(name, _)| *name == target) {
        Some((_, check)) => check(data),
        None => panic!("no such target: {target}"),
    }
}

/// Texts out of bytes: between them stands 0xFE, which is in no text.
fn texts(data: &[u8]) -> impl Iterator<Item = String> {
    data.split(|byte| *byte == 0xFE)
        .map(|part| String::from_utf8_lossy(part).into_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        std::fs::read_dir(folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn every_file_of_the_corpus_is_fine() {
        for (target, check) in TARGETS {
            let corpus = folder().join("corpus").join(target);
            let files = names(&corpus);
            assert!(!files.is_empty(), "{} is empty", corpus.display());
            for file in files {
                // The name of the file that breaks it is in the output of the test.
                println!("{target}/{file}");
                check(&std::fs::read(corpus.join(file)).unwrap());
            }
        }
    }

    #[test]
    fn every_target_has_its_file_and_its_corpus() {
        let targets: BTreeSet<String> =
            TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let files = names(&folder().join("fuzz_targets"));
        let files: BTreeSet<String> = files
            .iter()
            .map(|file| file.trim_end_matches(".rs").to_owned())
            .collect();
        let corpus = names(&folder().join("corpus"));
        assert_eq!(files, corpus);
        // The others are targets of other crates, which have this test too.
        assert!(files.is_superset(&targets), "{files:?}");
        let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
        for target in targets {
            assert!(
                manifest.contains(&format!("name = \"{target}\"")),
                "{target}"
            );
            let file = folder().join("fuzz_targets").join(format!("{target}.rs"));
            let text = std::fs::read_to_string(file).unwrap();
            assert!(text.contains(&format!("run(\"{target}\", data)")), "{text}");
        }
    }
}
