//! Limits of verifications: per peer, in total, and after failures.
//!
//! Verifying a password takes a third of a second of CPU time, so a peer with wrong passwords must not
//! block others. A peer is an IPv4 address, or a `/64` of IPv6, which a single host can own.

use ironpxe_core::retry_after;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::client_network::client_network;

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    /// The maximum number of verifications queued or running, of all peers.
    pub(super) max_waiting: usize,
    /// The maximum per peer.
    pub(super) max_waiting_by_peer: usize,
    /// The number of failures allowed per peer, …
    pub(super) max_failures: u32,
    /// … and the time after which one of them expires.
    pub(super) failure_expiry: Duration,
}

/// The maximum number of tracked peers.
const MAX_PEERS: usize = 4096;

/// The peers with verifications or recent failures.
#[derive(Debug)]
pub(super) struct Limits {
    rates: Rates,
    peers: Mutex<Peers>,
}

#[derive(Debug, Default)]
struct Peers {
    waiting: usize,
    by_address: HashMap<Option<IpAddr>, Peer>,
}

#[derive(Debug)]
struct Peer {
    waiting: usize,
    failures: u32,
    /// The time up to which failures have expired.
    counted: Instant,
}

impl Peer {
    fn expire_failures(&mut self, expiry: Duration, now: Instant) {
        let passed = now.saturating_duration_since(self.counted);
        let expired = passed.as_millis() / expiry.as_millis().max(1);
        let expired = u32::try_from(expired).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_sub(expired);
        if self.failures == 0 {
            self.counted = now;
        } else {
            self.counted += expiry * expired;
        }
    }

    fn is_idle(&self) -> bool {
        self.waiting == 0 && self.failures == 0
    }
}

/// The permit for one verification.
#[derive(Debug)]
pub(super) struct VerificationPermit {
    limits: Arc<Limits>,
    peer: Option<IpAddr>,
}

impl Limits {
    pub(super) fn new(rates: Rates) -> Self {
        Self {
            rates,
            peers: Mutex::default(),
        }
    }

    /// A permit for a verification, or the seconds until a retry.
    pub(super) fn acquire(
        self: &Arc<Self>,
        peer: Option<IpAddr>,
        now: Instant,
    ) -> Result<VerificationPermit, u16> {
        let Rates {
            max_waiting,
            max_waiting_by_peer,
            max_failures,
            failure_expiry,
        } = self.rates;
        let peer = peer.map(client_network);
        let mut peers = self.lock();
        if peers.waiting >= max_waiting {
            return Err(retry_after::SOON);
        }
        if peers.by_address.len() >= MAX_PEERS && !peers.by_address.contains_key(&peer) {
            peers.by_address.retain(|_, peer| {
                peer.expire_failures(failure_expiry, now);
                !peer.is_idle()
            });
            if peers.by_address.len() >= MAX_PEERS {
                return Err(retry_after::SOON);
            }
        }
        let entry = peers.by_address.entry(peer).or_insert(Peer {
            waiting: 0,
            failures: 0,
            counted: now,
        });
        entry.expire_failures(failure_expiry, now);
        if entry.waiting >= max_waiting_by_peer {
            return Err(retry_after::SOON);
        }
        if entry.failures >= max_failures {
            let free = entry.counted + failure_expiry;
            let seconds = free.saturating_duration_since(now).as_secs();
            return Err(u16::try_from(seconds).unwrap_or(u16::MAX).saturating_add(1));
        }
        entry.waiting += 1;
        peers.waiting += 1;
        Ok(VerificationPermit {
            limits: Arc::clone(self),
            peer,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VerificationPermit {
    /// Records a wrong password.
    pub(super) fn record_failure(&self) {
        if let Some(peer) = self.limits.lock().by_address.get_mut(&self.peer) {
            peer.failures = peer.failures.saturating_add(1);
        }
    }
}

impl Drop for VerificationPermit {
    fn drop(&mut self) {
        let mut peers = self.limits.lock();
        peers.waiting = peers.waiting.saturating_sub(1);
        if let Some(peer) = peers.by_address.get_mut(&self.peer) {
            peer.waiting = peer.waiting.saturating_sub(1);
            if peer.is_idle() {
                peers.by_address.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_WAITING: usize = 64;
    const MAX_WAITING_BY_PEER: usize = 4;
    const MAX_FAILURES: u32 = 10;
    const FAILURE_EXPIRY: Duration = Duration::from_secs(2);

    fn limits() -> Arc<Limits> {
        Arc::new(Limits::new(Rates {
            max_waiting: MAX_WAITING,
            max_waiting_by_peer: MAX_WAITING_BY_PEER,
            max_failures: MAX_FAILURES,
            failure_expiry: FAILURE_EXPIRY,
        }))
    }

    fn peer(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn concurrent_verifications_are_limited_by_peer_and_in_total() {
        let limits = limits();
        let now = Instant::now();
        let one = peer("192.0.2.1");
        let mut permits: Vec<VerificationPermit> = (0..MAX_WAITING_BY_PEER)
            .map(|_| limits.acquire(Some(one), now).unwrap())
            .collect();
        assert_eq!(
            limits.acquire(Some(one), now).unwrap_err(),
            retry_after::SOON
        );
        assert_eq!(
            limits
                .acquire(Some(peer("::ffff:192.0.2.1")), now)
                .unwrap_err(),
            1
        );
        assert!(limits.acquire(None, now).is_ok());
        for host in 2..=MAX_WAITING / MAX_WAITING_BY_PEER {
            let other = peer(&format!("192.0.2.{host}"));
            permits.extend(
                (0..MAX_WAITING_BY_PEER).map(|_| limits.acquire(Some(other), now).unwrap()),
            );
        }
        assert!(limits.acquire(Some(peer("198.51.100.1")), now).is_err());
        permits.clear();
        assert!(limits.acquire(Some(one), now).is_ok());
        assert!(limits.lock().by_address.is_empty());
    }

    #[test]
    fn peer_with_many_failures_is_delayed_and_others_are_not() {
        let limits = limits();
        let start = Instant::now();
        // Neighbours in one network are one peer.
        let one = peer("2001:db8::1");
        for host in 1..=MAX_FAILURES {
            let permit = limits.acquire(Some(peer(&format!("2001:db8::{host}"))), start);
            permit.unwrap().record_failure();
        }
        assert_eq!(limits.acquire(Some(one), start).unwrap_err(), 3);
        assert!(limits.acquire(Some(peer("2001:db8:0:1::1")), start).is_ok());
        // They expire one by one.
        let later = start + FAILURE_EXPIRY;
        limits.acquire(Some(one), later).unwrap().record_failure();
        assert!(limits.acquire(Some(one), later).is_err());
        let much_later = later + FAILURE_EXPIRY * MAX_FAILURES;
        drop(limits.acquire(Some(one), much_later).unwrap());
        assert!(limits.lock().by_address.is_empty());
    }

    #[test]
    fn number_of_remembered_peers_is_limited() {
        let limits = limits();
        let now = Instant::now();
        for number in 0..MAX_PEERS {
            let bits = u32::try_from(number).unwrap();
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(bits));
            limits.acquire(Some(address), now).unwrap().record_failure();
        }
        assert!(limits.acquire(Some(peer("192.0.2.1")), now).is_err());
        assert!(
            limits
                .acquire(Some(peer("192.0.2.1")), now + FAILURE_EXPIRY)
                .is_ok()
        );
        assert!(limits.lock().by_address.is_empty());
    }
}
