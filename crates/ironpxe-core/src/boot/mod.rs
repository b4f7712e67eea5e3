//! What a machine boots now, and the iPXE script that does it.
//!
//! [`decide`] turns a node into a [`BootPlan`] (in `decision.rs`: one exhaustive match over the
//! provision states). [`Scripts`] turns a plan into text, once it is [`Located`]: known where each
//! image is to be had. Both are pure: they never ask what was served before, so every replica gives
//! the same answer at every moment.
//!
//! [`explain()`] decides in the same way and says why (`explain.rs`); [`AsIf`] is what it may be
//! asked to suppose, [`explain_firmware`] what one firmware makes of the plan.
//!
//! A machine that boots an installer is given a [kickstart](Kickstarts) too (`kickstart.rs`).
//!
//! Read on in `decision.rs`; then `images.rs` and `kernel_args.rs` for what goes into a plan, and
//! `script.rs` with `templates/` for how it is written.

mod as_if;
mod capabilities;
mod commands;
mod decision;
mod environment;
mod explain;
mod firmware;
mod images;
mod inspection;
mod installer;
mod kernel_args;
mod kickstart;
mod located;
mod operator;
mod plan;
mod progress;
mod reference;
mod refusal;
mod samples;
mod san;
mod script;
mod settings;
mod text;
mod variables;

pub use as_if::{AsIf, BadArch, CpuArch};
pub use capabilities::check_capabilities;
pub(crate) use capabilities::{of_instance as instance_capability, of_node as node_capability};
pub use decision::{decide, decide_in, explain};
pub use environment::{TEMPLATES, TemplateError};
pub use explain::{Explanation, Reason, without_passwords};
pub use firmware::{BadFirmware, Firmware, explain_firmware};
pub use images::image_field;
pub use installer::{ConfigDrive, InstallSource, Installation, kickstart_path};
pub use kernel_args::{ArgError, KernelArgs};
pub use kickstart::{KICKSTART_TEMPLATE, KickstartError, Kickstarts};
pub use located::{ImageKind, Located, Location};
pub use operator::{Broken, InUse, OperatorTemplates, TemplateFile};
pub use plan::{BootIf, BootPlan, LinuxBoot, LinuxRole, Machine, boots_from_volume};
pub use progress::RamdiskFlag;
pub(crate) use progress::is_past_the_agent;
pub use reference::{GlanceImage, ImageFile, ImageRef, ImageUrl, NotAnImage, NotAnImageUrl};
pub use refusal::Refusal;
pub use samples::{Sample, samples};
pub use san::{Chap, SanDrive, Secret, VolumeBoot};
pub use script::{Occasion, Scripts, UnknownMachine, Unusable};
pub use settings::{
    ApiUrlSource, BootOption, BootSettings, Downloads, GiveUpAction, LocalBoot, LocalBootMethod,
    RamdiskImages,
};

#[cfg(test)]
pub(crate) mod tests;
