//! The conductor's registration and heartbeat, and taking over from dead conductors.
//!
//! Each conductor writes heartbeats; one without a heartbeat for `[conductor]heartbeat_timeout`
//! counts as dead, and the others release its nodes: tasks that it was executing fail, nodes that
//! wait for their ramdisk keep waiting. The guarded statement ensures that exactly one of them does
//! it, and that the conductor really is dead (`db/orphans.rs`).
//!
//! A graceful shutdown has three steps: [`drain`](LocalConductor::drain), so that no new work
//! arrives; finishing the tasks in progress; [`release_own_nodes`](LocalConductor::release_own_nodes) for the rest.
//!
//! Source: Ironic's `conductor/base_manager.py` (`_register_and_validate_hardware_interfaces`,
//! `_conductor_service_record_keepalive`) and `manager.py` (`_check_orphan_nodes`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ironpxe_core::conductor::Hardware;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::provision::{self, Event, EventKind};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{LocalConductor, renewal_record};
use crate::db::{DbError, Registration, ReservedBy};
use crate::lifecycle::Tasks;
use crate::{clock, ident};

/// How often to retry releasing a node that was changed concurrently.
const ATTEMPTS: u32 = 5;
/// The timeout for stopping the heartbeat.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The state of this run of the conductor.
#[derive(Debug)]
pub(super) struct Liveness {
    run_id: String,
    /// Whether it has registered.
    registered: AtomicBool,
    /// Cancelled at shutdown.
    draining: CancellationToken,
    /// Held while a heartbeat is written, to keep them in order.
    heartbeat_lock: tokio::sync::Mutex<()>,
    /// Separate from the other tasks: while they finish, the heartbeat must go on.
    tasks: Tasks,
}

impl Liveness {
    pub(super) fn new() -> Self {
        Self {
            run_id: ident::uuid().to_string(),
            registered: AtomicBool::new(false),
            draining: CancellationToken::new(),
            heartbeat_lock: tokio::sync::Mutex::default(),
            tasks: Tasks::new(),
        }
    }
}

impl LocalConductor {
    /// Registers, releases the nodes of an earlier run, and starts the periodic tasks.
    pub(super) async fn start_periodic_tasks(&self) -> Result<()> {
        self.db.set_own_run(&self.liveness.run_id);
        match self.register_and_release().await {
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
            async move { conductor.write_heartbeat().await }
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
        if let Some(tokens) = &self.settings.boot_tokens
            && self.settings.dhcp.is_configured()
        {
            let (conductor, tokens) = (self.clone(), tokens.clone());
            let interval = renewal_record::interval(&tokens);
            self.every("DHCP renewal", interval, move || {
                let (conductor, tokens) = (conductor.clone(), tokens.clone());
                async move { conductor.renew_dhcp_options(&tokens).await }
            });
        }
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
    async fn register_and_release(&self) -> Result<()> {
        self.register().await?;
        self.release_nodes_of(self.this_run()).await?;
        self.liveness.registered.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Identifies this run of the conductor.
    pub(crate) fn run_id(&self) -> &str {
        &self.liveness.run_id
    }

    /// Announces that this conductor takes no new work; heartbeats go on.
    pub(crate) async fn drain(&self) {
        self.liveness.draining.cancel();
        self.write_heartbeat().await;
    }

    /// Releases the nodes whose task did not finish, so that they need not wait for a timeout. The
    /// last step of the shutdown.
    pub(crate) async fn release_own_nodes(&self) {
        if let Err(fault) = self.release_nodes_of(self.this_run()).await {
            error!("cannot release the nodes of unfinished tasks: {fault}");
        }
        self.liveness.tasks.stop(SHUTDOWN_TIMEOUT).await;
    }

    fn this_run(&self) -> ReservedBy<'_> {
        ReservedBy::Run {
            hostname: &self.settings.host,
            run_id: &self.liveness.run_id,
        }
    }

    async fn register(&self) -> Result<(), DbError> {
        let (drivers, interfaces) = (self.drivers.names(), self.drivers.offers());
        let registration = self.registration(&drivers, &interfaces);
        self.db.conductor_register(&registration).await
    }

    /// Takes the name back from the run `gone`, if that has ended.
    async fn claim_hostname(&self, gone: &str) -> Result<bool, DbError> {
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
            run_id: &self.liveness.run_id,
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
        let stop = self.liveness.tasks.stopping();
        self.liveness.tasks.spawn(name, async move {
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
    pub(super) async fn write_heartbeat(&self) {
        let host = &self.settings.host;
        let run_id = &self.liveness.run_id;
        let _beating = self.liveness.heartbeat_lock.lock().await;
        let online = !self.liveness.draining.is_cancelled();
        if online && !self.liveness.registered.load(Ordering::Relaxed) {
            if let Err(fault) = self.register_and_release().await {
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
                Some(other) if online && self.claim_hostname(&other.run_id).await? => warn!(
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
        self.write_heartbeat().await;
        let dead = ReservedBy::SilentSince(self.db.silent_since());
        if let Err(fault) = self.release_nodes_of(dead).await {
            error!("cannot check for nodes of dead conductors: {fault}");
        }
    }

    /// Releases the nodes that `reserved_by` matches.
    async fn release_nodes_of(&self, reserved_by: ReservedBy<'_>) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let mut all_taken = true;
            for before in self.db.node_list_reserved_by(reserved_by).await? {
                let event = Event {
                    at: clock::now(),
                    kind: EventKind::ConductorGone,
                };
                let after = provision::advance(&before, &event, &self.facts("", ""))?.node;
                let event = self.event_of(&before, &after);
                let state = after.provision_state.clone();
                let taken = self
                    .db
                    .node_reclaim(&before, after, reserved_by, event.as_ref())
                    .await?;
                all_taken &= taken;
                if taken {
                    warn!(
                        node.uuid = %before.uuid,
                        node.state = %state,
                        conductor.host = before.reservation,
                        "node released from a dead conductor in state \"{}\"",
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
