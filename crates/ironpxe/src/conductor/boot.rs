//! Boot requests: which machine asks, what it boots, and a line in the log about it.

use std::sync::Arc;

use ironpxe_core::boot::{BootPlan, Located, Machine, Occasion, Scripts, decide};
use ironpxe_core::error::{Fault, Result};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::LocalConductor;
use super::boot_index::{Content, Found, Seen, Size, Written, placeholder};
use crate::rpc::{BootIdent, Context};

/// What a machine is answered, before it is known under which request.
struct Answer {
    script: String,
    line: Line,
}

/// The answer as the boot index keeps it.
#[derive(Debug)]
pub(super) struct KeptAnswer {
    script: Written,
    line: Line,
}

/// What the log says of a boot.
#[derive(Debug)]
struct Line {
    outcome: Outcome,
    node: Uuid,
    name: Option<String>,
    state: String,
    mac: Option<String>,
    text: String,
}

/// Whether a machine boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Boots,
    Refused,
    /// The operator's template cannot be used for it.
    Unusable,
}

impl LocalConductor {
    /// The boot script of a machine, if it was kept and nothing has changed since.
    pub(super) fn boot_at_once(&self, request_id: &str, ident: BootIdent) -> Option<String> {
        let kept = self.index.still(ident)?;
        let kept = as_before(request_id, &self.scripts.current(), &kept)?;
        if self.is_hidden(&kept.line) {
            return None;
        }
        kept.line.log(request_id);
        Some(kept.script.fill(request_id))
    }

    /// The boot script of a machine, as it is to be booted now.
    pub(super) async fn boot(&self, ctx: &Context, ident: BootIdent) -> Result<String> {
        let scripts = self.scripts.current();
        if let Some(kept) = self.index.still(ident)
            && let Some(kept) = as_before(&ctx.request_id, &scripts, &kept)
        {
            return self.answer_as_before(ctx, kept);
        }
        // Boxed: much larger than what mostly happens.
        Box::pin(self.boot_anew(ctx, &scripts, ident)).await
    }

    fn answer_as_before(&self, ctx: &Context, kept: &KeptAnswer) -> Result<String> {
        self.answer(ctx, kept.script.fill(&ctx.request_id), &kept.line)
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
                    let answer = self.compose(ctx, scripts, seen).await?;
                    return self.answer(ctx, answer.script, &answer.line);
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
        let answer = self.compose(ctx, scripts, &seen).await?;
        self.index.keep(ident, Content::Rows(seen), receipt);
        self.answer(ctx, answer.script, &answer.line)
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
        if scripts.operators_template(machine.node).is_some() || !Written::takes(&ctx.request_id) {
            return Ok(None);
        }
        let plan = decide(machine, &self.settings.boot, placeholder());
        if !self.settings.images.are_direct(&plan) {
            return Ok(None);
        }
        let answer = written(scripts, machine, &Located::direct(plan), placeholder())?;
        Ok(Some(KeptAnswer {
            script: Written::new(&answer.script),
            line: answer.line,
        }))
    }

    /// What a machine is to be answered now.
    async fn compose(&self, ctx: &Context, scripts: &Scripts, seen: &Seen) -> Result<Answer> {
        let machine = seen.machine();
        let plan = decide(machine, &self.settings.boot, &ctx.request_id);
        let located = self.locate(ctx, machine.node, plan).await?;
        written(scripts, machine, &located, &ctx.request_id)
    }

    /// Answers, and says so in the log.
    fn answer(&self, ctx: &Context, script: String, line: &Line) -> Result<String> {
        line.log(&ctx.request_id);
        if self.is_hidden(line) {
            return Err(Fault::NotFound);
        }
        Ok(script)
    }

    /// Whether nobody shall be told why a machine does not boot.
    fn is_hidden(&self, line: &Line) -> bool {
        line.outcome != Outcome::Boots && self.settings.restrict_boot_config
    }

    fn refuse_stranger(&self, ctx: &Context, ident: BootIdent) -> Fault {
        let fault = match ident {
            BootIdent::Node(uuid) => {
                warn!(req.id = ctx.request_id, node.uuid = %uuid, "machine not booted: no such node");
                Fault::NodeNotFound(uuid.to_string())
            }
            BootIdent::Address(mac) => {
                warn!(
                    req.id = ctx.request_id,
                    port.mac = %mac,
                    "machine not booted: no port has this address"
                );
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
        Content::Script(of, kept)
            if of.as_ptr() == Arc::as_ptr(scripts) && Written::takes(request_id) =>
        {
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
    let Machine { node, port, .. } = machine;
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
        node: node.uuid.0,
        name: node.name.clone(),
        state: node.provision_state.to_string(),
        mac: port.map(|port| port.address.to_string()),
        text,
    };
    Ok(Answer { script, line })
}

impl Line {
    fn log(&self, request_id: &str) {
        /// The same fields at each level.
        macro_rules! log {
            ($level:ident) => {
                $level!(
                    req.id = request_id,
                    node.uuid = %self.node,
                    node.name = self.name,
                    node.state = %self.state,
                    port.mac = self.mac,
                    "{}",
                    self.text
                )
            };
        }
        match self.outcome {
            Outcome::Boots => log!(info),
            Outcome::Refused => log!(warn),
            Outcome::Unusable => log!(error),
        }
    }
}

impl Size for KeptAnswer {
    fn size(&self) -> usize {
        let texts = [&self.line.state, &self.line.text];
        let more = [&self.line.name, &self.line.mac];
        let texts = texts.into_iter().chain(more.into_iter().flatten());
        size_of::<Self>() + self.script.size() + texts.map(String::len).sum::<usize>()
    }
}
