//! What a machine would boot, for an operator who asks before there is power.
//!
//! The same decision and the same templates as a boot request's (`boot.rs`), and none of its
//! traces: nothing is written to the database, and no boot to the log.

use std::path::PathBuf;

use ironpxe_core::boot::{
    BootSettings, Machine, Occasion, Reason, Scripts, TemplateError, boots_from_volume, explain,
};
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::provision_state::ProvisionState;

use super::LocalConductor;
use crate::db::{self, Db, DbError, Location};
use crate::rpc::{BootIdent, BootPreview};

/// The request id in every previewed script: nobody's, and as long as a real one, because a kernel
/// command line that is one byte too long is refused.
const REQUEST_ID: &str = "req-00000000-0000-0000-0000-000000000000";

/// Why there is no preview beside the running service.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The service has never run on this file.
    #[error("there is no database at {}", .0.display())]
    NoDatabase(PathBuf),
    /// The database does not open.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A script template is broken.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Nobody is known by this name or address.
    #[error("no node has the UUID or name {0:?}, and no port that address")]
    Stranger(String),
    /// The machine cannot be previewed.
    #[error("{0}")]
    Fault(Fault),
}

/// What the machine boots that `machine` names (a node's UUID or name, or a port's address), by
/// the database alone: whether the service runs does not matter, and it does not notice.
pub async fn offline(
    database: &db::Settings,
    settings: &BootSettings,
    machine: &str,
    state: Option<ProvisionState>,
) -> Result<BootPreview, OfflineError> {
    let scripts = Scripts::new(settings.downloads)?;
    // Opening would create it.
    if let Location::Sqlite(path) = &database.location
        && !path.is_file()
    {
        return Err(OfflineError::NoDatabase(path.clone()));
    }
    let db = Db::open(database).await?;
    let previewer = Previewer {
        db: &db,
        scripts: &scripts,
        settings,
    };
    let previewed = async {
        let ident = find(&db, machine)
            .await?
            .ok_or_else(|| OfflineError::Stranger(machine.to_owned()))?;
        let preview = previewer.preview(ident, state).await;
        preview.map_err(OfflineError::Fault)
    };
    let done = previewed.await;
    db.close().await;
    done
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
    scripts: &'a Scripts,
    settings: &'a BootSettings,
}

impl Previewer<'_> {
    /// What the machine boots in the state its node is in, or as if it were in `state`.
    async fn preview(self, ident: BootIdent, state: Option<ProvisionState>) -> Result<BootPreview> {
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
        let mut reasons = Vec::new();
        if let Some(state) = state {
            reasons.push(Reason {
                topic: "state",
                text: format!(
                    "the node is in \"{}\"; this is as if it were in \"{state}\"",
                    node.provision_state
                ),
            });
            node.provision_state = state.into();
        }
        let machine = Machine {
            node: &node,
            port: port.as_ref(),
            volumes: volumes.as_ref(),
        };
        let explanation = explain(machine, self.settings, REQUEST_ID);
        reasons.extend(explanation.reasons);
        let occasion = Occasion {
            machine,
            request_id: REQUEST_ID,
        };
        let script = self
            .scripts
            .render(&explanation.plan, occasion)
            .map_err(|error| Fault::Internal(error.to_string()))?;
        Ok(BootPreview {
            node_uuid: node.uuid,
            provision_state: node.provision_state.name().to_owned(),
            plan: explanation.plan.title().to_owned(),
            script,
            reasons: reasons
                .into_iter()
                .map(|reason| (reason.topic.to_owned(), reason.text))
                .collect(),
        })
    }
}

impl LocalConductor {
    /// What a machine would boot.
    pub(super) async fn preview(
        &self,
        ident: BootIdent,
        state: Option<ProvisionState>,
    ) -> Result<BootPreview> {
        let previewer = Previewer {
            db: &self.db,
            scripts: &self.scripts,
            settings: &self.settings.boot,
        };
        previewer.preview(ident, state).await
    }
}
