//! Limits concurrent image downloads.
//!
//! A download counts until its machine has received everything. Up to half of
//! `[images]max_downloads`, new downloads are always accepted. Above that,
//!
//! * a node has a small limit: a machine fetches one image at a time, so of several downloads the
//!   slowest one is aborted, of the node with the most;
//! * one address may have at most three quarters of all, so that it cannot starve the others;
//! * if the limit is reached, a very slow download is aborted, even if it makes progress.
//!
//! A rejected download gets 503 with `Retry-After`. An aborted download ends early: its machine has
//! fewer bytes than announced, and retries.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ironpxe_core::id::NodeUuid;
use tokio_util::sync::CancellationToken;

use super::error::ImageError;
use super::source::Source;

use crate::client_network::client_network;

/// The limit per node when downloads are limited.
const PER_NODE: usize = 4;
/// How old a node's download must be before it may be aborted for another one.
const MIN_AGE: Duration = Duration::from_secs(5);
/// The interval over which a download's speed is measured.
const WINDOW: Duration = Duration::from_secs(10);
/// The minimum speed, in bytes per second: a ramdisk of 300 MiB would take more than an hour.
const MIN_THROUGHPUT: u64 = 64 * 1024;

/// The node that an image is for, and the client that fetches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// The node.
    pub node: NodeUuid,
    /// The client's address, if known.
    pub peer: Option<IpAddr>,
}

/// All downloads in progress.
#[derive(Debug)]
pub(super) struct Downloads {
    limit: usize,
    taken: Mutex<Vec<Arc<Slot>>>,
}

/// One download.
#[derive(Debug)]
struct Slot {
    node: NodeUuid,
    peer: Option<IpAddr>,
    started: Instant,
    sent: AtomicU64,
    throughput: Mutex<Throughput>,
    ended: CancellationToken,
    /// The source of the bytes, except while the next bytes are read.
    source: Mutex<Option<Source>>,
}

/// The speed of a download.
#[derive(Debug)]
struct Throughput {
    since: Instant,
    sent_before: u64,
    /// Bytes per second in the last complete interval.
    last: Option<u64>,
}

/// A download in progress; dropping it ends the download.
#[derive(Debug)]
pub(super) struct Permit {
    downloads: Arc<Downloads>,
    slot: Arc<Slot>,
}

impl Downloads {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            taken: Mutex::default(),
        })
    }

    /// Starts a download, aborting another one if necessary.
    pub(super) fn take(self: &Arc<Self>, client: Client) -> Result<Permit, ImageError> {
        self.take_at(client, Instant::now())
    }

    fn take_at(self: &Arc<Self>, client: Client, now: Instant) -> Result<Permit, ImageError> {
        let Client { node, peer } = client;
        let peer = peer.map(client_network);
        let mut taken = lock(&self.taken);
        if let Some(victim) = self.victim(&taken, node, peer, now)? {
            taken.retain(|slot| !Arc::ptr_eq(slot, &victim));
            victim.end();
        }
        let slot = Arc::new(Slot {
            node,
            peer,
            started: now,
            sent: AtomicU64::new(0),
            throughput: Mutex::new(Throughput {
                since: now,
                sent_before: 0,
                last: None,
            }),
            ended: CancellationToken::new(),
            source: Mutex::default(),
        });
        taken.push(Arc::clone(&slot));
        drop(taken);
        let downloads = Arc::clone(self);
        Ok(Permit { downloads, slot })
    }

    /// The download to abort for a new one; `None` if there is capacity.
    fn victim(
        &self,
        taken: &[Arc<Slot>],
        node: NodeUuid,
        peer: Option<IpAddr>,
        now: Instant,
    ) -> Result<Option<Arc<Slot>>, ImageError> {
        if taken.len() < self.limit.div_ceil(2) {
            return Ok(None);
        }
        let of_node: Vec<&Arc<Slot>> = taken.iter().filter(|slot| slot.node == node).collect();
        if of_node.len() >= PER_NODE {
            let of_peer = |slot: &Slot| of_node.iter().filter(|it| it.peer == slot.peer).count();
            let old_enough = of_node
                .iter()
                .filter(|slot| now.duration_since(slot.started) >= MIN_AGE);
            let worst =
                old_enough.max_by_key(|slot| (of_peer(slot), std::cmp::Reverse(slot.average(now))));
            return match worst {
                Some(slot) => Ok(Some(Arc::clone(slot))),
                None => Err(ImageError::unavailable(format!(
                    "the node already has {PER_NODE} downloads, and more than half of \
                     [images]max_downloads are in progress"
                ))),
            };
        }
        let slowest = |slots: &mut dyn Iterator<Item = &Arc<Slot>>| {
            slots
                .filter_map(|slot| Some((slot.throughput(now)?, slot)))
                .filter(|(throughput, _)| *throughput < MIN_THROUGHPUT)
                .min_by_key(|(throughput, _)| *throughput)
                .map(|(_, slot)| Arc::clone(slot))
        };
        let share = (self.limit * 3).div_ceil(4);
        let mut of_peer = taken.iter().filter(|slot| slot.peer == peer);
        if peer.is_some() && of_peer.clone().count() >= share {
            return slowest(&mut of_peer).map(Some).ok_or_else(|| {
                ImageError::unavailable(format!(
                    "its address already has {share} downloads, the limit per address \
                     of [images]max_downloads"
                ))
            });
        }
        if taken.len() >= self.limit {
            return slowest(&mut taken.iter()).map(Some).ok_or_else(|| {
                ImageError::unavailable("the limit of [images]max_downloads is reached")
            });
        }
        Ok(None)
    }
}

impl Slot {
    /// Bytes per second since it started.
    fn average(&self, now: Instant) -> u64 {
        rate(
            self.sent.load(Ordering::Relaxed),
            now.duration_since(self.started),
        )
    }

    /// Recent bytes per second; `None` if it just started.
    fn throughput(&self, now: Instant) -> Option<u64> {
        let throughput = lock(&self.throughput);
        let spent = now.duration_since(throughput.since);
        if spent < WINDOW {
            return throughput.last;
        }
        let sent = self.sent.load(Ordering::Relaxed);
        Some(rate(sent.saturating_sub(throughput.sent_before), spent))
    }

    fn end(&self) {
        self.ended.cancel();
        // Closes the source now; its machine may notice much later.
        drop(lock(&self.source).take());
    }
}

impl Permit {
    /// Stores the source of the bytes.
    pub(super) fn keep(&self, source: Source) {
        // The other side sets `ended` before it looks here.
        let mut kept = lock(&self.slot.source);
        if !self.slot.ended.is_cancelled() {
            *kept = Some(source);
        }
    }

    /// The source of the bytes; `None` if the download was aborted.
    pub(super) fn source(&self) -> Option<Source> {
        lock(&self.slot.source).take()
    }

    /// Completes when the download is aborted.
    pub(super) async fn ended(&self) {
        self.slot.ended.cancelled().await;
    }

    /// Records that the machine has received more bytes.
    pub(super) fn sent(&self, bytes: u64) {
        self.sent_at(bytes, Instant::now());
    }

    fn sent_at(&self, bytes: u64, now: Instant) {
        let sent = self.slot.sent.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut throughput = lock(&self.slot.throughput);
        let spent = now.duration_since(throughput.since);
        if spent >= WINDOW {
            *throughput = Throughput {
                since: now,
                sent_before: sent,
                last: Some(rate(sent.saturating_sub(throughput.sent_before), spent)),
            };
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        lock(&self.downloads.taken).retain(|slot| !Arc::ptr_eq(slot, &self.slot));
    }
}

fn rate(bytes: u64, time: Duration) -> u64 {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1000) / milliseconds
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while the lock is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(node: u128, peer: &str) -> Client {
        Client {
            node: NodeUuid(uuid::Uuid::from_u128(node)),
            peer: Some(peer.parse().unwrap()),
        }
    }

    fn is_ended(permit: &Permit) -> bool {
        permit.slot.ended.is_cancelled()
    }

    const CLIENT: &str = "10.0.0.9";

    /// Downloads, and a clock that is set by hand.
    struct DownloadsFixture {
        downloads: Arc<Downloads>,
        now: Instant,
    }

    impl DownloadsFixture {
        fn new(limit: usize) -> Self {
            Self {
                downloads: Downloads::new(limit),
                now: Instant::now(),
            }
        }

        fn takes(&self, node: u128, peer: &str) -> Permit {
            self.downloads
                .take_at(client(node, peer), self.now)
                .unwrap()
        }

        fn refuses(&self, node: u128, peer: &str) -> String {
            let taken = self.downloads.take_at(client(node, peer), self.now);
            taken.unwrap_err().to_string()
        }

        fn sends(&self, permit: &Permit, bytes: u64) {
            permit.sent_at(bytes, self.now);
        }

        fn waits(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn one_url_gets_only_its_share_of_downloads() {
        let mut site = DownloadsFixture::new(52);
        let mut held: Vec<Permit> = (0..26).map(|_| site.takes(1, CLIENT)).collect();
        let problem = site.refuses(1, CLIENT);
        assert!(
            problem.starts_with("the node already has 4 downloads"),
            "{problem}"
        );
        // Another node's machine, even with the same address.
        held.push(site.takes(2, CLIENT));
        // The node's own machine, after the minimum time: the slowest download of the node with the
        // most is aborted.
        site.waits(5);
        for (permit, at) in held.iter().zip(0..) {
            site.sends(permit, if at == 3 { 1 } else { 1_000_000 });
        }
        let machine = site.takes(1, "10.0.0.1");
        assert!(is_ended(&held[3]));
        assert_eq!(held.iter().filter(|permit| is_ended(permit)).count(), 1);
        site.waits(5);
        let more = site.takes(1, CLIENT);
        assert!(!is_ended(&machine) && !is_ended(&more));
        assert_eq!(held.iter().filter(|permit| is_ended(permit)).count(), 2);
    }

    #[test]
    fn one_address_gets_at_most_three_quarters_of_downloads() {
        let site = DownloadsFixture::new(8);
        let held: Vec<Permit> = (0..6).map(|node| site.takes(node, CLIENT)).collect();
        let problem = site.refuses(6, CLIENT);
        assert!(problem.contains("the limit per address"), "{problem}");
        let other = site.takes(6, "10.0.0.1");
        drop(held);
        drop(site.takes(6, CLIENT));
        drop(other);
        assert!(lock(&site.downloads.taken).is_empty());
    }

    #[test]
    fn slow_download_is_ended_when_others_wait() {
        let mut site = DownloadsFixture::new(2);
        let slow = site.takes(1, "10.0.0.1");
        let fast = site.takes(2, "10.0.0.2");
        let problem = site.refuses(3, "10.0.0.3");
        assert!(problem.contains("[images]max_downloads"), "{problem}");
        // A fast start does not help for long.
        site.sends(&slow, 50_000_000);
        site.sends(&fast, 50_000_000);
        site.waits(10);
        site.sends(&slow, 1);
        site.sends(&fast, 1_000_000);
        site.refuses(3, "10.0.0.3");
        site.waits(10);
        site.sends(&slow, 600_000);
        site.sends(&fast, 10_000_000);
        let third = site.takes(3, "10.0.0.3");
        assert!(is_ended(&slow) && !is_ended(&fast) && !is_ended(&third));
        // A download without any progress completes no interval.
        site.waits(10);
        site.sends(&fast, 10_000_000);
        site.takes(4, "10.0.0.4");
        assert!(is_ended(&third) && !is_ended(&fast));
    }

    #[test]
    fn addresses_of_one_host_share_one_limit() {
        let of = |text: &str| client_network(text.parse().unwrap()).to_string();
        assert_eq!(of("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
