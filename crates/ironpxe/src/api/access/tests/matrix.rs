//! Replays what real Ironic with real Keystone answered: personas × operations × targets.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::world::{LESSEE, NODES, OTHER, OWNER, World, caller, project, uuid};
use crate::auth::Caller;

#[derive(Deserialize)]
struct Matrix {
    personas: BTreeMap<String, (Vec<String>, Option<String>)>,
    operations: BTreeMap<String, Operation>,
    field_sets: BTreeMap<String, Vec<String>>,
    views: BTreeMap<String, View>,
    faults: BTreeMap<String, String>,
    cells: BTreeMap<String, BTreeMap<String, BTreeMap<String, Value>>>,
    #[serde(default)]
    differences: Vec<Difference>,
}

#[derive(Deserialize)]
struct Operation {
    method: String,
    path: String,
    body: Option<Value>,
    prep: Option<String>,
}

#[derive(Deserialize)]
struct View {
    fields: Option<String>,
    #[serde(default)]
    redacted: Vec<String>,
    #[serde(default)]
    masked: BTreeMap<String, Vec<String>>,
    list: Option<String>,
    #[serde(default)]
    items: Vec<(String, String)>,
}

/// Cells in which this service differs, with the reason: `tests/oracle/policy/differences.json`. A
/// list that is not given means every one.
#[derive(Deserialize)]
struct Difference {
    reason: String,
    #[serde(default)]
    operations: Vec<String>,
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    personas: Vec<String>,
    recorded: u16,
    /// Our status; the recorded one if only what is shown differs.
    ours: Vec<u16>,
}

impl Difference {
    fn is_about(&self, name: &str, target: &str, persona: &str, recorded: u16) -> bool {
        let has = |list: &[String], it: &str| list.is_empty() || list.iter().any(|one| one == it);
        self.recorded == recorded
            && has(&self.operations, name)
            && has(&self.targets, target)
            && has(&self.personas, persona)
    }
}

/// A view, comparable.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    list: Option<String>,
    items: Vec<(String, Seen)>,
    fields: Vec<String>,
    redacted: Vec<String>,
    masked: BTreeMap<String, Vec<String>>,
}

fn matrix() -> Matrix {
    let text = include_str!("../../../../tests/oracle/policy/matrix.json");
    serde_json::from_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_matrix_is_replayed() {
    let mut matrix = matrix();
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/oracle/policy/differences.json"
    );
    matrix.differences = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut wrong = String::new();
    let mut count = 0;
    for is_elevated in [false, true] {
        let world = World::new(is_elevated).await;
        for (name, targets) in &matrix.cells {
            let operation = &matrix.operations[name];
            for (target, cells) in targets {
                let cells = cells.iter();
                for (persona, cell) in
                    cells.filter(|(persona, _)| (*persona == "se") == is_elevated)
                {
                    let (roles, scope) = &matrix.personas[persona];
                    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
                    let caller = caller(&roles, scope.as_deref());
                    let fill = Fill {
                        target,
                        scope: scope.as_deref(),
                    };
                    let (status, body) = run(&world, operation, &fill, caller).await;
                    count += 1;
                    let problem = compare(&matrix, name, &fill, persona, cell, status, &body);
                    if let Some(problem) = problem {
                        writeln!(wrong, "{name} {target} {persona}: {problem}").unwrap();
                    }
                    if operation.prep.is_some() || (operation.method != "GET" && status < 300) {
                        world.restore(operation.method != "GET").await;
                    }
                }
            }
        }
    }
    assert!(count > 5000, "{count}");
    assert_eq!(wrong, "", "of {count} cells");
}

async fn run(
    world: &World,
    operation: &Operation,
    fill: &Fill<'_>,
    caller: Caller,
) -> (u16, Value) {
    if let Some(prep) = &operation.prep {
        let sql = prep.replace("where uuid='{id}'", "where name='n-{target}'");
        let sql = sql
            .replace("{target}", fill.target)
            .replace("maintenance=1", "maintenance=TRUE");
        world.app.db.sql(&sql).await;
    }
    let path = fill.text(&operation.path, &operation.path);
    let body = operation.body.as_ref().map(|body| {
        let text = fill.text(&body.to_string(), &operation.path);
        serde_json::from_str(&text).unwrap()
    });
    let response = world.send(caller, &operation.method, &path, body).await;
    let body = serde_json::from_str(&response.body).unwrap_or(Value::Null);
    (response.status.as_u16(), body)
}

struct Fill<'a> {
    target: &'a str,
    scope: Option<&'a str>,
}

impl Fill<'_> {
    /// The text with its placeholders replaced, of an operation with this path.
    fn text(&self, text: &str, path: &str) -> String {
        let kind = match path {
            _ if path == "/v1/ports/{id}" => '2',
            _ if path == "/v1/volume/connectors/{id}" => '4',
            _ if path == "/v1/volume/targets/{id}" => '5',
            _ => '1',
        };
        let mut text = text
            .replace("{id}", &uuid(kind, self.target))
            .replace("{name}", &format!("n-{}", self.target))
            .replace("{OWNER}", OWNER)
            .replace("{LESSEE}", LESSEE)
            .replace("{OTHER}", OTHER);
        let mine = match self.scope {
            Some("service") => "dddddddddddddddddddddddddddddddd",
            scope => project(scope.unwrap_or_default()),
        };
        text = text.replace("{MINE}", mine);
        for (target, ..) in NODES {
            text = text.replace(&format!("{{n-{target}}}"), &uuid('1', target));
        }
        text
    }
}

/// What is wrong about an answer.
fn compare(
    matrix: &Matrix,
    name: &str,
    fill: &Fill<'_>,
    persona: &str,
    cell: &Value,
    status: u16,
    body: &Value,
) -> Option<String> {
    let text = cell
        .as_str()
        .map_or_else(|| cell.to_string(), str::to_owned);
    let (recorded, detail) = text.split_once(' ').unwrap_or((&text, ""));
    let recorded: u16 = recorded.parse().unwrap();
    let mut differences = matrix.differences.iter();
    let difference = differences.find(|it| it.is_about(name, fill.target, persona, recorded));
    if let Some(difference) = difference.filter(|it| it.ours != [recorded]) {
        let is_ours = difference.ours.contains(&status);
        return (!is_ours).then(|| format!("{status} for {recorded}, but: {}", difference.reason));
    }
    if status != recorded {
        return Some(format!("{status} instead of {recorded}: {body}"));
    }
    if recorded >= 400 {
        let fault = fault(body);
        let shown = matrix.faults.get(detail).map_or("", String::as_str);
        let same = neutral(&fault, fill) == neutral(shown, fill);
        return (!same && recorded != 400).then(|| format!("{fault:?} instead of {shown:?}"));
    }
    let view = matrix.views.get(detail)?;
    let (seen, expected) = (seen(body), expected(matrix, view));
    if difference.is_some() {
        return (seen == expected).then(|| "agrees, but is listed as a difference".to_owned());
    }
    (seen != expected).then(|| format!("{seen:?}\n  instead of {expected:?}"))
}

/// The text without what differs between targets.
fn neutral(text: &str, fill: &Fill<'_>) -> String {
    let mut text = text.to_owned();
    for kind in ['1', '2', '4', '5'] {
        text = text.replace(&uuid(kind, fill.target), "{id}");
    }
    text = text.replace(&format!("n-{}", fill.target), "{id}");
    text.replace("ffffffff-0000-4000-8000-000000000001", "{uuid}")
}

fn fault(body: &Value) -> String {
    let inner = body["error_message"].as_str().unwrap_or_default();
    let inner: Value = serde_json::from_str(inner).unwrap_or_default();
    inner["faultstring"].as_str().unwrap_or_default().to_owned()
}

fn expected(matrix: &Matrix, view: &View) -> Seen {
    let items = view.items.iter();
    Seen {
        list: view.list.clone(),
        items: items
            .map(|(label, view)| (label.clone(), expected(matrix, &matrix.views[view])))
            .collect(),
        fields: view
            .fields
            .as_ref()
            .map_or_else(Vec::new, |it| matrix.field_sets[it].clone()),
        redacted: view.redacted.clone(),
        masked: view.masked.clone(),
    }
}

fn seen(body: &Value) -> Seen {
    let empty = serde_json::Map::new();
    let fields = body.as_object().unwrap_or(&empty);
    let list = fields.iter().find(|(name, value)| {
        *name != "links"
            && value
                .as_array()
                .is_some_and(|it| it.iter().all(Value::is_object))
    });
    if let Some((name, items)) = list.filter(|_| !fields.contains_key("uuid") && fields.len() < 4) {
        let items = items.as_array().unwrap().iter();
        return Seen {
            list: Some(name.clone()),
            items: items.map(|item| (label(item), seen(item))).collect(),
            fields: Vec::new(),
            redacted: Vec::new(),
            masked: BTreeMap::new(),
        };
    }
    let is_redacted = |value: &Value| {
        let here = value.as_str().is_some_and(|text| text.contains("edacted"));
        let inside = value.as_object().is_some_and(|it| {
            it.values()
                .any(|value| value.as_str().is_some_and(|text| text.contains("edacted")))
        });
        here || inside
    };
    let mut names: Vec<String> = fields.keys().filter(|it| *it != "links").cloned().collect();
    names.sort();
    let mut redacted: Vec<String> = fields
        .iter()
        .filter(|(_, value)| is_redacted(value))
        .map(|(name, _)| name.clone())
        .collect();
    redacted.sort();
    let masked = fields.iter().filter_map(|(name, value)| {
        let value = value.as_object()?.iter();
        let masked = value.filter(|(_, value)| **value == json!("******"));
        let mut masked: Vec<String> = masked.map(|(name, _)| name.clone()).collect();
        masked.sort();
        (!masked.is_empty()).then(|| (name.clone(), masked))
    });
    Seen {
        list: None,
        items: Vec::new(),
        fields: names,
        redacted,
        masked: masked.collect(),
    }
}

fn label(item: &Value) -> String {
    let known = item["uuid"].as_str().and_then(|found| {
        let mut targets = NODES.iter().map(|(target, ..)| *target);
        targets.find(|target| {
            ['1', '2', '4', '5']
                .iter()
                .any(|kind| uuid(*kind, target) == found)
        })
    });
    let text = |name: &str| item[name].as_str();
    let named = known.or_else(|| text("name").or(text("hostname")).or(text("event")));
    named.unwrap_or("?").to_owned()
}
