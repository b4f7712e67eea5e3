//! Arguments of a request with a large body: each is parsed only when used.
//!
//! The body of a provision request may be 64 MiB, for config drives. As a tree of values it would
//! take up to 45 times as much memory. So the members of the body stay text until it is known that
//! they are needed: that the node exists, and that the verb accepts them.

use std::fmt;

use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http_body_util::BodyExt;
use ironpxe_core::field::repr::repr;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::body;
use crate::api::error::{ApiError, Result};
use crate::server::ReservedMemory;

/// The maximum number of members in a body; fewer than ten are used.
const MAX_MEMBERS: usize = 100;

/// The arguments in the query, and the unparsed ones in the body.
#[derive(Debug)]
pub(crate) struct LazyArgs {
    query: Args,
    members: Vec<(String, Bytes)>,
    /// Its share of the memory for requests.
    memory: Option<ReservedMemory>,
}

impl LazyArgs {
    /// Rejects arguments that are not in `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<()> {
        let mut names = self.query.clone();
        for (name, _) in &self.members {
            names.0.insert(name.clone(), Value::Null);
        }
        names.only(known)
    }

    /// The arguments with these names from the body and the query, parsed. Only for short ones.
    pub(crate) fn short(&self, names: &[&str]) -> Result<Args> {
        let mut args = Args::default();
        for name in names {
            let value = match self.raw(name) {
                Some(text) => Some(body::parse_part(text, self.memory.as_ref())?),
                None => self.query.0.get(*name).cloned(),
            };
            args.0.extend(value.map(|it| ((*name).to_owned(), it)));
        }
        Ok(args)
    }

    /// A list that is only checked to be one; empty if it was not sent.
    pub(crate) fn list(&self, name: &'static str) -> Result<LazyList<'_>> {
        let refused = |value: &Value| {
            ApiError::invalid(format!(
                "Expected types <class 'NoneType'>, <class 'list'> for {name}: {}",
                value.as_str().map_or_else(|| repr(value), str::to_owned)
            ))
        };
        let text = match (self.raw(name), self.query.0.get(name)) {
            (None, None) => None,
            (None, Some(value)) => return Err(refused(value)),
            (Some(text), _) => match text.first() {
                Some(b'[') => Some(text),
                Some(b'n') => None,
                _ => return Err(refused(&body::parse_part(text, self.memory.as_ref())?)),
            },
        };
        let count = match text {
            None => 0,
            // Counts the items without storing any.
            Some(text) => serde_json::from_slice::<Vec<IgnoredAny>>(text).map_or(0, |it| it.len()),
        };
        Ok(LazyList {
            name,
            count,
            text,
            memory: self.memory.as_ref(),
        })
    }

    /// The value of this name in the body, parsed; or the text in the query.
    pub(crate) fn value(&self, name: &str) -> Result<Option<Value>> {
        match self.raw(name) {
            Some(text) => body::parse_part(text, self.memory.as_ref()).map(Some),
            None => Ok(self.query.0.get(name).cloned()),
        }
    }

    /// Whether the argument is missing or empty.
    pub(crate) fn is_empty(&self, name: &str) -> bool {
        let Some(text) = self.raw(name) else {
            return self
                .query
                .0
                .get(name)
                .is_none_or(|value| value.is_null() || value == "");
        };
        let letters = text.iter().filter(|byte| !byte.is_ascii_whitespace());
        let letters: Vec<u8> = letters.take(5).copied().collect();
        matches!(letters.as_slice(), b"null" | b"{}" | b"\"\"")
    }

    /// The first character of an argument, which shows its type.
    pub(crate) fn first_byte(&self, name: &str) -> Option<u8> {
        match self.raw(name) {
            Some(text) => text.first().copied(),
            None => self.query.0.get(name).map(|_| b'"'),
        }
    }

    fn raw(&self, name: &str) -> Option<&Bytes> {
        let mut members = self.members.iter().rev();
        members.find(|(known, _)| known == name).map(|(_, it)| it)
    }
}

/// An unparsed list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LazyList<'a> {
    /// Its name, for messages.
    pub(crate) name: &'static str,
    /// The number of items.
    pub(crate) count: usize,
    text: Option<&'a Bytes>,
    memory: Option<&'a ReservedMemory>,
}

impl LazyList<'_> {
    /// Its items, if there are at most `most`.
    pub(crate) fn items(&self, most: usize) -> Result<Vec<Value>> {
        let Self { name, count, .. } = self;
        if *count > most {
            return Err(ApiError::invalid(format!(
                "Expected at most {most} items for {name} but received {count}"
            )));
        }
        let Some(text) = self.text else {
            return Ok(Vec::new());
        };
        match body::parse_part(text, self.memory)? {
            Value::Array(items) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }
}

impl FromRequest<AppState> for LazyArgs {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        let (mut parts, sent) = request.into_parts();
        let query = Args::from_request_parts(&mut parts, state).await?;
        let memory = parts.extensions.get::<ReservedMemory>().cloned();
        let collected = sent.collect().await;
        let text = collected
            .map_err(|error| ApiError::invalid(format!("The request body is incomplete: {error}")))?
            .to_bytes();
        let members = if text.is_empty() {
            Vec::new()
        } else {
            body::check(&text, state.common.settings.max_json_body_depth)?;
            members(&text)?
        };
        Ok(Self {
            query,
            members,
            memory,
        })
    }
}

fn members(text: &Bytes) -> Result<Vec<(String, Bytes)>> {
    let first = text.trim_ascii_start().first().copied();
    if first != Some(b'{') {
        let value = body::parse_part(text, None)?;
        return Args::default().with_body(Some(value)).map(|_| Vec::new());
    }
    let read: Members<'_> = serde_json::from_slice(text).map_err(|error| body::not_json(&error))?;
    let slice = |raw: &RawValue| text.slice_ref(raw.get().as_bytes());
    let members = read.0.into_iter().map(|(name, raw)| (name, slice(raw)));
    Ok(members.collect())
}

struct Members<'b>(Vec<(String, &'b RawValue)>);

impl<'de: 'b, 'b> Deserialize<'de> for Members<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &RawValue>()? {
                    if members.len() == MAX_MEMBERS {
                        return Err(serde::de::Error::custom(format_args!(
                            "it has more than {MAX_MEMBERS} members"
                        )));
                    }
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(text: &str) -> LazyArgs {
        LazyArgs {
            query: Args::default(),
            members: members(&Bytes::copy_from_slice(text.as_bytes())).unwrap(),
            memory: None,
        }
    }

    fn message<T: fmt::Debug>(result: Result<T>) -> String {
        match result.unwrap_err() {
            ApiError::Fault(fault) => fault.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn members_are_parsed_on_access() {
        let args =
            args(r#" {"target": "old", "steps": [[], {"a": 1}], "target": "manage", "x": null} "#);
        assert_eq!(args.only(&["target", "steps", "x"]), Ok(()));
        assert_eq!(
            message(args.only(&["target"])),
            "Unexpected arguments: steps, x"
        );
        let short = args.short(&["target", "absent"]).unwrap();
        assert_eq!(json!(short.0), json!({"target": "manage"}));
        let steps = args.list("steps").unwrap();
        assert_eq!(steps.count, 2);
        assert_eq!(steps.items(2), Ok(vec![json!([]), json!({"a": 1})]));
        assert_eq!(
            message(steps.items(1)),
            "Expected at most 1 items for steps but received 2"
        );
        assert_eq!(args.list("x").unwrap().items(1), Ok(Vec::new()));
        assert_eq!(args.list("absent").unwrap().count, 0);
        assert_eq!(
            message(args.list("target")),
            "Expected types <class 'NoneType'>, <class 'list'> for target: manage"
        );
    }

    #[test]
    fn body_must_be_an_object_of_at_most_100_members() {
        let text = |text: &'static str| members(&Bytes::from_static(text.as_bytes()));
        assert_eq!(text("null"), Ok(Vec::new()));
        assert!(message(text("[1]")).contains("Expected a JSON object"));
        assert!(message(text("{\"a\" 1}")).contains("not JSON"));
        assert!(message(text("{} x")).contains("not JSON"));
        let many: Vec<String> = (0..101).map(|it| format!("\"m{it}\":1")).collect();
        let many = Bytes::from(format!("{{{}}}", many.join(",")));
        assert!(message(members(&many)).contains("more than 100 members"));
    }
}
