//! Range requests with a single range (RFC 9110, section 14).

use http::{HeaderMap, header};

/// A byte range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// From the first position to the last, or to the end.
    From(u64, Option<u64>),
    /// The last bytes, by number.
    Last(u64),
}

impl ByteRange {
    /// The range in a request. Several ranges, and invalid ones, are ignored: a server may always
    /// send the entire content.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::RANGE).iter();
        let (value, None) = (values.next()?, values.next()) else {
            return None;
        };
        Self::parse(value.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let (unit, range) = text.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        match (first, last) {
            ("", last) => Some(Self::Last(number(last)?)),
            (first, "") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    /// The first and last position within `total` bytes; `None` if it is outside.
    pub(crate) fn within(self, total: u64) -> Option<(u64, u64)> {
        let end = total.checked_sub(1)?;
        match self {
            Self::From(first, _) if first > end => None,
            Self::From(first, last) => Some((first, last.unwrap_or(end).min(end))),
            Self::Last(0) => None,
            Self::Last(count) => Some((total.saturating_sub(count), end)),
        }
    }

    /// The header value.
    pub(crate) fn header(self) -> String {
        match self {
            Self::From(first, None) => format!("bytes={first}-"),
            Self::From(first, Some(last)) => format!("bytes={first}-{last}"),
            Self::Last(count) => format!("bytes=-{count}"),
        }
    }
}

/// Only digits: `parse` also accepts a plus sign.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// A `Content-Range`: the first and last position and the total; in an error, only the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) part: Option<(u64, u64)>,
    pub(super) total: u64,
}

impl ContentRange {
    /// Parses the header.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
        let (part, total) = value.strip_prefix("bytes ")?.split_once('/')?;
        let total = number(total)?;
        if part == "*" {
            return Some(Self { part: None, total });
        }
        let (first, last) = part.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        (first <= last && last < total).then_some(Self {
            part: Some((first, last)),
            total,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn within(text: &str, total: u64) -> Option<(u64, u64)> {
        ByteRange::parse(text)?.within(total)
    }

    #[test]
    fn range_is_resolved_to_positions() {
        assert_eq!(within("bytes=0-0", 10), Some((0, 0)));
        assert_eq!(within("bytes=3-", 10), Some((3, 9)));
        assert_eq!(within("bytes=3-99", 10), Some((3, 9)));
        assert_eq!(within("bytes=-4", 10), Some((6, 9)));
        assert_eq!(within("bytes=-40", 10), Some((0, 9)));
        for text in ["bytes=10-", "bytes=10-11", "bytes=-0"] {
            let range = ByteRange::parse(text).unwrap();
            assert_eq!(range.within(10), None, "{text}");
            assert_eq!(range.within(0), None, "{text}");
            assert_eq!(ByteRange::parse(&range.header()), Some(range));
        }
    }

    #[test]
    fn invalid_or_multiple_ranges_are_ignored() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=+1-2",
            "lines=0-1",
            "bytes=0-1,3-4",
            "bytes=-1-2",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(ByteRange::parse(text), None, "{text:?}");
        }
        let mut headers = HeaderMap::new();
        headers.append(header::RANGE, HeaderValue::from_static("bytes=0-1"));
        assert!(ByteRange::of(&headers).is_some());
        headers.append(header::RANGE, HeaderValue::from_static("bytes=2-3"));
        assert_eq!(ByteRange::of(&headers), None);
    }

    #[test]
    fn content_range_is_parsed() {
        let of = |text: &'static str| {
            let value = HeaderValue::from_static(text);
            ContentRange::of(&HeaderMap::from_iter([(header::CONTENT_RANGE, value)]))
        };
        let part = Some((2, 3));
        assert_eq!(of("bytes 2-3/9"), Some(ContentRange { part, total: 9 }));
        let part = None;
        assert_eq!(of("bytes */9"), Some(ContentRange { part, total: 9 }));
        for text in [
            "bytes 2-3/*",
            "bytes 3-2/9",
            "bytes 2-9/9",
            "2-3/9",
            "bytes x/9",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
