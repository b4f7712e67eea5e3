//! File permissions: the database has passwords of BMCs and volumes, and tokens of agents.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tracing::warn;

/// The permission bits of other users.
const OTHERS: u32 = 0o077;
/// All users may create files in the directory, and delete only their own.
const STICKY: u32 = 0o1000;

/// The name prefixes of all files that this service creates in its directory.
const OWN_NAMES: [&str; 2] = ["ironpxe.sqlite", "conductor-"];

/// The mode of a file or directory that other users can read or write; `None` if they cannot, or if
/// it does not exist.
pub(crate) fn exposed_mode(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.mode() & 0o7777;
    (mode & OTHERS != 0).then_some(mode)
}

/// The files of the database at `path` that other users can read, and their modes.
pub(crate) fn exposed_files(path: &Path) -> Vec<(PathBuf, u32)> {
    // The other files are beside the target of a symbolic link.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let beside = ["", "-wal", "-shm"].map(|end| {
        let mut name = path.clone().into_os_string();
        name.push(end);
        PathBuf::from(name)
    });
    let exposed = beside.into_iter().map(|file| (exposed_mode(&file), file));
    exposed
        .filter_map(|(mode, file)| Some((file, mode?)))
        .collect()
}

/// Removes other users' permissions on the files of the database at `path`, without opening them:
/// closing a descriptor would release `SQLite`'s locks.
pub(super) fn protect_files(path: &Path) -> io::Result<()> {
    for (file, mode) in exposed_files(path) {
        match fs::set_permissions(&file, Permissions::from_mode(0o600)) {
            Ok(()) => warn!(
                "{} was readable by other users (mode {mode:o}) and has passwords: changed to mode \
                 600; change the passwords that may have been read",
                file.display()
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => warn!(
                "{} is readable by other users (mode {mode:o}) and has passwords: {error}",
                file.display()
            ),
            Err(error) => {
                // Not an error kind that leads to a read-only database.
                return Err(io::Error::other(format!(
                    "{} is readable by other users (mode {mode:o}) and has passwords: change its \
                     owner to the service's user, or its mode to 600 ({error})",
                    file.display()
                )));
            }
        }
    }
    Ok(())
}

/// Removes other users' permissions on the state directory, if it belongs to the service and has no
/// other files; otherwise logs a warning.
pub(crate) fn protect_directory(folder: &Path) {
    let Some(mode) = exposed_mode(folder) else {
        return;
    };
    let changed = if is_own(folder, mode) {
        fs::set_permissions(folder, Permissions::from_mode(0o700)).is_ok()
    } else {
        false
    };
    if changed {
        warn!(
            "the state directory {} was accessible to other users (mode {mode:o}): changed to mode 700",
            folder.display()
        );
    } else {
        warn!(
            "the state directory {} is accessible to other users (mode {mode:o}); not changed, because it \
             has other files: set [DEFAULT]state_path to a separate directory, or chmod 700",
            folder.display()
        );
    }
}

fn is_own(folder: &Path, mode: u32) -> bool {
    let is_ours =
        fs::metadata(folder).is_ok_and(|about| about.uid() == rustix::process::geteuid().as_raw());
    let holds_only_ours = fs::read_dir(folder).is_ok_and(|mut entries| {
        entries.all(|entry| {
            entry.is_ok_and(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                OWN_NAMES.iter().any(|own| name.starts_with(own))
            })
        })
    });
    is_ours && mode & STICKY == 0 && holds_only_ours
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[tokio::test]
    async fn files_readable_by_others_are_made_private() {
        let (db, folder) = crate::db::testing::scratch().await;
        let path = folder.path().join("ironpxe.sqlite");
        let beside = ["ironpxe.sqlite", "ironpxe.sqlite-wal", "ironpxe.sqlite-shm"];
        for file in beside {
            chmod(&folder.path().join(file), 0o644);
        }
        assert_eq!(exposed_files(&path).len(), 3);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(exposed_files(&link).len(), 3);
        let again = crate::db::testing::open(&folder).await;
        for file in beside {
            assert_eq!(mode(&folder.path().join(file)), 0o600, "{file}");
        }
        assert_eq!(exposed_files(&path), []);
        // The locks are still held: both can write.
        for db in [&db, &again] {
            db.secret("s", "x").await.unwrap();
        }
    }

    #[test]
    fn only_a_folder_of_the_database_alone_is_made_private() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("ironpxe.sqlite"), "").unwrap();
        chmod(folder, 0o755);
        assert_eq!(exposed_mode(folder), Some(0o755));
        protect_directory(folder);
        assert_eq!((mode(folder), exposed_mode(folder)), (0o700, None));
        chmod(folder, 0o1777);
        protect_directory(folder);
        assert_eq!(mode(folder), 0o1777);
        fs::write(folder.join("somebody's"), "").unwrap();
        chmod(folder, 0o755);
        protect_directory(folder);
        assert_eq!(mode(folder), 0o755);
    }
}
