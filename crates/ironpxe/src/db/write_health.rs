//! Whether the database is writable, from the result of the last heartbeat.

use std::sync::{Mutex, PoisonError};

use super::error::WriteProblem;
use super::{Db, DbError};

/// The result of the last write. Clones of a [`Db`] share it.
#[derive(Debug, Default)]
pub(super) struct WriteHealth(Mutex<Option<WriteProblem>>);

impl Db {
    /// Why the database is not writable; `None` if it is.
    pub(crate) fn write_problem(&self) -> Option<WriteProblem> {
        *self.write_health.lock()
    }

    /// Records the result of a write.
    pub(super) fn note_write<T>(&self, done: Result<T, DbError>) -> Result<T, DbError> {
        let problem = match &done {
            Ok(_) => None,
            Err(DbError::Unavailable { source, .. }) => match WriteProblem::of(source) {
                None => return done,
                problem => problem,
            },
            Err(_) => return done,
        };
        *self.write_health.lock() = problem;
        done
    }
}

impl WriteHealth {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<WriteProblem>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
