//! Verbs are Ironic's, and the operators' page says what they do.

mod properties;

use std::fmt::Write;

use serde_json::Value;

use super::*;
use crate::provision_state::{Phase, ProvisionState};

#[test]
fn verbs_raise_the_same_events_as_in_ironic() {
    let oracle: Value =
        serde_json::from_str(include_str!("../../tests/oracle/provision-fsm.json")).unwrap();
    let theirs = oracle["verbs"].as_object().unwrap();
    for (word, event) in theirs {
        let (verb, _) = Verb::from_word(word).unwrap_or_else(|| panic!("verb {word} is missing"));
        assert_eq!(verb.row().event.name(), event.as_str().unwrap(), "{word}");
    }
    // `rebuild` is a target word of its own in the API, not an alias in that table.
    let words = Verb::ALL.iter().copied().map(|verb| verb.row().words.len());
    assert_eq!(words.sum::<usize>(), theirs.len() + 1);
}

/// Where a verb leads a conductor to work on the node, its row says what the conductor does.
#[test]
fn task_of_a_verb_matches_the_state_it_leads_to() {
    for &verb in Verb::ALL {
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

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/what-boots-when.md");
const START: &str = "<!-- generated: verbs -->\n";
const END: &str = "<!-- end -->";

/// Set `UPDATE_DOCS=1` to write the page again.
#[test]
fn docs_list_every_verb() {
    let listed = |names: Vec<String>, between: &str| {
        if names.is_empty() {
            "-".to_owned()
        } else {
            names.join(between)
        }
    };
    let since = |name: &str, minor: u16| match minor {
        1 => format!("`{name}`"),
        minor => format!("`{name}` (1.{minor})"),
    };
    let mut table = String::from(
        "| verb | accepted in | arguments | refused if the node |\n|---|---|---|---|\n",
    );
    for &verb in Verb::ALL {
        let row = verb.row();
        let words = row.words.iter().map(|(word, minor)| since(word, *minor));
        let states = ProvisionState::all().filter(|state| state.on(row.event).is_some());
        let states = states.map(|state| {
            let later = row.since_in.iter().find(|(later, _)| *later == state);
            later.map_or(state.to_string(), |(_, minor)| {
                format!("{state} (1.{minor})")
            })
        });
        let takes = row.takes.iter().map(|(argument, minor)| {
            let needed = if argument.is_required() {
                ", required"
            } else {
                ""
            };
            since(argument.name(), *minor) + needed
        });
        let refused = row.refused_by.iter().map(|refused_by| match refused_by {
            RefusedBy::Protected => "is `protected`".to_owned(),
            RefusedBy::Retired(_) => "is `retired`".to_owned(),
            RefusedBy::Maintenance(_) => "is in `maintenance`".to_owned(),
            RefusedBy::MaintenanceUnlessAllowed(_) => {
                "is in `maintenance`, unless `[conductor]allow_provisioning_in_maintenance`"
                    .to_owned()
            }
            RefusedBy::NoInterface(kind) => format!("has the {0} interface `no-{0}`", kind.name()),
        });
        writeln!(
            table,
            "| {} | {} | {} | {} |",
            listed(words.collect(), ", "),
            listed(states.collect(), ", "),
            listed(takes.collect(), "; "),
            listed(refused.collect(), "; ")
        )
        .unwrap();
    }
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(START).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{START}{table}{END}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &expected).unwrap();
        return;
    }
    assert_eq!(
        page, expected,
        "run: UPDATE_DOCS=1 cargo test -p ironpxe-core --lib page_lists_every_verb"
    );
}
