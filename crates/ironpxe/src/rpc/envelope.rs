//! JSON-RPC 2.0 in Ironic's dialect: requests and responses.
//!
//! Only named parameters. Besides those of the method there are `context` and `rpc.version`. A
//! request without `id` is a cast, which has no response.
//!
//! Source: Ironic's `common/json_rpc/server.py` and `client.py`.

use std::borrow::Cow;

use bytes::Bytes;
use ironpxe_core::JsonMap;
use ironpxe_core::json_size::count_values;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Context;
use super::fault::FaultOnWire;

/// The protocol version. A higher minor version is compatible.
pub(super) const VERSION: &str = "1.0";
/// The supported major version.
const MAJOR: &str = "1";
/// The longest accepted request ID.
const MAX_REQUEST_ID: usize = 64;

/// The maximum number of JSON values in a request; more than the API accepts. Each takes tens of
/// bytes of memory, however short it is.
pub(super) const MAX_VALUES: usize = 200_000;

/// Why a request is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RpcError {
    /// The body is not JSON.
    #[error("Invalid JSON received by RPC server: {0}")]
    Parse(String),
    /// The body is not a valid request.
    #[error("Invalid request object received by RPC server: {0}")]
    Request(String),
    /// Unknown method.
    #[error("Method {0} was not found")]
    Method(String),
    /// A parameter is missing or invalid.
    #[error("Params are invalid for {method}: {problem}")]
    Params { method: String, problem: String },
}

impl RpcError {
    /// The error code of the JSON-RPC specification.
    pub(super) fn code(&self) -> i64 {
        match self {
            Self::Parse(_) => -32700,
            Self::Request(_) => -32600,
            Self::Method(_) => -32601,
            Self::Params { .. } => -32602,
        }
    }
}

/// A parsed request.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    /// Null for a cast.
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Params,
    /// The ID of the API request that caused it, if it is valid.
    pub(super) context_id: Option<String>,
}

/// A rejection, and the request's `id` if it could be parsed.
pub(super) type InvalidRequest = (RpcError, Value);

impl Request {
    /// Parses a body.
    pub(super) fn read(body: &[u8]) -> Result<Self, InvalidRequest> {
        let count = count_values(body);
        if count > MAX_VALUES {
            let problem = format!("it has {count} values; at most {MAX_VALUES} are allowed");
            return Err((RpcError::Request(problem), Value::Null));
        }
        let read: Value = serde_json::from_slice(body)
            .map_err(|error| (RpcError::Parse(error.to_string()), Value::Null))?;
        let invalid =
            |problem: &str, id: &Value| (RpcError::Request(problem.to_owned()), id.clone());
        let Value::Object(mut fields) = read else {
            return Err(invalid("expected an object", &Value::Null));
        };
        let id = fields.remove("id").unwrap_or_default();
        if !matches!(id, Value::Null | Value::String(_) | Value::Number(_)) {
            return Err(invalid("id must be a string", &Value::Null));
        }
        if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(invalid("jsonrpc must be \"2.0\"", &id));
        }
        let method = match fields.remove("method") {
            Some(Value::String(method)) if !method.is_empty() => method,
            _ => return Err(invalid("method must be a string", &id)),
        };
        let mut params = match fields.remove("params") {
            None => JsonMap::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(invalid("params must be an object (named parameters)", &id)),
        };
        if let Some(version) = params.remove("rpc.version") {
            let major = version.as_str().and_then(|text| text.split('.').next());
            if major != Some(MAJOR) {
                let problem = format!("rpc.version is {version}; only {MAJOR}.x is supported");
                return Err(invalid(&problem, &id));
            }
        }
        let context_id = match params.remove("context") {
            None => None,
            Some(Value::Object(context)) => usable_id(context.get("request_id")),
            Some(_) => {
                let problem = "context must be an object".to_owned();
                return Err((RpcError::Params { method, problem }, id));
            }
        };
        Ok(Self {
            id,
            method,
            params: Params(params),
            context_id,
        })
    }
}

/// Accepts only IDs that are safe in logs and scripts.
fn usable_id(id: Option<&Value>) -> Option<String> {
    let id = id?.as_str()?;
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let usable = (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(harmless);
    usable.then(|| id.to_owned())
}

/// The parameters of a call by name. Unused ones are ignored, because a newer client may send them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Params(JsonMap);

impl Params {
    /// Removes a parameter. A nullable one may be missing.
    pub(super) fn take<T: DeserializeOwned>(
        &mut self,
        method: &str,
        name: &str,
    ) -> Result<T, RpcError> {
        let value = self.0.remove(name);
        let missing = value.is_none();
        serde_json::from_value(value.unwrap_or_default()).map_err(|error| {
            let problem = if missing {
                format!("{name} is missing")
            } else {
                format!("{name}: {error}")
            };
            RpcError::Params {
                method: method.to_owned(),
                problem,
            }
        })
    }
}

/// Builds the body of a call.
#[derive(Debug)]
pub(super) struct RequestBuilder<'c> {
    ctx: &'c Context,
    body: Vec<u8>,
}

impl<'c> RequestBuilder<'c> {
    /// A call of this method without parameters.
    pub(super) fn new(ctx: &'c Context, method: &'static str) -> Self {
        let mut body = Vec::with_capacity(512);
        body.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":");
        write(&mut body, &method);
        body.extend_from_slice(b",\"params\":{");
        Self { ctx, body }
    }

    /// Adds a parameter.
    pub(super) fn put(
        &mut self,
        name: &'static str,
        value: &impl Serialize,
    ) -> Result<(), serde_json::Error> {
        write(&mut self.body, &name);
        self.body.push(b':');
        serde_json::to_writer(&mut self.body, value)?;
        self.body.push(b',');
        Ok(())
    }

    /// The body.
    pub(super) fn finish(self) -> Bytes {
        let Self { ctx, mut body } = self;
        body.extend_from_slice(b"\"context\":{\"request_id\":");
        write(&mut body, &ctx.request_id);
        body.extend_from_slice(b"},\"rpc.version\":");
        write(&mut body, &VERSION);
        body.extend_from_slice(b"},\"id\":");
        write(&mut body, &ctx.request_id);
        body.push(b'}');
        body.into()
    }
}

/// Writes a value whose serialization cannot fail.
fn write(body: &mut Vec<u8>, value: &impl Serialize) {
    let _ = serde_json::to_writer(body, value);
}

/// The body of a response with a result.
pub(super) fn success(id: &Value, result: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut body = Vec::with_capacity(2048);
    body.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"result\":");
    serde_json::to_writer(&mut body, result)?;
    body.extend_from_slice(b",\"id\":");
    serde_json::to_writer(&mut body, id)?;
    body.push(b'}');
    Ok(body)
}

/// The body of a response to a rejected request.
pub(super) fn refusal(id: &Value, refused: &RpcError) -> Vec<u8> {
    let error = json!({ "code": refused.code(), "message": refused.to_string() });
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
        .to_string()
        .into()
}

/// The body of a response with a fault.
pub(super) fn failure(id: &Value, fault: &FaultOnWire) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": id, "error": fault })
        .to_string()
        .into()
}

/// A parsed response.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<'b> {
    /// The `id` of the call.
    #[serde(default, borrow)]
    id: Option<&'b RawValue>,
    /// The method's result, which may be `null`.
    #[serde(default, borrow, deserialize_with = "even_null")]
    pub(super) result: Option<&'b RawValue>,
    #[serde(default)]
    pub(super) error: Option<FaultOnWire>,
}

impl Answer<'_> {
    /// Whether it is the response to this request.
    pub(super) fn is_to(&self, request_id: &str) -> bool {
        let id = self
            .id
            .map(|id| serde_json::from_str::<Cow<'_, str>>(id.get()));
        id.is_some_and(|id| id.is_ok_and(|id| id == request_id))
    }
}

fn even_null<'de, D>(value: D) -> Result<Option<&'de RawValue>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    <&RawValue>::deserialize(value).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &Value) -> (i64, String, Value) {
        let (refused, id) = Request::read(body.to_string().as_bytes()).unwrap_err();
        (refused.code(), refused.to_string(), id)
    }

    #[test]
    fn built_request_is_parsed() {
        let ctx = Context {
            request_id: "req-1".to_owned(),
        };
        let mut call = RequestBuilder::new(&ctx, "m");
        call.put("driver_name", &"fake-hardware").unwrap();
        let mut request = Request::read(&call.finish()).unwrap();
        assert_eq!(
            (request.id, request.method),
            (json!("req-1"), "m".to_owned())
        );
        assert_eq!(request.context_id.as_deref(), Some("req-1"));
        let driver: String = request.params.take("m", "driver_name").unwrap();
        assert_eq!(driver, "fake-hardware");
        assert_eq!(
            request.params,
            Params::default(),
            "context and version are taken out"
        );
    }

    #[test]
    fn request_of_the_ironic_client_is_parsed() {
        let body = json!({
            "jsonrpc": "2.0", "method": "driver_vendor_passthru", "id": "req-9",
            "params": {
                "driver_name": "d", "info": {},
                "context": {"request_id": "req-9", "roles": ["admin"], "is_admin": true},
                "rpc.version": "1.20",
            },
        });
        let request = Request::read(body.to_string().as_bytes()).unwrap();
        assert_eq!(request.context_id.as_deref(), Some("req-9"));
    }

    #[test]
    fn request_with_too_many_values_is_refused() {
        let lists = |count: usize| format!("{{\"a\": [{}[]]}}", "[],".repeat(count));
        let refused = |count| Request::read(lists(count).as_bytes()).unwrap_err().0;
        assert!(refused(90_000).to_string().contains("jsonrpc must be"));
        assert!(
            refused(100_000)
                .to_string()
                .contains("it has 200004 values; at most 200000")
        );
    }

    #[test]
    fn malformed_request_is_refused_with_the_json_rpc_code() {
        let (unread, id) = Request::read(b"{\"jsonrpc\": ").unwrap_err();
        assert_eq!((unread.code(), id), (-32700, Value::Null));
        let call = |key: &str, value: Value| {
            let mut body = json!({"jsonrpc": "2.0", "method": "m", "params": {}, "id": "1"});
            body[key] = value;
            body
        };
        for (body, code, part) in [
            (json!([call("id", json!("1"))]), -32600, "an object"),
            (json!("text"), -32600, "an object"),
            (call("jsonrpc", json!("1.0")), -32600, "\"2.0\""),
            (call("method", json!(null)), -32600, "method"),
            (call("method", json!(7)), -32600, "method"),
            (call("params", json!([1])), -32600, "named"),
            (call("id", json!({})), -32600, "id must be"),
            (
                call("params", json!({"rpc.version": "2.0"})),
                -32600,
                "\"2.0\"; only 1.x",
            ),
            (call("params", json!({"rpc.version": 1})), -32600, "1.x"),
            (
                call("params", json!({"context": 7})),
                -32602,
                "context must be an object",
            ),
        ] {
            let (got, message, _) = refused(&body);
            assert_eq!(got, code, "{body}");
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(refused(&call("method", json!(null))).2, json!("1"));
    }

    #[test]
    fn unsafe_request_id_is_ignored() {
        for id in ["", "req-1\nkernel evil", "${x}", &"a".repeat(65)] {
            assert_eq!(usable_id(Some(&json!(id))), None, "{id:?}");
        }
        assert_eq!(usable_id(Some(&json!(7))), None);
        assert_eq!(usable_id(Some(&json!("req-7"))).as_deref(), Some("req-7"));
    }

    #[test]
    fn missing_or_invalid_parameter_is_an_error_unless_optional() {
        let mut params = Params([("wrong".to_owned(), json!(7))].into_iter().collect());
        let problem = |refused: RpcError| (refused.code(), refused.to_string());
        assert_eq!(
            problem(params.take::<String>("m", "gone").unwrap_err()),
            (
                -32602,
                "Params are invalid for m: gone is missing".to_owned()
            )
        );
        let (_, text) = problem(params.take::<String>("m", "wrong").unwrap_err());
        assert!(text.contains("m: wrong: invalid type"), "{text}");
        assert_eq!(params.take::<Option<u32>>("m", "gone").unwrap(), None);
    }
}
