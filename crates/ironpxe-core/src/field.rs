//! The fields of a resource as a table: what `node/fields.rs` and `port/fields.rs` have in common.

use serde_json::Value;

use crate::error::Result;
use crate::patch::value::{Field, schema_error};

/// One field of a resource `T`, as the API has it.
#[derive(Debug)]
pub struct ResourceField<T: 'static> {
    /// Its name.
    pub name: &'static str,
    /// The minor API version that brought it; 1 if it was always there.
    pub since: u16,
    /// What it holds, with its secrets.
    pub value: fn(&T) -> Value,
    /// Which secrets are left out where it is shown.
    pub mask: Mask,
    /// Whether lists can be sorted by it.
    pub is_sortable: bool,
    /// Whether the resource can be created with it.
    pub is_creatable: bool,
    /// Whether it can be patched.
    pub is_patchable: bool,
    /// Whether it is shown behind the links, where Ironic has what it works out.
    pub is_after_links: bool,
    /// Whether it is only written, and never shown.
    pub is_hidden: bool,
    /// Whether Ironic lists it behind the others where it says what can be written.
    listed_last: bool,
    set: Option<fn(&mut T, &Field<'_>) -> Result<()>>,
}

/// Which secrets a field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// None.
    Nothing,
    /// Passwords and tokens.
    Secrets,
    /// These, and URLs and config drives, which may be secrets as a whole.
    InstanceInfo,
}

impl<T> ResourceField<T> {
    /// A field that was always there, and is only shown.
    pub(crate) const fn new(name: &'static str, value: fn(&T) -> Value) -> Self {
        Self {
            name,
            since: 1,
            value,
            mask: Mask::Nothing,
            is_sortable: false,
            is_creatable: false,
            is_patchable: false,
            is_after_links: false,
            is_hidden: false,
            listed_last: false,
            set: None,
        }
    }

    pub(crate) const fn since(mut self, minor: u16) -> Self {
        self.since = minor;
        self
    }

    pub(crate) const fn masked(mut self, mask: Mask) -> Self {
        self.mask = mask;
        self
    }

    pub(crate) const fn sortable(mut self) -> Self {
        self.is_sortable = true;
        self
    }

    /// Given at creation, where it is read together with others.
    pub(crate) const fn creatable(mut self) -> Self {
        self.is_creatable = true;
        self
    }

    pub(crate) const fn patchable(mut self) -> Self {
        self.is_patchable = true;
        self
    }

    /// Read by `set` at creation.
    pub(crate) const fn created(mut self, set: fn(&mut T, &Field<'_>) -> Result<()>) -> Self {
        self.set = Some(set);
        self.creatable()
    }

    /// Read by `set` from a patch.
    pub(crate) const fn patched(mut self, set: fn(&mut T, &Field<'_>) -> Result<()>) -> Self {
        self.set = Some(set);
        self.patchable()
    }

    /// Read by `set`, at creation and from a patch.
    pub(crate) const fn written(self, set: fn(&mut T, &Field<'_>) -> Result<()>) -> Self {
        self.created(set).patchable()
    }

    pub(crate) const fn after_links(mut self) -> Self {
        self.is_after_links = true;
        self
    }

    pub(crate) const fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    pub(crate) const fn listed_last(mut self) -> Self {
        self.listed_last = true;
        self
    }
}

/// Writes what a client gave, unless it is wrong.
pub(crate) fn put<V>(place: &mut V, value: Result<V>) -> Result<()> {
    *place = value?;
    Ok(())
}

/// The field with this name.
pub fn find<T>(
    fields: &'static [ResourceField<T>],
    name: &str,
) -> Option<&'static ResourceField<T>> {
    fields.iter().find(|field| field.name == name)
}

/// The minor version that brought a field; 1 for what is no field.
pub fn since<T>(fields: &'static [ResourceField<T>], name: &str) -> u16 {
    find(fields, name).map_or(1, |field| field.since)
}

/// Writes one field. What is not to be written like this is unknown to it.
pub fn set<T>(fields: &'static [ResourceField<T>], to: &mut T, field: &Field<'_>) -> Result<()> {
    match find(fields, field.name).and_then(|it| it.set) {
        Some(set) => set(to, field),
        None => Err(schema_error(
            field.resource,
            &format!(
                "Additional properties are not allowed ('{}' was unexpected)",
                field.name
            ),
        )),
    }
}

/// What the fields that a patch can write hold: the document it works on.
pub(crate) fn document<T>(fields: &'static [ResourceField<T>], resource: &T) -> Value {
    fields
        .iter()
        .filter(|field| field.is_patchable && !field.is_hidden)
        .map(|field| (field.name.to_owned(), (field.value)(resource)))
        .collect()
}

/// The names of some of the fields, in the order in which Ironic lists them: by the alphabet, and
/// then those that it lists last, by age.
pub(crate) fn names<T>(
    fields: &'static [ResourceField<T>],
    wanted: fn(&ResourceField<T>) -> bool,
) -> Vec<&'static str> {
    let mut wanted: Vec<_> = fields.iter().filter(|field| wanted(field)).collect();
    wanted.sort_by_key(|field| (if field.listed_last { field.since } else { 0 }, field.name));
    wanted.into_iter().map(|field| field.name).collect()
}

#[cfg(test)]
mod tests {
    use crate::{node, port};

    /// Ironic lists these to a client that patches something else, in this order.
    #[test]
    fn what_can_be_patched_is_listed_in_ironics_order() {
        assert_eq!(
            node::fields::PATCHABLE.join(" "),
            "automated_clean bios_interface boot_interface chassis_uuid conductor_group \
             console_interface deploy_interface description disable_power_off driver driver_info \
             extra inspect_interface instance_info instance_name instance_uuid lessee maintenance \
             management_interface name network_data network_interface owner power_interface \
             properties protected protected_reason raid_interface rescue_interface resource_class \
             retired retired_reason shard storage_interface vendor_interface parent_node \
             firmware_interface"
        );
        assert_eq!(
            port::fields::PATCHABLE.join(" "),
            "address extra is_smartnic local_link_connection node_ident node_uuid \
             physical_network portgroup_uuid pxe_enabled name description vendor category \
             available_for_dynamic_portgroup"
        );
    }
}
