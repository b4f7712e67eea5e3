//! The real program on a real PostgreSQL server: its tables, its races, and the server's absence.
#![expect(
    clippy::indexing_slicing,
    reason = "JSON values answer null for what they do not have"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use ironpxe_testkit::ironic::{FIRMWARE, Ironic};
use ironpxe_testkit::postgres::Postgres;
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::json;

use crate::app::{self, TIMEOUT, binary, eventually};

const MAC: &str = "52:54:00:00:00:01";
const BOOT: &str = "/v1/boot/52-54-00-00-00-01/boot.ipxe";

/// `ironpxe …` on a database, with nothing else of this process's environment.
fn ironpxe(args: &[&str], url: &str) -> Result<(Option<i32>, String)> {
    let home = tempfile::tempdir()?;
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(binary())
        .args(args)
        .env_clear()
        .env("HOME", home.path())
        .env("IRONPXE_DATABASE__CONNECTION", url)
        .output()?;
    let said = [stdout, stderr].concat();
    Ok((status.code(), String::from_utf8(said)?))
}

/// An answer: status, `Retry-After`, body.
#[derive(Debug)]
struct Answer {
    status: u16,
    retry_after: Option<String>,
    body: String,
}

fn get(base_url: &str, path: &str, agent: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(base_url.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .with_context(|| format!("{path} is not answered"))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no end of head")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let retry_after = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        (name.eq_ignore_ascii_case("retry-after")).then(|| value.to_owned())
    });
    Ok(Answer {
        status,
        retry_after,
        body: body.to_owned(),
    })
}

/// A machine is told to come back, and so is an operator, with a reason.
fn is_unavailable(server: &Server) -> Result<()> {
    let machine = get(server.base_url(), BOOT, FIRMWARE)?;
    ensure!(machine.status == 503, "{machine:?}");
    ensure!(machine.retry_after.is_some(), "{machine:?}");
    ensure!(machine.body.is_empty(), "{machine:?}");
    let operator = get(server.base_url(), "/v1/nodes", "openstacksdk")?;
    ensure!(operator.status == 503, "{operator:?}");
    ensure!(operator.retry_after.is_some(), "{operator:?}");
    ensure!(
        operator.body.contains("error_message")
            && operator.body.contains("The database is not available"),
        "{operator:?}"
    );
    Ok(())
}

/// Both get what they ask for, after a while.
fn recovers(server: &Server) -> Result<()> {
    for (path, agent) in [(BOOT, FIRMWARE), ("/v1/nodes", "openstacksdk")] {
        eventually(path, || {
            Ok(get(server.base_url(), path, agent)?.status == 200)
        })?;
    }
    Ok(())
}

#[test]
fn service_on_postgresql_recovers_from_outages() -> Result<()> {
    if Postgres::shared().is_none() {
        return Ok(());
    }
    let postgres = Postgres::start()?;
    let url = postgres.url(&postgres.create_database(None)?);

    // The operator creates the schema.
    let (code, said) = ironpxe(&["db", "status"], &url)?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("PostgreSQL, postgresql://ironpxe@"), "{said}");
    assert!(said.contains("database schema: not created yet"), "{said}");
    assert!(
        said.contains("pending:         0001 nodes ports conductors"),
        "{said}"
    );
    let (code, refused) = ironpxe(&["serve", "--listen", "127.0.0.1:0"], &url)?;
    assert_eq!(code, Some(1), "{refused}");
    assert!(refused.contains("run `ironpxe db upgrade`"), "{refused}");
    let (code, done) = ironpxe(&["db", "upgrade"], &url)?;
    assert_eq!(code, Some(0), "{done}");
    let (code, current) = ironpxe(&["db", "status"], &url)?;
    assert_eq!(code, Some(0), "{current}");

    let options = ServerOptions::default().database(url.as_str());
    let server = app::start(&options)?;
    let client = Ironic::new(server.base_url())?;
    let node = client.create_node(&json!({"driver": "fake-hardware", "name": "rack-1"}))?;
    let uuid = node["uuid"].as_str().context("a node without UUID")?;
    client.create_port(uuid, MAC)?;
    let script = get(server.base_url(), BOOT, FIRMWARE)?;
    assert_eq!(script.status, 200);
    assert!(script.body.starts_with("#!ipxe\n"), "{}", script.body);

    no_change_is_lost(&client, uuid)?;

    postgres.kill()?;
    is_unavailable(&server)?;
    postgres.restart()?;
    recovers(&server)?;
    postgres.pause()?;
    is_unavailable(&server)?;
    // And again, when no connection is fresh any more.
    is_unavailable(&server)?;
    postgres.resume()?;
    recovers(&server)?;
    assert_eq!(client.node("rack-1")?["uuid"], node["uuid"]);

    let log = server.log.entries().join("\n");
    assert!(log.contains("postgresql://ironpxe@127.0.0.1:"), "{log}");
    for said in [said, refused, done, current, log] {
        assert!(!said.contains("not-asked-for"), "{said}");
    }
    Ok(())
}

/// Of simultaneous changes to a node, each response says truly whether the change was made.
fn no_change_is_lost(client: &Ironic, uuid: &str) -> Result<()> {
    const WRITERS: u64 = 6;
    const CHANGES: u64 = 10;
    let made = AtomicU64::new(0);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let made = &made;
                scope.spawn(move || -> Result<()> {
                    for change in 0..CHANGES {
                        let path = format!("/extra/w{writer}c{change}");
                        let patch = json!([{"op": "add", "path": path, "value": 1}]);
                        let reply = client.patch(&format!("/v1/nodes/{uuid}"), &patch)?;
                        match reply.status {
                            200 => drop(made.fetch_add(1, Ordering::Relaxed)),
                            409 | 503 => {}
                            _ => bail!("{reply:?}"),
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        for writer in writers {
            writer
                .join()
                .map_err(|_| anyhow::anyhow!("a writer panicked"))??;
        }
        Ok::<(), anyhow::Error>(())
    })?;
    let node = client.node(uuid)?;
    let kept = node["extra"].as_object().context("no extra")?.len();
    assert_eq!(u64::try_from(kept)?, made.into_inner());
    assert!(kept > 0);
    Ok(())
}
