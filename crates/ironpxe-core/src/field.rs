//! The table of a resource's fields: shared by `node/fields.rs`, `port/fields.rs` and
//! `volume/fields.rs`.

pub mod repr;
pub mod value;

use serde_json::Value;

use self::value::{Field, schema_error};
use crate::error::Result;

/// One field of a resource `T` in the API.
#[derive(Debug)]
pub struct ResourceField<T: 'static> {
    /// Its name.
    pub name: &'static str,
    /// The minor API version that introduced it; 1 if it was always there.
    pub since: u16,
    /// Its value, unmasked.
    pub value: fn(&T) -> Value,
    /// Which secrets are masked in views.
    pub mask: Mask,
    /// Whether lists can be sorted by it.
    pub is_sortable: bool,
    /// Whether the resource can be created with it.
    pub is_creatable: bool,
    /// Whether it can be patched.
    pub is_patchable: bool,
    /// Whether views have it after the links, as Ironic does with computed fields.
    pub is_after_links: bool,
    /// Whether it is write-only.
    pub is_hidden: bool,
    /// Whether Ironic lists it after the others in its list of writable fields.
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
    /// Passwords and tokens, and URLs and config drives, which can be secret as a whole.
    InstanceInfo,
}

impl<T> ResourceField<T> {
    /// A read-only field that was always there.
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

    /// Can be given at creation, where the caller reads it together with others.
    pub(crate) const fn creatable(mut self) -> Self {
        self.is_creatable = true;
        self
    }

    pub(crate) const fn patchable(mut self) -> Self {
        self.is_patchable = true;
        self
    }

    /// Set at creation by `set`.
    pub(crate) const fn created(mut self, set: fn(&mut T, &Field<'_>) -> Result<()>) -> Self {
        self.set = Some(set);
        self.creatable()
    }

    /// Set from a patch by `set`.
    pub(crate) const fn patched(mut self, set: fn(&mut T, &Field<'_>) -> Result<()>) -> Self {
        self.set = Some(set);
        self.patchable()
    }

    /// Set by `set` at creation and from a patch.
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

/// Stores a client's value if it is valid.
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

/// The minor version that introduced the field; 1 if there is no such field.
pub fn since<T>(fields: &'static [ResourceField<T>], name: &str) -> u16 {
    find(fields, name).map_or(1, |field| field.since)
}

/// Sets one field; a field that cannot be set is an unknown one.
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

/// The patchable fields of a resource as the document that a patch applies to.
pub(crate) fn document<T>(fields: &'static [ResourceField<T>], resource: &T) -> Value {
    fields
        .iter()
        .filter(|field| field.is_patchable && !field.is_hidden)
        .map(|field| (field.name.to_owned(), (field.value)(resource)))
        .collect()
}

/// The names of the selected fields in Ironic's order: alphabetical, then the most recent additions
/// in the order they were added.
pub fn names<T>(
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
    fn patchable_fields_are_listed_in_the_order_of_ironic() {
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
