//! Power states, and the requests that change them.

use std::fmt;

/// Whether a machine has power, as last seen or set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerState {
    /// `power on`
    On,
    /// `power off`
    Off,
    /// `error`: the state could not be read.
    Error,
}

impl PowerState {
    /// Ironic's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "power on",
            Self::Off => "power off",
            Self::Error => "error",
        }
    }

    /// The state called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::On, Self::Off, Self::Error]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

impl fmt::Display for PowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A target of `PUT /v1/nodes/<node>/states/power`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray)]
pub enum PowerTarget {
    /// `power on`
    On,
    /// `power off`
    Off,
    /// `rebooting`
    Reboot,
    /// `soft power off`
    SoftOff,
    /// `soft rebooting`
    SoftReboot,
}

impl PowerTarget {
    /// Every target.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Ironic's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "power on",
            Self::Off => "power off",
            Self::Reboot => "rebooting",
            Self::SoftOff => "soft power off",
            Self::SoftReboot => "soft rebooting",
        }
    }

    /// The target with this name in the API.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|target| target.name() == name)
    }

    /// The power state after the request has succeeded.
    pub fn result(self) -> PowerState {
        match self {
            Self::On | Self::Reboot | Self::SoftReboot => PowerState::On,
            Self::Off | Self::SoftOff => PowerState::Off,
        }
    }
}
