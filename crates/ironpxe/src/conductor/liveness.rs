//! Being known to be alive, and ending the work of those who are not.
//!
//! A conductor writes a heartbeat; the others take one for dead that wrote none for
//! `[conductor]heartbeat_timeout`, and give back the nodes it holds: work that was lost with it
//! fails, and a node that waits for its ramdisk goes on waiting. Which of them does it, and that
//! the dead one really is dead, is decided by the statement that does it (`db/orphans.rs`).
//!
//! The end in good order has three steps: [`leave`](LocalConductor::leave), so that nobody sends
//! more; finishing what is under way; [`hand_over`](LocalConductor::hand_over) what was not.
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

/// How often a node is looked at again that somebody changed while it was given back.
const ROUNDS: u32 = 5;
/// How long the heartbeat may take to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// This run of the conductor.
#[derive(Debug)]
pub(super) struct Life {
    run_id: String,
    /// Whether it was ever registered.
    entered: AtomicBool,
    /// Cancelled when no more work is wanted.
    leaving: CancellationToken,
    /// Held while a heartbeat is written, so that they are in order.
    beating: tokio::sync::Mutex<()>,
    /// The heartbeat outlives the other tasks: while they finish, nobody shall take their work.
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
    /// Registers, ends what an earlier run left behind, and starts what goes on for the whole
    /// life.
    pub(super) async fn begin(&self) -> Result<()> {
        self.db.set_own_run(&self.life.run_id);
        match self.enter().await {
            Err(fault @ Fault::Unavailable { .. }) => error!(
                "the conductor is not registered, and tries again with each heartbeat; machines boot \
                 all the same: {fault}"
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
            async move { conductor.end_overdue_waits().await }
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

    /// Registers, and ends what an earlier run under this name left behind.
    async fn enter(&self) -> Result<()> {
        self.register().await?;
        self.end_abandoned_work(self.this_run()).await?;
        self.life.entered.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Which run of the conductor this is.
    pub fn run_id(&self) -> &str {
        &self.life.run_id
    }

    /// Says that this conductor takes no more work, and goes on saying that it is there.
    pub async fn leave(&self) {
        self.life.leaving.cancel();
        self.beat().await;
    }

    /// Ends what this conductor could not finish, so that nobody has to wait until it counts as
    /// dead. The last thing it does.
    pub async fn hand_over(&self) {
        if let Err(fault) = self.end_abandoned_work(self.this_run()).await {
            error!("unfinished work is not handed over: {fault}");
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

    /// Does something now and then, until the end.
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
                error!(conductor.host = host, "not registered: {fault}");
            }
            return;
        }
        let beaten = async {
            if self.db.conductor_touch(host, run_id, online).await? {
                return Ok(());
            }
            match self.db.conductor_get(host).await? {
                // Somebody cleaned up.
                None if online => self.register().await?,
                None => {}
                Some(other) if online && self.take_name(&other.run_id).await? => warn!(
                    conductor.host = host,
                    "the other process that had registered under this name is gone: this one has \
                     its name again"
                ),
                Some(_) => error!(
                    conductor.host = host,
                    "another process has registered under this name, and has this one's work: \
                     stop it, or give each its own [DEFAULT]host"
                ),
            }
            Ok::<(), DbError>(())
        };
        if let Err(problem) = beaten.await {
            error!(conductor.host = host, "heartbeat not written: {problem}");
        }
    }

    /// Ends the work of conductors that are dead.
    async fn take_over(&self) {
        // Who was asleep for long enough would find itself among them.
        self.beat().await;
        let dead = Holder::SilentSince(self.db.silent_since());
        if let Err(fault) = self.end_abandoned_work(dead).await {
            error!("cannot look for abandoned work: {fault}");
        }
    }

    /// Gives back every node of `holder`.
    async fn end_abandoned_work(&self, holder: Holder<'_>) -> Result<()> {
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
                        "released from a conductor that left it in state \"{}\"",
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
