//! A recorded exchange, and asking the same again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::wait::TIMEOUT;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

/// One request, and what came back.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Exchange {
    pub(super) note: String,
    pub(super) request: Request,
    pub(super) response: Recorded,
}

/// What was asked.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    /// A text stands for itself; anything else was sent as JSON.
    pub(super) body: Option<Value>,
}

/// What Ironic answered.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Recorded {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Value>,
}

/// What ironpxe answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// By names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) text: String,
}

impl Exchange {
    /// The exchanges of a file.
    pub(super) fn read(path: &Path) -> Result<Vec<Self>> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }
}

impl Answer {
    /// The body as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The message of an error, wherever its shape has it.
    pub(super) fn message(&self) -> String {
        let outer = self.json();
        let inner = outer["error_message"]
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok());
        let error: Value = inner.unwrap_or(outer);
        let text = error["faultstring"]
            .as_str()
            .or_else(|| error["description"].as_str());
        text.unwrap_or_default().to_owned()
    }
}

impl Recorded {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Asks one server.
#[derive(Debug, Clone)]
pub(super) struct Client {
    base_url: String,
    client: reqwest::Client,
}

impl Client {
    pub(super) fn new(base_url: &str) -> Result<Self> {
        let client = ironpxe_testkit::http::async_client()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self {
            base_url: base_url.to_owned(),
            client,
        })
    }

    pub(super) async fn ask(&self, request: &Request) -> Result<Answer> {
        let body = match &request.body {
            None => Vec::new(),
            Some(Value::String(raw)) => raw.clone().into_bytes(),
            Some(json) => json.to_string().into_bytes(),
        };
        self.ask_bytes(request, body).await
    }

    /// Sends whatever bytes for a body.
    pub(super) async fn ask_bytes(&self, request: &Request, body: Vec<u8>) -> Result<Answer> {
        let method: Method = request.method.parse()?;
        let mut ask = self
            .client
            .request(method, format!("{}{}", self.base_url, request.path));
        for (name, value) in &request.headers {
            ask = ask.header(name, value);
        }
        if !body.is_empty() {
            ask = ask.body(body);
        }
        let place = || format!("{} {}", request.method, request.path);
        let answer = ask.send().await.with_context(place)?;
        let status = answer.status().as_u16();
        let headers: BTreeMap<String, String> = answer
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let text = answer.text().await.with_context(place)?;
        Ok(Answer {
            status,
            headers,
            text,
        })
    }

    /// Asks for something that must succeed.
    pub(super) async fn done(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        status: u16,
    ) -> Result<Answer> {
        let answer = self.ask(&request(method, path, Some(body.clone()))).await?;
        ensure!(
            answer.status == status,
            "{method} {path}: {} {}",
            answer.status,
            answer.text
        );
        Ok(answer)
    }

    /// Waits until nothing is going on with a node.
    pub(super) async fn wait_until_free(&self, node: &str) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let answer = self
                .ask(&request("GET", &format!("/v1/nodes/{node}"), None))
                .await?;
            let body: Value = serde_json::from_str(&answer.text)?;
            if body["reservation"].is_null() && body["target_power_state"].is_null() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{node} is still held: {body}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A request of a client that speaks the newest version.
pub(super) fn request(method: &str, path: &str, body: Option<Value>) -> Request {
    let headers = [
        ("X-OpenStack-Ironic-API-Version", "1.115"),
        ("Accept", "application/json"),
        ("Content-Type", "application/json"),
    ];
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body,
    }
}
