//! Arguments of a request, from its query string and, as in Ironic, from its body.
//!
//! Source of the messages: Ironic's `common/args.py`.

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use http::request::Parts;
use ironpxe_core::error::Fault;
use ironpxe_core::field::repr::repr;
use ironpxe_core::field::value::{self, is_logical_name};
use ironpxe_core::mac::MacAddress;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::api::AppState;
use crate::api::body::JsonBody;
use crate::api::error::{ApiError, Result};

/// The maximum number of values in a list such as `shard=` or `fields=`.
const MAX_WORDS: usize = 500;
/// The maximum number of arguments in a query.
const MAX_ARGUMENTS: usize = 1000;

/// Named values. A name that is repeated in a query becomes a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Args(pub(crate) Map<String, Value>);

impl Args {
    fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        let mut values = Map::new();
        for (name, text) in pairs {
            let text = Value::String(text);
            match values.get_mut(&name) {
                None => {
                    values.insert(name, text);
                }
                Some(Value::Array(items)) => items.push(text),
                Some(single) => *single = Value::Array(vec![single.take(), text]),
            }
        }
        Self(values)
    }

    /// Adds the members of a body, which override the query.
    pub(crate) fn with_body(mut self, body: Option<Value>) -> Result<Self> {
        match body {
            None | Some(Value::Null) => Ok(self),
            Some(Value::Object(fields)) => {
                self.0.extend(fields);
                Ok(self)
            }
            Some(other) => Err(ApiError::invalid(format!(
                "Expected a JSON object in the request body, got: {}",
                repr(&other)
            ))),
        }
    }

    /// Rejects arguments that are not in `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<()> {
        let unknown: Vec<&str> = self
            .0
            .keys()
            .map(String::as_str)
            .filter(|name| !known.contains(name))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(ApiError::invalid(format!(
            "Unexpected arguments: {}",
            unknown.join(", ")
        )))
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(ApiError::invalid(format!(
                "Expected string for {name}: {}",
                repr(other)
            ))),
        }
    }

    /// A required text.
    pub(crate) fn required_text(&self, name: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| {
            Fault::MissingParameterValue(format!("Missing mandatory parameter: {name}")).into()
        })
    }

    /// A boolean.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>> {
        Ok(self
            .get(name)
            .map(|value| value::boolean(name, value))
            .transpose()?)
    }

    /// An integer.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let shown = value.as_str().map_or_else(|| repr(value), str::to_owned);
        number
            .map(Some)
            .ok_or_else(|| ApiError::invalid(format!("Expected an integer for {name}: {shown}")))
    }

    /// A UUID.
    pub(crate) fn uuid(&self, name: &str) -> Result<Option<Uuid>> {
        Ok(self
            .text(name)?
            .map(|text| value::uuid(name, &text))
            .transpose()?)
    }

    /// A MAC address.
    pub(crate) fn mac(&self, name: &str) -> Result<Option<MacAddress>> {
        Ok(self
            .text(name)?
            .map(|text| value::mac(name, &text))
            .transpose()?)
    }

    /// A UUID or a name.
    pub(crate) fn ident(&self, name: &str) -> Result<Option<String>> {
        match self.text(name)? {
            Some(text) if !is_logical_name(&text) => Err(ApiError::invalid(format!(
                "Expected UUID or name for {name}: {text}"
            ))),
            ident => Ok(ident),
        }
    }

    /// A comma-separated list: trimmed, in lower case, without duplicates.
    pub(crate) fn list(&self, name: &str) -> Result<Option<Vec<String>>> {
        let texts = match self.get(name) {
            None => return Ok(None),
            Some(Value::Array(items)) => items.as_slice(),
            Some(single) => std::slice::from_ref(single),
        };
        let count: usize = texts
            .iter()
            .filter_map(Value::as_str)
            .map(|text| text.split(',').count())
            .sum();
        if count > MAX_WORDS {
            return Err(ApiError::invalid(format!(
                "Expected at most {MAX_WORDS} values for {name} but received {count}"
            )));
        }
        let mut words: Vec<String> = Vec::new();
        for text in texts {
            let Value::String(text) = text else {
                return Err(ApiError::invalid(format!(
                    "Expected string for {name}: {}",
                    repr(text)
                )));
            };
            for word in text.split(',') {
                let word = word.trim().to_lowercase();
                if !word.is_empty() && !words.contains(&word) {
                    words.push(word);
                }
            }
        }
        Ok(Some(words))
    }
}

/// The arguments in the query string.
impl FromRequestParts<AppState> for Args {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) =
            query.map_err(|error| ApiError::invalid(format!("The query is malformed: {error}")))?;
        if pairs.len() > MAX_ARGUMENTS {
            return Err(ApiError::invalid(format!(
                "The query has {} arguments; at most {MAX_ARGUMENTS} are allowed",
                pairs.len()
            )));
        }
        if pairs
            .iter()
            .any(|(name, text)| name.contains('\0') || text.contains('\0'))
        {
            return Err(ApiError::invalid("The query contains a NUL character"));
        }
        Ok(Self::from_pairs(pairs))
    }
}

impl BodyArgs {
    /// The arguments in the query string, and the body.
    pub(crate) async fn apart(request: Request, state: &AppState) -> Result<(Args, Option<Value>)> {
        let (mut parts, body) = request.into_parts();
        let args = Args::from_request_parts(&mut parts, state).await?;
        let JsonBody(body) =
            JsonBody::from_request(Request::from_parts(parts, body), state).await?;
        Ok((args, body))
    }
}

/// The arguments in the query string and in the body.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct BodyArgs(pub(crate) Args);

impl FromRequest<AppState> for BodyArgs {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        let (args, body) = Self::apart(request, state).await?;
        args.with_body(body).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(pairs: &[(&str, &str)]) -> Args {
        Args::from_pairs(
            pairs
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect(),
        )
    }

    fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
        match result.unwrap_err() {
            ApiError::Fault(fault) => fault.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_are_parsed_by_type() {
        let args = args(&[
            ("limit", " 5"),
            ("detail", "True"),
            ("fields", "UUID, name,"),
            ("fields", "name,extra"),
        ]);
        assert_eq!(args.integer("limit"), Ok(Some(5)));
        assert_eq!(args.flag("detail"), Ok(Some(true)));
        assert_eq!(
            args.list("fields").unwrap().unwrap(),
            ["uuid", "name", "extra"]
        );
        assert_eq!(args.text("marker"), Ok(None));
        assert_eq!(
            message(args.only(&["limit"])),
            "Unexpected arguments: detail, fields"
        );
    }

    #[test]
    fn list_with_too_many_words_is_refused() {
        let words = |count: usize| {
            let words: Vec<String> = (0..count).map(|word| word.to_string()).collect();
            args(&[("shard", &words.join(","))]).list("shard")
        };
        assert_eq!(words(MAX_WORDS).unwrap().unwrap().len(), MAX_WORDS);
        assert_eq!(
            message(words(12_000)),
            "Expected at most 500 values for shard but received 12000"
        );
        let many = vec![("shard", "a,b"); 251];
        assert_eq!(
            message(args(&many).list("shard")),
            "Expected at most 500 values for shard but received 502"
        );
    }

    #[test]
    fn invalid_argument_is_refused_and_named() {
        let args = args(&[
            ("limit", "x"),
            ("a", "1"),
            ("a", "2"),
            ("address", "zz"),
            ("node", "a b"),
        ]);
        assert_eq!(
            message(args.integer("limit")),
            "Expected an integer for limit: x"
        );
        assert_eq!(message(args.text("a")), "Expected string for a: ['1', '2']");
        assert_eq!(
            message(args.uuid("address")),
            "Expected UUID for address: zz"
        );
        assert_eq!(
            message(args.mac("address")),
            "Expected valid MAC address for address: zz"
        );
        assert_eq!(
            message(args.ident("node")),
            "Expected UUID or name for node: a b"
        );
        assert_eq!(
            message(args.required_text("target")),
            "Missing mandatory parameter: target"
        );
    }

    #[test]
    fn body_overrides_the_query_and_must_be_an_object() {
        let merged = args(&[("a", "1"), ("b", "2")])
            .with_body(Some(json!({"a": [1]})))
            .unwrap();
        assert_eq!(json!(merged.0), json!({"a": [1], "b": "2"}));
        assert!(message(Args::default().with_body(Some(json!([1, 2])))).ends_with("[1, 2]"));
    }
}
