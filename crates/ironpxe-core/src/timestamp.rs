//! Timestamps in the API's format.

use serde_json::Value;
use time::OffsetDateTime;
use time::macros::format_description;

/// `2026-11-22T09:00:00.701420+00:00`, or null.
pub fn show(moment: Option<OffsetDateTime>) -> Value {
    let format = format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]+00:00"
    );
    moment
        .and_then(|moment| moment.to_offset(time::UtcOffset::UTC).format(format).ok())
        .map_or(Value::Null, Value::String)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_microseconds_and_offset() {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(1_795_338_000_701_420_000).unwrap();
        assert_eq!(show(Some(moment)), "2026-11-22T09:00:00.701420+00:00");
        assert_eq!(show(None), Value::Null);
    }
}
