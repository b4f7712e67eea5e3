//! The time to compare heartbeats with, robust against changes of the wall clock.
//!
//! Heartbeats are wall-clock times, because processes on several hosts compare them. When the clock
//! is set forward, all heartbeats suddenly look old. So for the duration of the heartbeat timeout,
//! in which every live conductor writes a new one, the time is extrapolated from before the change.
//! When the clock is set back, the new time is used immediately, because new heartbeats would look
//! old by the previous one.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// The deviation beyond which the wall clock counts as set. Clocks that NTP slows down or speeds up
/// stay below it.
const TOLERANCE: time::Duration = time::Duration::seconds(2);

/// Compares the wall clock with the monotonic clock.
#[derive(Debug)]
pub(super) struct HeartbeatClock {
    grace: Duration,
    last: Mutex<Option<Last>>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    passed: Instant,
    wall: OffsetDateTime,
    /// When a forward step was noticed.
    set_forward: Option<Instant>,
}

impl HeartbeatClock {
    /// `grace` is the time in which every live conductor writes a heartbeat.
    pub(super) fn new(grace: Duration) -> Self {
        Self {
            grace,
            last: Mutex::default(),
        }
    }

    /// The time to use when the wall clock shows `wall` at the instant `passed`.
    pub(super) fn judge_at(&self, wall: OffsetDateTime, passed: Instant) -> OffsetDateTime {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Last {
            passed,
            wall,
            set_forward: None,
        };
        let known = last.get_or_insert(fresh);
        let elapsed = passed.saturating_duration_since(known.passed);
        let expected = time::Duration::try_from(elapsed)
            .ok()
            .and_then(|elapsed| known.wall.checked_add(elapsed));
        let Some(expected) = expected.filter(|expected| wall - *expected > TOLERANCE) else {
            *known = fresh;
            return wall;
        };
        let noticed = *known.set_forward.get_or_insert(passed);
        if passed.saturating_duration_since(noticed) > self.grace {
            *known = fresh;
            return wall;
        }
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const START: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
    const GRACE: Duration = Duration::from_mins(1);

    #[test]
    fn clock_set_forward_expires_no_heartbeat_within_the_grace_period() {
        let clock = HeartbeatClock::new(GRACE);
        let begin = Instant::now();
        let second = |number: u64| begin + Duration::from_secs(number);
        let wall = |number: i64| START + time::Duration::seconds(number);
        assert_eq!(clock.judge_at(wall(0), second(0)), wall(0));
        assert_eq!(clock.judge_at(wall(20), second(20)), wall(20));
        let hour = time::Duration::hours(1);
        for passed in [25, 30, 85] {
            let judged = clock.judge_at(wall(passed) + hour, second(passed.unsigned_abs()));
            assert_eq!(judged, wall(passed));
        }
        assert_eq!(clock.judge_at(wall(86) + hour, second(86)), wall(86) + hour);
        assert_eq!(clock.judge_at(wall(90) + hour, second(90)), wall(90) + hour);
    }

    #[test]
    fn clock_set_back_or_slightly_off_applies_immediately() {
        let clock = HeartbeatClock::new(GRACE);
        let begin = Instant::now();
        let second = |number: u64| begin + Duration::from_secs(number);
        let wall = |number: i64| START + time::Duration::seconds(number);
        assert_eq!(clock.judge_at(wall(0), second(0)), wall(0));
        assert_eq!(clock.judge_at(wall(-3600), second(10)), wall(-3600));
        assert_eq!(clock.judge_at(wall(-3589), second(20)), wall(-3589));
        // Back to where it was is forward, from there.
        assert_eq!(clock.judge_at(wall(30), second(30)), wall(-3579));
        // And back again before the grace is over.
        assert_eq!(clock.judge_at(wall(-3569), second(40)), wall(-3569));
        assert_eq!(clock.judge_at(wall(-3559), second(50)), wall(-3559));
    }
}
