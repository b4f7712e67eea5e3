//! The table of rules is Ironic's.

use serde_json::Value;

use crate::policy::{Check, Policy, Rule};

/// `[name, default check, scope types or null, the rule that it once was a part of or null]` of every
/// rule of real Ironic 39.
const RECORDED: &str = include_str!("rules.json");

#[test]
fn rules_are_those_of_ironic() {
    let recorded: Vec<(String, String, Value, Option<String>)> =
        serde_json::from_str(RECORDED).unwrap();
    let ours: Vec<(String, String, Value, Option<String>)> = Rule::ALL
        .iter()
        .filter(|rule| !rule.is_own())
        .map(|rule| {
            let scopes: Vec<_> = rule.scopes().iter().map(|scope| scope.name()).collect();
            let scopes = if scopes.is_empty() {
                Value::Null
            } else {
                scopes.into()
            };
            (
                rule.name().to_owned(),
                rule.default_check().to_owned(),
                scopes,
                rule.once_part_of().map(|rule| rule.name().to_owned()),
            )
        })
        .collect();
    assert_eq!(ours.len(), 133);
    assert_eq!(ours, recorded);
}

#[test]
fn every_default_parses_and_its_references_are_rules() {
    let policy = Policy::defaults();
    for (index, &rule) in Rule::ALL.iter().enumerate() {
        assert_eq!(rule as usize, index);
        assert_eq!(Rule::from_name(rule.name()), Some(rule));
        let parsed: Check = rule.default_check().parse().unwrap();
        assert_eq!(policy.check(rule), &parsed, "{}", rule.name());
        for reference in rule.default_check().split("rule:").skip(1) {
            let name = reference.split([' ', ')']).next().unwrap();
            assert!(Rule::from_name(name).is_some(), "{name}");
        }
    }
}
