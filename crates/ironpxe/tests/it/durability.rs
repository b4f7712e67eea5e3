//! What was acknowledged is kept, whatever happens to the process.
#![expect(
    clippy::indexing_slicing,
    reason = "JSON values answer null for what they do not have"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::server::ServerOptions;
use serde_json::{Value, json};

use crate::app::{self, eventually};

const WRITERS: usize = 6;

/// UUID of each node whose creation was acknowledged → the last acknowledged `extra.n`.
type Acknowledged = Mutex<BTreeMap<String, u64>>;

#[test]
fn killed_server_keeps_every_acknowledged_write() -> Result<()> {
    let state = tempfile::tempdir()?;
    let options = ServerOptions::default().state_dir(state.path());
    let acknowledged = Acknowledged::default();
    for round in 0..5 {
        let mut server = app::start(&options)?;
        verify(&Ironic::new(server.base_url())?, &acknowledged)?;
        let before = lock(&acknowledged).len();
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                let client = Ironic::new(server.base_url());
                scope.spawn(|| write_until_it_breaks(&client?, &acknowledged));
            }
            // Killed somewhere in the middle of a write, not always after the same number of them.
            eventually("nodes are written", || {
                Ok(lock(&acknowledged).len() > before + 5 * round)
            })?;
            server.kill()
        })?;
        let after = lock(&acknowledged).len();
        ensure!(
            after > before,
            "round {round}: killed before anything was written"
        );
        if server.database().is_none() {
            intact(&state.path().join("ironpxe.sqlite"))?;
        }
    }
    let mut server = app::start(&options)?;
    verify(&Ironic::new(server.base_url())?, &acknowledged)?;
    ensure!(
        server.terminate()?.success(),
        "the last end was not in good order"
    );
    Ok(())
}

/// Creates nodes, and changes each a few times, until the server is gone.
fn write_until_it_breaks(client: &Ironic, acknowledged: &Acknowledged) -> Result<()> {
    loop {
        let node = client.create_node(&json!({"driver": "fake-hardware"}))?;
        let uuid = node["uuid"].as_str().context("a node without UUID")?;
        lock(acknowledged).insert(uuid.to_owned(), 0);
        for n in 1..=3 {
            let patch = json!([{"op": "add", "path": "/extra/n", "value": n}]);
            client
                .patch(&format!("/v1/nodes/{uuid}"), &patch)?
                .expect_status(200)?;
            lock(acknowledged).insert(uuid.to_owned(), n);
        }
    }
}

fn verify(client: &Ironic, acknowledged: &Acknowledged) -> Result<()> {
    for (uuid, n) in lock(acknowledged).iter() {
        let node = client.node(uuid)?;
        // What was not acknowledged any more may have been done.
        let kept = node["extra"]["n"].as_u64().unwrap_or(0);
        ensure!(
            kept == *n || kept == n + 1,
            "{uuid}: extra.n is {kept} instead of {n}"
        );
    }
    Ok(())
}

fn lock(acknowledged: &Acknowledged) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
    acknowledged
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Asks `SQLite` whether the file is sound, and nothing points nowhere.
fn intact(file: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let pool = sqlx::SqlitePool::connect_with(options).await?;
        let verdict: String = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_one(&pool)
            .await?;
        ensure!(verdict == "ok", "{verdict}");
        let dangling = sqlx::query("PRAGMA foreign_key_check")
            .fetch_all(&pool)
            .await?;
        ensure!(dangling.is_empty(), "{} rows point nowhere", dangling.len());
        pool.close().await;
        Ok(())
    })
}

#[test]
fn acknowledged_writes_survive_a_restart() -> Result<()> {
    let state = tempfile::tempdir()?;
    let options = ServerOptions::default().state_dir(state.path());
    let mut server = app::start(&options)?;
    let client = Ironic::new(server.base_url())?;
    let node = client.create_node(&json!({"driver": "fake-hardware", "name": "rack-1"}))?;
    let uuid = node["uuid"].as_str().context("a node without UUID")?;
    client.create_port(uuid, "52:54:00:00:00:01")?;
    server.terminate()?;

    let server = app::start(&options)?;
    let client = Ironic::new(server.base_url())?;
    assert_eq!(client.node("rack-1")?["uuid"], node["uuid"]);
    let ports = client
        .get("/v1/ports?address=52:54:00:00:00:01")?
        .expect_status(200)?;
    assert_eq!(ports["ports"].as_array().map(Vec::len), Some(1));
    // And what must be unique still is.
    let again = client.post(
        "/v1/nodes",
        &json!({"driver": "fake-hardware", "name": "rack-1"}),
    )?;
    assert_eq!(again.status, 409);
    assert_ne!(again.json, Value::Null);
    Ok(())
}
