//! What is asked about: the projects that a node, an allocation or a runbook belongs to.

use super::credentials::Value;

/// What a rule is asked about. Made by its functions; [`Target::default`] is for rules about nothing
/// in particular, such as lists and creation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Target<'a> {
    node_owner: Option<Value<'a>>,
    node_lessee: Option<Value<'a>>,
    allocation_owner: Option<Value<'a>>,
    runbook_owner: Option<Value<'a>>,
}

impl<'a> Target<'a> {
    /// Its keys.
    pub(super) const KEYS: &'static [&'static str] = &[
        "node.owner",
        "node.lessee",
        "allocation.owner",
        "runbook.owner",
    ];

    /// Nothing in particular.
    pub const NONE: Target<'static> = Target {
        node_owner: None,
        node_lessee: None,
        allocation_owner: None,
        runbook_owner: None,
    };

    /// A node with this owner and lessee, or what belongs to it.
    pub fn node(owner: Option<&'a str>, lessee: Option<&'a str>) -> Self {
        Self {
            node_owner: Some(Value::text(owner)),
            node_lessee: Some(Value::text(lessee)),
            ..Self::NONE
        }
    }

    /// An allocation with this owner.
    pub fn allocation(owner: Option<&'a str>) -> Self {
        Self {
            allocation_owner: Some(Value::text(owner)),
            ..Self::NONE
        }
    }

    /// A runbook with this owner.
    pub fn runbook(owner: Option<&'a str>) -> Self {
        Self {
            runbook_owner: Some(Value::text(owner)),
            ..Self::NONE
        }
    }

    /// The value of a key, as a check has it in `%(key)s`.
    pub(super) fn get(&self, key: &str) -> Option<Value<'a>> {
        match key {
            "node.owner" => self.node_owner,
            "node.lessee" => self.node_lessee,
            "allocation.owner" => self.allocation_owner,
            "runbook.owner" => self.runbook_owner,
            _ => None,
        }
    }
}
