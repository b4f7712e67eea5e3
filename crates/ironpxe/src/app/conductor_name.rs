//! Ensures that only one process uses a conductor's name (`[DEFAULT]host`).
//!
//! A starting conductor releases the nodes reserved by an earlier run with its name. If that run
//! were still alive, its tasks would be lost silently. So a conductor does not start while another
//! process has the name:
//!
//! * On one host by a file lock: beside the `SQLite` file, or in `[DEFAULT]state_path` with
//!   PostgreSQL. The kernel releases the lock with the process, so a restart after a crash does not
//!   wait.
//! * On several hosts by the heartbeats in the database. If another host's run has a recent
//!   heartbeat, the start waits: with another heartbeat that run is alive; after a few intervals
//!   without one it is dead.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::AppError;
use crate::config::{Config, Connection};
use crate::db::Db;

/// How many heartbeats a run may miss before it counts as dead.
const MISSED: u32 = 3;
/// How often the heartbeat of another run is read.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a killed process may keep its lock: the kernel first frees its other resources.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// Ownership of a conductor's name while this process runs.
#[derive(Debug)]
pub(super) struct ConductorName {
    /// `None` if no file can be written.
    file: Option<File>,
}

/// Takes the name; the error names its owner.
pub(super) async fn claim(config: &Config, db: &Db) -> Result<ConductorName, AppError> {
    let host = &config.host;
    let path = lock_path(config);
    let mut file = match open(&path) {
        Ok(file) => Some(file),
        Err(error) => {
            warn!(
                "cannot create {}: {error}; another process with [DEFAULT]host {host:?} would not \
                 be noticed",
                path.display()
            );
            None
        }
    };
    let mut last_run = String::new();
    if let Some(file) = &mut file {
        match lock(file).await {
            Ok(()) => last_run = read(file).run,
            Err(TryLockError::WouldBlock) => {
                let holder = read(file).process;
                return Err(AppError::NameTaken {
                    host: host.clone(),
                    holder: format!("process {holder} on this host ({})", path.display()),
                });
            }
            Err(TryLockError::Error(error)) => warn!("cannot lock {}: {error}", path.display()),
        }
    }
    if let Some(file) = &mut file {
        write(file, &last_run);
    }
    // SQLite is only used on one host.
    if matches!(config.database_connection, Connection::Postgres(_)) {
        watch(config, db, &last_run).await?;
    }
    Ok(ConductorName { file })
}

/// Locks a file, waiting briefly for a process that is just exiting.
async fn lock(file: &File) -> Result<(), TryLockError> {
    let begin = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if begin.elapsed() < ENDS_WITHIN => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            done => return done,
        }
    }
}

impl ConductorName {
    /// Records the run that has the name, so that the next start recognizes it as this host's.
    pub(super) fn record_run(&mut self, run_id: &str) {
        if let Some(file) = &mut self.file {
            write(file, run_id);
        }
    }
}

/// Waits until it is known whether the registered run is alive.
async fn watch(config: &Config, db: &Db, last_run: &str) -> Result<(), AppError> {
    let host = &config.host;
    let interval = Duration::from_secs(config.conductor.heartbeat_interval.into());
    let timeout = Duration::from_secs(config.conductor.heartbeat_timeout.into());
    let limit = timeout.min(interval.saturating_mul(MISSED));
    let begin = Instant::now();
    let mut first_seen = None;
    loop {
        let Some(row) = db.conductor_get(host).await? else {
            return Ok(());
        };
        if !row.alive || row.run_id == last_run {
            return Ok(());
        }
        let seen = (row.run_id, row.updated_at);
        match &first_seen {
            None => {
                info!(
                    conductor.host = host,
                    "another conductor with this name has a recent heartbeat; waiting up to {} s for \
                     the next",
                    limit.as_secs()
                );
                first_seen = Some(seen);
            }
            Some(first) if *first != seen => {
                return Err(AppError::NameTaken {
                    host: host.clone(),
                    holder: "a conductor that writes heartbeats into this database, on another \
                             host or with another [DEFAULT]state_path"
                        .to_owned(),
                });
            }
            Some(_) if begin.elapsed() >= limit => return Ok(()),
            Some(_) => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn lock_path(config: &Config) -> PathBuf {
    // A name may have characters that are invalid in file names.
    let host: String = config
        .host
        .chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' => letter.to_string(),
            other => format!("_{:x}", u32::from(other)),
        })
        .collect();
    match &config.database_connection {
        Connection::Sqlite(path) => {
            // The same file, whichever symbolic link leads to it.
            let mut name = path.canonicalize().unwrap_or_else(|_| path.clone());
            name.as_mut_os_string()
                .push(format!("-conductor-{host}.lock"));
            name
        }
        Connection::Postgres(_) => config.state_path.join(format!("conductor-{host}.lock")),
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let open = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
    };
    match (open(), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(folder)?;
            open()
        }
        (opened, _) => opened,
    }
}

/// The content of a lock file: the last process that locked it, and its run of the conductor.
#[derive(Debug, Default, PartialEq, Eq)]
struct LockFileContent {
    process: String,
    run: String,
}

fn read(file: &mut File) -> LockFileContent {
    let mut text = String::new();
    if file
        .rewind()
        .and_then(|()| file.read_to_string(&mut text))
        .is_err()
    {
        return LockFileContent::default();
    }
    let mut lines = text.lines().map(str::to_owned);
    LockFileContent {
        process: lines.next().unwrap_or_default(),
        run: lines.next().unwrap_or_default(),
    }
}

/// May fail: only an error message and the duration of a restart depend on it.
fn write(file: &mut File, run_id: &str) {
    let text = format!("{}\n{run_id}\n", std::process::id());
    let written = file
        .rewind()
        .and_then(|()| file.write_all(text.as_bytes()))
        .and_then(|()| file.set_len(u64::try_from(text.len()).unwrap_or_default()));
    if let Err(error) = written {
        warn!("cannot write the conductor's lock file: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_file_has_the_process_and_run_of_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.lock");
        let mut file = open(&path).unwrap();
        assert_eq!(read(&mut file), LockFileContent::default());
        write(&mut file, "a-run-with-a-long-name");
        write(&mut file, "run-2");
        let mut again = open(&path).unwrap();
        assert_eq!(
            read(&mut again),
            LockFileContent {
                process: std::process::id().to_string(),
                run: "run-2".to_owned()
            }
        );
        file.try_lock().unwrap();
        assert!(matches!(again.try_lock(), Err(TryLockError::WouldBlock)));
        drop(file);
        again.try_lock().unwrap();
    }

    #[tokio::test]
    async fn name_is_taken_over_from_a_process_that_is_ending() {
        let (db, folder) = crate::db::testing::scratch().await;
        let mut config = Config::default();
        config.database_connection = Connection::Sqlite(folder.path().join("name.sqlite"));
        let ending = open(&lock_path(&config)).unwrap();
        ending.try_lock().unwrap();
        let ends = async {
            tokio::task::yield_now().await;
            drop(ending);
        };
        let (claimed, ()) = tokio::join!(biased; claim(&config, &db), ends);
        let claimed = claimed.unwrap();
        // One that does not end keeps its name.
        let refused = claim(&config, &db).await.unwrap_err().to_string();
        let holder = format!("process {} on this host", std::process::id());
        assert!(refused.contains(&holder), "{refused}");
        drop(claimed);
    }

    #[test]
    fn each_name_has_its_own_lock_file() {
        let path = |host: &str| {
            let mut config = Config::default();
            config.host = host.to_owned();
            config.database_connection = Connection::Sqlite("/x/i.sqlite".into());
            lock_path(&config)
        };
        assert_eq!(
            path("vm-1.a"),
            Path::new("/x/i.sqlite-conductor-vm-1.a.lock")
        );
        assert_eq!(path("../b"), Path::new("/x/i.sqlite-conductor-.._2fb.lock"));
        assert_ne!(path("a/b"), path("a_2fb"));
    }
}
