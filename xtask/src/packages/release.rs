//! Another release of Debian as a source of packages, for a few files and never to install.
//!
//! Where the machine gets its own release from, the others are too: the entry is copied from
//! apt's own configuration with the release's name replaced, so no server is named here. apt
//! then works with lists and a cache of its own; the machine's stay as they are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::shell;

const APT: &str = "/etc/apt";

/// The arguments of apt-get that make it know this release, and only this. Lists and cache are in
/// `folder`, and are fetched now.
pub(super) fn fetch_lists(release: &str, folder: &Path) -> Result<Vec<String>> {
    let system = fs::read_to_string("/etc/os-release").context("no /etc/os-release")?;
    let own = codename(&system).context("this system is no release of Debian")?;
    let (entry, extension) = sources()
        .iter()
        .find_map(|path| {
            let text = fs::read_to_string(path).ok()?;
            let extension = path.extension()?.to_str()?;
            let entry = match extension {
                "sources" => with_suite(&text, own, release),
                _ => line_with_suite(&text, own, release),
            };
            Some((entry?, extension.to_owned()))
        })
        .with_context(|| format!("no entry for {own} in apt's configuration"))?;
    let folder = folder.join(release);
    let (lists, cache) = (folder.join("lists"), folder.join("cache"));
    fs::create_dir_all(lists.join("partial")).context("cannot create apt's folder")?;
    fs::create_dir_all(cache.join("archives/partial")).context("cannot create apt's folder")?;
    let source = folder.join("release").with_extension(extension);
    fs::write(&source, entry).context("cannot write apt's source")?;
    let options = [
        format!("Dir::Etc::sourcelist={}", source.display()),
        "Dir::Etc::sourceparts=-".to_owned(),
        format!("Dir::State::lists={}", lists.display()),
        format!("Dir::Cache={}", cache.display()),
        "Acquire::Languages=none".to_owned(),
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
        "Acquire::Retries=2".to_owned(),
        // As root apt would hand over to a user who cannot write here.
        "APT::Sandbox::User=root".to_owned(),
    ];
    let arguments: Vec<String> = options
        .into_iter()
        .flat_map(|option| ["-o".to_owned(), option])
        .collect();
    shell::run_quiet(
        Command::new("apt-get")
            .args(["-q", "--error-on=any"])
            .args(&arguments)
            .arg("update"),
    )?;
    Ok(arguments)
}

/// The files in which apt's sources are.
fn sources() -> Vec<PathBuf> {
    let folder = fs::read_dir(Path::new(APT).join("sources.list.d"));
    let mut files: Vec<PathBuf> = folder
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    files.sort();
    files.insert(0, Path::new(APT).join("sources.list"));
    files
}

/// Debian's word for the release that this system is, as `bookworm`.
fn codename(os_release: &str) -> Option<&str> {
    let field = |name: &str| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.trim_matches('"'))
    };
    field("VERSION_CODENAME").filter(|_| field("ID") == Some("debian"))
}

/// The first entry for the suite `own` of a `.sources` file, made one for `release`.
fn with_suite(text: &str, own: &str, release: &str) -> Option<String> {
    let entries = text.split("\n\n").map(|entry| {
        let lines = entry.lines().filter(|line| !line.starts_with('#'));
        lines.collect::<Vec<_>>()
    });
    let has = |entry: &[&str], field: &str, word: &str| {
        let mut values = entry.iter().filter_map(|line| line.strip_prefix(field));
        values.any(|value| value.split_whitespace().any(|it| it == word))
    };
    let entry = entries
        .into_iter()
        .find(|entry| has(entry, "Types:", "deb") && has(entry, "Suites:", own))?;
    let mut replaced = String::new();
    for line in entry {
        if line.starts_with("Suites:") {
            replaced.push_str("Suites: ");
            replaced.push_str(release);
        } else if line.starts_with("Types:") {
            replaced.push_str("Types: deb");
        } else {
            replaced.push_str(line);
        }
        replaced.push('\n');
    }
    Some(replaced)
}

/// The first line for the suite `own` of a `sources.list`, made one for `release`.
fn line_with_suite(text: &str, own: &str, release: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("deb") && words.any(|word| word == own)
    })?;
    let words = line
        .split_whitespace()
        .map(|word| if word == own { release } else { word });
    Some(words.collect::<Vec<_>>().join(" ") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_entry_is_copied_for_another_release() {
        let text = "Types: deb\nURIs: http://deb.example/security\nSuites: bookworm-security\n\n\
                    Types: deb deb-src\n# a mirror\nURIs: http://deb.example/debian\n\
                    Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /key\n\n\
                    Types: deb\nURIs: http://other.example\nSuites: bookworm\n";
        assert_eq!(
            with_suite(text, "bookworm", "sid").unwrap(),
            "Types: deb\nURIs: http://deb.example/debian\nSuites: sid\nComponents: main\n\
             Signed-By: /key\n"
        );
        assert_eq!(with_suite(text, "trixie", "sid"), None);
    }

    #[test]
    fn sources_list_line_is_copied_for_another_release() {
        let text = "# deb http://no.example/debian bookworm main\n\
                    deb-src http://deb.example/debian bookworm main\n\
                    deb http://deb.example/debian-security bookworm-security main\n\
                    deb [signed-by=/key]  http://deb.example/debian bookworm main contrib\n";
        assert_eq!(
            line_with_suite(text, "bookworm", "sid").unwrap(),
            "deb [signed-by=/key] http://deb.example/debian sid main contrib\n"
        );
        assert_eq!(line_with_suite(text, "trixie", "sid"), None);
    }

    #[test]
    fn only_debian_has_debian_releases() {
        let debian = "PRETTY_NAME=\"Debian\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(codename(debian), Some("bookworm"));
        let other = "ID=other\nID_LIKE=debian\nVERSION_CODENAME=bookworm\n";
        assert_eq!(codename(other), None);
    }
}
