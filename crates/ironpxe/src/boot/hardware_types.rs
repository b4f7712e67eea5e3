//! Which hardware types the URL of a vendor passthru method may name.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ironpxe_core::error::{Fault, Result};
use tracing::warn;

use super::response;
use crate::db::Db;

/// How old the list of what is registered may be, as that of the conductors that an API calls.
const FRESH: Duration = Duration::from_secs(1);

/// The hardware types that are known. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct HardwareTypes(Arc<Source>);

#[derive(Debug)]
enum Source {
    Enabled(Vec<String>),
    Registered {
        db: Db,
        list: Mutex<List>,
        /// Held while the list is read, so that one request does it for all that wait.
        reading: tokio::sync::Mutex<()>,
    },
}

#[derive(Debug, Default)]
struct List {
    read: Option<Instant>,
    names: BTreeSet<String>,
    /// Whether a conductor is there that could say that there are no others.
    is_complete: bool,
}

impl HardwareTypes {
    /// Those that the conductor in this process has enabled.
    pub fn enabled(names: Vec<String>) -> Self {
        Self(Arc::new(Source::Enabled(names)))
    }

    /// Those that conductors have registered in the database, whether they are alive or not.
    pub fn registered(db: Db) -> Self {
        Self(Arc::new(Source::Registered {
            db,
            list: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }))
    }

    /// Makes the list that was read too old to be used without asking.
    #[cfg(test)]
    pub(super) fn expire(&self) {
        if let Source::Registered { list, .. } = &*self.0 {
            let mut list = lock(list);
            list.read = list.read.and_then(|read| read.checked_sub(2 * FRESH));
        }
    }

    /// Whether a name is known without asking anybody.
    pub(super) fn has(&self, name: &str) -> bool {
        match &*self.0 {
            Source::Enabled(names) => names.iter().any(|known| known == name),
            Source::Registered { list, .. } => {
                let list = lock(list);
                list.is_fresh() && list.names.contains(name)
            }
        }
    }

    /// Refuses a name that is none.
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
                // Machines boot all the same, and do not wait for each other's time-outs.
                Err(error) if lock(list).read.is_some() => {
                    warn!("the list of conductors cannot be read, the last one is used: {error}");
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
    // It holds no half-made changes.
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
