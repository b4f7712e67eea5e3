//! The layering: which module may use which. `docs/architecture.md` says why.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test that reads this very tree may stop at anything unexpected"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of this crate, and the modules it may name. A module that is missing here fails.
const MAY_USE: &[(&str, &[&str])] = &[
    ("cli", &["app", "config", "telemetry", "lifecycle", "tls"]),
    (
        "app",
        &[
            "api",
            "boot",
            "conductor",
            "config",
            "db",
            "dhcp",
            "drivers",
            "ident",
            "images",
            "lifecycle",
            "openstack",
            "rpc",
            "server",
            "telemetry",
            "tls",
        ],
    ),
    // The API reads the database, encodes what the boot service answers, and asks the conductor for
    // all else; it never names a driver.
    (
        "api",
        &["boot", "rpc", "db", "images", "server", "clock", "ident"],
    ),
    // It answers machines in whatever process it is, and asks no conductor. (`drivers` says where a
    // node's agent token is.)
    ("boot", &["db", "drivers", "images", "lifecycle", "ident"]),
    (
        "conductor",
        &[
            "boot",
            "rpc",
            "db",
            "dhcp",
            "drivers",
            "images",
            "lifecycle",
            "clock",
            "ident",
        ],
    ),
    // It reads who the conductors are.
    ("rpc", &["db", "ident", "server", "tls"]),
    ("dhcp", &["openstack"]),
    ("openstack", &["clock", "tls"]),
    // The API passes their bytes on, the conductor says where they are.
    ("images", &["openstack", "clock", "tls"]),
    ("drivers", &[]),
    ("db", &["clock", "ident"]),
    ("config", &[]),
    ("server", &["lifecycle", "clock"]),
    // It compares the answers of a whole service, for tests and fuzzing alone.
    ("fuzzing", &["api", "boot", "db", "rpc", "server"]),
    ("lifecycle", &[]),
    ("telemetry", &["clock"]),
    ("tls", &[]),
    ("clock", &[]),
    ("ident", &[]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file without its tests, which may reach for anything.
fn production_code(path: &Path) -> String {
    let is_test = path.components().any(|part| {
        matches!(
            part.as_os_str().to_str(),
            Some("tests" | "tests.rs" | "testing.rs")
        )
    });
    if is_test {
        return String::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].to_owned()
}

/// The words that follow `prefix` in code, comments left out.
fn words_after<'a>(code: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| {
            line.match_indices(prefix)
                .map(|(at, _)| &line[at + prefix.len()..])
        })
        .filter_map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        })
        .filter(|word| !word.is_empty())
        .collect()
}

#[test]
fn modules_use_only_those_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for file in files {
        let inside = file.strip_prefix(source()).unwrap();
        let first = inside.iter().next().unwrap().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let Some(may_use) = allowed.get(module) else {
            wrong.push(format!(
                "{}: the module {module} is not listed",
                inside.display()
            ));
            continue;
        };
        let code = production_code(&file);
        for other in &words_after(&code, "crate::") {
            arrows += 1;
            if *other != module && !may_use.contains(other) {
                wrong.push(format!(
                    "{}: {module} must not use {other}",
                    inside.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        arrows > 50,
        "only {arrows} arrows were found: this test no longer sees the code"
    );
}

#[test]
fn the_core_does_no_input_or_output() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ironpxe-core");
    let manifest = fs::read_to_string(core.join("Cargo.toml")).unwrap();
    let (_, after) = manifest.split_once("[dependencies]\n").unwrap();
    let dependencies: BTreeSet<&str> = after
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .collect();
    let pure = [
        "base64",
        "hmac",
        "json-patch",
        "minijinja",
        "regex",
        "serde",
        "serde_json",
        "sha1",
        "sha2",
        "thiserror",
        "time",
        "uuid",
    ]
    .into();
    assert_eq!(
        dependencies, pure,
        "a new dependency of the core must be free of I/O"
    );

    let mut files = Vec::new();
    rust_files(&core.join("src"), &mut files);
    let impure = ["fs", "net", "process", "env", "thread", "time", "io"];
    for file in files {
        for word in words_after(&production_code(&file), "std::") {
            assert!(!impure.contains(&word), "{}: std::{word}", file.display());
        }
        let code = production_code(&file);
        assert!(
            !code.contains("now_utc") && !code.contains("new_v4"),
            "{}",
            file.display()
        );
    }
}
