//! The current script templates, which can be reloaded at runtime.

use std::sync::{Arc, PoisonError, RwLock};

use ironpxe_core::boot::Scripts;

/// The current templates. Clones share them.
///
/// A request takes a [snapshot](Self::current) and renders with it, so it never mixes old and new
/// templates.
#[derive(Debug, Clone)]
pub(crate) struct Templates(Arc<RwLock<Arc<Scripts>>>);

impl Templates {
    /// The initial templates.
    pub(crate) fn new(scripts: Scripts) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(scripts))))
    }

    /// The current templates.
    pub(crate) fn current(&self) -> Arc<Scripts> {
        // Nothing panics while the lock is held.
        let scripts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&scripts)
    }

    /// Replaces the templates.
    pub(crate) fn replace(&self, scripts: Scripts) {
        let scripts = Arc::new(scripts);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = scripts;
    }
}
