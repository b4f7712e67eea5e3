//! What the benchmark's nodes are called: known beforehand, the same in every database, and
//! scattered as real ones are, so that no index is filled or read in its own order.

/// What a request names its machine by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// The MAC address of its port.
    Address,
    /// The same with hyphens, as file names have it.
    FileName,
    /// The UUID of the node.
    Uuid,
}

impl Key {
    pub(super) fn of(self, index: u32) -> String {
        match self {
            Self::Address => mac(index, ":"),
            Self::FileName => mac(index, "-"),
            Self::Uuid => uuid(index, Kind::Node),
        }
    }
}

/// Of what a UUID is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Node = 1,
    Port = 2,
}

/// The address of the port of node `index`. Two nodes share none as long as there are fewer than
/// 2^24.
pub(super) fn mac(index: u32, separator: &str) -> String {
    // An odd factor: multiplying by it only moves the numbers below 2^24 around.
    let [_, a, b, c] = index.wrapping_mul(0x009e_3779).to_be_bytes();
    [0x02, 0, 0, a, b, c]
        .map(|byte| format!("{byte:02x}"))
        .join(separator)
}

/// The UUID of node `index`, or of its port, in the form of random ones (version 4).
pub(super) fn uuid(index: u32, kind: Kind) -> String {
    let seed = u64::from(index) << 8 | kind as u64;
    let (high, low) = (scrambled(seed), scrambled(seed ^ 1 << 63));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0xfff,
        low & 0xffff_ffff_ffff,
    )
}

pub(super) fn name(index: u32) -> String {
    format!("bench-{index}")
}

/// `SplitMix64`'s mixing: every bit of the answer depends on every bit of the number.
pub(super) fn scrambled(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_nodes_share_a_name() {
        let all = 0..100_000;
        let addresses: HashSet<_> = all.clone().map(|it| mac(it, ":")).collect();
        let kinds = [Kind::Node, Kind::Port];
        let uuids: HashSet<_> = all
            .clone()
            .flat_map(|it| kinds.map(|kind| uuid(it, kind)))
            .collect();
        assert_eq!((addresses.len(), uuids.len()), (100_000, 200_000));
        assert!(addresses.iter().all(|it| it.starts_with("02:00:00:")));
        let one = uuid(7, Kind::Node);
        assert_eq!(
            (one.len(), one.as_bytes()[14], one.as_bytes()[19]),
            (36, b'4', b'8')
        );
    }
}
