//! What holds whatever happens to a node, in whatever order: results, crashes of the conductor that
//! works, heartbeats, deadlines, verbs, and results that come too late.
//!
//! Random orders, and every order of a few events from every situation that they lead to.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::boot::{BootPlan, BootSettings, LinuxRole, Machine, decide};
use crate::driver::agent;
use crate::id::{NodeUuid, VolumeTargetUuid};
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::provision::*;
use crate::provision_state::{Phase, ProvisionState};

const PROBLEM: &str = "no answer from 192.0.2.1";
const HOSTS: [&str; 2] = ["conductor-1", "conductor-2"];

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Op {
    /// An operator asks one of the conductors.
    Verb(Verb, usize, Extra),
    /// The action under way ends.
    Succeeds,
    /// It fails.
    Fails,
    /// The conductor that works stops, between any two steps.
    Crashes,
    /// Another one notices.
    TakenOver,
    /// A conductor that was given up reports after all.
    Late,
    /// A client sends a heartbeat, with the right token or without.
    Heartbeat(bool, Option<AgentStatus>),
    /// Hours pass, and a conductor looks for overdue waits.
    Overdue,
    /// An operator sets or unsets maintenance.
    Maintenance(bool),
}

/// What comes with a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    Nothing,
    DisableRamdisk,
    UnknownStep,
    BootVolume,
}

const EXTRAS: [Extra; 4] = [
    Extra::Nothing,
    Extra::DisableRamdisk,
    Extra::UnknownStep,
    Extra::BootVolume,
];

fn all_ops() -> Vec<Op> {
    let mut ops = vec![
        Op::Succeeds,
        Op::Fails,
        Op::Crashes,
        Op::TakenOver,
        Op::Late,
        Op::Overdue,
        Op::Maintenance(true),
        Op::Maintenance(false),
    ];
    for &verb in Verb::ALL {
        ops.extend(EXTRAS.map(|extra| Op::Verb(verb, 0, extra)));
        ops.push(Op::Verb(verb, 1, Extra::Nothing));
    }
    for status in [
        None,
        Some(AgentStatus::Start),
        Some(AgentStatus::End),
        Some(AgentStatus::Error),
    ] {
        ops.extend([true, false].map(|valid| Op::Heartbeat(valid, status)));
    }
    ops
}

/// Work that a conductor is about to report on.
#[derive(Debug, Clone, Copy)]
struct Work {
    host: &'static str,
    since: Option<OffsetDateTime>,
    /// What it does; at first it only begins.
    action: Option<Action>,
}

/// A node, and the conductors that work on it.
#[derive(Debug, Clone)]
struct World {
    node: Node,
    at: OffsetDateTime,
    work: Option<Work>,
    /// The conductor that holds the node is gone, which is not noticed yet.
    is_orphan: bool,
    /// Work that was lost, which its task may report after all.
    lost: Vec<Work>,
    timeouts: CallbackTimeouts,
    boot: BootSettings,
}

impl World {
    fn new(interfaces: [&str; 4], has_ramdisk: bool) -> Self {
        let at = OffsetDateTime::UNIX_EPOCH;
        let mut node = Node::enroll(NodeUuid(Uuid::from_u128(7)), "fake-hardware", at);
        for (kind, name) in [
            InterfaceKind::Boot,
            InterfaceKind::Deploy,
            InterfaceKind::Inspect,
            InterfaceKind::Rescue,
        ]
        .into_iter()
        .zip(interfaces)
        {
            node.interfaces.set(kind, name);
        }
        let mut world = Self {
            node,
            at,
            work: None,
            is_orphan: false,
            lost: Vec::new(),
            timeouts: CallbackTimeouts::default(),
            boot: BootSettings::default(),
        };
        world.describe(has_ramdisk);
        world
    }

    /// What an operator writes of the machine; a tear-down takes some of it away.
    fn describe(&mut self, has_ramdisk: bool) {
        let url = |key: &str| json!(format!("http://192.0.2.1/{key}"));
        for key in ["image_source", "kernel", "ramdisk", "stage2"] {
            self.node.instance_info.insert(key.to_owned(), url(key));
        }
        let pairs = [
            "deploy_kernel",
            "deploy_ramdisk",
            "rescue_kernel",
            "rescue_ramdisk",
        ];
        for key in pairs.into_iter().filter(|_| has_ramdisk) {
            self.node.driver_info.insert(key.to_owned(), url(key));
        }
    }

    fn facts(&self, host: &'static str) -> Facts<'_> {
        Facts {
            host,
            automated_clean: true,
            allow_provisioning_in_maintenance: true,
            callback_timeouts: &self.timeouts,
            boot: &self.boot,
            request_id: "req-00000000-0000-4000-8000-000000000001",
            agent_token: "0123456789abcdef0123456789abcdef",
        }
    }

    fn state(&self) -> ProvisionState {
        self.node.provision_state.known().unwrap()
    }

    /// Lets it happen, and checks what came of it.
    fn happen(&mut self, op: Op) {
        self.at += Duration::SECOND;
        let before = self.clone();
        match op {
            Op::Verb(verb, host, extra) => {
                let args = ProvisionArgs {
                    target: verb.name().to_owned(),
                    disable_ramdisk: extra == Extra::DisableRamdisk,
                    clean_steps: unknown_step(extra),
                    service_steps: unknown_step(extra),
                    rescue_password: Some("secret".to_owned()),
                    ..ProvisionArgs::default()
                };
                let volume = VolumeTargetUuid(Uuid::from_u128(8));
                let request = Request {
                    verb,
                    args: &args,
                    boot_volume: Some(volume).filter(|_| extra == Extra::BootVolume),
                };
                self.advance(HOSTS[host], EventKind::Verb(request));
                if self.state() == ProvisionState::Available {
                    self.describe(true);
                }
            }
            Op::Succeeds | Op::Fails => {
                if let Some(work) = self.work {
                    self.report(work, matches!(op, Op::Succeeds));
                }
            }
            Op::Crashes => {
                if let Some(work) = self.work.take() {
                    self.lost.push(work);
                    self.is_orphan = true;
                }
            }
            Op::TakenOver => {
                if self.is_orphan {
                    self.advance(HOSTS[1], EventKind::ConductorGone);
                    self.is_orphan = false;
                }
            }
            Op::Late => {
                if let Some(work) = self.lost.pop() {
                    // It may have hung too shortly to be noticed.
                    let is_its_own = self.is_orphan && self.node.provision_updated_at == work.since;
                    self.is_orphan &= !is_its_own;
                    self.work = self.work.or(Some(work).filter(|_| is_its_own));
                    self.report(work, true);
                    if !is_its_own {
                        assert_eq!(self.node, before.node, "late work was taken in");
                    }
                }
            }
            Op::Heartbeat(valid, agent_status) => {
                let token = agent::token(&self.node).unwrap_or("none").to_owned();
                let heartbeat = Heartbeat {
                    callback_url: String::new(),
                    agent_version: None,
                    agent_token: if valid { token } else { "guessed".to_owned() },
                    agent_status,
                    agent_status_message: Some(PROBLEM.to_owned()),
                };
                self.advance(HOSTS[1], EventKind::Heartbeat(&heartbeat));
                if !valid {
                    assert_eq!(
                        self.node, before.node,
                        "a heartbeat without the token was taken in"
                    );
                }
            }
            Op::Overdue => {
                self.at += Duration::HOUR;
                self.advance(HOSTS[1], EventKind::DeadlinePassed);
            }
            Op::Maintenance(on) => self.node.maintenance = on,
        }
        self.check(&before, op);
    }

    /// The conductor reports on its work.
    fn report(&mut self, work: Work, succeeds: bool) {
        let progress = match work.action {
            None => Progress::Started,
            Some(action) if !succeeds => Progress::Failed(action, PROBLEM.to_owned()),
            Some(Action::CheckImage) => Progress::ImageFound(ImageProperties::default()),
            Some(action) => Progress::Done(action),
        };
        let kind = EventKind::Task {
            since: work.since,
            progress,
        };
        self.advance(work.host, kind);
    }

    fn advance(&mut self, host: &'static str, kind: EventKind<'_>) {
        let is_report = matches!(kind, EventKind::Task { .. });
        let event = Event { at: self.at, kind };
        let Ok(next) = advance(&self.node, &event, &self.facts(host)) else {
            return;
        };
        let starts = self.node.reservation.is_none() && next.node.reservation.is_some();
        if let (Some(action), Some(work)) = (next.action, self.work.filter(|_| is_report)) {
            let same_task = work.since == next.node.provision_updated_at;
            let later = work.action.is_none_or(|last| action.follows(last));
            assert!(!same_task || later, "{action:?} follows {:?}", work.action);
        }
        if starts || is_report {
            self.work = next.node.reservation.as_ref().map(|_| Work {
                host,
                since: next.node.provision_updated_at,
                action: next.action,
            });
            // The conductor that holds the node has something to do, or has just got it.
            assert!(self.work.is_none_or(|work| starts || work.action.is_some()));
        } else {
            assert_eq!(next.action, None, "no conductor does it");
        }
        self.node = next.node;
        if let Some(action) = next.action {
            assert_ne!(self.state(), ProvisionState::Active, "{action:?}");
        }
    }

    fn check(&self, before: &Self, op: Op) {
        let (node, state) = (&self.node, self.state());
        let phase = state.row().phase;
        let was = before.state();

        let plan = decide(Machine::of(node), &self.boot, "req-1");
        let ramdisk =
            matches!(&plan, BootPlan::Linux(linux) if linux.role != LinuxRole::InstanceRamdisk);
        let installed = matches!(op, Op::Heartbeat(true, Some(AgentStatus::End)))
            && (was, state) == (ProvisionState::DeployWait, ProvisionState::Deploying);
        assert!(
            !(ramdisk && (installed || state == ProvisionState::Active)),
            "{op:?}: {plan:?}"
        );
        if was == ProvisionState::Active && state != was {
            assert!(matches!(op, Op::Verb(..)), "{op:?} left active for {state}");
        }

        let worked_on = self.work.is_some() || self.is_orphan;
        assert_eq!(
            node.reservation.is_some(),
            worked_on,
            "{op:?}: {was} -> {state}"
        );

        let verb_accepted = || {
            let mut verbs = Verb::ALL.iter().copied();
            verbs.any(|verb| state.on(verb.row().event).is_some())
        };
        match phase {
            Phase::Working(_) => assert!(node.reservation.is_some(), "nothing ends {state}"),
            Phase::Waiting(_) => {
                let mut later = self.clone();
                later.node.maintenance = false;
                let event = Event {
                    at: self.at + Duration::hours(9),
                    kind: EventKind::DeadlinePassed,
                };
                let ended = advance(&later.node, &event, &later.facts(HOSTS[0])).unwrap();
                assert_ne!(ended.node.provision_state, state.into(), "no deadline");
            }
            Phase::Idle | Phase::Held(_) | Phase::Failed(_) => {
                assert!(verb_accepted(), "no verb leaves {state}");
            }
        }

        let failed = matches!(phase, Phase::Failed(_))
            || (was, state) == (ProvisionState::Verifying, ProvisionState::Enroll);
        if failed && state != was {
            let error = node.last_error.as_deref().unwrap_or_default();
            let begins = before.work.is_some_and(|work| work.action.is_none());
            let words: &[&str] = match op {
                Op::Verb(..) => &["by request", "By request"],
                Op::Fails if !begins => &[PROBLEM],
                // The work cannot succeed.
                Op::Succeeds | Op::Fails | Op::Late => &["annot ", "unknown deploy interface"],
                Op::TakenOver => &["stopped while the node was in state"],
                Op::Overdue => &["Timeout reached"],
                Op::Heartbeat(..) => &[PROBLEM],
                Op::Crashes | Op::Maintenance(_) => &[],
            };
            let says = words.iter().any(|words| error.contains(words));
            assert!(says, "{op:?}: {was} -> {state}: {error:?}");
        }
        if state == ProvisionState::Active && was != state && !matches!(op, Op::Verb(..)) {
            assert_eq!(node.last_error, None, "{op:?}: {was} -> {state}");
        }
    }
}

fn unknown_step(extra: Extra) -> Vec<serde_json::Value> {
    let step = json!({"interface": "raid", "step": "no_such_step"});
    if extra == Extra::UnknownStep {
        vec![step]
    } else {
        Vec::new()
    }
}

/// Nodes of every composition that makes a difference.
fn worlds() -> Vec<World> {
    [
        (["ipxe", "direct", "agent", "agent"], true),
        (["ipxe", "direct", "agent", "agent"], false),
        (["fake", "direct", "fake", "fake"], true),
        (["http-ipxe", "anaconda", "agent", "no-rescue"], true),
        (["ipxe", "ramdisk", "no-inspect", "agent"], true),
        (["ipxe", "fake", "fake", "fake"], true),
        (["ipxe", "of-a-newer-release", "agent", "agent"], true),
    ]
    .map(|(interfaces, has_ramdisk)| World::new(interfaces, has_ramdisk))
    .to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_after_any_sequence_of_events(
        world in prop::sample::select(worlds()),
        ops in prop::collection::vec(prop::sample::select(all_ops()), 1..80),
    ) {
        let mut world = world;
        for op in ops {
            world.happen(op);
        }
        // Then all that is under way comes to its end.
        world.happen(Op::TakenOver);
        for _ in 0..12 {
            world.happen(Op::Succeeds);
        }
        prop_assert_eq!(world.node.reservation, None);
    }
}

/// Every event in every situation that any events lead to.
#[test]
fn invariants_hold_after_every_event_in_every_reachable_situation() {
    let ops = all_ops();
    let mut reached = BTreeMap::new();
    for world in worlds() {
        let mut seen = std::collections::BTreeSet::new();
        let mut open = vec![world];
        while let Some(world) = open.pop() {
            for op in &ops {
                let mut next = world.clone();
                next.happen(*op);
                let node = &next.node;
                *reached.entry(next.state()).or_insert(0_u32) += 1;
                let situation = (
                    next.state(),
                    node.target_provision_state.clone(),
                    next.work.map(|work| format!("{:?}", work.action)),
                    (next.is_orphan, next.lost.is_empty(), node.maintenance),
                    agent::token(node).is_some(),
                );
                next.lost.truncate(1);
                if seen.insert(situation) {
                    open.push(next);
                }
            }
        }
    }
    // Steps that hold are not carried out yet.
    let never = ["clean hold", "deploy hold", "service hold"];
    for state in ProvisionState::all() {
        let expected = !never.contains(&state.name());
        assert_eq!(reached.contains_key(&state), expected, "{state}");
    }
}
