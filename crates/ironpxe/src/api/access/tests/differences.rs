//! Where the recorded answers are not ours, each with its reason. Whatever is listed here and agrees
//! nevertheless fails the test.

/// Cells that differ on purpose.
pub(super) struct Difference {
    pub(super) reason: &'static str,
    /// Whether it is about this cell: operation, target, persona, recorded status.
    pub(super) is_about: fn(&str, &str, &str, u16) -> bool,
    /// Our status.
    pub(super) ours: &'static [u16],
}

pub(super) const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "A wrong scope is refused as any other caller whom the rule does not allow, instead of \
                 the internal error that a client cannot tell from a defect.",
        is_about: |operation, _, _, status| status == 500 && operation != "node.patch.owner.active",
        ours: &[403, 404],
    },
    Difference {
        reason: "As above; the rule decides between success and 409.",
        is_about: |operation, _, persona, status| {
            status == 500 && operation == "node.patch.owner.active" && persona != "da"
        },
        ours: &[409],
    },
    Difference {
        reason: "As above; a domain sees no node.",
        is_about: |operation, _, persona, status| {
            status == 500 && operation == "node.patch.owner.active" && persona == "da"
        },
        ours: &[404],
    },
    Difference {
        reason: "No project is not the owner of what has no owner: Ironic compares both as the text None.",
        is_about: |operation, target, persona, status| {
            target == "none"
                && persona == "sg"
                && status < 300
                && matches!(operation, "port.create" | "port.delete")
        },
        ours: &[403],
    },
];
