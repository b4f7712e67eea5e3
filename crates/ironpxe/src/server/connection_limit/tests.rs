use std::pin::Pin;
use std::task::Waker;

use axum::body::Body;
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::super::memory::RequestMemory;
use super::super::watched::{ResponseBody, Watch, WatchedStream};
use super::*;

const LONG: Duration = Duration::from_mins(1);

fn peer(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

async fn enter(limit: &Arc<ConnectionLimit>, last: u8) -> ConnectionPermit {
    limit.acquire(peer(last)).await.unwrap()
}

/// Whether the connection was told to go.
fn is_ended(permit: &ConnectionPermit) -> bool {
    State::of(permit.slot.state.load(Ordering::Acquire)).0 == State::Evicted
}

/// Whether a new connection from this address has to wait; if so, another one has to go.
fn waits(limit: &Arc<ConnectionLimit>, last: u8) -> bool {
    matches!(
        limit.try_enter(client_network(peer(last))).0,
        Admission::Wait
    )
}

/// Waits until the clock of the limit has advanced, so that one has waited longer than another.
async fn next_tick(limit: &ConnectionLimit) {
    let now = limit.now();
    while limit.now() == now {
        tokio::task::yield_now().await;
    }
}

#[test]
fn ipv6_addresses_of_one_prefix_count_as_one_source() {
    let source = |text: &str| client_network(text.parse().unwrap()).to_string();
    assert_eq!(source("10.0.0.1"), "10.0.0.1");
    assert_eq!(source("::ffff:10.0.0.1"), "10.0.0.1");
    assert_eq!(source("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    assert_eq!(source("::1"), "::");
}

#[test]
fn state_and_time_are_packed_and_unpacked() {
    for state in [State::Working, State::Idle, State::Slow, State::Evicted] {
        assert_eq!(State::of(state.at(1_234_567)), (state, 1_234_567));
    }
}

#[tokio::test]
async fn longest_idle_connection_of_the_busiest_address_is_evicted() {
    let limit = ConnectionLimit::new(9, true, LONG);
    let machine = enter(&limit, 1).await;
    next_tick(&limit).await;
    let mut many = Vec::new();
    for _ in 0..6 {
        many.push(enter(&limit, 2).await);
        next_tick(&limit).await;
    }
    // The first of them is at work, and the second has just been answered.
    many[0].set_working();
    many[1].set_working();
    many[1].set_idle();
    // Six are all that an address may have.
    assert!(waits(&limit, 2));
    assert!(is_ended(&many[2]));
    drop(many.remove(2));
    many.push(enter(&limit, 2).await);
    let other = enter(&limit, 3).await;
    assert_eq!(limit.count(), 8);
    // Full: the address with the most connections loses one.
    assert!(waits(&limit, 4));
    let ended: Vec<bool> = many.iter().map(is_ended).collect();
    assert_eq!(ended, [false, false, true, false, false, false]);
    assert!(!is_ended(&machine) && !is_ended(&other));
    let ((), entered) = tokio::join!(
        async {
            many[2].evicted().await;
            drop(many.remove(2));
        },
        enter(&limit, 4)
    );
    drop(entered);
    assert_eq!(limit.count(), 7);
}

#[tokio::test]
async fn address_with_only_working_connections_is_limited_to_its_share() {
    let limit = ConnectionLimit::new(9, true, LONG);
    let mut many = Vec::new();
    for _ in 0..6 {
        let permit = enter(&limit, 2).await;
        permit.set_working();
        many.push(permit);
    }
    assert!(limit.acquire(peer(2)).await.is_none());
    let _other = enter(&limit, 3).await;
    // One whose client is slow makes room.
    many[4].set_slow_since(Instant::now());
    assert!(waits(&limit, 2));
    assert!(is_ended(&many[4]));
}

#[tokio::test]
async fn first_connections_of_an_address_are_evicted_only_after_a_grace_period() {
    let limit = ConnectionLimit::new(4, false, LONG);
    let mut all = Vec::new();
    for last in 1..=4 {
        all.push(enter(&limit, last).await);
    }
    all[0].set_working();
    all[0].set_slow_since(Instant::now());
    assert!(waits(&limit, 9));
    assert!(!all.iter().any(is_ended));
    // As if one had been here for long.
    let long_ago = limit.now();
    all[2]
        .slot
        .state
        .store(State::Idle.at(long_ago), Ordering::Release);
    let later = Arc::clone(&limit);
    let waiting = async {
        // The second packet of a client comes within a second, or never.
        while !all.iter().any(is_ended) {
            tokio::time::sleep(RECHECK_INTERVAL).await;
            let _ = later.try_enter(client_network(peer(9)));
        }
    };
    waiting.await;
    assert!(!is_ended(&all[0]));
}

#[tokio::test]
async fn one_eighth_of_the_connections_is_reserved_for_boot_scripts() {
    let limit = ConnectionLimit::new(16, true, LONG);
    let mut all = Vec::new();
    for last in 0..16 {
        let permit = enter(&limit, last).await;
        assert_eq!(permit.is_reserved(), last >= 14);
        assert_eq!(permit.may_keep_alive(), last < 10, "{last}");
        permit.set_working();
        all.push(permit);
    }
    assert!(waits(&limit, 99));
    assert_eq!(all[15].head_timeout(), LONG / 10);
    drop(all);
    assert_eq!(limit.count(), 0);
    assert!(limit.in_use().by_source.is_empty());
}

#[tokio::test]
async fn head_timeout_shortens_as_connections_run_out() {
    let limit = ConnectionLimit::new(8, false, LONG);
    let mut all = Vec::new();
    let mut timeouts = Vec::new();
    for last in 0..8 {
        let permit = enter(&limit, last).await;
        timeouts.push(permit.head_timeout().as_secs());
        all.push(permit);
    }
    assert_eq!(timeouts, [60, 60, 60, 60, 45, 30, 15, 2]);
}

/// The framework is done with an answer long before a slow client is.
#[tokio::test]
async fn connection_still_reading_a_response_is_slow_and_not_idle() {
    let limit = ConnectionLimit::new(4, false, LONG);
    let permit = Arc::new(enter(&limit, 1).await);
    let state = || State::of(permit.slot.state.load(Ordering::Acquire)).0;
    let watch = Watch::new(
        Arc::clone(&permit),
        RequestMemory::new(1, "an option"),
        peer(1),
    );
    let (mut client, server) = tokio::io::duplex(4);
    let mut stream = WatchedStream::new(server, watch.clone());
    let mut write = || {
        let mut context = std::task::Context::from_waker(Waker::noop());
        Pin::new(&mut stream)
            .poll_write(&mut context, b"1234")
            .is_ready()
    };
    // Blocked before the framework has all of the answer, and after that.
    for ends_first in [false, true] {
        watch.begins();
        assert_eq!(state(), State::Working);
        let answer = ResponseBody::new(Body::empty(), watch.clone());
        assert!(write());
        if ends_first {
            drop(answer);
            assert_eq!(state(), State::Idle);
            assert!(!write());
        } else {
            assert!(!write());
            drop(answer);
        }
        assert_eq!(state(), State::Slow);
        client.read_exact(&mut [0; 4]).await.unwrap();
        assert!(write());
        assert_eq!(state(), State::Idle);
        client.read_exact(&mut [0; 4]).await.unwrap();
    }
    // In the middle of an answer, the service goes on.
    watch.begins();
    assert!(write() && !write());
    assert_eq!(state(), State::Slow);
    client.read_exact(&mut [0; 4]).await.unwrap();
    assert!(write());
    assert_eq!(state(), State::Working);
}
