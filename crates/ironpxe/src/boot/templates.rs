//! The script templates in use, which an operator can replace while machines boot.

use std::sync::{Arc, PoisonError, RwLock};

use ironpxe_core::boot::Scripts;

/// The scripts in use. Clones are the same ones.
///
/// Whoever renders takes what is [current](Self::current) and keeps it to the end: a request sees
/// the old templates or the new ones, and never some of both.
#[derive(Debug, Clone)]
pub struct Templates(Arc<RwLock<Arc<Scripts>>>);

impl Templates {
    /// To begin with.
    pub fn new(scripts: Scripts) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(scripts))))
    }

    /// Those of this moment.
    pub fn current(&self) -> Arc<Scripts> {
        // Nothing can panic while it is locked.
        let scripts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&scripts)
    }

    /// From now on, these.
    pub fn replace(&self, scripts: Scripts) {
        let scripts = Arc::new(scripts);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = scripts;
    }
}
