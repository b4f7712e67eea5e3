//! Verbs are Ironic's.

mod properties;

use serde_json::Value;

use super::*;
use crate::provision_state::{Phase, ProvisionState};

#[test]
fn verbs_raise_ironics_events() {
    let oracle: Value =
        serde_json::from_str(include_str!("../../tests/oracle/provision-fsm.json")).unwrap();
    let theirs = oracle["verbs"].as_object().unwrap();
    for (word, event) in theirs {
        let (verb, _) = Verb::from_word(word).unwrap_or_else(|| panic!("verb {word} is missing"));
        assert_eq!(verb.row().event.name(), event.as_str().unwrap(), "{word}");
    }
    // `rebuild` is a target word of its own in the API, not an alias in that table.
    let words = Verb::ALL.into_iter().map(|verb| verb.row().words.len());
    assert_eq!(words.sum::<usize>(), theirs.len() + 1);
}

/// Where a verb leads a conductor to work on the node, its row says what the conductor does.
#[test]
fn a_verbs_task_is_that_of_the_state_it_leads_to() {
    for verb in Verb::ALL {
        let row = verb.row();
        let led_to: Vec<ProvisionState> = ProvisionState::all()
            .filter_map(|state| state.on(row.event))
            .collect();
        assert!(!led_to.is_empty(), "{verb:?} is accepted nowhere");
        for state in &led_to {
            if let Phase::Working(task) = state.row().phase {
                assert_eq!(row.task, Some(task), "{verb:?} leads to {state}");
            }
        }
        let works = led_to.iter().any(|state| state.fails_when_abandoned());
        assert_eq!(row.task.is_some(), works, "{verb:?}");
    }
}
