//! Who may have a connection when there are fewer than are wanted.
//!
//! A connection that waits for its client (for a request, for a body, or for the client to take an
//! answer) costs the client nothing, and others their place. So when all places are taken, the one
//! that has waited the longest goes, and first of all one of the source address that has the most.
//! Where machines boot, no address can have more than three quarters of the places, and some are
//! kept for connections that ask at once for a boot script.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tracing::warn;

/// How long a connection may have waited for its client without being in anybody's way: a
/// client's next packet may be on its way. Not for addresses that have many connections.
const YOUNG: Duration = Duration::from_secs(1);
/// The same for one that sends a body or takes an answer, which stops now and then.
const SLOW: Duration = Duration::from_secs(5);
/// How often it is looked again whether somebody has waited too long meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The log says at most so often that the places are taken.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// The part of an address by which connections are counted: of IPv6 the network of 64 bits, in
/// which a host can choose any address it likes.
pub(super) fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
    }
}

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    /// For everybody.
    open: usize,
    /// For boot scripts, beside those.
    kept: usize,
    /// How many one source address may have.
    share: usize,
    head_timeout: Duration,
    began: Instant,
    /// How many of the open places are taken, for those who only look.
    taken_now: AtomicUsize,
    taken: Mutex<Taken>,
    /// Somebody has left.
    left: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    by_source: HashMap<IpAddr, Vec<Arc<Slot>>>,
    open: usize,
    kept: usize,
    said: Option<Instant>,
}

/// A connection's place, and what it is doing.
#[derive(Debug)]
struct Slot {
    source: IpAddr,
    is_kept: bool,
    /// A [`State`], and since when.
    state: AtomicU64,
    /// It has to go.
    ended: Notify,
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A request is being answered.
    Working,
    /// It waits for a request.
    Idle,
    /// It waits for the rest of a body, or for the client to take an answer.
    Slow,
    /// It is over.
    Ended,
}

impl State {
    /// Together with the time, in milliseconds.
    fn at(self, since: u64) -> u64 {
        let state = match self {
            Self::Working => 0,
            Self::Idle => 1,
            Self::Slow => 2,
            Self::Ended => 3,
        };
        since << 2 | state
    }

    fn of(word: u64) -> (Self, u64) {
        let state = match word & 3 {
            0 => Self::Working,
            1 => Self::Idle,
            2 => Self::Slow,
            _ => Self::Ended,
        };
        (state, word >> 2)
    }
}

/// What becomes of a new connection.
enum Entered {
    In(Place),
    /// Its address has too many that are all at work.
    Refused,
    /// Not yet.
    Wait,
}

impl Places {
    /// `connections` places. If machines ask for `boots` here, an eighth is kept for boot scripts, and no
    /// address has more than its share; else a few APIs ask, and each may need all.
    pub(super) fn new(connections: usize, boots: bool, head_timeout: Duration) -> Arc<Self> {
        let kept = if boots { connections / 8 } else { 0 };
        let open = connections.saturating_sub(kept).max(1);
        Arc::new(Self {
            open,
            kept,
            share: if boots { open - open / 4 } else { open },
            head_timeout,
            began: Instant::now(),
            taken_now: AtomicUsize::new(0),
            taken: Mutex::default(),
            left: Notify::new(),
        })
    }

    /// The place of a new connection from this address, when there is one; `None` if it gets none.
    pub(super) async fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let source = source_of(peer);
        loop {
            let mut left = std::pin::pin!(self.left.notified());
            left.as_mut().enable();
            let (entered, news) = self.try_enter(source);
            if let Some(news) = news {
                warn!("{news}");
            }
            match entered {
                Entered::In(place) => return Some(place),
                Entered::Refused => return None,
                Entered::Wait => {
                    let _ = tokio::time::timeout(LOOK_AGAIN, left).await;
                }
            }
        }
    }

    /// What becomes of a new connection from this address now, and what the log is told of it.
    fn try_enter(self: &Arc<Self>, source: IpAddr) -> (Entered, Option<String>) {
        let mut taken = self.taken();
        let own = taken.by_source.get(&source).map_or(0, Vec::len);
        if own >= self.share {
            let news = self.news(&mut taken, source);
            let own = taken.by_source.get(&source);
            let ended = self.end_longest(own.into_iter().flatten(), |_| Some(Duration::ZERO));
            let entered = if ended {
                Entered::Wait
            } else {
                Entered::Refused
            };
            return (entered, news);
        }
        if taken.open < self.open {
            return (Entered::In(self.admit(&mut taken, source, false)), None);
        }
        let news = self.news(&mut taken, source);
        let most = taken.by_source.values().max_by_key(|slots| slots.len());
        let ended = match most {
            // Whoever has so many does not only boot a machine.
            Some(slots) if slots.len() > (self.open / 8).max(2) => {
                self.end_longest(slots, |_| Some(Duration::ZERO))
            }
            _ => false,
        };
        let ended = ended
            || self.end_longest(taken.by_source.values().flatten(), |state| match state {
                State::Idle => Some(YOUNG),
                State::Slow => Some(SLOW),
                State::Working | State::Ended => None,
            });
        if !ended && taken.kept < self.kept {
            return (Entered::In(self.admit(&mut taken, source, true)), news);
        }
        (Entered::Wait, news)
    }

    fn admit(self: &Arc<Self>, taken: &mut Taken, source: IpAddr, is_kept: bool) -> Place {
        let slot = Arc::new(Slot {
            source,
            is_kept,
            state: AtomicU64::new(State::Idle.at(self.now())),
            ended: Notify::new(),
        });
        if is_kept {
            taken.kept += 1;
        } else {
            taken.open += 1;
            self.taken_now.store(taken.open, Ordering::Relaxed);
        }
        let slots = taken.by_source.entry(source).or_default();
        slots.push(Arc::clone(&slot));
        Place {
            slot,
            places: Arc::clone(self),
        }
    }

    /// Ends the connection that has waited the longest of those that may be ended: `timeout_of` says
    /// how long each may wait in its state. Whether one is about to leave.
    fn end_longest<'s>(
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
                // It leaves its place in a moment; one is enough.
                State::Ended => return true,
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
        let ended = State::Ended.at(now);
        // If it has begun to work meanwhile, somebody else is found the next time.
        let swapped =
            (slot.state).compare_exchange(word, ended, Ordering::AcqRel, Ordering::Acquire);
        if swapped.is_ok() {
            slot.ended.notify_one();
        }
        true
    }

    /// What the log is told, if it has not been told lately.
    fn news(&self, taken: &mut Taken, source: IpAddr) -> Option<String> {
        if taken.said.is_some_and(|said| said.elapsed() < SAID_EVERY) {
            return None;
        }
        taken.said = Some(Instant::now());
        let most = taken.by_source.iter().max_by_key(|(_, slots)| slots.len());
        let (address, slots) = most?;
        Some(format!(
            "connections run short: {} of {} are open, {} of them from {address}. For a new one \
             from {source}, the one that has waited the longest for its client is closed",
            taken.open.saturating_add(taken.kept),
            self.open.saturating_add(self.kept),
            slots.len()
        ))
    }

    /// How many places are free.
    fn free(&self) -> usize {
        let taken = self.taken_now.load(Ordering::Relaxed);
        self.open.saturating_sub(taken)
    }

    /// Since the beginning, in milliseconds.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX >> 2)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        let taken = self.taken();
        taken.open + taken.kept
    }
}

/// The place of one connection, which is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    slot: Arc<Slot>,
    places: Arc<Places>,
}

impl Place {
    /// Whether the connection is here for a boot script alone.
    pub(super) fn is_kept(&self) -> bool {
        self.slot.is_kept
    }

    /// A request is being answered.
    pub(super) fn works(&self) {
        self.enter(|_| Some(State::Working.at(0)));
    }

    /// The client has to send a request, from now on.
    pub(super) fn waits(&self) {
        let now = self.places.now();
        self.enter(|_| Some(State::Idle.at(now)));
    }

    /// The client has to send something, since `since` at least, for the request that is being
    /// answered.
    pub(super) fn is_slow(&self, since: Instant) {
        let since = since.saturating_duration_since(self.places.began);
        let since = u64::try_from(since.as_millis()).unwrap_or_default();
        self.enter(|state| (state == State::Working).then(|| State::Slow.at(since)));
    }

    /// The client has to take something, from now on. That may be the rest of an answer that is
    /// complete otherwise.
    pub(super) fn is_blocked(&self) {
        let now = self.places.now();
        self.enter(|_| Some(State::Slow.at(now)));
    }

    /// The client has done so.
    pub(super) fn goes_on(&self) {
        self.enter(|state| (state == State::Slow).then(|| State::Working.at(0)));
    }

    fn enter(&self, next: impl Fn(State) -> Option<u64>) {
        let next = |word| match State::of(word) {
            (State::Ended, _) => None,
            (state, _) => next(state),
        };
        let _ = (self.slot.state).fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }

    /// Comes when the connection has to go.
    pub(super) async fn is_ended(&self) {
        self.slot.ended.notified().await;
    }

    /// How long the client may take to send a request's head: the fewer places are left, the
    /// shorter.
    pub(super) fn head_timeout(&self) -> Duration {
        let Places {
            open, head_timeout, ..
        } = *self.places;
        if self.slot.is_kept {
            return head_timeout / 10;
        }
        let free = self.places.free();
        let half = u32::try_from(open.div_ceil(2)).unwrap_or(u32::MAX);
        let free = u32::try_from(free).unwrap_or(u32::MAX).min(half);
        (head_timeout / half.max(1) * free).max(head_timeout / 30)
    }

    /// Whether the connection may stay after an answer: not when places run short.
    pub(super) fn may_stay(&self) -> bool {
        !self.slot.is_kept && self.places.free() > self.places.open / 4
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if self.slot.is_kept {
            taken.kept = taken.kept.saturating_sub(1);
        } else {
            taken.open = taken.open.saturating_sub(1);
            self.places.taken_now.store(taken.open, Ordering::Relaxed);
        }
        let source = self.slot.source;
        if let Some(slots) = taken.by_source.get_mut(&source) {
            slots.retain(|slot| !Arc::ptr_eq(slot, &self.slot));
            if slots.is_empty() {
                taken.by_source.remove(&source);
            }
        }
        drop(taken);
        self.places.left.notify_one();
    }
}

#[cfg(test)]
mod tests;
