//! The licences of the libraries that are linked into the program, which must go where it goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write,
    fs,
    path::Path,
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;

/// One text: first every library with its licence, then each text once, with the libraries that have it.
pub(super) fn collect() -> Result<String> {
    let platform = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let metadata = shell::run_quiet(shell::cargo().args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        &platform,
    ]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
    let linked = linked(&metadata).context("cargo metadata has no dependencies of ironpxe")?;

    let mut overview = String::new();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in array(&metadata, "packages") {
        // What is not from a registry is ironpxe's own.
        if !linked.contains(text(package, "id")) || !field(package, "source").is_string() {
            continue;
        }
        let name = format!("{} {}", text(package, "name"), text(package, "version"));
        writeln!(overview, "{name}: {}", text(package, "license"))?;
        let manifest = Path::new(text(package, "manifest_path"));
        let folder = manifest.parent().context("a manifest without a folder")?;
        for licence in licence_texts(folder)? {
            texts.entry(licence).or_default().insert(name.clone());
        }
    }
    let mut result =
        format!("The libraries that are part of ironpxe, and their licences.\n\n{overview}");
    for (licence, names) in texts {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let line = "-".repeat(100);
        let names = names.join(", ");
        write!(result, "\n{line}\n{names}\n{line}\n\n{licence}\n")?;
    }
    Ok(result)
}

/// The IDs of the packages that are linked into `ironpxe`: its normal dependencies, and theirs.
fn linked(metadata: &Value) -> Option<BTreeSet<&str>> {
    let nodes: BTreeMap<&str, &Value> = array(field(metadata, "resolve"), "nodes")
        .map(|node| (text(node, "id"), node))
        .collect();
    let ironpxe = array(metadata, "packages").find(|package| text(package, "name") == "ironpxe")?;
    let mut found = BTreeSet::new();
    let mut pending = vec![text(ironpxe, "id")];
    while let Some(id) = pending.pop() {
        if !found.insert(id) {
            continue;
        }
        let dependencies = array(nodes.get(id)?, "deps");
        pending.extend(
            dependencies
                .filter(|it| array(it, "dep_kinds").any(|kind| field(kind, "kind").is_null()))
                .map(|it| text(it, "pkg")),
        );
    }
    Some(found)
}

/// The texts in a package's folder, sorted by file name.
fn licence_texts(folder: &Path) -> Result<Vec<String>> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.to_uppercase();
            path.is_file()
                && ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"]
                    .iter()
                    .any(|start| name.starts_with(start))
        })
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| {
            let bytes =
                fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            Ok(String::from_utf8_lossy(&bytes)
                .replace('\r', "")
                .trim()
                .to_owned())
        })
        .collect()
}

fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    field(value, key)
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    field(value, key).as_str().unwrap_or_default()
}

/// Null if it is not there.
fn field<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or(&Value::Null)
}
