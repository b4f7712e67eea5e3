//! The limit on connections, and which one is closed when it is reached.
//!
//! A connection that waits for its client (for a request, for a body, or for the client to read a
//! response) costs the client nothing, but uses up a connection. So at the limit the one that has
//! waited the longest is closed, preferably one of the source address with the most connections.
//! Where machines boot, no address gets more than three quarters of the connections, and some are
//! reserved for connections that ask for a boot script immediately.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tracing::warn;

use crate::client_network::client_network;

/// How long an idle connection is safe: the client's next packet may be on its way. Does not apply
/// to addresses with many connections.
const IDLE_GRACE: Duration = Duration::from_secs(1);
/// The same while a body is received or a response is sent, which pauses now and then.
const SLOW_GRACE: Duration = Duration::from_secs(5);
/// How often to check again whether a connection can be closed.
const RECHECK_INTERVAL: Duration = Duration::from_millis(100);
/// The interval of the log line about the limit.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The connections of a listener.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    /// For any request.
    general: usize,
    /// In addition, for boot scripts only.
    reserved: usize,
    /// The maximum of one source address.
    share: usize,
    head_timeout: Duration,
    began: Instant,
    /// `in_use.general`, readable without the lock.
    general_in_use: AtomicUsize,
    in_use: Mutex<OpenConnections>,
    /// A connection was closed.
    released: Notify,
}

#[derive(Debug, Default)]
struct OpenConnections {
    by_source: HashMap<IpAddr, Vec<Arc<Slot>>>,
    general: usize,
    reserved: usize,
    last_logged: Option<Instant>,
}

/// A connection and its state.
#[derive(Debug)]
struct Slot {
    source: IpAddr,
    is_reserved: bool,
    /// A [`State`] and its start time.
    state: AtomicU64,
    /// It was evicted.
    evicted: Notify,
}

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A request is being answered.
    Working,
    /// It waits for a request.
    Idle,
    /// It waits for the rest of a body, or for the client to read the response.
    Slow,
    /// It was evicted.
    Evicted,
}

impl State {
    /// Packs the state with its start time, in milliseconds.
    fn at(self, since: u64) -> u64 {
        let state = match self {
            Self::Working => 0,
            Self::Idle => 1,
            Self::Slow => 2,
            Self::Evicted => 3,
        };
        since << 2 | state
    }

    fn of(word: u64) -> (Self, u64) {
        let state = match word & 3 {
            0 => Self::Working,
            1 => Self::Idle,
            2 => Self::Slow,
            _ => Self::Evicted,
        };
        (state, word >> 2)
    }
}

/// The result of [`ConnectionLimit::try_enter`].
enum Admission {
    Admitted(ConnectionPermit),
    /// Its address has too many connections, and all are answering requests.
    Refused,
    /// At the limit.
    Wait,
}

impl ConnectionLimit {
    /// At most `connections`. If machines boot from this listener (`boots`), an eighth is reserved for
    /// boot scripts, and addresses are limited to a share; otherwise the clients are a few APIs, each
    /// of which may need all.
    pub(super) fn new(connections: usize, boots: bool, head_timeout: Duration) -> Arc<Self> {
        let reserved = if boots { connections / 8 } else { 0 };
        let general = connections.saturating_sub(reserved).max(1);
        Arc::new(Self {
            general,
            reserved,
            share: if boots {
                general - general / 4
            } else {
                general
            },
            head_timeout,
            began: Instant::now(),
            general_in_use: AtomicUsize::new(0),
            in_use: Mutex::default(),
            released: Notify::new(),
        })
    }

    /// Waits until a new connection from this address is allowed; `None` if it is refused.
    pub(super) async fn acquire(self: &Arc<Self>, peer: IpAddr) -> Option<ConnectionPermit> {
        let source = client_network(peer);
        loop {
            let mut released = std::pin::pin!(self.released.notified());
            released.as_mut().enable();
            let (admission, warning) = self.try_enter(source);
            if let Some(warning) = warning {
                warn!("{warning}");
            }
            match admission {
                Admission::Admitted(permit) => return Some(permit),
                Admission::Refused => return None,
                Admission::Wait => {
                    let _ = tokio::time::timeout(RECHECK_INTERVAL, released).await;
                }
            }
        }
    }

    /// Tries to allow a new connection from this address, and returns what to log.
    fn try_enter(self: &Arc<Self>, source: IpAddr) -> (Admission, Option<String>) {
        let mut in_use = self.in_use();
        let own = in_use.by_source.get(&source).map_or(0, Vec::len);
        if own >= self.share {
            let warning = self.limit_warning(&mut in_use, source);
            let own = in_use.by_source.get(&source);
            let evicting =
                self.evict_longest_waiting(own.into_iter().flatten(), |_| Some(Duration::ZERO));
            let admission = if evicting {
                Admission::Wait
            } else {
                Admission::Refused
            };
            return (admission, warning);
        }
        if in_use.general < self.general {
            return (
                Admission::Admitted(self.admit(&mut in_use, source, false)),
                None,
            );
        }
        let warning = self.limit_warning(&mut in_use, source);
        let most = in_use.by_source.values().max_by_key(|slots| slots.len());
        let evicting = match most {
            // A single machine does not need so many.
            Some(slots) if slots.len() > (self.general / 8).max(2) => {
                self.evict_longest_waiting(slots, |_| Some(Duration::ZERO))
            }
            _ => false,
        };
        let evicting = evicting
            || self.evict_longest_waiting(
                in_use.by_source.values().flatten(),
                |state| match state {
                    State::Idle => Some(IDLE_GRACE),
                    State::Slow => Some(SLOW_GRACE),
                    State::Working | State::Evicted => None,
                },
            );
        if !evicting && in_use.reserved < self.reserved {
            return (
                Admission::Admitted(self.admit(&mut in_use, source, true)),
                warning,
            );
        }
        (Admission::Wait, warning)
    }

    fn admit(
        self: &Arc<Self>,
        in_use: &mut OpenConnections,
        source: IpAddr,
        is_reserved: bool,
    ) -> ConnectionPermit {
        let slot = Arc::new(Slot {
            source,
            is_reserved,
            state: AtomicU64::new(State::Idle.at(self.now())),
            evicted: Notify::new(),
        });
        if is_reserved {
            in_use.reserved += 1;
        } else {
            in_use.general += 1;
            self.general_in_use.store(in_use.general, Ordering::Relaxed);
        }
        let slots = in_use.by_source.entry(source).or_default();
        slots.push(Arc::clone(&slot));
        ConnectionPermit {
            slot,
            limit: Arc::clone(self),
        }
    }

    /// Evicts the connection that has waited the longest of those over their timeout, if any; `timeout_of`
    /// gives the timeout of each state. Returns whether a connection is about to close.
    fn evict_longest_waiting<'s>(
        &self,
        slots: impl IntoIterator<Item = &'s Arc<Slot>>,
        timeout_of: impl Fn(State) -> Option<Duration>,
    ) -> bool {
        let now = self.now();
        let mut longest: Option<(u64, u64, &Arc<Slot>)> = None;
        for slot in slots {
            let word = slot.state.load(Ordering::Acquire);
            let (state, since) = State::of(word);
            let may_wait = match state {
                State::Idle | State::Slow => timeout_of(state),
                State::Working => None,
                // It is about to close; one is enough.
                State::Evicted => return true,
            };
            let waited = Duration::from_millis(now.saturating_sub(since));
            let is_longer = longest.is_none_or(|(other, ..)| since < other);
            if is_longer && may_wait.is_some_and(|may_wait| waited >= may_wait) {
                longest = Some((since, word, slot));
            }
        }
        let Some((_, word, slot)) = longest else {
            return false;
        };
        let evicted = State::Evicted.at(now);
        // If it is answering a request by now, the next attempt finds another one.
        let swapped =
            (slot.state).compare_exchange(word, evicted, Ordering::AcqRel, Ordering::Acquire);
        if swapped.is_ok() {
            slot.evicted.notify_one();
        }
        true
    }

    /// The log line about the limit, unless it was logged recently.
    fn limit_warning(&self, in_use: &mut OpenConnections, source: IpAddr) -> Option<String> {
        if in_use
            .last_logged
            .is_some_and(|logged| logged.elapsed() < LOG_INTERVAL)
        {
            return None;
        }
        in_use.last_logged = Some(Instant::now());
        let most = in_use.by_source.iter().max_by_key(|(_, slots)| slots.len());
        let (address, slots) = most?;
        Some(format!(
            "{} of {} connections are in use, {} by {address}: closing the longest-idle connection, \
             if any, to accept one from {source}",
            in_use.general.saturating_add(in_use.reserved),
            self.general.saturating_add(self.reserved),
            slots.len()
        ))
    }

    /// The number of free connections.
    fn free(&self) -> usize {
        let in_use = self.general_in_use.load(Ordering::Relaxed);
        self.general.saturating_sub(in_use)
    }

    /// Milliseconds since the start.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX >> 2)
    }

    fn in_use(&self) -> MutexGuard<'_, OpenConnections> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        let in_use = self.in_use();
        in_use.general + in_use.reserved
    }
}

/// Permits one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    slot: Arc<Slot>,
    limit: Arc<ConnectionLimit>,
}

impl ConnectionPermit {
    /// Whether the connection is one of those reserved for boot scripts.
    pub(super) fn is_reserved(&self) -> bool {
        self.slot.is_reserved
    }

    /// A request is being answered.
    pub(super) fn set_working(&self) {
        self.enter(|_| Some(State::Working.at(0)));
    }

    /// The client has to send a request.
    pub(super) fn set_idle(&self) {
        let now = self.limit.now();
        self.enter(|_| Some(State::Idle.at(now)));
    }

    /// The client has to send more of a request, since `since` at the latest.
    pub(super) fn set_slow_since(&self, since: Instant) {
        let since = since.saturating_duration_since(self.limit.began);
        let since = u64::try_from(since.as_millis()).unwrap_or_default();
        self.enter(|state| (state == State::Working).then(|| State::Slow.at(since)));
    }

    /// The client has to read the response, or the rest of it.
    pub(super) fn set_blocked(&self) {
        let now = self.limit.now();
        self.enter(|_| Some(State::Slow.at(now)));
    }

    /// The client has sent or read what it had to.
    pub(super) fn set_resumed(&self) {
        self.enter(|state| (state == State::Slow).then(|| State::Working.at(0)));
    }

    fn enter(&self, next: impl Fn(State) -> Option<u64>) {
        let next = |word| match State::of(word) {
            (State::Evicted, _) => None,
            (state, _) => next(state),
        };
        let _ = (self.slot.state).fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }

    /// Returns when the connection is to be closed.
    pub(super) async fn evicted(&self) {
        self.slot.evicted.notified().await;
    }

    /// The timeout of a request's head: the fewer connections are free, the shorter.
    pub(super) fn head_timeout(&self) -> Duration {
        let ConnectionLimit {
            general,
            head_timeout,
            ..
        } = *self.limit;
        if self.slot.is_reserved {
            return head_timeout / 10;
        }
        let free = self.limit.free();
        let half = u32::try_from(general.div_ceil(2)).unwrap_or(u32::MAX);
        let free = u32::try_from(free).unwrap_or(u32::MAX).min(half);
        (head_timeout / half.max(1) * free).max(head_timeout / 30)
    }

    /// Whether to keep the connection open after a response: not when few are free.
    pub(super) fn may_keep_alive(&self) -> bool {
        !self.slot.is_reserved && self.limit.free() > self.limit.general / 4
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut in_use = self.limit.in_use();
        if self.slot.is_reserved {
            in_use.reserved = in_use.reserved.saturating_sub(1);
        } else {
            in_use.general = in_use.general.saturating_sub(1);
            self.limit
                .general_in_use
                .store(in_use.general, Ordering::Relaxed);
        }
        let source = self.slot.source;
        if let Some(slots) = in_use.by_source.get_mut(&source) {
            slots.retain(|slot| !Arc::ptr_eq(slot, &self.slot));
            if slots.is_empty() {
                in_use.by_source.remove(&source);
            }
        }
        drop(in_use);
        self.limit.released.notify_one();
    }
}

#[cfg(test)]
mod tests;
