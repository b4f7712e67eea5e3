//! The conductor's registration and heartbeat, and taking over from dead conductors.
//!
//! Each conductor writes heartbeats; one without a heartbeat for `[conductor]heartbeat_timeout`
//! counts as dead, and the others release its nodes: tasks that it was executing fail, nodes that
//! wait for their ramdisk keep waiting. The guarded statement ensures that exactly one of them does
//! it, and that the conductor really is dead (`db/orphans.rs`).
//!
//! A graceful shutdown has three steps: [`leave`](LocalConductor::leave), so that no new work
//! arrives; finishing the tasks in progress; [`hand_over`](LocalConductor::hand_over) for the rest.
//!
//! Source: Ironic's `conductor/base_manager.py` (`_register_and_validate_hardware_interfaces`,
//! `_conductor_service_record_keepalive`) and `manager.py` (`_check_orphan_nodes`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ironpxe_core::conductor::Hardware;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::provision::{self, Event, What};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::LocalConductor;
use crate::db::{DbError, Holder, Registration};
use crate::lifecycle::Tasks;
use crate::{clock, ident};

/// How often to retry releasing a node that was changed concurrently.
const ROUNDS: u32 = 5;
/// The timeout for stopping the heartbeat.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The state of this run of the conductor.
#[derive(Debug)]
pub(super) struct Life {
    run_id: String,
    /// Whether it has registered.
    entered: AtomicBool,
    /// Cancelled at shutdown.
    leaving: CancellationToken,
    /// Held while a heartbeat is written, to keep them in order.
    beating: tokio::sync::Mutex<()>,
    /// Separate from the other tasks: while they finish, the heartbeat must go on.
    tasks: Tasks,
}

impl Life {
    pub(super) fn new() -> Self {
        Self {
            run_id: ident::uuid().to_string(),
            entered: AtomicBool::new(false),
            leaving: CancellationToken::new(),
            beating: tokio::sync::Mutex::default(),
            tasks: Tasks::new(),
        }
    }
}

impl LocalConductor {
    /// Registers, releases the nodes of an earlier run, and starts the periodic tasks.
    pub(super) async fn begin(&self) -> Result<()> {
        self.db.set_own_run(&self.life.run_id);
        match self.enter().await {
            Err(fault @ Fault::Unavailable { .. }) => error!(
                "cannot register the conductor; retrying with each heartbeat; machines still \
                 boot: {fault}"
            ),
            done => done?,
        }
        let conductor = self.clone();
        let interval = self.settings.heartbeat_interval;
        self.every("conductor heartbeat", interval, move || {
            let conductor = conductor.clone();
            async move { conductor.beat().await }
        });
        let conductor = self.clone();
        let interval = self.settings.take_over_interval;
        self.every("take-over", interval, move || {
            let conductor = conductor.clone();
            async move { conductor.take_over().await }
        });
        let conductor = self.clone();
        self.every("callback timeouts", interval, move || {
            let conductor = conductor.clone();
            async move { conductor.fail_timed_out_nodes().await }
        });
        let interval = self.settings.history.cleanup_interval;
        if !interval.is_zero() {
            let conductor = self.clone();
            self.every("node history cleanup", interval, move || {
                let conductor = conductor.clone();
                async move { conductor.purge_history().await }
            });
        }
        Ok(())
    }

    /// Registers, and releases the nodes of an earlier run of the same name.
    async fn enter(&self) -> Result<()> {
        self.register().await?;
        self.release_nodes_of(self.this_run()).await?;
        self.life.entered.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Identifies this run of the conductor.
    pub(crate) fn run_id(&self) -> &str {
        &self.life.run_id
    }

    /// Announces that this conductor takes no new work; heartbeats go on.
    pub(crate) async fn leave(&self) {
        self.life.leaving.cancel();
        self.beat().await;
    }

    /// Releases the nodes whose task did not finish, so that they need not wait for a timeout. The
    /// last step of the shutdown.
    pub(crate) async fn hand_over(&self) {
        if let Err(fault) = self.release_nodes_of(self.this_run()).await {
            error!("cannot release the nodes of unfinished tasks: {fault}");
        }
        self.life.tasks.stop(SHUTDOWN_TIMEOUT).await;
    }

    fn this_run(&self) -> Holder<'_> {
        Holder::Run {
            hostname: &self.settings.host,
            run_id: &self.life.run_id,
        }
    }

    async fn register(&self) -> Result<(), DbError> {
        let (drivers, interfaces) = (self.drivers.names(), self.drivers.offers());
        let registration = self.registration(&drivers, &interfaces);
        self.db.conductor_register(&registration).await
    }

    /// Takes the name back from the run `gone`, if that has ended.
    async fn take_name(&self, gone: &str) -> Result<bool, DbError> {
        let (drivers, interfaces) = (self.drivers.names(), self.drivers.offers());
        let registration = self.registration(&drivers, &interfaces);
        let silent_since = self.db.silent_since();
        self.db
            .conductor_take_name(&registration, gone, silent_since)
            .await
    }

    fn registration<'a>(
        &'a self,
        drivers: &'a [String],
        interfaces: &'a [Hardware],
    ) -> Registration<'a> {
        Registration {
            hostname: &self.settings.host,
            run_id: &self.life.run_id,
            group: &self.settings.conductor_group,
            drivers,
            interfaces,
            endpoint: &self.settings.endpoint,
        }
    }

    /// Starts a periodic task that runs until shutdown.
    fn every<F>(
        &self,
        name: &'static str,
        interval: Duration,
        mut act: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send,
    {
        let stop = self.life.tasks.stopping();
        self.life.tasks.spawn(name, async move {
            let mut ticks = tokio::time::interval(interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    _ = ticks.tick() => act().await,
                }
            }
        });
    }

    /// Writes a heartbeat.
    pub(super) async fn beat(&self) {
        let host = &self.settings.host;
        let run_id = &self.life.run_id;
        let _beating = self.life.beating.lock().await;
        let online = !self.life.leaving.is_cancelled();
        if online && !self.life.entered.load(Ordering::Relaxed) {
            if let Err(fault) = self.enter().await {
                error!(
                    conductor.host = host,
                    "cannot register the conductor: {fault}"
                );
            }
            return;
        }
        let beaten = async {
            if self.db.conductor_touch(host, run_id, online).await? {
                return Ok(());
            }
            match self.db.conductor_get(host).await? {
                // The row was deleted.
                None if online => self.register().await?,
                None => {}
                Some(other) if online && self.take_name(&other.run_id).await? => warn!(
                    conductor.host = host,
                    "the other process that was registered under this name is gone; this one has \
                     registered again"
                ),
                Some(_) => error!(
                    conductor.host = host,
                    "another process has registered under this name and taken over: \
                     stop it, or set a different [DEFAULT]host"
                ),
            }
            Ok::<(), DbError>(())
        };
        if let Err(problem) = beaten.await {
            error!(
                conductor.host = host,
                "cannot write the heartbeat: {problem}"
            );
        }
    }

    /// Releases the nodes of dead conductors.
    async fn take_over(&self) {
        // After a long suspension this conductor itself would count as dead.
        self.beat().await;
        let dead = Holder::SilentSince(self.db.silent_since());
        if let Err(fault) = self.release_nodes_of(dead).await {
            error!("cannot check for nodes of dead conductors: {fault}");
        }
    }

    /// Releases every node of `holder`.
    async fn release_nodes_of(&self, holder: Holder<'_>) -> Result<()> {
        for _ in 0..ROUNDS {
            let mut all_taken = true;
            for before in self.db.node_list_held_by(holder).await? {
                let event = Event {
                    at: clock::now(),
                    what: What::ConductorGone,
                };
                let after = provision::advance(&before, &event, &self.facts("", ""))?.node;
                let event = self.event_of(&before, &after);
                let state = after.provision_state.clone();
                let taken = self
                    .db
                    .node_reclaim(&before, after, holder, event.as_ref())
                    .await?;
                all_taken &= taken;
                if taken {
                    warn!(
                        node.uuid = %before.uuid,
                        node.state = %state,
                        conductor.host = before.reservation,
                        "released from a dead conductor in state \"{}\"",
                        before.provision_state
                    );
                }
            }
            if all_taken {
                break;
            }
        }
        Ok(())
    }
}
