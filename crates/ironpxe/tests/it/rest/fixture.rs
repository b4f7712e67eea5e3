//! A server of one's own, for a test that works with its resources.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::recording::{Answer, Client, request};
use super::server;

/// A server and a client of it.
pub(super) struct RestFixture {
    pub(super) client: Client,
    pub(super) server: ironpxe_testkit::server::Server,
}

impl RestFixture {
    pub(super) fn new() -> Result<Self> {
        let server = server()?;
        Ok(Self {
            client: Client::new(server.base_url())?,
            server,
        })
    }

    /// Asks, as a client of the newest version.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer> {
        self.client.ask(&request(method, path, body)).await
    }

    /// The body of an answer that must have this status.
    pub(super) async fn expect(
        &self,
        status: u16,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        let answer = self.ask(method, path, body).await?;
        ensure!(
            answer.status == status,
            "{method} {path}: {} {}",
            answer.status,
            answer.text
        );
        Ok(answer.json())
    }

    /// The body of what must be there.
    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        self.expect(200, "GET", path, None).await
    }

    /// The message of a refusal that must have this status.
    pub(super) async fn refused(
        &self,
        status: u16,
        method: &str,
        path: &str,
        body: Value,
    ) -> Result<String> {
        let answer = self.ask(method, path, Some(body)).await?;
        ensure!(
            answer.status == status,
            "{method} {path}: {} {}",
            answer.status,
            answer.text
        );
        Ok(answer.message())
    }

    /// Enrols a node; its UUID.
    pub(super) async fn node(&self, body: Value) -> Result<String> {
        let node = self.expect(201, "POST", "/v1/nodes", Some(body)).await?;
        Ok(node["uuid"].as_str().context("no uuid")?.to_owned())
    }

    /// Asks without a body, as a client of another version.
    pub(super) async fn at(&self, version: &str, method: &str, path: &str) -> Result<Answer> {
        let mut ask = request(method, path, None);
        ask.headers.insert(
            "X-OpenStack-Ironic-API-Version".to_owned(),
            version.to_owned(),
        );
        self.client.ask(&ask).await
    }
}

/// The names of the nodes in a list.
pub(super) fn names(list: &Value) -> Vec<&str> {
    list["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|node| node["name"].as_str())
        .collect()
}

/// A lab with a node of fake hardware called `n1`, and its UUID.
pub(super) async fn lab() -> Result<(RestFixture, String)> {
    let lab = RestFixture::new()?;
    let node = json!({ "driver": "fake-hardware", "name": "n1" });
    let uuid = lab.node(node).await?;
    Ok((lab, uuid))
}

/// A port of the node; its path.
pub(super) async fn port(lab: &RestFixture, node: &str) -> Result<String> {
    let port = json!({ "node_uuid": node, "address": "52:54:00:aa:00:01" });
    let port = lab.expect(201, "POST", "/v1/ports", Some(port)).await?;
    let uuid = port["uuid"].as_str().context("no uuid")?;
    Ok(format!("/v1/ports/{uuid}"))
}

/// Asks for a verb, and waits until it is done; the node.
pub(super) async fn drive(lab: &RestFixture, body: Value) -> Result<Value> {
    let path = "/v1/nodes/n1/states/provision";
    lab.expect(202, "PUT", path, Some(body)).await?;
    lab.client.wait_until_free("n1").await?;
    lab.get("/v1/nodes/n1").await
}

pub(super) fn is(answer: &Answer, status: u16, message: &str) -> Result<()> {
    ensure!(
        answer.status == status && answer.message().contains(message),
        "not {status} {message:?}: {answer:?}"
    );
    Ok(())
}
