//! Pages of `docs/` with sections that are generated from the code.
//!
//! A section stands between `<!-- generated: NAME -->` and `<!-- end -->`. Its test generates it again
//! and fails if the page has something else. With `UPDATE_DOCS=1` in the environment the test writes
//! the page instead.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

const UPDATE: &str = "UPDATE_DOCS";
const END: &str = "<!-- end -->";

/// A page, as it is and as it should be.
#[derive(Debug)]
pub struct Page {
    path: PathBuf,
    current: String,
    expected: String,
}

impl Page {
    /// The page `docs/<name>`.
    pub fn open(name: &str) -> Result<Self> {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        Self::open_in(&docs, name)
    }

    fn open_in(docs: &Path, name: &str) -> Result<Self> {
        let path = docs.join(name);
        let current =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            path,
            expected: current.clone(),
            current,
        })
    }

    /// Sets what the section `name` should be: whole lines.
    pub fn section(mut self, name: &str, content: &str) -> Result<Self> {
        let start = format!("<!-- generated: {name} -->\n");
        let parts = self.expected.split_once(&start).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(END)?;
            Some(format!("{before}{start}{content}{END}{after}"))
        });
        self.expected =
            parts.with_context(|| format!("{} has no section {name}", self.path.display()))?;
        Ok(self)
    }

    /// Fails, with the first line that differs, unless the page is as it should be; or writes it, if
    /// `UPDATE_DOCS` is set.
    pub fn check(self) -> Result<()> {
        self.compare_or_write(std::env::var_os(UPDATE).is_some())
    }

    fn compare_or_write(self, write: bool) -> Result<()> {
        if self.current == self.expected {
            return Ok(());
        }
        let path = self.path.display();
        if write {
            return fs::write(&self.path, &self.expected)
                .with_context(|| format!("cannot write {path}"));
        }
        let mut current = self.current.lines();
        let mut expected = self.expected.lines();
        let mut number = 0;
        let (is, should_be) = loop {
            number += 1;
            match (current.next(), expected.next()) {
                (is, should_be) if is == should_be && is.is_some() => {}
                (is, should_be) => break (is.unwrap_or_default(), should_be.unwrap_or_default()),
            }
        };
        bail!(
            "{path} is not what the code generates, from line {number} on:\n  page: {is}\n  \
             code: {should_be}\nRun this test with {UPDATE}=1, and look at the difference."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "Words.\n<!-- generated: a -->\nold\n<!-- end -->\nMore.\n";

    fn page(folder: &Path) -> Page {
        fs::write(folder.join("page.md"), PAGE).unwrap();
        Page::open_in(folder, "page.md").unwrap()
    }

    #[test]
    fn outdated_section_fails_and_is_written_only_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let read = || fs::read_to_string(folder.path().join("page.md")).unwrap();
        let differs = || page(folder.path()).section("a", "new\n").unwrap();

        let error = differs().compare_or_write(false).unwrap_err().to_string();
        assert!(
            error.contains("from line 3 on:\n  page: old\n  code: new\n"),
            "{error}"
        );
        assert_eq!(read(), PAGE);

        differs().compare_or_write(true).unwrap();
        assert_eq!(read(), PAGE.replace("old", "new"));

        let same = page(folder.path()).section("a", "old\n").unwrap();
        same.compare_or_write(false).unwrap();
    }

    #[test]
    fn missing_section_fails_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = page(folder.path())
            .section("b", "")
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("page.md has no section b"), "{error}");
    }
}
