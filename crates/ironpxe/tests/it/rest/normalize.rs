//! Comparing answers of two services that ran at different times, in different places, and made
//! up different identifiers.
//!
//! What is left out of the comparison is listed in [`INCIDENTAL`] and [`normal`]; everything else
//! must be the same.

use std::collections::BTreeMap;

use serde_json::Value;

use super::recording::{Answer, Exchange, Request};

/// The address of the recorded service, as it stands in its links.
const RECORDED_BASE: &str = "http://127.0.0.1:6385";

/// What only the recorded service had, and what is asked in its place. The longer ones first.
const STAND_INS: [(&str, &str); 3] = [
    // Its lab had a hardware type with passthru methods of its own.
    (
        "lab-hardware/vendor_passthru/echo",
        "fake-hardware/vendor_passthru/ipxe_config",
    ),
    ("lab-hardware", "fake-hardware"),
    // It read images from its own disk.
    ("file:///images/", "http://127.0.0.1/images/"),
];

/// The hardware types that both services have.
const DRIVERS: [&str; 2] = ["fake-hardware", "manual-management"];

/// Headers that must be equal, or absent on both sides.
const HEADERS: [&str; 6] = [
    "x-openstack-ironic-api-version",
    "x-openstack-ironic-api-minimum-version",
    "x-openstack-ironic-api-maximum-version",
    "location",
    "allow",
    "content-type",
];

/// Fields of a node whose values follow from something other than the API: that Ironic answers a
/// change while it still holds the node for it, what drivers note for themselves, and which
/// interface the lab was configured to take by default.
const INCIDENTAL: [&str; 3] = ["reservation", "driver_internal_info", "storage_interface"];

/// Which of our identifiers stand for which recorded ones.
#[derive(Debug)]
pub(super) struct Names {
    base: String,
    ours_by_recorded: BTreeMap<String, String>,
}

impl Names {
    /// None yet, for the server at `base`.
    pub(super) fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ours_by_recorded: BTreeMap::new(),
        }
    }

    /// The recorded request, as our service must be asked.
    pub(super) fn to_ours(&self, exchange: &Exchange) -> Request {
        let mut request = exchange.request.clone();
        let replace = |text: &str| {
            let mut text = with_stand_ins(text);
            for (recorded, ours) in &self.ours_by_recorded {
                text = text.replace(recorded, ours);
            }
            text
        };
        request.path = replace(&request.path);
        request.body = request.body.map(|body| match body {
            Value::String(raw) => Value::String(replace(&raw)),
            json => serde_json::from_str(&replace(&json.to_string())).unwrap_or(json),
        });
        request
    }

    /// Takes note of the identifier our service made where the recorded one made another.
    pub(super) fn learn(&mut self, exchange: &Exchange, answer: &Answer) {
        if exchange.response.status != 201 || answer.status != 201 {
            return;
        }
        let ours: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let recorded = exchange
            .response
            .body
            .as_ref()
            .and_then(|body| body["uuid"].as_str());
        if let (Some(recorded), Some(ours)) = (recorded, ours["uuid"].as_str()) {
            self.ours_by_recorded
                .insert(recorded.to_owned(), ours.to_owned());
        }
    }

    /// How our answer differs from the recorded one.
    pub(super) fn compare(&self, exchange: &Exchange, answer: &Answer) -> Vec<String> {
        let mut found = Vec::new();
        let recorded = &exchange.response;
        if answer.status != recorded.status {
            found.push(format!(
                "status {} instead of {}: {}",
                answer.status, recorded.status, answer.text
            ));
            return found;
        }
        for name in HEADERS {
            let ours = answer
                .headers
                .get(name)
                .map(|value| self.to_recorded(value));
            if ours.as_deref() != recorded.header(name) {
                found.push(format!(
                    "{name}: {ours:?} instead of {:?}",
                    recorded.header(name)
                ));
            }
        }
        let id = |name: &str| answer.headers.get(name);
        if id("openstack-request-id").is_none()
            || id("openstack-request-id") != id("x-openstack-request-id")
        {
            found.push("no request id, or two".to_owned());
        }
        let recorded_body = match &recorded.body {
            None => String::new(),
            Some(Value::String(raw)) => raw.clone(),
            Some(json) => json.to_string(),
        };
        let mut ours = self.to_recorded(&answer.text);
        if exchange.request.path.contains("vendor_passthru/echo") {
            ours = ours.replace("ipxe_config", "echo");
        }
        differ("body", &normal(&recorded_body), &normal(&ours), &mut found);
        found
    }

    fn to_recorded(&self, text: &str) -> String {
        let mut text = text.replace(&self.base, RECORDED_BASE);
        for (recorded, ours) in &self.ours_by_recorded {
            text = text.replace(ours, recorded);
        }
        text
    }
}

fn with_stand_ins(text: &str) -> String {
    STAND_INS
        .iter()
        .fold(text.to_owned(), |text, (theirs, ours)| {
            text.replace(theirs, ours)
        })
}

/// A body as a value: JSON read, also the JSON inside of `error_message`, and what cannot be equal
/// made equal.
fn normal(text: &str) -> Value {
    let mut value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    only_common_drivers(&mut value);
    let text = with_stand_ins(&value.to_string());
    normal_value(serde_json::from_str(&text).unwrap_or(value))
}

/// Leaves those hardware types out of lists that only one of the services has.
fn only_common_drivers(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if let (Value::Array(drivers), "drivers") = (&mut *field, name.as_str()) {
                    drivers.retain(|driver| {
                        let name = driver.as_str().or_else(|| driver["name"].as_str());
                        name.is_none_or(|name| DRIVERS.contains(&name))
                    });
                }
                only_common_drivers(field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(only_common_drivers),
        _ => {}
    }
}

fn normal_value(value: Value) -> Value {
    // Which interfaces the lab's hardware type had by default is not ours to have.
    let stood_in = value["driver"] == "fake-hardware";
    match value {
        Value::String(text) if is_time(&text) => Value::String("<time>".to_owned()),
        Value::Array(items) => items.into_iter().map(normal_value).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, field)| {
                let field = match &field {
                    Value::String(text) if name == "error_message" => {
                        serde_json::from_str(text).unwrap_or(field)
                    }
                    Value::String(_) if name.ends_with("_interface") && stood_in => {
                        "<interface>".into()
                    }
                    Value::String(_) if name.starts_with("default_") => "<interface>".into(),
                    Value::Array(_) if name.starts_with("enabled_") => "<interfaces>".into(),
                    _ if INCIDENTAL.contains(&name.as_str()) => "<incidental>".into(),
                    _ => normal_value(field),
                };
                (name, field)
            })
            .collect(),
        other => other,
    }
}

fn is_time(text: &str) -> bool {
    text.len() >= "2026-11-22T09:00:00".len()
        && text.starts_with("20")
        && text.get(10..11) == Some("T")
        && text.bytes().take(4).all(|byte| byte.is_ascii_digit())
}

/// Names each place where `ours` is not `recorded`.
fn differ(place: &str, recorded: &Value, ours: &Value, found: &mut Vec<String>) {
    match (recorded, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().filter(|name| !b.contains_key(*name)) {
                found.push(format!("{place}.{name} is missing"));
            }
            for name in b.keys().filter(|name| !a.contains_key(*name)) {
                found.push(format!("{place}.{name} is new: {}", b[name]));
            }
            for (name, value) in a {
                if let Some(other) = b.get(name) {
                    differ(&format!("{place}.{name}"), value, other, found);
                }
            }
            let order = |fields: &serde_json::Map<String, Value>| {
                fields.keys().cloned().collect::<Vec<_>>()
            };
            // Of resources, people know the order of the fields.
            let resource = a.contains_key("uuid") && a.keys().all(|name| b.contains_key(name));
            if resource && a.len() == b.len() && order(a) != order(b) {
                found.push(format!("{place} has another order: {:?}", order(b)));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (value, other)) in a.iter().zip(b).enumerate() {
                differ(&format!("{place}[{index}]"), value, other, found);
            }
        }
        _ if recorded == ours => {}
        _ => found.push(format!("{place} is {ours} instead of {recorded}")),
    }
}
