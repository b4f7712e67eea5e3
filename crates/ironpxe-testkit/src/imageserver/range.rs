//! Parts of a file: what a client that uses an image as a disk asks for.

use super::wire::Head;

/// What of a file a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it; also when the request says something that is not understood here, as HTTP
    /// allows.
    Whole,
    /// From the first byte to before the second.
    Part(usize, usize),
    /// A part that is not there.
    Nothing,
}

/// What of a file of `length` bytes this request wants.
pub(super) fn wanted(head: &Head, length: usize) -> Wanted {
    match part(head, length) {
        None => Wanted::Whole,
        Some((first, end)) if first < end => Wanted::Part(first, end),
        Some(_) => Wanted::Nothing,
    }
}

fn part(head: &Head, length: usize) -> Option<(usize, usize)> {
    let range = head.header("range")?.strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    let end = match last {
        "" => length,
        last => last.parse::<usize>().ok()?.checked_add(1)?.min(length),
    };
    Some((first.parse().ok()?, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_ten(range: &str) -> Wanted {
        let request = format!("GET / HTTP/1.1\r\nRange: {range}\r\n\r\n");
        let head = Head::read(&mut request.as_bytes()).unwrap().unwrap();
        wanted(&head, 10)
    }

    #[test]
    fn range_is_parsed_to_its_first_and_last_byte() {
        assert_eq!(of_ten("bytes=0-0"), Wanted::Part(0, 1));
        assert_eq!(of_ten("bytes=2-5"), Wanted::Part(2, 6));
        assert_eq!(of_ten("bytes=8-"), Wanted::Part(8, 10));
        assert_eq!(of_ten("bytes=8-99"), Wanted::Part(8, 10));
        assert_eq!(of_ten("bytes=10-11"), Wanted::Nothing);
        assert_eq!(of_ten("bytes=5-2"), Wanted::Nothing);
        assert_eq!(of_ten("bytes=-3"), Wanted::Whole);
        assert_eq!(of_ten("lines=1-2"), Wanted::Whole);
    }
}
