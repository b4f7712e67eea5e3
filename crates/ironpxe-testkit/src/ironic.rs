//! The operator at the Ironic API: a small blocking client that says what it did not expect.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use reqwest::blocking::Client;
use reqwest::header::USER_AGENT;
use serde_json::{Value, json};

use crate::wait::{TIMEOUT, eventually};

const MICROVERSION_HEADER: &str = "X-OpenStack-Ironic-API-Version";
/// The version asked for with each request.
pub const MICROVERSION: &str = "1.115";
/// How the firmware of Debian 12 names itself.
pub const FIRMWARE: &str = "iPXE/1.0.0+git-20190125.36a4c85-5.1";

const POLL: Duration = Duration::from_millis(20);
const REQUEST_TIMEOUT: Duration = TIMEOUT;

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Ironic {
    base_url: String,
    client: Client,
    token: Option<String>,
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body; `null` when it is empty or not JSON.
    pub json: Value,
    /// The body as it came.
    pub text: String,
}

impl Reply {
    /// The body's JSON, if the status is what it should be.
    pub fn expect_status(self, status: u16) -> Result<Value> {
        ensure!(
            self.status == status,
            "{} instead of {status}: {}",
            self.status,
            self.text
        );
        Ok(self.json)
    }
}

impl Ironic {
    /// A client for the server at `base_url` (`http://host:port`).
    pub fn new(base_url: &str) -> Result<Self> {
        let client = crate::http::client().timeout(REQUEST_TIMEOUT).build();
        let client = client.context("cannot make an HTTP client")?;
        Ok(Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            client,
            token: None,
        })
    }

    /// The same with a token of Keystone.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        let token = Some(token.to_owned());
        Self { token, ..self }
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Result<Reply> {
        self.send(&Method::GET, path, None)
    }

    /// `POST`.
    pub fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send(&Method::POST, path, Some(body))
    }

    /// `PUT`.
    pub fn put(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send(&Method::PUT, path, Some(body))
    }

    /// `PATCH`, with a JSON patch.
    pub fn patch(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send(&Method::PATCH, path, Some(body))
    }

    /// `DELETE`.
    pub fn delete(&self, path: &str) -> Result<Reply> {
        self.send(&Method::DELETE, path, None)
    }

    fn send(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Reply> {
        let url = format!("{}{path}", self.base_url);
        let mut request = self.client.request(method.clone(), url);
        request = request.header(MICROVERSION_HEADER, MICROVERSION);
        if let Some(token) = &self.token {
            request = request.header("X-Auth-Token", token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().with_context(|| format!("{method} {path}"))?;
        let status = answer.status().as_u16();
        let text = answer
            .text()
            .with_context(|| format!("the answer to {method} {path}"))?;
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Reply { status, json, text })
    }

    /// What a machine's firmware gets at `path`: no API headers, and its own user agent.
    pub fn get_as_firmware(&self, path: &str) -> Result<Reply> {
        let url = format!("{}{path}", self.base_url);
        let request = self.client.get(url).header(USER_AGENT, FIRMWARE);
        let answer = request
            .send()
            .with_context(|| format!("GET {path} as firmware"))?;
        let status = answer.status().as_u16();
        let text = answer
            .text()
            .with_context(|| format!("the answer to GET {path}"))?;
        Ok(Reply {
            status,
            json: Value::Null,
            text,
        })
    }

    /// Enrols a node; returns it as the API does.
    pub fn create_node(&self, node: &Value) -> Result<Value> {
        self.post("/v1/nodes", node)?
            .expect_status(201)
            .context("cannot create the node")
    }

    /// Gives a node a network card.
    pub fn create_port(&self, node_uuid: &str, mac: &str) -> Result<Value> {
        let port = json!({"node_uuid": node_uuid, "address": mac});
        self.post("/v1/ports", &port)?
            .expect_status(201)
            .context("cannot create the port")
    }

    /// A node, by UUID or name.
    pub fn node(&self, node: &str) -> Result<Value> {
        self.get(&format!("/v1/nodes/{node}"))?.expect_status(200)
    }

    /// Asks for a provision state by its verb: `manage`, `provide`, `active`, `deleted`, …
    pub fn provision(&self, node: &str, verb: &str) -> Result<()> {
        let path = format!("/v1/nodes/{node}/states/provision");
        let reply = self.put(&path, &json!({"target": verb}))?;
        reply
            .expect_status(202)
            .with_context(|| format!("the verb {verb} was refused"))?;
        Ok(())
    }

    /// Enrols a node with a port; returns the node's UUID.
    pub fn enrol(&self, node: &Value, mac: &str) -> Result<String> {
        let node = self.create_node(node)?;
        let uuid = node.get("uuid").and_then(Value::as_str);
        let uuid = uuid.context("a node without UUID")?;
        self.create_port(uuid, mac)?;
        Ok(uuid.to_owned())
    }

    /// Asks for one verb after the other, and waits each time for the state that it leads to.
    pub fn walk(&self, node: &str, steps: &[(&str, &str)]) -> Result<()> {
        for (verb, state) in steps {
            self.provision(node, verb)?;
            self.wait_state(node, state, TIMEOUT)?;
            // A real Ironic keeps it for a moment.
            self.wait_unreserved(node)?;
        }
        Ok(())
    }

    /// Waits until the node is not reserved.
    pub fn wait_unreserved(&self, node: &str) -> Result<()> {
        eventually("the node is not reserved", || {
            Ok(self.node(node)?.get("reservation") == Some(&Value::Null))
        })
    }

    /// Waits until the node is in `state`; returns the node.
    pub fn wait_state(&self, node: &str, state: &str, timeout: Duration) -> Result<Value> {
        let deadline = Instant::now() + timeout;
        loop {
            let found = self.node(node)?;
            let is = found
                .get("provision_state")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if is == state {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                let error = found.get("last_error").unwrap_or(&Value::Null);
                bail!("the node is in {is} instead of {state} after {timeout:?}; {error}");
            }
            thread::sleep(POLL);
        }
    }
}
