//! What has been measured, with the machine and the programs it was measured with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::{boot::Outcome, figures, ironpxe};
use crate::shell;

/// The folder for what comes out.
pub(super) fn results() -> Result<PathBuf> {
    let folder = shell::target().join("bench");
    fs::create_dir_all(&folder).context("cannot create the results folder")?;
    Ok(folder)
}

/// What has been measured so far. Each part is printed and written when it is there, so that a
/// long run that is broken off leaves what it had.
pub(super) struct Report {
    markdown: String,
    json: Map<String, Value>,
}

impl Report {
    pub(super) fn new(ironpxe: &Path, nginx: &Path) -> Self {
        let version = ironpxe::version;
        let versions = json!({
            "ironpxe": version(ironpxe, "--version"),
            "nginx": version(nginx, "-v"),
            "wrk": version(Path::new("wrk"), "-v"),
            "sqlite3": version(Path::new("sqlite3"), "--version"),
            "postgres": ironpxe_testkit::postgres::binaries()
                .map_or_else(|_| "none".to_owned(), |it| version(&it.join("postgres"), "--version")),
            "rustc": version(Path::new("rustc"), "--version"),
        });
        let machine = figures::machine();
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        let list = |value: &Value| {
            let entries = value.as_object().into_iter().flatten();
            let entries = entries.map(|(name, value)| format!("{name}: {}", text(value)));
            entries.collect::<Vec<_>>().join("; ")
        };
        let markdown = format!(
            "Machine: {}\n\nVersions: {}\n",
            list(&machine),
            list(&versions)
        );
        let mut json = Map::new();
        json.insert("machine".to_owned(), machine);
        json.insert("versions".to_owned(), versions);
        Self { markdown, json }
    }

    /// Takes what came out of one part.
    pub(super) fn add(&mut self, key: &str, title: &str, outcome: &Outcome) -> Result<()> {
        println!("\n{}", outcome.markdown);
        self.markdown
            .extend(["\n## ", title, "\n\n", &outcome.markdown]);
        self.json.insert(key.to_owned(), outcome.json.clone());
        self.write()
    }

    fn write(&self) -> Result<()> {
        let folder = results()?;
        let text = serde_json::to_string_pretty(&self.json).context("cannot write the results")?;
        fs::write(folder.join("report.json"), text).context("cannot write the results")?;
        fs::write(folder.join("report.md"), &self.markdown).context("cannot write the results")
    }

    pub(super) fn finish(&self) -> Result<()> {
        self.write()?;
        println!("All figures: target/bench/report.md and target/bench/report.json");
        Ok(())
    }
}
