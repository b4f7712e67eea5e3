//! A real Linux: Debian's cloud kernel, and a ramdisk with busybox that says hello and powers off.
//!
//! The packages are downloaded, never installed, once per `target/` folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::cpio::Archive;
use crate::process::find;

/// What the booted system prints first, followed by `cmdline=[` + `/proc/cmdline` + `]`.
pub const MARKER: &str = "IRONPXE-DEMO-LINUX";

/// The files of further ramdisks that are printed before that, without their number.
const EXTRA: &str = "extra";

/// What is downloaded; the kernel's is a name that stands for its newest version.
const KERNEL_PACKAGE: &str = "linux-image-cloud-amd64";
const BUSYBOX_PACKAGE: &str = "busybox-static";

/// A kernel and its initramfs, in memory.
#[derive(Clone, Debug)]
pub struct Linux {
    /// Debian's `vmlinuz`.
    pub kernel: Vec<u8>,
    /// A cpio archive, not compressed.
    pub initramfs: Vec<u8>,
}

impl Linux {
    /// Takes the kernel from the cache, or downloads it. Safe in many tests and processes at once.
    pub fn ensure() -> Result<Self> {
        let cache = cache_folder()?;
        let unpacked = cache.join("debian");
        // One process at a time fills the cache, and a rename makes it appear at once and whole.
        let lock = File::create(cache.join("lock")).context("cannot create the cache's lock")?;
        lock.lock().context("cannot lock the payload cache")?;
        if !unpacked.is_dir() {
            download(&cache, &unpacked).context("cannot get Debian's kernel and busybox")?;
        }
        let kernel = fs::read(unpacked.join("vmlinuz")).context("cannot read the kernel")?;
        let busybox = fs::read(unpacked.join("busybox")).context("cannot read busybox")?;
        Ok(Self {
            kernel,
            initramfs: initramfs(&busybox),
        })
    }
}

/// A further ramdisk, whose line the booted system prints first if it is unpacked over the
/// initramfs. They are numbered from 1.
pub fn extra_ramdisk(number: u8, line: &str) -> Vec<u8> {
    let mut archive = Archive::default();
    archive.program(&format!("{EXTRA}{number}"), format!("{line}\n").as_bytes());
    archive.finish()
}

/// The line the booted system prints for this command line.
pub fn report(command_line: &str) -> String {
    format!("{MARKER} cmdline=[{command_line}]")
}

/// Its `/init` begins with an empty line, because firmware may have left the cursor in one.
fn initramfs(busybox: &[u8]) -> Vec<u8> {
    let init = format!(
        "#!/bin/busybox sh\n\
         /bin/busybox mount -t proc proc /proc\n\
         read -r cmdline < /proc/cmdline\n\
         echo\n\
         [ -e /{EXTRA}1 ] && /bin/busybox cat /{EXTRA}*\n\
         echo \"{MARKER} cmdline=[$cmdline]\"\n\
         /bin/busybox poweroff -f\n"
    );
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "proc"] {
        archive.folder(folder);
    }
    archive.character_device("dev/console", 5, 1);
    archive.program("bin/busybox", busybox);
    archive.program("init", init.as_bytes());
    archive.finish()
}

/// `target/testkit` of the workspace.
fn cache_folder() -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let cache = workspace
        .context("the crate is not in a workspace")?
        .join("target/testkit");
    fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    Ok(cache)
}

fn download(cache: &Path, unpacked: &Path) -> Result<()> {
    let work = tempfile::tempdir_in(cache).context("cannot create a work folder")?;
    let kernel = newest_kernel_package()?;
    // As root apt would hand over to a user who cannot write here.
    let options = ["-q", "-o", "APT::Sandbox::User=root", "download"];
    run(
        Command::new(find("apt-get")?)
            .args(options)
            .args([BUSYBOX_PACKAGE, &kernel]),
        &work,
    )?;
    let mut packages: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&work)? {
        packages.push(entry?.path());
    }
    for package in packages
        .iter()
        .filter(|path| path.extension().is_some_and(|it| it == "deb"))
    {
        run(
            Command::new(find("dpkg-deb")?)
                .arg("--extract")
                .args([package, &work.path().join("root")]),
            &work,
        )?;
    }
    let root = work.path().join("root");
    let ready = work.path().join("ready");
    fs::create_dir(&ready)?;
    fs::rename(root.join("bin/busybox"), ready.join("busybox")).context("no busybox")?;
    let boot = fs::read_dir(root.join("boot")).context("the kernel package has no /boot")?;
    let mut names = boot.filter_map(|entry| Some(entry.ok()?.file_name()));
    let vmlinuz = names
        .find(|name| name.to_string_lossy().starts_with("vmlinuz-"))
        .context("the kernel package has no vmlinuz")?;
    fs::rename(root.join("boot").join(vmlinuz), ready.join("vmlinuz"))?;
    fs::rename(&ready, unpacked).context("cannot move the payload into the cache")
}

/// The versioned package the meta package stands for. Refreshes apt's lists if it is unknown.
fn newest_kernel_package() -> Result<String> {
    let ask = || -> Result<Option<String>> {
        let answer = Command::new(find("apt-cache")?)
            .args(["depends", KERNEL_PACKAGE])
            .output()?;
        let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
        let mut names = answer
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(names
            .find(|name| name.starts_with("linux-image-"))
            .map(str::to_owned))
    };
    if let Some(name) = ask()? {
        return Ok(name);
    }
    run(
        Command::new(find("apt-get")?).args(["-q", "update"]),
        Path::new("/"),
    )
    .context("apt knows no kernel; refresh its lists as root: apt-get update")?;
    ask()?.with_context(|| format!("apt has no package {KERNEL_PACKAGE}: is this Debian on amd64?"))
}

fn run(command: &mut Command, folder: impl AsRef<Path>) -> Result<()> {
    let output = command
        .current_dir(folder)
        .output()
        .with_context(|| format!("{command:?}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{complaint}",
        output.status
    );
    Ok(())
}
