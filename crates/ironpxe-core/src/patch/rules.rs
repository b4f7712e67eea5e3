//! Which changes a node's state forbids, and which imply others.
//!
//! Only rules about the node's own fields. What depends on its driver and interfaces, and on its
//! current task, is checked by the conductor.
//!
//! Source: Ironic's `conductor/manager.py`, `update_node`.

use std::collections::BTreeSet;

use crate::error::{Fault, Result};
use crate::node::Node;
use crate::provision_state::{Change, ProvisionState};

/// Checks the change from `before` to `after`; `changed` has the names of the fields that differ.
pub(super) fn check(before: &Node, after: &mut Node, changed: &BTreeSet<&str>) -> Result<()> {
    if changed.contains("maintenance") && !after.maintenance {
        after.maintenance_reason = None;
        after.fault = None;
    }
    if changed.contains("protected") && !after.protected {
        after.protected_reason = None;
    }
    if changed.contains("retired") && !after.retired {
        after.retired_reason = None;
    }
    let display_name = after
        .instance_info
        .get("display_name")
        .and_then(|name| name.as_str());
    if changed.contains("instance_info") && after.instance_name.is_none() {
        after.instance_name = display_name
            .filter(|name| !name.is_empty())
            .map(str::to_owned);
    }

    protection(before, after, changed)?;
    placement(before, changed)?;
    association(before, after, changed)
}

fn protection(before: &Node, after: &Node, changed: &BTreeSet<&str>) -> Result<()> {
    let may_protect = before.provision_state.allows(Change::Protect);
    if changed.contains("protected") && after.protected && !may_protect {
        return Err(Fault::InvalidState(format!(
            "Node {} can only be made protected in provision states 'active' or 'rescue', the \
             current state is '{}'",
            before.uuid, before.provision_state
        )));
    }
    if changed.contains("protected_reason") && after.protected_reason.is_some() && !after.protected
    {
        return refuse(
            "The protected_reason field can only be set when protected is True".to_owned(),
        );
    }
    let is_available = before.provision_state == ProvisionState::Available.into();
    if changed.contains("retired") && after.retired && is_available {
        return Err(Fault::InvalidState(format!(
            "Node {} can not have 'retired' set in provision state 'available', the current state \
             is 'available'",
            before.uuid
        )));
    }
    if changed.contains("retired_reason") && after.retired_reason.is_some() && !after.retired {
        return refuse("The retired_reason field can only be set when retired is True".to_owned());
    }
    Ok(())
}

/// A scheduler that placed an instance by the old class would not notice the new one.
fn placement(before: &Node, changed: &BTreeSet<&str>) -> Result<()> {
    let is_placed = !before.provision_state.allows(Change::SetResourceClass);
    if changed.contains("resource_class") && before.resource_class.is_some() && is_placed {
        return Err(Fault::FieldFixedInState {
            node: before.uuid,
            field: "resource_class".into(),
        });
    }
    Ok(())
}

/// A node's instance must be removed before another one is set: of two schedulers that claim the
/// same node concurrently, the second one gets an error.
fn association(before: &Node, after: &Node, changed: &BTreeSet<&str>) -> Result<()> {
    match (before.instance_uuid, after.instance_uuid) {
        (Some(old), Some(_)) if changed.contains("instance_uuid") => Err(Fault::NodeAssociated {
            node: before.uuid,
            instance: old.to_string(),
        }),
        _ => Ok(()),
    }
}

fn refuse(why: String) -> Result<()> {
    Err(Fault::InvalidParameterValue(why))
}
