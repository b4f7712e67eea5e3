//! Properties of the WAL index header for arbitrary file contents.

use super::{FORMAT, HEADER, Header, SUMMED, Seen, checksum, header_of};

/// The length of both copies of the header.
const BOTH: usize = 2 * HEADER;

/// The input is a sequence of headers, each prefixed by a byte. If the byte is even, both copies
/// follow. If it is odd, the content of a header follows, which gets the right checksum in both
/// copies, so that valid headers are frequent.
pub(crate) fn wal_index(data: &[u8]) {
    let mut seen = Seen::default();
    let mut known: Vec<(Header, super::CommitVersion)> = Vec::new();
    let mut rest = data;
    while let Some((form, bytes)) = rest.split_first() {
        let length = if form % 2 == 0 { BOTH } else { SUMMED };
        let Some((bytes, after)) = bytes.split_at_checked(length) else {
            break;
        };
        rest = after;
        let copies = if form % 2 == 0 {
            bytes.try_into().unwrap_or([0; BOTH])
        } else {
            summed(bytes)
        };
        let header = header_of(&copies);
        assert_eq!(header.is_some(), is_believable(&copies), "{copies:?}");
        torn(&copies, usize::from(*form));
        let Some(header) = header else {
            continue;
        };
        // Equal versions mean equal headers, and none recurs.
        let version = seen.give(header);
        assert_eq!(seen.version_of(&header), Some(version));
        for (other, given) in &known {
            assert!(*other == header || *given != version);
        }
        // Only an immediate successor can be ignored.
        if let Some((before, given)) = known.last().copied()
            && header.follows(before)
            && before != header
        {
            seen.ignore_commit(before, header);
            let passed = seen.version_of(&header);
            assert!(passed == Some(given) || seen.version_of(&before).is_none());
            // From here on, both have the same version.
            known.clear();
            seen = Seen::default();
            continue;
        }
        assert!(seen.recent.len() <= super::RECENT);
        known.push((header, version));
    }
}

/// Both copies of a header with this content and the right checksum.
fn summed(bytes: &[u8]) -> [u8; BOTH] {
    let bytes: [u8; SUMMED] = bytes.try_into().unwrap_or([0; SUMMED]);
    let (one, other) = checksum(&bytes);
    let copy = [&bytes[..], &one.to_ne_bytes(), &other.to_ne_bytes()].concat();
    let both = [copy.clone(), copy].concat();
    both.try_into().unwrap_or([0; BOTH])
}

/// A header whose copies differ in one bit is invalid.
fn torn(copies: &[u8; BOTH], bit: usize) {
    let mut torn = *copies;
    let byte = bit % BOTH;
    if let Some(byte) = torn.get_mut(byte) {
        *byte ^= 1 << (bit % 8);
    }
    let (one, other) = torn.split_at(HEADER);
    if one != other {
        assert_eq!(header_of(&torn), None);
    }
}

/// An independent implementation of the rules of `wal.c` (`walIndexTryHdr`, `walChecksumBytes`).
fn is_believable(copies: &[u8; BOTH]) -> bool {
    let words: Vec<u32> = copies
        .chunks_exact(4)
        .map(|word| word.try_into().map_or(0, u32::from_ne_bytes))
        .collect();
    let (one, other) = words.split_at(HEADER / 4);
    let [version, _, _, flags, .., salt_1, salt_2, sum_1, sum_2] = one else {
        return false;
    };
    let mut sums = (0_u32, 0_u32);
    for pair in one.chunks_exact(2).take(SUMMED / 8) {
        if let [first, second] = pair {
            sums.0 = sums.0.wrapping_add(*first).wrapping_add(sums.1);
            sums.1 = sums.1.wrapping_add(*second).wrapping_add(sums.0);
        }
    }
    one == other
        && *version == FORMAT
        && flags.to_ne_bytes().first() == Some(&1)
        && (*salt_1, *salt_2) != (0, 0)
        && sums == (*sum_1, *sum_2)
}
