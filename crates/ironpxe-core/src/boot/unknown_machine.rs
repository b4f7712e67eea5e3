//! What an unknown machine does: one whose address belongs to no port.
//!
//! The operator chooses it (`[pxe]unknown_machines` and its `_by_network` and `_by_arch` forms). The
//! service knows the network of a client; only iPXE knows its architecture, so the script has a
//! branch for each.

use std::fmt;

use minijinja::context;
use minijinja::value::Value;

use super::reference::ImageUrl;
use super::settings::LocalBoot;

/// What an unknown machine gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownResponse {
    /// 404, so that it uses what its boot script has for it.
    NotFound,
    /// A script that does this.
    Script(UnknownActions),
}

/// What the script of an unknown machine does, by architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownActions {
    /// On every architecture without an action of its own.
    pub other: UnknownAction,
    /// The architectures with an action of their own.
    pub by_arch: Vec<(UnknownArch, UnknownAction)>,
}

/// What an unknown machine does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownAction {
    /// Shows why it has no script, and exits: the firmware tries its next boot device.
    Refuse,
    /// Boots from its own disk.
    LocalDisk(LocalBoot),
    /// Executes the script at this URL, for example one that inspects machines.
    Chain(ImageUrl),
}

/// An architecture that iPXE can distinguish, with Ironic's name (`properties.cpu_arch`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray)]
pub enum UnknownArch {
    /// `x86_64`. iPXE for a BIOS is a 32-bit program, so it does not tell more.
    X86_64,
    /// `aarch64`
    Aarch64,
}

impl UnknownArch {
    /// All of them.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Ironic's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Parses Ironic's name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|arch| arch.name() == name)
    }

    /// The values of `${buildarch}` of an iPXE that runs on it.
    fn build_archs(self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &["i386", "x86_64"],
            Self::Aarch64 => &["arm64"],
        }
    }
}

impl UnknownActions {
    /// The same on every architecture.
    pub fn always(action: UnknownAction) -> Self {
        Self {
            other: action,
            by_arch: Vec::new(),
        }
    }

    /// Refuses every machine.
    pub fn refuse() -> Self {
        Self::always(UnknownAction::Refuse)
    }

    /// Whether no machine does anything else than without an entry in the configuration.
    pub fn only_refuse(&self) -> bool {
        self.distinct() == [&UnknownAction::Refuse]
    }

    /// Each action once, beginning with `other`: a script has one label for each.
    fn distinct(&self) -> Vec<&UnknownAction> {
        let mut all = vec![&self.other];
        for (_, action) in &self.by_arch {
            if !all.contains(&action) {
                all.push(action);
            }
        }
        all
    }

    /// The variables of `templates/unknown_action.ipxe`: the branches and the actions.
    pub(super) fn variables(&self) -> (Value, Value) {
        let actions = self.distinct();
        let label = |index: usize| format!("unknown_{index}");
        let branches = self.by_arch.iter().flat_map(|(arch, action)| {
            let index = actions.iter().position(|it| *it == action);
            let label = label(index.unwrap_or_default());
            let of =
                move |&build_arch: &&'static str| context! { build_arch, label => label.clone() };
            arch.build_archs().iter().map(of)
        });
        let has_branches = !self.by_arch.is_empty();
        (
            branches.collect(),
            actions
                .iter()
                .enumerate()
                .map(|(index, action)| {
                    // Without branches, the only action follows directly.
                    action.variables(has_branches.then(|| label(index)))
                })
                .collect(),
        )
    }
}

impl UnknownAction {
    fn variables(&self, label: Option<String>) -> Value {
        match self {
            Self::Refuse => context! { kind => "refuse", label },
            Self::LocalDisk(LocalBoot { bios, uefi }) => {
                context! { kind => "local", label, bios => bios.name(), uefi => uefi.name() }
            }
            Self::Chain(url) => {
                context! { kind => "chain", label, url => url.as_str(), shown => url.to_string() }
            }
        }
    }
}

/// For logs and previews, after "the machine".
impl fmt::Display for UnknownResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("gets 404, to use its own file"),
            Self::Script(actions) => actions.fmt(f),
        }
    }
}

impl fmt::Display for UnknownActions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (arch, action) in &self.by_arch {
            write!(f, "{action} on {}, ", arch.name())?;
        }
        self.other.fmt(f)
    }
}

impl fmt::Display for UnknownAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse => f.write_str("is refused"),
            Self::LocalDisk(_) => f.write_str("boots from its own disk"),
            Self::Chain(url) => write!(f, "is chained to {url}"),
        }
    }
}
