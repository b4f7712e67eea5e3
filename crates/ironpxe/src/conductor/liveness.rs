//! Being known to be alive, and cleaning up after having been dead.

use ironpxe_core::error::{Fault, Result};
use ironpxe_core::node::Node;
use ironpxe_core::provision_state::{Event, ProvisionState};
use tracing::{error, warn};

use super::LocalConductor;
use super::provision::transition;
use crate::clock;
use crate::db::{NodeFilter, Page};

impl LocalConductor {
    pub(super) async fn register(&self) -> Result<()> {
        let Self {
            db,
            settings,
            drivers,
            ..
        } = self;
        Ok(db
            .conductor_register(&settings.host, &settings.conductor_group, &drivers.names())
            .await?)
    }

    /// Releases every node this conductor holds from an earlier run, and fails the work that died
    /// with it. A node that waits for its ramdisk goes on waiting.
    pub(super) async fn end_abandoned_work(&self) -> Result<()> {
        let host = &self.settings.host;
        let filter = NodeFilter {
            reserved_by: Some(host.clone()),
            ..NodeFilter::default()
        };
        for abandoned in self.db.node_list(&filter, &Page::default()).await? {
            let changed = self
                .db
                .node_change(abandoned.uuid, |node| end_work(node, host))
                .await;
            match changed {
                Ok(_) | Err(Fault::NodeNotFound(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}

fn end_work(node: &mut Node, host: &str) -> Result<()> {
    if node.reservation.as_deref() != Some(host) {
        return Ok(());
    }
    let before = node.provision_state.clone();
    if before
        .known()
        .is_some_and(ProvisionState::fails_when_abandoned)
    {
        transition(node, Event::Fail, clock::now())?;
        node.last_error = Some(format!(
            "The conductor {host} stopped while the node was in state \"{before}\"; the work was \
             not finished."
        ));
    }
    node.reservation = None;
    node.target_power_state = None;
    warn!(
        node.uuid = %node.uuid,
        node.state = %node.provision_state,
        "released from an earlier run, which left it in state \"{before}\""
    );
    Ok(())
}

/// Tells the database again and again that this conductor lives, until shutdown; then that it is
/// gone.
pub(super) fn start_heartbeat(conductor: LocalConductor) {
    let tasks = conductor.tasks.clone();
    let stop = tasks.stopping();
    tasks.spawn("conductor heartbeat", async move {
        let host = &conductor.settings.host;
        let mut ticks = tokio::time::interval(conductor.settings.heartbeat_interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            if let Err(problem) = conductor.db.conductor_touch(host).await {
                error!(conductor.host = host, "heartbeat not written: {problem}");
            }
        }
        if let Err(problem) = conductor.db.conductor_unregister(host).await {
            error!(conductor.host = host, "not unregistered: {problem}");
        }
    });
}
