//! The one place that reads the wall clock.

use time::OffsetDateTime;

/// Now, in UTC, cut to the microseconds that the database and the API keep.
pub fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(now.microsecond() * 1000)
        .unwrap_or(now)
}
