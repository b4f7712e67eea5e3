//! Replays evaluations of oslo.policy 6.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use crate::policy::check::{Check, Context, Reference};
use crate::policy::credentials::Value;

/// Rules with credentials, targets and results, recorded from oslo.policy 6.0.1.
const RECORDED: &str = include_str!("rule_vectors.json");

/// What differs, and why; by rule, with our result.
const DIFFERENCES: &[(&str, &str, bool)] = &[
    // A null equals nothing but `None` in so many words.
    ("project_id:%(node.owner)s", "unowned", false),
    ("role:admin and project_id:%(node.owner)s", "unowned", false),
    // oslo.policy raises TypeError, which Ironic answers with 500.
    ("project_id:%(name)d", "owned", false),
];

struct Recorded<'a> {
    credentials: &'a Map<String, Json>,
    roles: Vec<String>,
    target: &'a Map<String, Json>,
    rules: HashMap<&'a str, Check>,
}

fn value(json: &Json) -> Value<'_> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::String(text) => Value::Text(text),
        other => panic!("{other}"),
    }
}

/// The values at the end of a path, through all lists.
fn walk<'a>(json: &'a Json, path: &[&str], found: &mut Vec<&'a Json>) {
    match (json, path) {
        (Json::Array(items), _) => items.iter().for_each(|item| walk(item, path, found)),
        (Json::Object(object), [name, rest @ ..]) => {
            if let Some(json) = object.get(*name) {
                walk(json, rest, found);
            }
        }
        (_, []) => found.push(json),
        _ => {}
    }
}

impl Context for Recorded<'_> {
    fn roles(&self) -> &[String] {
        &self.roles
    }

    fn credential(&self, name: &str, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        let (path, mut found) = (name.split('.').collect::<Vec<_>>(), Vec::new());
        if let Some((first, rest)) = path.split_first()
            && let Some(json) = self.credentials.get(*first)
        {
            walk(json, rest, &mut found);
        }
        found.into_iter().any(|json| matches(value(json)))
    }

    fn target(&self, key: &str) -> Option<Value<'_>> {
        self.target.get(key).map(value)
    }

    fn rule(&self, reference: &Reference) -> Option<&Check> {
        self.rules.get(reference.name.as_str())
    }
}

fn inner(list: &Json) -> Vec<&str> {
    match list {
        Json::String(atom) => vec![atom.as_str()],
        Json::Array(atoms) => atoms.iter().map(|atom| atom.as_str().unwrap()).collect(),
        other => panic!("{other}"),
    }
}

fn parse(rule: &Json) -> Result<Check, String> {
    let lists = match rule {
        Json::String(text) => return text.parse::<Check>().map_err(|error| error.to_string()),
        Json::Array(lists) => lists,
        other => panic!("{other}"),
    };
    Check::from_lists(lists.iter().map(inner)).map_err(|error| error.to_string())
}

#[test]
fn checks_hold_as_in_oslo_policy() {
    let recorded: Json = serde_json::from_str(RECORDED).unwrap();
    let rules: HashMap<_, Check> = recorded["other rules"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, check)| (name.as_str(), parse(check).unwrap()))
        .collect();
    let mut seen = Vec::new();
    for vector in recorded["vectors"].as_array().unwrap() {
        let target = vector["target"].as_str().unwrap();
        let credentials = &recorded["creds"][vector["creds"].as_str().unwrap()];
        let context = Recorded {
            credentials: credentials.as_object().unwrap(),
            roles: serde_json::from_value(credentials["roles"].clone()).unwrap(),
            target: recorded["targets"][target].as_object().unwrap(),
            rules: rules.clone(),
        };
        let check = parse(&vector["rule"]).unwrap_or(Check::Never);
        let differs = DIFFERENCES
            .iter()
            .find(|(rule, of, _)| vector["rule"] == **rule && *of == target);
        let expected = match differs {
            Some((rule, _, ours)) => {
                assert_ne!(vector["result"], *ours, "{rule}: no difference");
                seen.push(rule);
                *ours
            }
            None => vector["result"].as_bool().unwrap(),
        };
        assert_eq!(check.holds(&context), expected, "{vector}");
        if let Some(parsed) = vector["parsed"].as_str() {
            assert_eq!(check.to_string(), parsed, "{vector}");
        }
    }
    assert_eq!(seen.len(), DIFFERENCES.len());
}
