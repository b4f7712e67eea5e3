//! Local image files: only below the directories that the operator allows, and without symbolic
//! links.
//!
//! A path is opened directory by directory with `openat` and without following symbolic links, so
//! that a user with write access below an allowed directory cannot have another file served, not even
//! by replacing a directory during the walk.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use ironpxe_core::boot::ImageFile;
use rustix::fs::{FileType, Mode, OFlags, fstat, open, openat};
use rustix::io::Errno;

use super::error::ImageError;

/// The directories below which files may be served.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowed(pub(super) Vec<PathBuf>);

impl Allowed {
    /// Opens an image, and returns its size in bytes. Blocks.
    pub(super) fn open(&self, image: &ImageFile) -> Result<(File, u64), ImageError> {
        let path = Path::new(image.path());
        let roots = self.0.iter().filter_map(|root| {
            let inside = path.strip_prefix(root).ok()?;
            Some((root, inside))
        });
        // Of nested directories, the innermost one.
        let found = roots.max_by_key(|(root, _)| root.components().count());
        let Some((root, inside)) = found else {
            let none = self.0.is_empty();
            return Err(gone(if none {
                "file images are disabled: [conductor]file_url_allowed_paths is empty"
            } else {
                "it is not below a directory of [conductor]file_url_allowed_paths"
            }));
        };
        let file = walk(root, inside)?;
        let stat = fstat(&file).map_err(|error| refused(error, "it"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(gone("it is not a regular file"));
        }
        let length = u64::try_from(stat.st_size).unwrap_or_default();
        Ok((File::from(file), length))
    }
}

fn walk(root: &Path, inside: &Path) -> Result<OwnedFd, ImageError> {
    const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    // Non-blocking, because opening a pipe waits for its other end.
    const FILE: OFlags = OFlags::RDONLY
        .union(OFlags::NOFOLLOW)
        .union(OFlags::NONBLOCK)
        .union(OFlags::NOCTTY)
        .union(OFlags::CLOEXEC);
    // The allowed directory itself may be a symbolic link, as the operator configured it.
    let mut folder = open(root, FOLDER, Mode::empty())
        .map_err(|error| refused(error, "the allowed directory"))?;
    let mut parts = inside.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else {
            return Err(gone("its path is not in canonical form"));
        };
        if parts.peek().is_none() {
            return openat(&folder, name, FILE, Mode::empty())
                .map_err(|error| refused(error, "it"));
        }
        folder = openat(&folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|error| refused(error, "a directory of its path"))?;
    }
    Err(gone("it is not a regular file"))
}

fn gone(problem: &str) -> ImageError {
    ImageError::NotAvailable(problem.to_owned())
}

fn refused(error: Errno, what: &str) -> ImageError {
    match error {
        Errno::NOENT => ImageError::NotAvailable(format!("{what} does not exist")),
        Errno::LOOP => ImageError::NotAvailable(format!("{what} is a symbolic link")),
        Errno::NOTDIR => {
            ImageError::NotAvailable(format!("{what} is a symbolic link or not a directory"))
        }
        Errno::ACCESS | Errno::PERM => {
            ImageError::NotAvailable(format!("this service has no permission to read {what}"))
        }
        Errno::NXIO => ImageError::NotAvailable(format!("{what} is not a regular file")),
        error => ImageError::unavailable(format!("cannot open {what}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use ironpxe_core::boot::ImageRef;
    use tempfile::TempDir;

    use super::*;

    fn open(allowed: &Allowed, path: &Path) -> Result<String, String> {
        let text = format!("file://{}", path.display());
        let ImageRef::File(image) = ImageRef::parse(&text).map_err(|error| error.to_string())?
        else {
            panic!("{text}")
        };
        let (mut file, length) = allowed.open(&image).map_err(|error| error.to_string())?;
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(length, u64::try_from(text.len()).unwrap());
        Ok(text)
    }

    #[test]
    fn only_files_inside_an_allowed_folder_are_opened() {
        let folder = TempDir::new().unwrap();
        let here = |path: &str| folder.path().join(path);
        fs::create_dir_all(here("images/arm")).unwrap();
        fs::create_dir(here("secret")).unwrap();
        fs::write(here("images/kernel"), "kernel").unwrap();
        fs::write(here("images/arm/kernel"), "arm").unwrap();
        fs::write(here("secret/key"), "key").unwrap();
        symlink(here("secret/key"), here("images/to-file")).unwrap();
        symlink(here("secret"), here("images/to-folder")).unwrap();
        symlink(here("images"), here("link-to-images")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, here("images/pipe"), Mode::RUSR).unwrap();

        let allowed = Allowed(vec![here("images"), here("link-to-images")]);
        assert_eq!(open(&allowed, &here("images/kernel")).unwrap(), "kernel");
        assert_eq!(open(&allowed, &here("images/arm/kernel")).unwrap(), "arm");
        assert_eq!(
            open(&allowed, &here("link-to-images/kernel")).unwrap(),
            "kernel"
        );
        for (path, why) in [
            ("secret/key", "not below a directory"),
            ("images-2/kernel", "not below a directory"),
            ("images/../secret/key", ".."),
            ("images/to-file", "symbolic link"),
            ("images/to-folder/key", "symbolic link"),
            ("images/arm", "is not a regular file"),
            ("images/pipe", "is not a regular file"),
            ("images", "is not a regular file"),
            ("images/nothing", "does not exist"),
            ("images/nothing/kernel", "does not exist"),
            ("images/kernel/x", "not a directory"),
        ] {
            let problem = open(&allowed, &here(path)).unwrap_err();
            assert!(problem.contains(why), "{path}: {problem}");
        }
        let problem = open(&Allowed::default(), &here("images/kernel")).unwrap_err();
        assert!(problem.contains("file_url_allowed_paths"), "{problem}");
    }

    /// A folder of the path that is exchanged for a link again and again never leads out.
    #[test]
    fn file_replaced_by_a_link_is_not_opened() {
        let folder = TempDir::new().unwrap();
        let here = |path: &str| folder.path().join(path);
        for name in ["images/a", "images/spare", "secret"] {
            fs::create_dir_all(here(name)).unwrap();
            fs::write(here(name).join("kernel"), name).unwrap();
        }
        symlink(here("secret"), here("images/link")).unwrap();
        let allowed = Allowed(vec![here("images")]);
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                use rustix::fs::{CWD, RenameFlags, renameat_with};
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    renameat_with(
                        CWD,
                        here("images/a"),
                        CWD,
                        here("images/link"),
                        RenameFlags::EXCHANGE,
                    )
                    .unwrap();
                }
            });
            let mut got = 0;
            for _ in 0..20_000 {
                match open(&allowed, &here("images/a/kernel")) {
                    Ok(text) => {
                        assert_eq!(text, "images/a");
                        got += 1;
                    }
                    Err(problem) => assert!(problem.contains("symbolic link"), "{problem}"),
                }
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!((1..20_000).contains(&got), "{got}: nothing was exchanged");
        });
    }
}
