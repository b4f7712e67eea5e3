//! The hardware types that the URL of a vendor passthru method may have.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ironpxe_core::error::{Fault, Result};
use tracing::warn;

use super::response;
use crate::db::Db;

/// How long the list of registered hardware types is used; also that of an API's list of
/// conductors.
const FRESH: Duration = Duration::from_secs(1);

/// The known hardware types. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct HardwareTypes(Arc<Source>);

#[derive(Debug)]
enum Source {
    Any,
    Enabled(Vec<String>),
    Registered {
        db: Db,
        list: Mutex<List>,
        /// Held while the list is read, so that concurrent requests share one query.
        reading: tokio::sync::Mutex<()>,
    },
}

#[derive(Debug, Default)]
struct List {
    read: Option<Instant>,
    names: BTreeSet<String>,
    /// Whether a conductor is registered, without which unknown names cannot be rejected.
    is_complete: bool,
}

impl HardwareTypes {
    /// Any: beside an existing Ironic, whose hardware types are unknown.
    pub(crate) fn any() -> Self {
        Self(Arc::new(Source::Any))
    }

    /// Those enabled in this process's conductor.
    pub(crate) fn enabled(names: Vec<String>) -> Self {
        Self(Arc::new(Source::Enabled(names)))
    }

    /// Those that conductors have registered in the database, alive or not.
    pub(crate) fn registered(db: Db) -> Self {
        Self(Arc::new(Source::Registered {
            db,
            list: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }))
    }

    /// Expires the list.
    #[cfg(test)]
    pub(super) fn expire(&self) {
        if let Source::Registered { list, .. } = &*self.0 {
            let mut list = lock(list);
            list.read = list.read.and_then(|read| read.checked_sub(2 * FRESH));
        }
    }

    /// Whether a name is known without a query.
    pub(super) fn has(&self, name: &str) -> bool {
        match &*self.0 {
            Source::Any => true,
            Source::Enabled(names) => names.iter().any(|known| known == name),
            Source::Registered { list, .. } => {
                let list = lock(list);
                list.is_fresh() && list.names.contains(name)
            }
        }
    }

    /// Rejects an unknown name.
    pub(super) async fn check(&self, name: &str) -> Result<()> {
        if self.has(name) {
            return Ok(());
        }
        let unknown = || Fault::DriverUnknown(name.to_owned());
        let Source::Registered { db, list, reading } = &*self.0 else {
            return Err(unknown());
        };
        let _reading = reading.lock().await;
        if !lock(list).is_fresh() {
            match db.conductor_list().await {
                Ok(conductors) => {
                    *lock(list) = List {
                        read: Some(Instant::now()),
                        is_complete: conductors.iter().any(|it| it.online),
                        names: conductors.into_iter().flat_map(|it| it.drivers).collect(),
                    };
                }
                // Machines still boot, without waiting for each other's timeouts.
                Err(error) if lock(list).read.is_some() => {
                    warn!("cannot read the list of conductors; using the last known one: {error}");
                    lock(list).read = Some(Instant::now());
                }
                Err(error) => return Err(error.into()),
            }
        }
        let list = lock(list);
        if list.names.contains(name) {
            Ok(())
        } else if list.is_complete {
            Err(unknown())
        } else {
            Err(response::no_conductor())
        }
    }
}

impl List {
    fn is_fresh(&self) -> bool {
        self.read.is_some_and(|read| read.elapsed() < FRESH)
    }
}

fn lock(list: &Mutex<List>) -> MutexGuard<'_, List> {
    // No change is left incomplete by a panic.
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
