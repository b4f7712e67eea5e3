//! The nodes of the benchmark: made through the API as an operator would, then asked for.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use reqwest::{
    Method, StatusCode,
    blocking::{Client, RequestBuilder},
};
use serde_json::{Value, json};

use super::servers::Target;

/// How many requests are under way at once while nodes are made.
const WORKERS: u32 = 8;
/// No single request, and no single change of state, may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long requests of one kind took, in milliseconds, in no order.
pub(super) type Timings = BTreeMap<&'static str, Vec<f64>>;

pub(super) fn client() -> Result<Client> {
    ironpxe_testkit::http::client()
        .timeout(PATIENCE)
        .build()
        .context("cannot make an HTTP client")
}

/// The address of the port of node `index`.
pub(super) fn mac(index: u32, separator: &str) -> String {
    let [_, a, b, c] = index.to_be_bytes();
    [0x02, 0, 0, a, b, c]
        .map(|byte| format!("{byte:02x}"))
        .join(separator)
}

/// Makes `count` nodes and brings each to where it waits for its deploy ramdisk.
pub(super) fn populate(url: &str, count: u32) -> Result<Timings> {
    let client = client()?;
    let all = shared_out(count, |index, timings| {
        Enrolment {
            client: &client,
            url,
            timings,
        }
        .run(index)
        .with_context(|| format!("node {index}"))
    })?;
    let mut merged = Timings::new();
    for (kind, times) in all.into_iter().flatten() {
        merged.entry(kind).or_default().extend(times);
    }
    Ok(merged)
}

/// Asks for the script of each node, writes it as the file which the static layout has for that
/// address, and returns the mean size.
pub(super) fn write_scripts(url: &str, count: u32, folder: &Path) -> Result<u64> {
    fs::create_dir_all(folder).context("cannot create the folder for nginx")?;
    let target = Target::ironpxe(url, Vec::new(), None);
    let client = client()?;
    let sizes = shared_out(count, |index, size: &mut u64| {
        let script = script(&client, &target.url(index))?;
        let path = folder.join(mac(index, "-"));
        fs::write(&path, &script).with_context(|| format!("cannot write {}", path.display()))?;
        *size += u64::try_from(script.len())?;
        Ok(())
    })?;
    Ok(sizes.iter().sum::<u64>() / u64::from(count))
}

/// Fetches one script as firmware does.
pub(super) fn script(client: &Client, url: &str) -> Result<Vec<u8>> {
    let answer = client
        .get(url)
        .header("User-Agent", "iPXE/1.0.0")
        .send()
        .and_then(reqwest::blocking::Response::error_for_status)
        .with_context(|| format!("GET {url}"))?;
    Ok(answer
        .bytes()
        .with_context(|| format!("GET {url}"))?
        .to_vec())
}

/// Calls `work` for each index below `count` from a few threads; each thread gathers its own
/// result. The first error ends all of them.
fn shared_out<T: Default + Send>(
    count: u32,
    work: impl Fn(u32, &mut T) -> Result<()> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicU32::new(0);
    let failed = AtomicBool::new(false);
    let worker = || {
        let mut gathered = T::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count || failed.load(Ordering::Relaxed) {
                return Ok(gathered);
            }
            if let Err(error) = work(index, &mut gathered) {
                failed.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
            .collect()
    })
}

/// One node on its way from nothing to waiting for its ramdisk.
struct Enrolment<'a> {
    client: &'a Client,
    url: &'a str,
    timings: &'a mut Timings,
}

impl Enrolment<'_> {
    fn run(&mut self, index: u32) -> Result<()> {
        let node = self.call(
            "create node",
            &Method::POST,
            "/v1/nodes",
            Some(&json!({
                "name": format!("bench-{index}"),
                "driver": "fake-hardware",
                "deploy_interface": "direct",
                "automated_clean": false,
                "driver_info": {
                    "deploy_kernel": "http://192.0.2.1/deploy/kernel",
                    "deploy_ramdisk": "http://192.0.2.1/deploy/ramdisk",
                },
                "instance_info": {
                    "image_source": "http://192.0.2.1/images/disk.raw",
                    "image_disk_format": "raw",
                    "image_os_hash_algo": "sha256",
                    "image_os_hash_value": "0".repeat(64),
                },
                "properties": { "cpu_arch": "x86_64" },
            })),
        )?;
        let uuid = node
            .get("uuid")
            .and_then(Value::as_str)
            .context("the answer to a new node has no uuid")?
            .to_owned();
        self.call(
            "create port",
            &Method::POST,
            "/v1/ports",
            Some(&json!({ "node_uuid": uuid, "address": mac(index, ":") })),
        )?;
        self.provision(&uuid, "manage", "manageable")?;
        self.provision(&uuid, "provide", "available")?;
        self.provision(&uuid, "active", "wait call-back")
    }

    /// Asks for a change of state and waits until it happened.
    fn provision(&mut self, uuid: &str, verb: &str, wanted: &str) -> Result<()> {
        let path = format!("/v1/nodes/{uuid}/states/provision");
        self.call(
            "change state",
            &Method::PUT,
            &path,
            Some(&json!({ "target": verb })),
        )?;
        let path = format!("/v1/nodes/{uuid}?fields=provision_state,last_error,reservation");
        let start = Instant::now();
        loop {
            let node = self.call("read node", &Method::GET, &path, None)?;
            let state = node
                .get("provision_state")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if state == wanted && node.get("reservation").is_none_or(Value::is_null) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!("`{verb}` did not lead to `{wanted}`: {node}");
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// One request, timed; a node that is locked for a moment is asked again.
    fn call(
        &mut self,
        kind: &'static str,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        let first = Instant::now();
        loop {
            let mut request: RequestBuilder = self
                .client
                .request(method.clone(), &url)
                .header("X-OpenStack-Ironic-API-Version", "1.115");
            if let Some(body) = body {
                request = request.json(body);
            }
            let start = Instant::now();
            let answer = request.send().with_context(|| format!("{method} {path}"))?;
            let status = answer.status();
            let text = answer.text().with_context(|| format!("{method} {path}"))?;
            self.timings
                .entry(kind)
                .or_default()
                .push(start.elapsed().as_secs_f64() * 1e3);
            if status == StatusCode::CONFLICT
                && text.contains("is locked by host")
                && first.elapsed() < PATIENCE
            {
                thread::sleep(Duration::from_millis(5));
                continue;
            }
            if !status.is_success() {
                bail!("{method} {path} was answered by {status}: {text}");
            }
            return if text.is_empty() {
                Ok(Value::Null)
            } else {
                serde_json::from_str(&text).with_context(|| format!("{method} {path}: {text}"))
            };
        }
    }
}
