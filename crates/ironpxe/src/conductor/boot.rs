//! Boot requests: which machine asks, what it boots, and a line in the log about it.

use std::fmt::Display;
use std::sync::Arc;

use ironpxe_core::boot::{BootPlan, Located, Machine, Occasion, Scripts, decide};
use ironpxe_core::error::{Fault, Result};
use tracing::{error, info, warn};

use super::LocalConductor;
use super::boot_index::{Content, Found, Own, Seen, Size, Values, Written, placeholder, takes};
use crate::rpc::{BootIdent, Context, Moment};

/// What a machine is answered, before it is known under which request.
struct Answer {
    script: String,
    line: Line,
}

/// What the log says of a boot.
struct Line {
    outcome: Outcome,
    state: String,
    text: String,
}

/// The answer as the boot index keeps it.
#[derive(Debug)]
pub(super) struct KeptAnswer {
    own: Own,
    common: Arc<Common>,
}

/// What is mostly the same for all machines that boot alike.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Common {
    script: Written,
    outcome: Outcome,
    state: String,
    /// What the log says.
    text: Written,
}

/// Whether a machine boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Outcome {
    Boots,
    Refused,
    /// The operator's template cannot be used for it.
    Unusable,
}

impl LocalConductor {
    /// The boot script of a machine, if it was kept and nothing has changed from then until this
    /// moment.
    pub(super) fn boot_at_once(
        &self,
        Moment(now): Moment,
        request_id: &str,
        ident: BootIdent,
    ) -> Option<String> {
        let kept = self.index.still(now, ident)?;
        let kept = as_before(request_id, &self.scripts.current(), &kept)?;
        if self.is_hidden(kept.common.outcome) {
            return None;
        }
        Some(kept.answer(request_id))
    }

    /// The boot script of a machine, as it is to be booted now.
    pub(super) async fn boot(&self, ctx: &Context, ident: BootIdent) -> Result<String> {
        let scripts = self.scripts.current();
        if let Some(now) = self.db.stamp()
            && let Some(kept) = self.index.still(now, ident)
            && let Some(kept) = as_before(&ctx.request_id, &scripts, &kept)
        {
            return self.answer_as_before(ctx, kept);
        }
        // Boxed: much larger than what mostly happens.
        Box::pin(self.boot_anew(ctx, &scripts, ident)).await
    }

    fn answer_as_before(&self, ctx: &Context, kept: &KeptAnswer) -> Result<String> {
        let script = kept.answer(&ctx.request_id);
        self.unless_hidden(script, kept.common.outcome)
    }

    async fn boot_anew(
        &self,
        ctx: &Context,
        scripts: &Arc<Scripts>,
        ident: BootIdent,
    ) -> Result<String> {
        let found = match self.index.find(ident).await? {
            Found::Kept(kept) => {
                if let Some(kept) = as_before(&ctx.request_id, scripts, &kept) {
                    return self.answer_as_before(ctx, kept);
                }
                if let Content::Rows(seen) = &*kept {
                    return self.compose(ctx, scripts, seen).await;
                }
                self.index.read(ident).await?
            }
            found => found,
        };
        let Found::Read(seen, receipt) = found else {
            return Err(self.refuse_stranger(ctx, ident));
        };
        if let Some(kept) = self.lasting(ctx, scripts, seen.machine())? {
            let answer = self.answer_as_before(ctx, &kept);
            let content = Content::Script(Arc::downgrade(scripts), kept);
            self.index.keep(ident, content, receipt);
            return answer;
        }
        let answer = self.compose(ctx, scripts, &seen).await;
        self.index.keep(ident, Content::Rows(seen), receipt);
        answer
    }

    /// The answer as it may be kept. Text is kept only of what depends on nothing but rows,
    /// settings and templates: not where an image must be looked for, which is another one
    /// tomorrow. An operator's template, besides, can do anything with the request's id.
    fn lasting(
        &self,
        ctx: &Context,
        scripts: &Scripts,
        machine: Machine<'_>,
    ) -> Result<Option<KeptAnswer>> {
        if scripts.operators_template(machine.node).is_some() || !takes(&ctx.request_id) {
            return Ok(None);
        }
        let plan = decide(machine, &self.settings.boot, placeholder());
        if !self.settings.images.are_direct(&plan) {
            return Ok(None);
        }
        let answer = written(scripts, machine, &Located::direct(plan), placeholder())?;
        let own = own(machine);
        let common = own.with_values(placeholder(), |values| Common {
            script: Written::new(&answer.script, values),
            outcome: answer.line.outcome,
            state: answer.line.state,
            text: Written::new(&answer.line.text, values),
        });
        let common = self.texts.share(common);
        Ok(Some(KeptAnswer { own, common }))
    }

    /// Answers what a machine is to be answered now.
    async fn compose(&self, ctx: &Context, scripts: &Scripts, seen: &Seen) -> Result<String> {
        let machine = seen.machine();
        let plan = decide(machine, &self.settings.boot, &ctx.request_id);
        let located = self.locate(ctx, machine.node, plan).await?;
        let Answer { script, line } = written(scripts, machine, &located, &ctx.request_id)?;
        let Line {
            outcome,
            state,
            text,
        } = line;
        own(machine).with_values(&ctx.request_id, |values| {
            outcome.log(values, &state, text);
        });
        self.unless_hidden(script, outcome)
    }

    fn unless_hidden(&self, script: String, outcome: Outcome) -> Result<String> {
        if self.is_hidden(outcome) {
            return Err(Fault::NotFound);
        }
        Ok(script)
    }

    /// Whether nobody shall be told why a machine does not boot.
    fn is_hidden(&self, outcome: Outcome) -> bool {
        outcome != Outcome::Boots && self.settings.restrict_boot_config
    }

    /// Counts a request of a machine that is not known. Tells whether the log has a line about it.
    pub(super) fn has_own_line(&self, ident: BootIdent) -> bool {
        self.unknown_machines.note(&self.tasks, ident)
    }

    fn refuse_stranger(&self, ctx: &Context, ident: BootIdent) -> Fault {
        let has_line = self.has_own_line(ident);
        let fault = match ident {
            BootIdent::Node(uuid) => {
                if has_line {
                    warn!(
                        req.id = ctx.request_id,
                        node.uuid = %uuid,
                        "machine not booted: no such node"
                    );
                }
                Fault::NodeNotFound(uuid.to_string())
            }
            BootIdent::Address(mac) => {
                if has_line {
                    warn!(
                        req.id = ctx.request_id,
                        port.mac = %mac,
                        "machine not booted: no port has this address"
                    );
                }
                Fault::PortNotFound(mac.to_string())
            }
        };
        if self.settings.restrict_boot_config {
            Fault::NotFound
        } else {
            fault
        }
    }
}

/// The answer that was kept, if it is one for this request.
fn as_before<'k>(
    request_id: &str,
    scripts: &Arc<Scripts>,
    kept: &'k Content<KeptAnswer>,
) -> Option<&'k KeptAnswer> {
    match kept {
        Content::Script(of, kept) if of.as_ptr() == Arc::as_ptr(scripts) && takes(request_id) => {
            Some(kept)
        }
        Content::Script(..) | Content::Rows(_) => None,
    }
}

/// The script of a plan, and what the log says of it.
fn written(
    scripts: &Scripts,
    machine: Machine<'_>,
    located: &Located,
    request_id: &str,
) -> Result<Answer> {
    let node = machine.node;
    let occasion = Occasion {
        machine,
        request_id,
    };
    let (script, unusable) = scripts
        .render_or_refuse(located, occasion)
        .map_err(|error| Fault::Internal(error.to_string()))?;
    let (outcome, text) = match (unusable, located.plan()) {
        (Some(unusable), _) => (
            Outcome::Unusable,
            format!("machine not booted: {}", unusable.error),
        ),
        (None, BootPlan::Refuse(refusal)) => (
            Outcome::Refused,
            format!(
                "machine not booted: {refusal}; {}",
                refusal.advice(&node.label())
            ),
        ),
        (None, plan) => (Outcome::Boots, format!("machine boots: {}", plan.title())),
    };
    let line = Line {
        outcome,
        state: node.provision_state.to_string(),
        text,
    };
    Ok(Answer { script, line })
}

/// What differs from one machine to the next.
fn own(machine: Machine<'_>) -> Own {
    Own {
        node: machine.node.uuid.0,
        name: machine.node.name.as_deref().map(Into::into),
        mac: machine.port.map(|port| port.address),
    }
}

impl KeptAnswer {
    /// The script for a request, about which the log is told.
    fn answer(&self, request_id: &str) -> String {
        let Common {
            script,
            outcome,
            state,
            text,
        } = &*self.common;
        self.own.with_values(request_id, |values| {
            outcome.log(values, state, text.with(values));
            script.fill(values)
        })
    }
}

impl Outcome {
    /// Writes the line of a machine's boot.
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
            Self::Refused => log!(warn),
            Self::Unusable => log!(error),
        }
    }
}

impl Size for KeptAnswer {
    fn size(&self) -> usize {
        let name = self.own.name.as_ref().map_or(0, |name| name.len());
        let common = match Arc::strong_count(&self.common) {
            1 => {
                let Common {
                    script,
                    state,
                    text,
                    ..
                } = &*self.common;
                size_of::<Common>() + script.bytes() + state.len() + text.bytes()
            }
            // Whoever had it first has it in its size.
            _ => 0,
        };
        size_of::<Self>() + name + common
    }
}
