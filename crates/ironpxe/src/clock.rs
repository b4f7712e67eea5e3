//! The only place that reads the wall clock.

use time::OffsetDateTime;

/// Now, in UTC, truncated to the microseconds that the database and the API store.
pub(crate) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(now.microsecond() * 1000)
        .unwrap_or(now)
}
