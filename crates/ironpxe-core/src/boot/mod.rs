//! What a machine boots, and the iPXE script for it.
//!
//! [`decide`] turns a node into a [`BootPlan`] (in `decision.rs`: one exhaustive match over the
//! provision states). [`Scripts`] renders a plan once the locations of its images are known
//! ([`ResolvedPlan`]). Both are pure and stateless, so that every replica gives the same response.
//!
//! [`explain()`] decides likewise and records the reasons (`explain.rs`); [`Overrides`] changes the
//! input for a preview, and [`explain_firmware`] describes how one firmware executes the plan.
//!
//! A machine that boots an installer also gets a [kickstart](Kickstarts) (`kickstart.rs`).
//!
//! Continue with `decision.rs`; then `images.rs` and `kernel_args.rs` for the parts of a plan,
//! `fields.rs` for how it reads a node, and `script.rs` with `templates/` for rendering.

mod capabilities;
mod commands;
mod decision;
mod environment;
mod explain;
mod fields;
mod file_urls;
mod firmware;
mod images;
mod inspection;
mod installer;
mod kernel_args;
mod kickstart;
mod operator;
mod overrides;
mod plan;
mod progress;
mod reference;
mod refusal;
mod resolved_plan;
mod samples;
mod san;
mod script;
mod settings;
mod text;
mod unknown_machine;
mod variables;

pub use capabilities::check_capabilities;
pub(crate) use capabilities::{of_instance as instance_capability, of_node as node_capability};
pub use decision::{decide, decide_in, explain};
pub use environment::{TEMPLATES, TemplateError};
pub use explain::{Explanation, Reason, without_passwords};
pub use file_urls::FileUrls;
pub use firmware::{Firmware, ParseFirmwareError, explain_firmware};
pub use images::image_field;
pub use installer::{ConfigDrive, InstallSource, Installation, kickstart_path};
pub use kernel_args::{ArgError, KernelArgs};
pub use kickstart::{KICKSTART_TEMPLATE, KickstartError, Kickstarts};
pub use operator::{ActiveTemplate, BrokenTemplate, OperatorTemplates, TemplateFile};
pub use overrides::{CpuArch, Overrides, ParseArchError};
pub use plan::{
    BootIf, BootPlan, KickstartServer, LinuxBoot, LinuxRole, Machine, RenderContext,
    boots_from_volume,
};
pub use progress::RamdiskFlag;
pub(crate) use progress::is_past_the_agent;
pub use reference::{
    GlanceImage, ImageFile, ImageKind, ImageRef, ImageUrl, ParseImageError, ParseImageUrlError,
};
pub use refusal::Refusal;
pub use resolved_plan::{Location, ResolvedPlan};
pub use samples::{Sample, samples};
pub use san::{Chap, SanDrive, Secret, VolumeBoot};
pub use script::{FailedTemplate, Scripts};
pub use settings::{
    ApiUrlSource, BootOption, BootSettings, Downloads, GiveUpAction, LocalBoot, LocalBootMethod,
    RamdiskImages,
};
pub use unknown_machine::{UnknownAction, UnknownActions, UnknownArch, UnknownResponse};
pub use variables::UnknownMachine;

#[cfg(test)]
pub(crate) mod tests;
