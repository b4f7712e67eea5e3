//! What nodes are called: known beforehand, the same in every database, and scattered as real names
//! are, so that no index is filled or read in its own order.

/// The node that the others are copies of.
pub(crate) const TEMPLATE: u32 = u32::MAX;

/// The address of a node's port. No two are the same among fewer than 2^24.
pub(crate) fn mac(node: u32) -> String {
    // An odd factor: multiplying by it only moves the numbers below 2^24 around.
    let [_, a, b, c] = node.wrapping_mul(0x009e_3779).to_be_bytes();
    [0x02, 0, 0, a, b, c].map(|byte| format!("{byte:02x}")).join(":")
}

/// The UUID of a node (`kind` 1) or of its port (2), in the form of random ones.
pub(crate) fn uuid(node: u32, kind: u32) -> String {
    let scattered = node.wrapping_mul(0x9e37_79b1);
    format!("{scattered:08x}-{kind:04x}-4000-8000-{node:012x}")
}

pub(crate) fn name(node: u32) -> String {
    format!("bench-{node}")
}
