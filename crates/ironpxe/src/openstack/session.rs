//! Caches the token, and renews it before it expires, with a single request at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::warn;

use super::error::OpenStackError;
use super::http::Http;
use super::keystone::{Login, Token};

/// The identity for Keystone.
#[derive(Debug)]
pub(super) struct Session {
    login: Login,
    current: RwLock<Option<Arc<Token>>>,
    /// Held while Keystone is queried; has the last error.
    turn: Mutex<Option<OpenStackError>>,
    /// The number of completed queries.
    asked: AtomicU64,
}

impl Session {
    pub(super) fn new(login: Login) -> Self {
        Self {
            login,
            current: RwLock::default(),
            turn: Mutex::default(),
            asked: AtomicU64::new(0),
        }
    }

    /// A token other than `refused`. Of concurrent callers that need a new one, one queries
    /// Keystone, and the others share its result, including errors.
    pub(super) async fn token(
        &self,
        http: &Http,
        refused: Option<&Arc<Token>>,
    ) -> Result<Arc<Token>, OpenStackError> {
        let before = self.asked.load(Ordering::Acquire);
        let old = self.usable(refused);
        if let Some(token) = old.clone().filter(|token| Instant::now() < token.due) {
            return Ok(token);
        }
        let mut turn = match &old {
            None => self.turn.lock().await,
            // It is still valid, and another caller is renewing it.
            Some(token) => match self.turn.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(Arc::clone(token)),
            },
        };
        if self.asked.load(Ordering::Acquire) != before {
            match (self.usable(refused), &*turn) {
                (Some(token), _) => return Ok(token),
                (None, Some(error)) => return Err(error.clone()),
                (None, None) => {}
            }
        }
        let answer = self.login.token(http).await;
        self.asked.fetch_add(1, Ordering::AcqRel);
        match answer {
            Ok(token) => {
                let token = Arc::new(token);
                *turn = None;
                *self.current.write().unwrap_or_else(PoisonError::into_inner) =
                    Some(Arc::clone(&token));
                Ok(token)
            }
            Err(cause) => {
                let error = OpenStackError {
                    service: "Keystone",
                    asked: "for a token".to_owned(),
                    cause,
                };
                *turn = Some(error.clone());
                match old {
                    Some(token) => {
                        warn!("{error}; using the current token, which is still valid");
                        Ok(token)
                    }
                    None => Err(error),
                }
            }
        }
    }

    /// The current token, if it has not expired and was not refused.
    fn usable(&self, refused: Option<&Arc<Token>>) -> Option<Arc<Token>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let token = current.as_ref()?;
        let is_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, token));
        (!is_refused && Instant::now() < token.end).then(|| Arc::clone(token))
    }
}

#[cfg(test)]
impl Session {
    /// Marks the current token for renewal.
    pub(super) fn make_due(&self) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = current.take() {
            let mut token = Arc::into_inner(token).unwrap();
            token.due = Instant::now();
            *current = Some(Arc::new(token));
        }
    }
}
