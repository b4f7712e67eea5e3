//! `/v1/nodes/<node>/management`.

pub(super) mod boot_device;
