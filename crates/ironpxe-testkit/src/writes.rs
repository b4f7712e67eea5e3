//! Which files a process writes, wherever they are on the disks that are watched.
//!
//! The kernel tells of every write to them, by whichever process (fanotify). It needs root.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};
use nix::unistd::Uid;
use std::os::fd::AsRawFd;

use crate::journal::hold;

/// A watch over what a process writes.
#[derive(Debug)]
pub struct Writes {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    files: BTreeSet<PathBuf>,
    lost: bool,
}

impl Writes {
    /// Whether it can be watched here.
    pub fn can_be_watched() -> bool {
        Uid::effective().is_root()
    }

    /// Watches what the process writes on the disks with these paths.
    pub fn of(process: u32, disks: &[&Path]) -> Result<Self> {
        let process = i32::try_from(process).context("a process id is too large")?;
        let flags = InitFlags::FAN_NONBLOCK | InitFlags::FAN_UNLIMITED_QUEUE;
        let fanotify = Fanotify::init(flags, EventFFlags::O_RDONLY).context("no fanotify")?;
        for disk in disks {
            let add = MarkFlags::FAN_MARK_ADD | MarkFlags::FAN_MARK_FILESYSTEM;
            let writing = MaskFlags::FAN_MODIFY | MaskFlags::FAN_CLOSE_WRITE;
            let marked = fanotify.mark(add, writing, AT_FDCWD, Some(*disk));
            marked.with_context(|| format!("cannot watch the disk of {}", disk.display()))?;
        }
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (sink, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let reader = thread::spawn(move || {
            loop {
                // What was written before the end is still read.
                let is_last = stopped.load(Ordering::Acquire);
                drain(&fanotify, process, &sink);
                if is_last {
                    return;
                }
                thread::sleep(Duration::from_millis(2));
            }
        });
        Ok(Self {
            seen,
            stop,
            reader: Some(reader),
        })
    }

    /// Ends the watch: every file that was written.
    pub fn end(mut self) -> Result<BTreeSet<PathBuf>> {
        self.stop.store(true, Ordering::Release);
        if let Some(reader) = self.reader.take() {
            reader.join().map_err(|_| anyhow!("the watch broke off"))?;
        }
        let seen = hold(&self.seen);
        anyhow::ensure!(!seen.lost, "some writes were not seen");
        Ok(seen.files.clone())
    }
}

impl Drop for Writes {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Notes all that is there to read.
fn drain(fanotify: &Fanotify, process: i32, seen: &Mutex<Seen>) {
    loop {
        let events = match fanotify.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN) => return,
            Err(_) => {
                hold(seen).lost = true;
                return;
            }
        };
        for event in events {
            let Some(file) = event.fd() else {
                hold(seen).lost = true;
                continue;
            };
            if event.pid() == process {
                let link = format!("/proc/self/fd/{}", file.as_raw_fd());
                match std::fs::read_link(link) {
                    Ok(path) => drop(hold(seen).files.insert(path)),
                    Err(_) => hold(seen).lost = true,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn write_of_the_process_is_recorded_and_that_of_another_is_not() {
        if !Writes::can_be_watched() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let mut writer = Command::new("sh")
            .args(["-c", "read go; echo text > \"$1/theirs\"", "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let writes = Writes::of(writer.id(), &[&folder]).unwrap();
        std::fs::write(folder.join("ours"), "text").unwrap();
        writer.stdin.take().unwrap().write_all(b"go\n").unwrap();
        assert!(writer.wait().unwrap().success());
        assert_eq!(
            writes.end().unwrap(),
            BTreeSet::from([folder.join("theirs")])
        );
    }
}
