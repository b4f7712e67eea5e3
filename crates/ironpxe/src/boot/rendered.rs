//! A rendered script with its log line, and its form in the cache.

use std::fmt::Display;
use std::sync::Arc;

use ironpxe_core::boot::{BootPlan, Machine, RenderContext, ResolvedPlan, Scripts};
use ironpxe_core::error::{Fault, Result};
use tracing::{error, info, warn};

use super::script_template::{MachineFields, ScriptTemplate, Values, placeholder};

/// A script for one request.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) script: String,
    pub(super) outcome: Outcome,
    state: String,
    /// The text of the log line.
    text: String,
}

/// A script in the cache.
#[derive(Debug)]
pub(super) struct CachedScript {
    fields: MachineFields,
    /// Whether the machine is selected by its node.
    pub(super) is_selected: bool,
    shared: Arc<SharedScript>,
}

/// The part that is usually the same for all machines with the same plan.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SharedScript {
    script: ScriptTemplate,
    outcome: Outcome,
    state: String,
    /// The text of the log line.
    text: ScriptTemplate,
}

/// What a machine gets whose boot is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Refusals {
    /// A script that says why.
    #[default]
    Shown,
    /// 404, so that it boots Ironic's own script (`[beside]on_refusal`).
    LeftToIronic,
}

/// Whether a machine boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    Boots,
    Refused,
    /// Refused, and so left to Ironic's own script.
    LeftToIronic,
    /// The operator's template failed for it.
    Unusable,
}

impl Rendered {
    /// Renders the script of a plan.
    pub(super) fn new(
        scripts: &Scripts,
        machine: Machine<'_>,
        located: &ResolvedPlan,
        request_id: &str,
        refusals: Refusals,
    ) -> Result<Self> {
        let node = machine.node;
        let context = RenderContext {
            machine,
            request_id,
        };
        let (script, unusable) = scripts
            .render_or_refuse(located, context)
            .map_err(|error| Fault::Internal(error.to_string()))?;
        let (outcome, text) = match (unusable, located.plan()) {
            (Some(unusable), _) => match refusals {
                Refusals::Shown => (
                    Outcome::Unusable,
                    format!("machine not booted: {}", unusable.error),
                ),
                Refusals::LeftToIronic => (
                    Outcome::LeftToIronic,
                    format!("machine left to Ironic's own script: {}", unusable.error),
                ),
            },
            (None, BootPlan::Refuse(refusal)) => {
                let (outcome, done) = match refusals {
                    Refusals::Shown => (Outcome::Refused, "not booted"),
                    Refusals::LeftToIronic => {
                        (Outcome::LeftToIronic, "left to Ironic's own script")
                    }
                };
                let advice = refusal.advice(&node.label());
                (outcome, format!("machine {done}: {refusal}; {advice}"))
            }
            (None, plan) => (Outcome::Boots, format!("machine boots: {}", plan.title())),
        };
        Ok(Self {
            script,
            outcome,
            state: node.provision_state.to_string(),
            text,
        })
    }

    /// Logs the machine's boot.
    pub(super) fn log(&self, machine: Machine<'_>, request_id: &str) {
        fields(machine).with_values(request_id, |values| {
            self.outcome.log(values, &self.state, &self.text);
        });
    }
}

impl CachedScript {
    /// Converts a script that was rendered with the [`placeholder`] as request ID. `intern`
    /// deduplicates what machines have in common.
    pub(super) fn new(
        rendered: Rendered,
        machine: Machine<'_>,
        is_selected: bool,
        intern: impl FnOnce(SharedScript) -> Arc<SharedScript>,
    ) -> Self {
        let fields = fields(machine);
        let shared = fields.with_values(placeholder(), |values| SharedScript {
            script: ScriptTemplate::new(&rendered.script, values),
            outcome: rendered.outcome,
            state: rendered.state,
            text: ScriptTemplate::new(&rendered.text, values),
        });
        Self {
            fields,
            is_selected,
            shared: intern(shared),
        }
    }

    /// Whether the machine boots.
    pub(super) fn outcome(&self) -> Outcome {
        self.shared.outcome
    }

    /// The script for a request; logs the boot.
    pub(super) fn fill_and_log(&self, request_id: &str) -> String {
        let SharedScript {
            script,
            outcome,
            state,
            text,
        } = &*self.shared;
        self.fields.with_values(request_id, |values| {
            outcome.log(values, state, text.with(values));
            script.fill(values)
        })
    }

    /// The approximate size in memory, in bytes.
    pub(super) fn size(&self) -> usize {
        let name = self.fields.name.as_ref().map_or(0, |name| name.len());
        let shared = match Arc::strong_count(&self.shared) {
            1 => {
                let SharedScript {
                    script,
                    state,
                    text,
                    ..
                } = &*self.shared;
                size_of::<SharedScript>() + script.bytes() + state.len() + text.bytes()
            }
            // Already counted in the size of the first entry.
            _ => 0,
        };
        size_of::<Self>() + name + shared
    }
}

/// The values that differ between machines.
fn fields(machine: Machine<'_>) -> MachineFields {
    MachineFields {
        node: machine.node.uuid.0,
        name: machine.node.name.as_deref().map(Into::into),
        mac: machine.port.map(|port| port.address),
    }
}

impl Outcome {
    /// Logs a machine's boot.
    fn log(self, values: Values<'_>, state: &str, text: impl Display) {
        /// The same fields at each level.
        macro_rules! log {
            ($level:ident) => {
                $level!(
                    req.id = values.request,
                    node.uuid = %values.node,
                    node.name = values.name,
                    node.state = %state,
                    port.mac = values.mac,
                    "{text}"
                )
            };
        }
        match self {
            Self::Boots => log!(info),
            Self::Refused | Self::LeftToIronic => log!(warn),
            Self::Unusable => log!(error),
        }
    }
}

#[cfg(test)]
impl SharedScript {
    /// A sample with this text.
    pub(super) fn sample(text: &str) -> Self {
        let template = || {
            ScriptTemplate::new(
                text,
                Values {
                    request: "REQUEST",
                    node: "NODE",
                    name: None,
                    mac: None,
                },
            )
        };
        Self {
            script: template(),
            outcome: Outcome::Boots,
            state: String::new(),
            text: template(),
        }
    }
}

#[cfg(test)]
impl CachedScript {
    /// A sample without a machine.
    pub(super) fn sample() -> Self {
        Self {
            fields: MachineFields {
                node: uuid::Uuid::nil(),
                name: None,
                mac: None,
            },
            is_selected: true,
            shared: Arc::new(SharedScript::sample("")),
        }
    }
}
