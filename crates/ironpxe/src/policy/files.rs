//! Reads the policy files.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ironpxe_core::policy::{Policy, PolicyFile, PolicyProblem, Reach, RuleOrigin};

/// Longer than any useful policy file, in bytes.
const LONGEST: u64 = 1 << 20;

/// Where the policy is read from, and what it depends on besides.
#[derive(Debug, Clone)]
pub(crate) struct PolicyFiles {
    /// `[oslo_policy]policy_file`.
    pub file: Option<PathBuf>,
    /// Whether it must exist.
    pub requires_file: bool,
    /// `[oslo_policy]policy_dirs`.
    pub dirs: Vec<PathBuf>,
    /// Whether they must exist.
    pub requires_dirs: bool,
    /// `[DEFAULT]rbac_service_project_name`, if `rbac_service_role_elevated_access` is on.
    pub service_project_name: Option<String>,
    /// `[oslo_policy]allow_lockout`.
    pub allow_lockout: bool,
}

/// Changes with the files. Of each that exists: device, inode, times of change in nanoseconds, and
/// length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PolicyFilesVersion(Vec<(PathBuf, Option<FileVersion>)>);

/// Device, inode, modification, change, length.
type FileVersion = (u64, u64, (i64, i64), (i64, i64), u64);

impl PolicyFiles {
    /// The current version. What cannot be read counts as absent.
    pub(crate) fn version(&self) -> PolicyFilesVersion {
        let mut paths: Vec<PathBuf> = self.file.iter().cloned().collect();
        for dir in &self.dirs {
            paths.push(dir.clone());
            paths.extend(names(dir).unwrap_or_default());
        }
        let version = |path: PathBuf| {
            let metadata = fs::metadata(&path).ok();
            (path, metadata.as_ref().map(file_version))
        };
        PolicyFilesVersion(paths.into_iter().map(version).collect())
    }

    /// Reads and checks the policy. All problems are reported.
    pub(crate) fn load(&self) -> Result<Policy, Vec<PolicyProblem>> {
        let mut problems = Vec::new();
        let mut files = Vec::new();
        for path in self.paths(&mut problems) {
            let parsed =
                read(&path).and_then(|text| PolicyFile::parse(&path.display().to_string(), &text));
            match parsed {
                Ok(file) => files.push(file),
                Err(more) => problems.extend(more),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let policy =
            Policy::with_files(&files)?.with_service_project(self.service_project_name.clone());
        match policy.reach() {
            Reach::Unsatisfiable(rule) if !self.allow_lockout => {
                let (path, line) = match policy.origin(rule) {
                    RuleOrigin::File { path, line } => (path.to_string(), Some(*line)),
                    RuleOrigin::Default | RuleOrigin::With(_) => ("policy".to_owned(), None),
                };
                Err(vec![PolicyProblem {
                    path,
                    line,
                    rule: Some(rule.name().to_owned()),
                    message: "this locks everybody out: nobody can list, see and provision nodes; \
                              to serve nevertheless, pass --force"
                        .to_owned(),
                }])
            }
            _ => Ok(policy),
        }
    }

    /// The files that there are, in their order.
    fn paths(&self, problems: &mut Vec<PolicyProblem>) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        if let Some(file) = &self.file {
            match fs::metadata(file) {
                Err(error) if is_absent(&error) && !self.requires_file => {}
                Ok(_) | Err(_) => paths.push(file.clone()),
            }
        }
        for dir in &self.dirs {
            match names(dir) {
                Ok(found) => {
                    for path in found {
                        let extension = path.extension().and_then(|it| it.to_str());
                        if matches!(extension, Some("yaml" | "yml" | "json")) {
                            paths.push(path);
                        } else {
                            let message = "not *.yaml, *.yml or *.json, so it is not clear whether \
                                           its rules are wanted: rename or move it";
                            problems.push(problem(&path, message.to_owned()));
                        }
                    }
                }
                Err(error) if is_absent(&error) && !self.requires_dirs => {}
                Err(error) => problems.push(problem(dir, format!("cannot be read: {error}"))),
            }
        }
        paths
    }
}

/// The files of a directory, without hidden ones, in the order of their names.
fn names(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        // Follows links, as those of a mounted ConfigMap.
        if !is_hidden && !entry.path().is_dir() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, Vec<PolicyProblem>> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(vec![problem(path, format!("cannot be read: {error}"))]),
        Ok(bytes) if u64::try_from(bytes).is_ok_and(|bytes| bytes > LONGEST) => {
            Err(vec![problem(path, format!("more than {LONGEST} bytes"))])
        }
        Ok(_) => Ok(text),
    }
}

fn problem(path: &Path, message: String) -> PolicyProblem {
    PolicyProblem {
        path: path.display().to_string(),
        line: None,
        rule: None,
        message,
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn file_version(metadata: &Metadata) -> FileVersion {
    (
        metadata.dev(),
        metadata.ino(),
        (metadata.mtime(), metadata.mtime_nsec()),
        (metadata.ctime(), metadata.ctime_nsec()),
        metadata.size(),
    )
}
