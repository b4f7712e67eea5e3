//! `docs/templates.md` says what the code does.

use std::collections::BTreeMap;

use minijinja::value::{Value, ValueKind};

use super::super::super::variables::{self, VariableSet};
use super::*;

const PAGE: &str = include_str!("../../../../../../docs/templates.md");

/// The names in a value, as a template would write them, without what is free for operators.
fn names(value: &Value, name: &str, found: &mut BTreeSet<String>) {
    let free = ["node.properties", "node.extra"].contains(&name);
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => {}
        ValueKind::Map if !free => {
            for key in value.try_iter().unwrap() {
                let inner = value.get_item(&key).unwrap();
                let dot = if name.is_empty() { "" } else { "." };
                names(&inner, &format!("{name}{dot}{key}"), found);
            }
        }
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter().unwrap() {
                let name = match item.kind() {
                    ValueKind::Map => format!("{name}[]"),
                    _ => name.to_owned(),
                };
                names(&item, &name, found);
            }
        }
        _ => drop(found.insert(name.to_owned())),
    }
}

#[test]
fn docs_list_every_template_variable_of_every_plan() {
    let mut handed_out: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for sample in samples() {
        let (plan, downloads) = (&sample.plan, sample.downloads);
        let values = variables::of_machine(
            &ResolvedPlan::direct(plan.clone()),
            sample.context(),
            downloads,
            VariableSet::Operators,
        );
        let mut found = BTreeSet::new();
        names(&values, "", &mut found);
        for name in found {
            handed_out.entry(name).or_default().insert(plan.kind());
        }
    }
    let kinds: BTreeSet<&str> = samples().iter().map(|it| it.plan.kind()).collect();
    let (_, table) = PAGE.split_once("| variable | plans |").unwrap();
    let mut documented = BTreeMap::new();
    for row in table.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (name, rest) = row.split_once("` | ").unwrap();
        let (plans, _) = rest.split_once(" | ").unwrap();
        let plans = match plans {
            "all" => kinds.clone(),
            plans => plans.split(", ").collect(),
        };
        documented.insert(name.to_owned(), plans);
    }
    assert_eq!(documented, handed_out);
    // Every role is named, too.
    for sample in samples() {
        if let BootPlan::Linux(linux) = sample.plan {
            let name = format!("`{}`", linux.role.name());
            assert!(PAGE.contains(&name), "{name}");
        }
    }
}

#[test]
fn example_template_of_the_docs_matches_the_snapshot() {
    let (_, rest) = PAGE.split_once("<!-- tested -->\n```jinja\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let scripts = load(example).unwrap();
    assert_eq!(scripts.notes(), Vec::<String>::new());
    let mut node = node(ProvisionState::DeployWait, "direct");
    node.conductor_group = "rack-7".into();
    let context = RenderContext {
        machine: Machine::of(&node),
        request_id: REQUEST,
    };
    insta::assert_snapshot!(
        scripts
            .render(&ResolvedPlan::direct(plan(&node)), context)
            .unwrap()
    );
}
