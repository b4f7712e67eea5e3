//! Files that only the user who runs the service may read: the database holds passwords of BMCs and
//! of volumes, and tokens of agents.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tracing::warn;

/// What others may do with a file.
const OTHERS: u32 = 0o077;
/// Everybody may create files in the folder, and remove only their own.
const STICKY: u32 = 0o1000;

/// How the names of all files begin that this service creates in its folder.
const OWN_NAMES: [&str; 2] = ["ironpxe.sqlite", "conductor-"];

/// The mode of a file or folder that others may read or write; `None` if they may not, or if there is
/// none.
pub fn exposed_mode(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.mode() & 0o7777;
    (mode & OTHERS != 0).then_some(mode)
}

/// The files of the database at `path` that others may read, and their modes.
pub fn exposed_files(path: &Path) -> Vec<(PathBuf, u32)> {
    // The others stand beside the file itself, whatever link leads to it.
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

/// Takes the files of the database at `path` away from everybody else. They are not opened: closing
/// them would give up `SQLite`'s locks.
pub(super) fn protect_files(path: &Path) -> io::Result<()> {
    for (file, mode) in exposed_files(path) {
        match fs::set_permissions(&file, Permissions::from_mode(0o600)) {
            Ok(()) => warn!(
                "{} could be read by others (mode {mode:o}), and holds passwords: it is now of mode \
                 600. Change what they may have read",
                file.display()
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => warn!(
                "{} may be read by others (mode {mode:o}), and holds passwords: {error}",
                file.display()
            ),
            Err(error) => {
                // Of no kind that would have it opened to be read alone.
                return Err(io::Error::other(format!(
                    "{} may be read by others (mode {mode:o}), and holds passwords: make it the \
                     service's own, or of mode 600 ({error})",
                    file.display()
                )));
            }
        }
    }
    Ok(())
}

/// Takes the folder of the service away from everybody else, if it is the service's own and nothing
/// else is in it; or else says that others may read it.
pub fn protect_folder(folder: &Path) {
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
            "the state folder {} was open to others (mode {mode:o}): it is now of mode 700",
            folder.display()
        );
    } else {
        warn!(
            "the state folder {} is open to others (mode {mode:o}), and not changed, because it is \
             not this service's alone: give it one of its own ([DEFAULT]state_path), or chmod 700",
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
    async fn what_others_could_read_they_can_no_more() {
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
    fn only_a_folder_of_its_own_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("ironpxe.sqlite"), "").unwrap();
        chmod(folder, 0o755);
        assert_eq!(exposed_mode(folder), Some(0o755));
        protect_folder(folder);
        assert_eq!((mode(folder), exposed_mode(folder)), (0o700, None));
        chmod(folder, 0o1777);
        protect_folder(folder);
        assert_eq!(mode(folder), 0o1777);
        fs::write(folder.join("somebody's"), "").unwrap();
        chmod(folder, 0o755);
        protect_folder(folder);
        assert_eq!(mode(folder), 0o755);
    }
}
