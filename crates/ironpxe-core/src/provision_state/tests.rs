//! The machine is the one real Ironic reported (`tests/oracle/provision-fsm.json`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

fn oracle() -> Value {
    serde_json::from_str(include_str!("../../tests/oracle/provision-fsm.json")).unwrap()
}

#[test]
fn rows_are_in_the_order_of_the_enum() {
    for (index, row) in MACHINE.iter().enumerate() {
        assert_eq!(row.state as usize, index, "{}", row.name);
    }
}

#[test]
fn states_events_and_targets_match_ironic() {
    let oracle = oracle();
    let states = oracle["states"].as_object().unwrap();
    let theirs: BTreeSet<&str> = states.keys().map(String::as_str).collect();
    let ours: BTreeSet<&str> = MACHINE.iter().map(|row| row.name).collect();
    assert_eq!(ours, theirs);
    for row in &MACHINE {
        let theirs = &states[row.name];
        assert_eq!(
            theirs["stable"],
            row.state.target().is_none(),
            "{}: stable",
            row.name
        );
        assert_eq!(
            theirs["target"].as_str(),
            row.state.target().map(ProvisionState::name),
            "{}: target",
            row.name
        );
        let events: BTreeMap<&str, &str> = row
            .events
            .iter()
            .map(|(event, next)| (event.name(), next.name()))
            .collect();
        let theirs: BTreeMap<&str, &str> = theirs["events"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(event, next)| (event.as_str(), next.as_str().unwrap()))
            .collect();
        assert_eq!(events, theirs, "{}: events", row.name);
    }
}

#[test]
fn unknown_state_name_is_kept_unchanged() {
    let stored = StoredState::from_name("levitating");
    assert_eq!(stored.known(), None);
    assert_eq!(stored.name(), "levitating");
    assert_eq!(
        StoredState::from_name("wait call-back"),
        ProvisionState::DeployWait.into()
    );
}

#[test]
fn every_working_state_has_a_fail_transition() {
    for state in ProvisionState::all().filter(|state| state.fails_when_abandoned()) {
        assert!(state.on(FsmEvent::Fail).is_some(), "{state}");
    }
}

/// Source: Ironic's `common/states.py`, `conductor/manager.py` and `api/controllers/v1/node.py`.
#[test]
fn changes_are_allowed_in_ironics_states() {
    for (change, names) in [
        (
            Change::Delete,
            "adopt failed, available, enroll, manageable",
        ),
        (
            Change::Update,
            "adopt failed, clean failed, deploy failed, error, inspect failed, inspect wait, \
             inspecting, rescue failed, service failed, service hold, unrescue failed, verifying",
        ),
        (
            Change::SetInterfaces,
            "available, enroll, inspect wait, inspecting, manageable",
        ),
        (
            Change::Reconnect,
            "enroll, inspect wait, inspecting, manageable",
        ),
        (
            Change::SetResourceClass,
            "available, enroll, inspect wait, inspecting, manageable",
        ),
        (Change::Protect, "active, rescue"),
        (Change::RemoveVolumes, "adopt failed, enroll, manageable"),
    ] {
        let allowed = ProvisionState::all().filter(|state| state.allows(change));
        let allowed: Vec<&str> = allowed.map(ProvisionState::name).collect();
        assert_eq!(allowed.join(", "), names, "{change:?}");
    }
    let unknown = StoredState::Unknown("levitating".to_owned());
    assert!(!unknown.allows(Change::Delete));
}
