//! What Keystone, Glance, Swift and Neutron answer when nothing goes wrong.

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Answer, CREDENTIAL, PASSWORD, PROJECT, Request, Shared, USER};
use crate::journal::hold;

impl Shared {
    pub(super) fn answer(&self, request: &Request) -> Answer {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        if path == "/v3/auth/tokens" && request.method == "POST" {
            return self.give_token(&request.body);
        }
        let is_known = |token: &String| hold(&self.tokens).good.contains(token);
        if !request.token.as_ref().is_some_and(is_known) {
            let words = "<h1>401 Unauthorized</h1>\nThis server could not verify you.";
            return Answer::text(401, words);
        }
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["v3", "auth", "tokens"]) => self.describe_token(request, query),
            ("GET", ["image", "v2", "images", id]) => match hold(&self.images).get(*id) {
                Some((image, _)) => Answer::json(200, image),
                None => no_image(id),
            },
            ("GET", ["image", "v2", "images", id, "file"]) => match hold(&self.images).get(*id) {
                Some((_, data)) => part(data, request.range.as_deref()),
                None => no_image(id),
            },
            ("GET", ["network", "v2.0", "ports"]) => {
                let mac = query.strip_prefix("mac_address=").unwrap_or_default();
                let mac = mac.replace("%3A", ":");
                let ports = hold(&self.ports);
                let found: Vec<&Value> = ports
                    .values()
                    .filter(|it| it.get("mac_address").and_then(Value::as_str) == Some(&mac))
                    .collect();
                Answer::json(200, &json!({ "ports": found }))
            }
            (method, ["network", "v2.0", "ports", id]) => {
                let mut ports = hold(&self.ports);
                let Some(port) = ports.get_mut(*id) else {
                    let message = format!("Port {id} could not be found.");
                    let fault = json!({ "type": "PortNotFound", "message": message, "detail": "" });
                    return Answer::json(404, &json!({ "NeutronError": fault }));
                };
                if method == "PUT" {
                    merge_options(port, &request.body);
                }
                Answer::json(200, &json!({ "port": port }))
            }
            _ => Answer::text(404, "404 Not Found"),
        }
    }

    /// What Keystone says about a token of a client.
    fn describe_token(&self, request: &Request, query: &str) -> Answer {
        let subject = request.subject.as_deref().unwrap_or_default();
        let may_have_expired = query.split('&').any(|it| it == "allow_expired=1");
        let described = hold(&self.described).get(subject).cloned();
        let is_valid = |it: &Value| {
            let expires = it.pointer("/token/expires_at").and_then(Value::as_str);
            let expires = expires.and_then(|it| OffsetDateTime::parse(it, &Rfc3339).ok());
            may_have_expired || expires.is_some_and(|it| OffsetDateTime::now_utc() < it)
        };
        match described.filter(is_valid) {
            Some(token) => Answer::json(200, &token),
            None => Answer::json(
                404,
                &json!({ "error": {
                    "code": 404, "title": "Not Found",
                    "message": "Failed to validate token",
                } }),
            ),
        }
    }

    fn give_token(&self, body: &Value) -> Answer {
        let at = |path: &str| body.pointer(path).and_then(Value::as_str);
        let user = "/auth/identity/password/user";
        let by_password = at(&format!("{user}/name")) == Some(USER)
            && at(&format!("{user}/password")) == Some(PASSWORD)
            && at(&format!("{user}/domain/name")) == Some("Default")
            && at("/auth/scope/project/name") == Some("service");
        let credential = "/auth/identity/application_credential";
        let by_credential = at(&format!("{credential}/id")) == Some(CREDENTIAL.0)
            && at(&format!("{credential}/secret")) == Some(CREDENTIAL.1)
            && body.pointer("/auth/scope").is_none();
        if !by_password && !by_credential {
            let fault = json!({
                "code": 401, "title": "Unauthorized",
                "message": "The request you have made requires authentication.",
            });
            return Answer::json(401, &json!({ "error": fault }));
        }
        let mut tokens = hold(&self.tokens);
        tokens.given += 1;
        let token = format!("token-{}", tokens.given);
        tokens.good.push(token.clone());
        // Its clock is years from ours.
        let issued = Duration::from_hours(7);
        let time = |at: Duration| {
            let seconds = at.as_secs();
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            format!(
                "2031-01-01T{hours:02}:{minutes:02}:{:02}.000000Z",
                seconds % 60
            )
        };
        let base = &self.base;
        let service = |kind: &str, url: String| {
            let endpoint = |interface: &str, region: &str, url: &str| json!({ "interface": interface, "region_id": region, "region": region, "url": url });
            let elsewhere = format!("{url}-elsewhere");
            json!({ "type": kind, "name": kind, "endpoints": [
                endpoint("admin", "RegionOne", &elsewhere),
                endpoint("internal", "RegionTwo", &elsewhere),
                endpoint("public", "RegionOne", &url),
            ] })
        };
        let answer = json!({ "token": {
            "issued_at": time(issued),
            "expires_at": time(issued + tokens.life),
            "project": { "id": PROJECT, "name": "service" },
            "catalog": [
                service("image", format!("{base}/image")),
                service("network", format!("{base}/network/")),
                service("object-store", format!("{base}/v1/AUTH_{PROJECT}")),
            ],
        } });
        let mut answer = Answer::json(201, &answer);
        answer.headers.push(("X-Subject-Token", token));
        answer
    }
}

fn no_image(id: &str) -> Answer {
    let page = format!(
        "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  \
         <h1>404 Not Found</h1>\n  No image found with ID {id}<br /><br />\n </body>\n</html>"
    );
    Answer::text(404, &page)
}

/// The data, or the part that was asked for.
fn part(data: &[u8], range: Option<&str>) -> Answer {
    if data.is_empty() {
        return Answer::text(204, "");
    }
    let bounds = range
        .and_then(|range| range.strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'));
    let length = data.len();
    let (status, part) = match bounds {
        None => (200, data),
        Some((first, last)) => {
            let first: usize = first.parse().unwrap_or(usize::MAX);
            let end = last.parse::<usize>().map_or(length, |last| last + 1);
            match data.get(first..end.min(length)) {
                Some(part) if !part.is_empty() => (206, part),
                _ => (416, &[][..]),
            }
        }
    };
    Answer {
        status,
        headers: Vec::new(),
        body: part.to_vec(),
    }
}

/// As Neutron does: what is named is replaced, or deleted without a value; the rest stays.
fn merge_options(port: &mut Value, body: &Value) {
    let changes = body.pointer("/port/extra_dhcp_opts");
    let options = port
        .get_mut("extra_dhcp_opts")
        .and_then(Value::as_array_mut);
    let (Some(options), Some(changes)) = (options, changes.and_then(Value::as_array)) else {
        return;
    };
    for change in changes {
        let same = |it: &Value| {
            ["opt_name", "ip_version"]
                .iter()
                .all(|key| it.get(key) == change.get(key))
        };
        options.retain(|it| !same(it));
        if change.get("opt_value").is_some_and(Value::is_string) {
            options.push(change.clone());
        }
    }
}
