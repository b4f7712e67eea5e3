//! The doors of scripts, without the framework around them.
//!
//! A machine that asks as machines do, and whose script is known at once, is answered here and now,
//! with the very headers the framework's layers would have written. If it must be waited for, the
//! conductor is asked by the functions that the router's handlers call, too, so that what is said is
//! said once. Whoever asks in any other way is answered by the router.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::microversion::Microversion;
use ironpxe_core::passthru::{HttpMethod, PassthruReply};
use serde_json::Value;
use tower::ServiceExt;

use super::answer::{IsFirmware, script_answer, text_response};
use super::boot_by_mac;
use crate::api::drivers::Called;
use crate::api::request::{Asked, REQUEST_ID_ON_WIRE, panicked, unless_it_panics};
use crate::api::{AppState, version};
use crate::ident;
use crate::rpc::Context;
use crate::server::{Express, Head, Plain, Reply, Verdict, Written};

/// The doors of scripts.
pub(crate) struct Doors {
    house: Arc<House>,
    router: Router,
}

/// What is behind them.
struct House {
    state: AppState,
    /// What answers of the API itself begin with.
    of_the_api: Head,
    /// What all others begin with.
    of_a_door: Head,
}

/// Where a request wants to go.
#[derive(Debug, PartialEq, Eq)]
enum Door<'t> {
    /// For the script of a machine.
    Script(Script<'t>),
    /// For something else behind these doors.
    Other,
}

#[derive(Debug, PartialEq, Eq)]
struct Script<'t> {
    /// The hardware type whose passthru method is called, if one is.
    driver: Option<&'t str>,
    ident: BootIdent,
}

impl Doors {
    /// The same doors as the `router`'s.
    pub(crate) fn new(state: AppState, router: Router) -> Self {
        let text = || text_response(String::new());
        let versioned = version::with_headers(text(), Some(Microversion::MIN));
        let house = Arc::new(House {
            state,
            of_the_api: Head::new(StatusCode::OK, versioned.headers()),
            of_a_door: Head::new(StatusCode::OK, text().headers()),
        });
        Self { house, router }
    }

    /// Answers with the script of a machine, if it is known at once.
    fn at_once(&self, script: &Script<'_>, request: &Plain<'_>, reply: Reply<'_>) -> bool {
        let started = Instant::now();
        let conductor = &self.house.state.conductor;
        let Some(moment) = conductor.moment() else {
            return false;
        };
        let id = ident::request_id();
        let found = conductor.boot_script_at_once(moment, &id, script.driver, script.ident);
        let Some(text) = found else {
            return false;
        };
        self.house.send(script.driver, &id, &text, reply);
        asked(&id, request.target, started).log(StatusCode::OK, None);
        true
    }

    /// Asks the conductor for the script of a machine, and waits for it.
    fn soon(&self, script: &Script<'_>, request: &Plain<'_>) -> Verdict {
        let started = Instant::now();
        let house = Arc::clone(&self.house);
        let target = request.target.to_owned();
        let agent = request
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("user-agent"));
        let client = IsFirmware::new(agent.map(|header| header.value));
        let ident = script.ident;
        let driver = script.driver.map(str::to_owned);
        Verdict::Later(Box::pin(async move {
            let ctx = Context {
                request_id: ident::request_id(),
            };
            let script = script_of(&house.state, &ctx, client, driver.as_deref(), ident);
            let script = unless_it_panics(script).await;
            let asked = asked(&ctx.request_id, &target, started);
            let response = match script {
                Ok(Ok(text)) => {
                    asked.log(StatusCode::OK, None);
                    let send = move |reply: Reply<'_>| {
                        house.send(driver.as_deref(), &ctx.request_id, &text, reply);
                    };
                    return Box::new(send) as Written;
                }
                Ok(Err(response)) => response,
                Err(panic) => panicked(&*panic).into_response(),
            };
            as_it_is(asked.answered(response)).await
        }))
    }

    /// Asks the router.
    fn later(&self, plain: &Plain<'_>) -> Verdict {
        let mut request = Request::get(plain.target).extension(ConnectInfo(plain.peer));
        for header in plain.headers {
            request = request.header(header.name, header.value);
        }
        let Ok(request) = request.body(Body::empty()) else {
            return Verdict::Left;
        };
        let router = self.router.clone();
        Verdict::Later(Box::pin(async move {
            let response = match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            as_it_is(response).await
        }))
    }
}

impl House {
    /// Sends the script of a machine. The passthru method, of this driver, is of the API itself.
    fn send(&self, driver: Option<&str>, id: &str, text: &str, reply: Reply<'_>) {
        let head = match driver {
            Some(_) => &self.of_the_api,
            None => &self.of_a_door,
        };
        let ids = REQUEST_ID_ON_WIRE.map(|name| (name, id));
        reply.send(head, &ids, text.as_bytes());
    }
}

/// What is known of every request here.
fn asked<'r>(id: &'r str, target: &'r str, started: Instant) -> Asked<'r> {
    Asked {
        id,
        global_id: None,
        method: &Method::GET,
        path: path(target),
        started,
    }
}

impl Express for Doors {
    fn answer(&self, request: &Plain<'_>, reply: Reply<'_>) -> Verdict {
        let Some(door) = door(request.target) else {
            return Verdict::Left;
        };
        if let Door::Script(script) = door
            && says_nothing_of_the_api(request)
        {
            return if self.at_once(&script, request, reply) {
                Verdict::Answered
            } else {
                self.soon(&script, request)
            };
        }
        self.later(request)
    }
}

/// The script of a machine; or what its door answers instead.
async fn script_of(
    state: &AppState,
    ctx: &Context,
    client: IsFirmware,
    driver: Option<&str>,
    ident: BootIdent,
) -> Result<String, axum::response::Response> {
    let Some(driver) = driver else {
        let result = boot_by_mac::ask(state, ctx, ident).await;
        return result.map_err(|fault| script_answer(client, &state.scripts, ctx, Err(fault)));
    };
    let called = Called {
        driver,
        method: "ipxe_config",
        http_method: HttpMethod::Get,
        args: Ok(ident.to_args()),
    };
    match called.ask(state, ctx).await {
        Ok(PassthruReply {
            value: Value::String(text),
            attach: true,
            ..
        }) => Ok(text),
        result => {
            let answer = Called::answer(state, ctx, client, result).into_response();
            Err(version::with_headers(answer, Some(Microversion::MIN)))
        }
    }
}

/// Where a request wants to go; `None` if not through one of these doors, or in a spelling that
/// only the router knows.
fn door(target: &str) -> Option<Door<'_>> {
    let script = |driver, ident: Option<BootIdent>| match ident {
        Some(ident) => Door::Script(Script { driver, ident }),
        None => Door::Other,
    };
    if let Some(rest) = target.strip_prefix("/v1/drivers/") {
        let (driver, call) = rest.split_once('/')?;
        let query = call.strip_prefix("vendor_passthru/ipxe_config")?;
        // A path that ends at `?` or `#`, an empty segment, or what is no URI: the router, or the
        // framework before it, reads these otherwise than they are cut here.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if driver.is_empty() || !driver.bytes().all(is_plain) {
            return None;
        }
        return Some(script(
            Some(driver),
            query.strip_prefix('?').and_then(argument),
        ));
    }
    if let Some(rest) = target.strip_prefix("/v1/boot/") {
        let mac = rest.strip_suffix("/boot.ipxe");
        let mac = mac.and_then(|mac| mac.parse().ok());
        return Some(script(None, mac.map(BootIdent::Address)));
    }
    if let Some(file) = target.strip_prefix("/pxelinux.cfg/") {
        let mac = BootIdent::address_in_file_name(file);
        return Some(script(None, mac.map(BootIdent::Address)));
    }
    matches!(path(target), "/boot.ipxe" | "/autoexec.ipxe").then_some(Door::Other)
}

/// The machine in a query of one argument, in which nothing is escaped.
fn argument(query: &str) -> Option<BootIdent> {
    match query.split_once('=')? {
        ("port_address", mac) => mac.parse().ok().map(BootIdent::Address),
        ("node_uuid", uuid) => uuid.parse().ok().map(BootIdent::Node),
        _ => None,
    }
}

fn path(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// Whether the request names no version of the API and no id of its own.
fn says_nothing_of_the_api(request: &Plain<'_>) -> bool {
    let speaks = |name: &str| {
        let name = name.as_bytes();
        let name = match name {
            [b'x' | b'X', b'-', rest @ ..] => rest,
            name => name,
        };
        name.get(..9)
            .is_some_and(|begin| begin.eq_ignore_ascii_case(b"openstack"))
    };
    !request.headers.iter().any(|header| speaks(header.name))
}

/// Writes a response of the framework, whose body is in memory already.
async fn as_it_is(response: axum::response::Response) -> Written {
    let (parts, body) = response.into_parts();
    let response = if let Ok(body) = body.collect().await {
        Response::from_parts(parts, body.to_bytes())
    } else {
        // Texts do not fail.
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    };
    Box::new(move |reply| reply.send_response(&response))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_spellings_are_known() {
        let mac = BootIdent::Address("52:54:00:aa:00:01".parse().unwrap());
        let uuid = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
        let node = BootIdent::Node(uuid.parse().unwrap());
        let of = |driver, ident| Some(Door::Script(Script { driver, ident }));
        let passthru = "/v1/drivers/redfish/vendor_passthru/ipxe_config";
        let by_node = format!("{passthru}?node_uuid={uuid}");
        let by_mac = format!("{passthru}?port_address=52:54:00:aa:00:01");
        let both = format!("{by_mac}&node_uuid={uuid}");
        for (target, expected) in [
            (by_node.as_str(), of(Some("redfish"), node)),
            (&by_mac, of(Some("redfish"), mac)),
            ("/v1/boot/52-54-00-AA-00-01/boot.ipxe", of(None, mac)),
            ("/pxelinux.cfg/01-52-54-00-aa-00-01", of(None, mac)),
            // The router knows better.
            (passthru, Some(Door::Other)),
            (&both, Some(Door::Other)),
            (
                "/v1/boot/52-54-00-AA-00-01/boot.ipxe?a=b",
                Some(Door::Other),
            ),
            ("/v1/boot/1be26c0b/ks.cfg", Some(Door::Other)),
            ("/pxelinux.cfg/default", Some(Door::Other)),
            ("/boot.ipxe", Some(Door::Other)),
            ("/boot.ipxe?a", Some(Door::Other)),
            // And these are none of our doors.
            (&by_mac.replace("redfish", "red%66ish"), None),
            (&by_mac.replace("redfish", "redfish#"), None),
            (&by_mac.replace("redfish", "redfish?x="), None),
            (&by_mac.replace("redfish", ""), None),
            (&by_mac.replace("redfish", "red{fish"), None),
            ("/v1/drivers/redfish/vendor_passthru/methods", None),
            ("/v1/drivers/redfish", None),
            ("/v1/nodes", None),
            ("//v1/boot/52-54-00-AA-00-01/boot.ipxe", None),
            ("/v1/images/a/b", None),
            ("http://h/boot.ipxe", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(door(target), expected, "{target}");
        }
    }

    #[test]
    fn whoever_speaks_of_the_api_is_the_routers() {
        for (name, speaks) in [
            ("User-Agent", false),
            ("X-Real-IP", false),
            ("OpenStack-API-Version", true),
            ("x-openstack-ironic-api-version", true),
            ("X-Openstack-Request-Id", true),
            ("X", false),
            ("", false),
        ] {
            let headers = [httparse::Header {
                name,
                value: b"1.9",
            }];
            let request = Plain {
                target: "/",
                headers: &headers,
                peer: ([127, 0, 0, 1], 1).into(),
            };
            assert_eq!(says_nothing_of_the_api(&request), !speaks, "{name}");
        }
    }
}
