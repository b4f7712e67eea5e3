//! Policy files on disk.

use std::fs;
use std::path::Path;

use ironpxe_core::policy::Rule;

use super::{CurrentPolicy, PolicyFiles, PolicyReload};

fn files(directory: &Path) -> PolicyFiles {
    PolicyFiles {
        file: Some(directory.join("policy.yaml")),
        requires_file: false,
        dirs: vec![directory.join("policy.d")],
        requires_dirs: false,
        service_project_name: None,
        allow_lockout: false,
    }
}

fn problems(files: &PolicyFiles) -> String {
    let problems = files.load().unwrap_err();
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    problems.join("\n")
}

#[test]
fn files_are_read_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let files = files(directory.path());
    let check = |rule| files.load().unwrap().check(rule).to_string();
    let default = check(Rule::ConductorGet);
    fs::write(
        path("policy.yaml"),
        "\"baremetal:conductor:get\": \"role:a\"",
    )
    .unwrap();
    assert_eq!(check(Rule::ConductorGet), "role:a");
    fs::create_dir(path("policy.d")).unwrap();
    fs::write(
        path("policy.d/20.json"),
        "{\"baremetal:conductor:get\": \"role:c\"}",
    )
    .unwrap();
    fs::write(
        path("policy.d/10.yaml"),
        "\"baremetal:conductor:get\": \"role:b\"",
    )
    .unwrap();
    fs::write(
        path("policy.d/.30.yaml"),
        "\"baremetal:conductor:get\": \"role:d\"",
    )
    .unwrap();
    assert_eq!(check(Rule::ConductorGet), "role:c");
    fs::remove_dir_all(path("policy.d")).unwrap();
    fs::remove_file(path("policy.yaml")).unwrap();
    assert_eq!(check(Rule::ConductorGet), default);
}

#[test]
fn what_cannot_be_read_is_a_problem() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let required = PolicyFiles {
        requires_file: true,
        requires_dirs: true,
        ..files(directory.path())
    };
    let both = problems(&required);
    assert!(both.contains("policy.yaml: cannot be read: "), "{both}");
    assert!(both.contains("policy.d: cannot be read: "), "{both}");

    fs::write(path("policy.yaml"), [0xff, 0xfe]).unwrap();
    assert!(problems(&files(directory.path())).contains("policy.yaml: cannot be read: "));
    fs::write(path("policy.yaml"), " ".repeat((1 << 20) + 1)).unwrap();
    assert!(problems(&files(directory.path())).contains("more than 1048576 bytes"));
    fs::remove_file(path("policy.yaml")).unwrap();

    fs::create_dir(path("policy.d")).unwrap();
    fs::write(path("policy.d/old.yaml~"), "").unwrap();
    assert!(problems(&files(directory.path())).contains("old.yaml~: not *.yaml"));
}

#[test]
fn a_policy_that_locks_everybody_out_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let text = "# closed\n\"baremetal:node:get\": \"!\"\n";
    fs::write(directory.path().join("policy.yaml"), text).unwrap();
    let refused = problems(&files(directory.path()));
    assert!(
        refused.contains("policy.yaml:2: rule \"baremetal:node:get\": this locks everybody out"),
        "{refused}"
    );
    let allowed = PolicyFiles {
        allow_lockout: true,
        ..files(directory.path())
    };
    assert!(allowed.load().is_ok());
}

#[test]
fn changes_are_applied_once_the_files_are_stable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.yaml");
    let files = files(directory.path());
    let version = files.version();
    let policy = CurrentPolicy::new(files.load().unwrap());
    let mut reload = PolicyReload::new(files, policy.clone(), version);
    let check = || policy.current().check(Rule::ConductorGet).to_string();
    let default = check();
    reload.look();

    // Each text has another length, so that the version changes whatever the clock's resolution.
    fs::write(&path, "\"baremetal:conductor:get\": \"role:a\"").unwrap();
    reload.look();
    assert_eq!(check(), default, "it may be half of a file");
    fs::write(&path, "\"baremetal:conductor:get\": \"role:aa\"").unwrap();
    reload.look();
    assert_eq!(check(), default, "it is still being written");
    reload.look();
    assert_eq!(check(), "role:aa");

    fs::write(&path, "\"baremetal:conductor:get\": \"role:b and (\"").unwrap();
    reload.look();
    reload.look();
    assert_eq!(check(), "role:aa", "a broken file changes nothing");

    fs::remove_file(&path).unwrap();
    reload.look();
    assert_eq!(check(), "role:aa", "it may be about to be replaced");
    reload.look();
    assert_eq!(check(), default);
}
