//! What a machine would boot, for an operator who asks before there is power.
//!
//! The same decision and the same templates as a boot request's (`service.rs`), and none of its
//! traces: nothing is written to the database, and no boot to the log.

use ironpxe_core::boot::{
    ActiveTemplate, BootPlan, BootSettings, FailedTemplate, Machine, Overrides, Reason, Refusal,
    RenderContext, ResolvedPlan, Scripts, boots_from_volume, explain, explain_firmware,
};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;

use super::service::BootService;
use crate::db::{self, Db, DbError, Location, Page, PortFilter};
use crate::images::{Images, Purpose};

/// The request id in every previewed script: nobody's, and as long as a real one, because a kernel
/// command line that is one byte too long is refused.
const REQUEST_ID: &str = "req-00000000-0000-0000-0000-000000000000";

/// What a machine would boot. The script holds its secrets; so nothing prints this by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct BootPreview {
    /// The node.
    pub node_uuid: NodeUuid,
    /// The provision state it was decided for.
    pub provision_state: String,
    /// What is booted, in a few words.
    pub plan: String,
    /// The script, with the request id of nobody.
    pub script: String,
    /// Why: topics, and what is to say about each.
    pub reasons: Vec<(String, String)>,
}

/// Why there is no preview beside the running service.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] DbError),
    /// There is no such machine.
    #[error("no node has the UUID or name {0:?}, and no port that address")]
    UnknownMachine(String),
    /// The machine cannot be previewed.
    #[error("{0}")]
    Fault(Fault),
    /// Nothing can be said of images.
    #[error("images cannot be looked for")]
    Images(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a preview goes by, besides the database.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What boot decisions depend on.
    pub settings: &'a BootSettings,
    /// What writes the script.
    pub scripts: &'a Scripts,
    /// What finds images.
    pub images: &'a Images,
}

/// What the machine boots that `machine` names (a node's UUID or name, or a port's address), by
/// the database alone, which is only read: whether the service runs does not matter, and it does
/// not notice.
pub async fn offline(
    database: &db::Settings,
    context: Context<'_>,
    machine: &str,
    overrides: &Overrides,
) -> Result<BootPreview, OfflineError> {
    let look = async |db: &Db| {
        let ident = find(db, machine)
            .await?
            .ok_or_else(|| OfflineError::UnknownMachine(machine.to_owned()))?;
        let previewer = Previewer { db, context };
        let preview = previewer.preview(ident, overrides).await;
        preview.map_err(OfflineError::Fault)
    };
    if let Location::Sqlite(path) = &database.location {
        return Db::read_only(path, look).await?;
    }
    let db = Db::open(database).await?;
    let seen = look(&db).await;
    db.close().await;
    seen
}

/// Which machine an operator means. A name comes before an address: an address without colons is
/// a valid name.
async fn find(db: &Db, machine: &str) -> Result<Option<BootIdent>, DbError> {
    if let Ok(uuid) = machine.parse::<NodeUuid>() {
        let node = db.node_get(uuid).await?;
        return Ok(node.map(|node| BootIdent::Node(node.uuid)));
    }
    if let Some(node) = db.node_get_by_name(machine).await? {
        return Ok(Some(BootIdent::Node(node.uuid)));
    }
    let Ok(mac) = machine.parse::<MacAddress>() else {
        return Ok(None);
    };
    let found = db.node_get_by_address(mac).await?;
    Ok(found.map(|_| BootIdent::Address(mac)))
}

/// All that a preview needs: no conductor that runs.
#[derive(Clone, Copy)]
struct Previewer<'a> {
    db: &'a Db,
    context: Context<'a>,
}

impl Previewer<'_> {
    /// What the machine boots, if what `overrides` supposes were so.
    async fn preview(self, ident: BootIdent, overrides: &Overrides) -> Result<BootPreview> {
        let Context {
            settings,
            scripts,
            images,
        } = self.context;
        let (mut node, port) = match ident {
            BootIdent::Node(uuid) => {
                let node = self.db.node_get(uuid).await?;
                let missing = || Fault::NodeNotFound(uuid.to_string());
                (node.ok_or_else(missing)?, None)
            }
            BootIdent::Address(mac) => {
                let found = self.db.node_get_by_address(mac).await?;
                let missing = || Fault::PortNotFound(mac.to_string());
                let (node, port) = found.ok_or_else(missing)?;
                (node, Some(port))
            }
        };
        let volumes = match boots_from_volume(&node) {
            Some(_) => Some(self.db.node_volumes(node.uuid).await?),
            None => None,
        };
        let mut supposed = vec![self.other_ports(&node, port.as_ref()).await?];
        supposed.extend(overrides.apply(&mut node));
        let machine = Machine {
            node: &node,
            port: port.as_ref(),
            volumes: volumes.as_ref(),
        };
        let explanation = explain(machine, settings, REQUEST_ID);
        // Behind the first, which says how the machine is known.
        let mut reasons = explanation.reasons;
        let first = reasons.len().min(1);
        reasons.splice(first..first, supposed);
        if let Some(firmware) = overrides.firmware {
            let more = explain_firmware(&explanation.plan, &node, settings, firmware);
            reasons.extend(more);
        }
        let decided = explanation.plan;
        let was_refused = matches!(decided, BootPlan::Refuse(_));
        let located = images
            .locate(decided, &node, Purpose::Preview)
            .await
            .unwrap_or_else(|problem| ResolvedPlan::refused(problem.into()));
        let elsewhere = located.locations();
        reasons.extend(elsewhere.map(|(kind, location)| Reason {
            topic: kind.name(),
            text: location.explanation.clone(),
        }));
        if let (BootPlan::Refuse(refusal), false) = (located.plan(), was_refused) {
            reasons.extend(refused(refusal, &node));
        }
        reasons.extend(scripts.operators_template(&node).map(template));
        let context = RenderContext {
            machine,
            request_id: REQUEST_ID,
        };
        let (script, unusable) = scripts
            .render_or_refuse(&located, context)
            .map_err(|error| Fault::Internal(error.to_string()))?;
        let plan = match unusable {
            None => located.plan().title(),
            Some(FailedTemplate { refusal, .. }) => {
                reasons.extend(refused(&refusal, &node));
                BootPlan::Refuse(refusal).title()
            }
        };
        Ok(BootPreview {
            node_uuid: node.uuid,
            provision_state: node.provision_state.name().to_owned(),
            plan: plan.to_owned(),
            script,
            reasons: reasons
                .into_iter()
                .map(|reason| (reason.topic.to_owned(), reason.text))
                .collect(),
        })
    }

    /// By which addresses the machine would be known as well.
    async fn other_ports(self, node: &Node, matched: Option<&Port>) -> Result<Reason> {
        let filter = PortFilter {
            node_uuid: Some(node.uuid),
            ..PortFilter::default()
        };
        let ports = self.db.port_list(&filter, &Page::default()).await?;
        let others: Vec<String> = ports
            .iter()
            .filter(|port| matched.is_none_or(|matched| matched.uuid != port.uuid))
            .map(|port| {
                let note = if port.pxe_enabled {
                    ""
                } else {
                    " (pxe_enabled=false: it does not boot)"
                };
                format!("{}{note}", port.address)
            })
            .collect();
        let text = match (matched, others.is_empty()) {
            (None, true) => format!(
                "the node has no port, so that no machine is known as it by an address: baremetal \
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

/// Why nothing is booted, and what would change that.
fn refused(refusal: &Refusal, node: &Node) -> [Reason; 2] {
    let reason = |topic, text| Reason { topic, text };
    [
        reason("refused", refusal.to_string()),
        reason("fix", refusal.advice(&node.label())),
    ]
}

/// The template of the script, if it is not the built-in one.
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
    /// What a machine would boot and why, if what `overrides` supposes were so.
    pub(crate) async fn preview(
        &self,
        ident: BootIdent,
        overrides: &Overrides,
    ) -> Result<BootPreview> {
        let inner = self.inner();
        let settings = &inner.settings;
        let previewer = Previewer {
            db: &inner.db,
            context: Context {
                settings: &settings.boot,
                scripts: &settings.templates.current(),
                images: &settings.images,
            },
        };
        previewer.preview(ident, overrides).await
    }
}
