//! The layering: which module may use which. `docs/architecture.md` says why.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::indexing_slicing,
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
            "auth",
            "beside",
            "boot",
            "conductor",
            "config",
            "db",
            "dhcp",
            "drivers",
            "error_chain",
            "ident",
            "images",
            "lifecycle",
            "openstack",
            "policy",
            "rpc",
            "server",
            "telemetry",
            "tls",
            "url_key",
        ],
    ),
    // The API reads the database, encodes boot responses, and calls the conductor for everything
    // else; it does not use drivers.
    (
        "api",
        &[
            "auth",
            "beside",
            "boot",
            "rpc",
            "db",
            "images",
            "server",
            "clock",
            "fault_status",
            "ident",
            "log_interval",
            "policy",
        ],
    ),
    // Who sends a request of the API.
    (
        "auth",
        &[
            "openstack",
            "client_network",
            "clock",
            "error_chain",
            "ident",
            "log_interval",
        ],
    ),
    // The nodes of an existing Ironic. (`db` detects commits to its file.)
    (
        "beside",
        &["clock", "db", "openstack", "error_chain", "tls"],
    ),
    // Boot requests are answered in every process, without a conductor. (`drivers` locates a node's
    // agent token.)
    (
        "boot",
        &[
            "beside",
            "db",
            "drivers",
            "images",
            "lifecycle",
            "clock",
            "fault_status",
            "ident",
            "log_interval",
            "url_key",
        ],
    ),
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
    // It reads the list of conductors.
    (
        "rpc",
        &["auth", "db", "error_chain", "ident", "server", "tls"],
    ),
    ("dhcp", &["openstack"]),
    ("openstack", &["clock", "error_chain", "tls"]),
    // The API relays images, the conductor locates them.
    (
        "images",
        &[
            "openstack",
            "client_network",
            "clock",
            "error_chain",
            "tls",
            "url_key",
        ],
    ),
    ("drivers", &[]),
    ("policy", &[]),
    ("db", &["clock", "error_chain", "ident"]),
    ("config", &[]),
    ("server", &["lifecycle", "client_network", "clock"]),
    // It compares the responses of a whole service, only for tests and fuzzing.
    ("fuzzing", &["api", "boot", "db", "rpc", "server"]),
    ("lifecycle", &[]),
    ("telemetry", &["clock"]),
    ("tls", &[]),
    ("error_chain", &[]),
    ("fault_status", &[]),
    ("client_network", &[]),
    ("clock", &[]),
    ("log_interval", &[]),
    ("ident", &[]),
    // The keys of the URLs of images, and of boot tokens.
    ("url_key", &[]),
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

/// The code of a file without its tests, which may use anything.
fn production_code(path: &Path) -> String {
    let is_test = path.components().any(|part| {
        matches!(
            part.as_os_str().to_str(),
            Some("tests" | "tests.rs" | "testing" | "testing.rs")
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
    let mut uses = 0;
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
        let paths = named_paths(&code);
        let named = paths.iter().filter(|path| path[0] == "crate");
        let others: BTreeSet<&str> = named
            .filter_map(|path| Some(path.get(1)?.as_str()))
            .collect();
        for other in others {
            uses += 1;
            if other != module && !may_use.contains(&other) {
                wrong.push(format!(
                    "{}: {module} must not use {other}",
                    inside.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        uses > 50,
        "only {uses} dependencies were found: this test no longer reads the code"
    );
}

/// The modules of a crate by their paths, each with its production code.
fn modules(root: &Path) -> BTreeMap<Vec<String>, String> {
    let mut files = Vec::new();
    rust_files(root, &mut files);
    let module = |file: PathBuf| {
        let inside = file.strip_prefix(root).unwrap().with_extension("");
        let path = inside
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .filter(|part| !matches!(part.as_str(), "mod" | "lib" | "main"))
            .collect();
        (path, production_code(&file))
    };
    files.into_iter().map(module).collect()
}

/// The paths in a `use` tree: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths_of(tree: &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let names = |text: &str| -> Vec<String> {
        let text = text.split(" as ").next().unwrap_or_default();
        let names = text.split("::").map(str::trim);
        let names = names.filter(|name| !name.is_empty());
        before
            .iter()
            .cloned()
            .chain(names.map(str::to_owned))
            .collect()
    };
    let Some((head, rest)) = tree.split_once('{') else {
        found.push(names(tree));
        return;
    };
    let head = names(head);
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let (mut depth, mut begin) = (0, 0);
    for (at, letter) in inside.char_indices().chain([(inside.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let branch = inside[begin..at].trim();
                if !branch.is_empty() {
                    paths_of(branch, &head, found);
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
}

/// The paths that a file names: those it imports, and those that stand in its code.
fn named_paths(code: &str) -> Vec<Vec<String>> {
    let code: String = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = Vec::new();
    for part in code.split("use ").skip(1) {
        if let Some((tree, _)) = part.split_once(';')
            && ["crate::", "super::", "self::"]
                .iter()
                .any(|begin| tree.starts_with(begin))
        {
            paths_of(tree, &[], &mut found);
        }
    }
    let is_of_path = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | ':');
    for word in code.split(|letter| !is_of_path(letter)) {
        if ["crate::", "super::", "self::"]
            .iter()
            .any(|begin| word.starts_with(begin))
        {
            paths_of(word, &[], &mut found);
        }
    }
    found
}

/// The cycles among siblings; a submodule counts as its parent.
fn cycles(modules: &BTreeMap<Vec<String>, String>) -> Vec<String> {
    // For each parent: which child uses which other child.
    let mut uses: BTreeMap<&[String], BTreeSet<(&str, &str)>> = BTreeMap::new();
    for (user, code) in modules {
        for path in named_paths(code) {
            let mut used: &[String] = &[];
            let mut whole: Vec<String> = Vec::new();
            for name in path {
                match name.as_str() {
                    "crate" => whole.clear(),
                    "self" => whole.clone_from(user),
                    "super" => {
                        if whole.is_empty() {
                            whole.clone_from(user);
                        }
                        whole.pop();
                    }
                    _ => whole.push(name),
                }
                if let Some((known, _)) = modules.get_key_value(&whole) {
                    used = known;
                }
            }
            let common = user.iter().zip(used).take_while(|(a, b)| a == b).count();
            if let (Some(one), Some(other)) = (user.get(common), used.get(common)) {
                uses.entry(&user[..common])
                    .or_default()
                    .insert((one, other));
            }
        }
    }
    let mut found = Vec::new();
    for (parent, uses) in uses {
        // Whatever is used by way of others.
        let mut reached = uses.clone();
        loop {
            let more: BTreeSet<_> = reached
                .iter()
                .flat_map(|(a, b)| {
                    let further = uses.iter().filter(move |(from, _)| from == b);
                    further.map(move |(_, to)| (*a, *to))
                })
                .filter(|pair| !reached.contains(pair))
                .collect();
            if more.is_empty() {
                break;
            }
            reached.extend(more);
        }
        let cycle: Vec<_> = uses
            .iter()
            .filter(|(a, b)| reached.contains(&(*b, *a)))
            .map(|(a, b)| format!("{a} -> {b}"))
            .collect();
        if !cycle.is_empty() {
            found.push(format!("in {:?}: {}", parent.join("::"), cycle.join(", ")));
        }
    }
    found
}

#[test]
fn sibling_modules_have_no_dependency_cycle() {
    for root in [
        source(),
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../ironpxe-core/src"),
    ] {
        let modules = modules(&root);
        assert!(modules.len() > 50, "only {} modules", modules.len());
        let cycles = cycles(&modules);
        assert!(
            cycles.is_empty(),
            "{}\n{}",
            root.display(),
            cycles.join("\n")
        );
    }
}

#[test]
fn dependency_cycle_is_found_in_every_import_form() {
    let module = |path: &str, code: &str| {
        let path = path.split('/').map(str::to_owned).collect();
        (path, code.to_owned())
    };
    let tree = |code: &str| {
        BTreeMap::from([
            module("a", "mod x;\nmod y;\nuse crate::{b::B, c};"),
            module("a/x", "use super::y::{self, Y};"),
            module("a/y", code),
            module("b", "use crate::c::C;"),
            module("c", ""),
        ])
    };
    assert!(cycles(&tree("use super::Parent;\n// use super::x::X;")).is_empty());
    for (code, found) in [
        ("use super::x::X;", "in \"a\": x -> y, y -> x"),
        ("use crate::{b, a::{x::X}};", "in \"a\": x -> y, y -> x"),
        ("fn f() { super::x::g(); }", "in \"a\": x -> y, y -> x"),
    ] {
        assert_eq!(cycles(&tree(code)), [found], "{code}");
    }
    let mut modules = tree("");
    modules.extend([module("c", "use crate::a::x::X;")]);
    assert_eq!(
        cycles(&modules),
        ["in \"\": a -> b, a -> c, b -> c, c -> a"]
    );
}

#[test]
fn core_does_no_input_or_output() {
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
        "saphyr-parser",
        "serde",
        "serde_json",
        "sha1",
        "sha2",
        "strum",
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
