//! Shared parts of node and driver passthru: the list of methods, and the response.

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::{Method, StatusCode, header};
use ironpxe_core::JsonMap;
use ironpxe_core::error::Fault;
use ironpxe_core::passthru::{HttpMethod, MethodInfo, PassthruReply, arguments_in_query};
use serde_json::{Map, Value, json};

use crate::api::AppState;
use crate::api::args::{Args, BodyArgs};
use crate::api::error::{ApiError, Result};

/// Passthru methods can be declared for any HTTP method, including `HEAD`.
pub(super) fn route<T: 'static, H: Handler<T, AppState>>(handler: H) -> MethodRouter<AppState> {
    get(handler.clone())
        .head(handler.clone())
        .post(handler.clone())
        .put(handler.clone())
        .patch(handler.clone())
        .delete(handler)
}

/// The arguments of a call in its query and body.
#[derive(Debug, Default)]
pub(super) struct CallArgs {
    query: Args,
    body: Option<Value>,
}

impl FromRequest<AppState> for CallArgs {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        let (query, body) = BodyArgs::apart(request, state).await?;
        Ok(Self { query, body })
    }
}

impl CallArgs {
    /// The method named in the query, with its arguments.
    pub(super) fn method_in_query(mut self) -> Result<(String, JsonMap)> {
        let named = self.query.text("method")?;
        self.query.0.remove("method");
        if let Some(method) = named {
            let args = self.of(&method)?;
            return Ok((method, args));
        }
        // As in Ironic, unknown arguments are reported before a missing method.
        self.query.only(&arguments_in_query(""))?;
        let missing = "Missing mandatory parameter: method".to_owned();
        Err(Fault::MissingParameterValue(missing).into())
    }

    /// The arguments of `method`: the declared ones in the query, overridden by those in the body.
    pub(super) fn of(self, method: &str) -> Result<JsonMap> {
        // `ipxe_config` validates its arguments itself.
        if method != "ipxe_config" {
            self.query.only(&arguments_in_query(method))?;
        }
        Ok(self.query.with_body(self.body)?.0)
    }
}

/// The HTTP method, if passthru methods can be declared for it.
pub(super) fn http_method(method: &Method) -> Option<HttpMethod> {
    [
        HttpMethod::Get,
        HttpMethod::Head,
        HttpMethod::Post,
        HttpMethod::Put,
        HttpMethod::Patch,
        HttpMethod::Delete,
    ]
    .into_iter()
    .find(|known| known.name() == method.as_str())
}

/// `…/vendor_passthru/methods`
pub(super) fn methods(methods: &[MethodInfo]) -> Json<Value> {
    let body = methods
        .iter()
        .map(|method| {
            let names: Vec<&str> = method
                .http_methods
                .iter()
                .map(|known| known.name())
                .collect();
            let mut shown = Map::from_iter([
                ("http_methods".to_owned(), json!(names)),
                ("async".to_owned(), json!(method.is_async)),
                ("description".to_owned(), json!(method.description)),
                ("attach".to_owned(), json!(method.attach)),
            ]);
            if let Some(lock) = method.require_exclusive_lock {
                shown.insert("require_exclusive_lock".to_owned(), json!(lock));
            }
            (method.name.clone().into_owned(), Value::Object(shown))
        })
        .collect::<Map<_, _>>();
    Json(Value::Object(body))
}

/// The response of a passthru method: its value as JSON, or, if attached, as text.
pub(super) fn answer(reply: PassthruReply) -> Response {
    if reply.is_async {
        return StatusCode::ACCEPTED.into_response();
    }
    match reply.value {
        Value::String(text) if reply.attach => {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (headers, text).into_response()
        }
        value => Json(value).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_listed_in_the_form_of_ironic() {
        let info = MethodInfo {
            name: "ipxe_config".into(),
            http_methods: (&[HttpMethod::Get]).into(),
            is_async: false,
            attach: true,
            description: "d".into(),
            require_exclusive_lock: None,
        };
        let node = MethodInfo {
            name: "n".into(),
            require_exclusive_lock: Some(true),
            ..info.clone()
        };
        assert_eq!(
            methods(&[info, node]).0.to_string(),
            r#"{"ipxe_config":{"http_methods":["GET"],"async":false,"description":"d","attach":true},"n":{"http_methods":["GET"],"async":false,"description":"d","attach":true,"require_exclusive_lock":true}}"#
        );
    }

    #[test]
    fn attached_text_is_the_response_body() {
        let reply = PassthruReply {
            value: json!("#!ipxe\n"),
            is_async: false,
            attach: true,
        };
        let response = answer(reply);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        assert_eq!(response.headers()["cache-control"], "no-store");

        let plain = PassthruReply {
            value: json!("x"),
            is_async: false,
            attach: false,
        };
        assert_eq!(answer(plain).headers()["content-type"], "application/json");
        let later = PassthruReply {
            value: Value::Null,
            is_async: true,
            attach: false,
        };
        assert_eq!(answer(later).status(), StatusCode::ACCEPTED);
    }
}
