//! Previews of what a machine would boot, for operators.
//!
//! Uses the same decision and templates as a boot request (`service.rs`), without side effects: no
//! write to the database, no log line of a boot.

use std::collections::BTreeMap;

use ironpxe_core::beside::IronicMachine;
use ironpxe_core::boot::{
    ActiveTemplate, BootPlan, BootSettings, FailedTemplate, Machine, Overrides, Reason, Refusal,
    RenderContext, ResolvedPlan, Scripts, explain, explain_firmware,
};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;

use super::facts::BootFacts;
use super::rendered::Refusals;
use super::selection::{Exclusion, Selection};
use super::service::{BootService, BootServiceSettings};
use super::unknown_policy::UnknownPolicy;
use crate::beside::SourceError;
use crate::db::{self, Db, DbError, Location};
use crate::images::{Images, Purpose};

/// The request ID of previewed scripts: as long as a real one, because a kernel command line that
/// is one byte too long is rejected.
const REQUEST_ID: &str = "req-00000000-0000-0000-0000-000000000000";

/// A preview. The script has secrets, so it is not `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BootPreview {
    /// The node.
    pub node_uuid: NodeUuid,
    /// The provision state that the decision is for.
    pub provision_state: String,
    /// A short description of the plan.
    pub plan: String,
    /// The script, with a placeholder for the request ID.
    pub script: String,
    /// Why the machine is left to Ironic's own script, so that it does not get this one.
    pub left_to_ironic: Option<String>,
    /// The reasons: topic and text.
    pub reasons: Vec<(String, String)>,
}

/// Why an offline preview failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfflineError {
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] DbError),
    /// No such machine.
    #[error("no node has the UUID or name {machine:?}, and no port has this address{gets}")]
    UnknownMachine {
        /// The machine as requested.
        machine: String,
        /// What a machine with this address or UUID gets; empty for a name.
        gets: String,
    },
    /// The machine cannot be previewed.
    #[error("{0}")]
    Fault(Fault),
    /// Ironic cannot be asked about its nodes.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Ironic's API cannot be used as configured.
    #[error("the existing Ironic cannot be used as configured")]
    Beside(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Images are not available.
    #[error("cannot set up access to images")]
    Images(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The context of a preview besides the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The settings of boot decisions.
    pub settings: &'a BootSettings,
    /// The script templates.
    pub scripts: &'a Scripts,
    /// Locates images.
    pub images: &'a Images,
    /// What unknown machines get.
    pub unknown_machines: &'a UnknownPolicy,
    /// The machines that are booted from here; the others are left to Ironic.
    pub selection: &'a Selection,
    /// What a machine gets whose boot is refused.
    pub refusals: Refusals,
}

/// What a machine boots, without the reasons. The script has secrets, so it is not `Debug`.
pub(crate) struct Decided {
    /// The plan.
    pub plan: BootPlan,
    /// The script.
    pub script: String,
}

/// What a machine of an existing Ironic boots, as its preview says. `http_urls` as in
/// [`IronicMachine::machine`].
pub(crate) async fn decided(
    machine: &IronicMachine,
    http_urls: &BTreeMap<String, String>,
    context: Context<'_>,
) -> Result<Decided> {
    let machine = machine.machine(http_urls);
    let plan = explain(machine, context.settings, REQUEST_ID).plan;
    let (located, script, unusable) = context.render(machine, plan).await?;
    let plan = match unusable {
        None => located.plan().clone(),
        Some(FailedTemplate { refusal, .. }) => BootPlan::Refuse(refusal),
    };
    Ok(Decided { plan, script })
}

impl Context<'_> {
    /// What unknown machines get, as a sentence with the settings.
    fn describe_unknown(self) -> String {
        let response = self.unknown_machines.describe();
        self.selection.describe_unknown(&response)
    }

    /// Whether the machine of this node is left to Ironic. `plan` is the final one, and `is_usable`
    /// whether its template is.
    fn left_to_ironic(self, node: &Node, plan: &BootPlan, is_usable: bool) -> Option<Exclusion> {
        let is_refused = !is_usable || matches!(plan, BootPlan::Refuse(_));
        match self.selection.exclusion(node) {
            Some(always @ Exclusion::Always(_)) => Some(always),
            _ if is_refused && self.refusals == Refusals::LeftToIronic => Some(Exclusion::Always(
                "not booted by ironpxe: a machine whose boot is refused boots Ironic's own \
                     script ([beside]on_refusal = \"ironic\")"
                    .to_owned(),
            )),
            unless_network => unless_network,
        }
    }

    /// Locates the images of a plan, and renders its script.
    async fn render(
        self,
        machine: Machine<'_>,
        plan: BootPlan,
    ) -> Result<(ResolvedPlan, String, Option<FailedTemplate>)> {
        let located = self
            .images
            .locate(plan, machine.node, Purpose::Preview)
            .await
            .unwrap_or_else(|problem| ResolvedPlan::refused(problem.into()));
        let context = RenderContext {
            machine,
            request_id: REQUEST_ID,
        };
        let (script, unusable) = self
            .scripts
            .render_or_refuse(&located, context)
            .map_err(|error| Fault::Internal(error.to_string()))?;
        Ok((located, script, unusable))
    }
}

/// Previews the machine `machine` (a node's UUID or name, or a port's address) from the database
/// alone, in read-only mode, whether the service is running or not.
pub(crate) async fn offline(
    database: &db::Settings,
    context: Context<'_>,
    machine: &str,
    overrides: &Overrides,
) -> Result<BootPreview, OfflineError> {
    let look = async |db: &Db| preview(&BootFacts::new(db), context, machine, overrides).await;
    if let Location::Sqlite(path) = &database.location {
        return Db::read_only(path, look).await?;
    }
    let db = Db::open(database).await?;
    let seen = look(&db).await;
    db.close().await;
    seen
}

/// Previews the machine `machine` from a source of nodes.
pub(crate) async fn preview(
    facts: &BootFacts,
    context: Context<'_>,
    machine: &str,
    overrides: &Overrides,
) -> Result<BootPreview, OfflineError> {
    let ident = find(facts, machine)
        .await
        .map_err(OfflineError::Fault)?
        .ok_or_else(|| unknown(machine, context))?;
    let previewer = Previewer { facts, context };
    let preview = previewer.preview(ident, overrides).await;
    preview.map_err(OfflineError::Fault)
}

fn unknown(machine: &str, context: Context<'_>) -> OfflineError {
    let can_request = machine.parse::<MacAddress>().is_ok() || machine.parse::<NodeUuid>().is_ok();
    OfflineError::UnknownMachine {
        machine: machine.to_owned(),
        gets: if can_request {
            format!(": {}", context.describe_unknown())
        } else {
            String::new()
        },
    }
}

/// Finds the machine. A name takes precedence over an address, because an address without colons is
/// a valid name.
async fn find(facts: &BootFacts, machine: &str) -> Result<Option<BootIdent>> {
    if let Ok(uuid) = machine.parse::<NodeUuid>() {
        let node = facts.machine(BootIdent::Node(uuid)).await?;
        return Ok(node.map(|_| BootIdent::Node(uuid)));
    }
    if let Some(uuid) = facts.node_by_name(machine).await? {
        return Ok(Some(BootIdent::Node(uuid)));
    }
    let Ok(mac) = machine.parse::<MacAddress>() else {
        return Ok(None);
    };
    let found = facts.machine(BootIdent::Address(mac)).await?;
    Ok(found.map(|_| BootIdent::Address(mac)))
}

/// The inputs of a preview; no running conductor is needed.
#[derive(Clone, Copy)]
struct Previewer<'a> {
    facts: &'a BootFacts,
    context: Context<'a>,
}

impl Previewer<'_> {
    /// Previews the machine with `overrides` applied.
    async fn preview(self, ident: BootIdent, overrides: &Overrides) -> Result<BootPreview> {
        let Context {
            settings, scripts, ..
        } = self.context;
        let missing = || match ident {
            BootIdent::Node(uuid) => Fault::NodeNotFound(uuid.to_string()),
            BootIdent::Address(mac) => Fault::PortNotFound(mac.to_string()),
        };
        let mut facts = self.facts.machine(ident).await?.ok_or_else(missing)?;
        let mut supposed = vec![self.other_ports(facts.machine()).await?];
        supposed.extend(overrides.apply(facts.node_mut()));
        let machine = facts.machine();
        let node = machine.node;
        let explanation = explain(machine, settings, REQUEST_ID);
        if settings.boot_tokens {
            supposed.push(Reason {
                topic: "token",
                text:
                    "[pxe]boot_token_lifetime is set: the machine gets this only by a URL with a \
                       valid boot token, as in its DHCP options; here URLs have an invalid example"
                        .to_owned(),
            });
        }
        // After the first reason, which says how the machine was identified.
        let mut reasons = explanation.reasons;
        let first = reasons.len().min(1);
        reasons.splice(first..first, supposed);
        if let Some(firmware) = overrides.firmware {
            let more = explain_firmware(&explanation.plan, node, settings, firmware);
            reasons.extend(more);
        }
        let decided = explanation.plan;
        let was_refused = matches!(decided, BootPlan::Refuse(_));
        let (located, script, unusable) = self.context.render(machine, decided).await?;
        let elsewhere = located.locations();
        reasons.extend(elsewhere.map(|(kind, location)| Reason {
            topic: kind.name(),
            text: location.explanation.clone(),
        }));
        if let (BootPlan::Refuse(refusal), false) = (located.plan(), was_refused) {
            reasons.extend(refused(refusal, node));
        }
        reasons.extend(scripts.operators_template(node).map(template));
        let left = self
            .context
            .left_to_ironic(node, located.plan(), unusable.is_none());
        let plan = match unusable {
            None => located.plan().title(),
            Some(FailedTemplate { refusal, .. }) => {
                reasons.extend(refused(&refusal, node));
                BootPlan::Refuse(refusal).title()
            }
        };
        let mut left_to_ironic = None;
        if let Some(Exclusion::Always(text) | Exclusion::OtherNetworks(text)) = &left {
            reasons.push(Reason {
                topic: "selection",
                text: text.clone(),
            });
        }
        if let Some(Exclusion::Always(text)) = left {
            left_to_ironic = Some(text);
        }
        Ok(BootPreview {
            node_uuid: node.uuid,
            provision_state: node.provision_state.name().to_owned(),
            plan: plan.to_owned(),
            script,
            left_to_ironic,
            reasons: reasons
                .into_iter()
                .map(|reason| (reason.topic.to_owned(), reason.text))
                .collect(),
        })
    }

    /// The reason about the node's other ports.
    async fn other_ports(self, machine: Machine<'_>) -> Result<Reason> {
        let (node, matched) = (machine.node, machine.port);
        let ports = self.facts.ports(node.uuid).await?;
        let others: Vec<String> = ports
            .iter()
            .filter(|port| matched.is_none_or(|matched| matched.uuid != port.uuid))
            .map(|port| {
                let note = if port.pxe_enabled {
                    ""
                } else {
                    " (pxe_enabled=false: not booted)"
                };
                format!("{}{note}", port.address)
            })
            .collect();
        let text = match (matched, others.is_empty()) {
            (None, true) => format!(
                "the node has no port, so its machine is not recognized by any address: baremetal \
                 port create --node {} ADDRESS",
                node.uuid
            ),
            (None, false) => format!("the node's ports are {}", others.join(", ")),
            (Some(_), true) => "the node has no other port".to_owned(),
            (Some(_), false) => format!("the node's other ports are {}", others.join(", ")),
        };
        let topic = "port";
        Ok(Reason { topic, text })
    }
}

/// The reasons of a refusal: the refusal and the fix.
fn refused(refusal: &Refusal, node: &Node) -> [Reason; 2] {
    let reason = |topic, text| Reason { topic, text };
    [
        reason("refused", refusal.to_string()),
        reason("fix", refusal.advice(&node.label())),
    ]
}

/// The reason for an operator's template.
fn template(template: &ActiveTemplate) -> Reason {
    let path = &template.path;
    let by = match &template.arch {
        None => "",
        Some(_) => ", by properties.cpu_arch",
    };
    let text = format!("{path}, from {}{by}", template.setting());
    Reason {
        topic: "template",
        text,
    }
}

impl BootService {
    /// Previews a machine with `overrides` applied.
    pub(crate) async fn preview(
        &self,
        ident: BootIdent,
        overrides: &Overrides,
    ) -> Result<BootPreview> {
        let inner = self.inner();
        let scripts = inner.settings.templates.current();
        let previewer = Previewer {
            facts: &inner.facts,
            context: inner.settings.preview_context(&scripts),
        };
        previewer.preview(ident, overrides).await
    }

    /// Says that no node or port is `machine`, and what such a machine gets.
    pub(crate) fn explain_unknown(&self, machine: &str) -> String {
        let settings = &self.inner().settings;
        let scripts = settings.templates.current();
        unknown(machine, settings.preview_context(&scripts)).to_string()
    }
}

impl BootServiceSettings {
    /// The context of previews with these templates.
    pub(super) fn preview_context<'a>(&'a self, scripts: &'a Scripts) -> Context<'a> {
        Context {
            settings: &self.boot,
            scripts,
            images: &self.images,
            unknown_machines: &self.unknown_machines,
            selection: &self.selection,
            refusals: self.refusals,
        }
    }
}
