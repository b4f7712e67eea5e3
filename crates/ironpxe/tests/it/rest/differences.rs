//! The list of answers that are not as recorded, each with its reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// `differences.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Differences {
    /// Files that are not replayed at all.
    file: Vec<WholeFile>,
    /// Single exchanges.
    difference: Vec<Difference>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WholeFile {
    name: String,
    why: String,
}

/// The exchanges of one file that differ for one reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    file: String,
    index: Vec<usize>,
    why: String,
}

impl Differences {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Why a file is not replayed.
    pub(super) fn whole_file(&self, name: &str) -> Option<&str> {
        self.file
            .iter()
            .find(|file| file.name == name)
            .map(|file| file.why.as_str())
    }

    /// Why an answer is another one.
    pub(super) fn why(&self, file: &str, index: usize) -> Option<&str> {
        self.difference
            .iter()
            .find(|difference| difference.file == file && difference.index.contains(&index))
            .map(|difference| difference.why.as_str())
    }

    /// Every file is replayed or listed, every listed exchange exists, and has a reason.
    pub(super) fn all_used(&self, folder: &Path, replayed: &BTreeMap<&str, usize>) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let known =
                    replayed.contains_key(name.as_ref()) || self.whole_file(&name).is_some();
                ensure!(known, "{name} is neither replayed nor listed");
            }
        }
        for file in &self.file {
            ensure!(file.why.len() > 20, "no reason for {}", file.name);
            ensure!(
                folder.join(&file.name).is_file(),
                "there is no {}",
                file.name
            );
        }
        for difference in &self.difference {
            let count = replayed
                .get(difference.file.as_str())
                .copied()
                .unwrap_or_default();
            ensure!(difference.why.len() > 20, "no reason for {difference:?}");
            for index in &difference.index {
                ensure!(*index < count, "there is no {} #{index}", difference.file);
            }
        }
        Ok(())
    }
}
