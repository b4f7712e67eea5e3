//! What one client can take from the others: connections, memory, files.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::json;
use tempfile::TempDir;

use crate::app::{self, TIMEOUT, binary, eventually};

const MAC: &str = "52:54:00:ee:00:01";

/// The program with a small limit on open files, as a program that starts it.
fn limited(folder: &TempDir, files: u32) -> Result<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.path().join(format!("ironpxe-{files}"));
    let script = format!(
        "#!/bin/sh\nulimit -n {files}\nexec '{}' \"$@\"\n",
        binary().display()
    );
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

fn connect(server: &Server) -> Result<TcpStream> {
    let address = server.base_url().trim_start_matches("http://");
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

/// The answer to what is sent on a new connection, which is closed after it.
fn answer(server: &Server, request: &str) -> Result<String> {
    let mut stream = connect(server)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let length = match stream.read(&mut buffer) {
            Ok(length) => length,
            // Closed while something was still being sent.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) => return Err(error).context("no answer in time"),
        };
        answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let text = String::from_utf8_lossy(&answer);
        if length == 0 || text.ends_with("\nboot\n") || text.contains("\r\n\r\n#!ipxe\n") {
            return Ok(text.into_owned());
        }
    }
}

fn boot_request() -> String {
    format!("GET /v1/boot/{MAC}/boot.ipxe HTTP/1.1\r\nHost: h\r\nUser-Agent: iPXE/1.0\r\n\r\n")
}

/// With fewer files there would be more connections than files for them.
#[test]
fn too_few_files_are_reported_before_the_port_is_bound() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for files in [40, 64, 199] {
        let mut process = Command::new(limited(&folder, files)?)
            .args(["serve", "--listen", "127.0.0.1:0", "--state-dir"])
            .arg(folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut status = None;
        let ended = eventually("it refuses to start", || {
            status = process.try_wait()?;
            Ok(status.is_some())
        });
        if ended.is_err() {
            process.kill()?;
            process.wait()?;
        }
        ended.with_context(|| format!("{files} files"))?;
        let status = status.context("no status")?;
        let mut said = String::new();
        let stderr = process.stderr.as_mut().context("no stderr")?;
        stderr.read_to_string(&mut said)?;
        ensure!(!status.success(), "{files}: {said}");
        ensure!(
            said.contains(&format!("the limit of {files} open files (RLIMIT_NOFILE)"))
                && said.contains("at least 200 are required")
                && said.contains("LimitNOFILE=16384"),
            "{files}: {said}"
        );
        ensure!(!said.contains("listening"), "{said}");
    }
    Ok(())
}

/// As many as there are places, and more: silent, with half a head, with half a body.
#[test]
fn waiting_connections_do_not_delay_a_machine() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let program = limited(&folder, 256)?;
    let server = Server::start(&program, &ServerOptions::default())?;
    let body = "POST /v1/nodes HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{";
    let mut held = Vec::new();
    for begin in ["", "GET /v1/nodes HTTP/1.1\r\nX: ", body, "GET /v1/boot/"] {
        for _ in 0..110 {
            let mut stream = connect(&server)?;
            // It may have been closed already, for the sake of a later one.
            let _ = stream.write_all(begin.as_bytes());
            held.push(stream);
        }
        for _ in 0..3 {
            let script = answer(&server, &boot_request())?;
            ensure!(script.contains("#!ipxe\n"), "{begin:?}: {script}");
        }
        server.wait_for_log("connections are in use", TIMEOUT)?;
    }
    Ok(())
}

/// A budget of a few megabytes, and more bodies than it can hold.
#[test]
fn request_bodies_in_flight_share_one_budget() -> Result<()> {
    let options = ServerOptions::default()
        .set("IRONPXE_API__MAX_REQUEST_MEMORY", "4000000")
        .set("IRONPXE_API__MAX_JSON_BODY_SIZE_PROVISION", "1000000")
        .set("IRONPXE_API__MAX_JSON_BODY_SIZE", "1000000");
    let server = app::start(&options)?;
    let part = "x".repeat(900_000);
    let begin = format!(
        "PUT /v1/nodes/n/states/provision HTTP/1.1\r\nHost: h\r\nContent-Length: 990000\r\n\r\n\
         {{\"target\": \"{part}"
    );
    let client = Ironic::new(server.base_url())?;
    let node = client.create_node(&json!({ "driver": "fake-hardware" }))?;
    let uuid = node.get("uuid").and_then(|uuid| uuid.as_str());
    let uuid = uuid.context("no uuid")?;
    let mut held = Vec::new();
    for _ in 0..10 {
        let mut stream = connect(&server)?;
        // One that is refused may be closed before all of it is sent.
        let _ = stream.write_all(begin.as_bytes());
        held.push(stream);
    }
    let full = server.wait_for_log("requests in progress use all memory", TIMEOUT)?;
    ensure!(full.contains("[api]max_request_memory"), "{full}");
    // At least one of them gets 503, whichever the server read last, and
    // requests without a body are answered.
    let mut told = String::new();
    for stream in &held {
        stream.set_nonblocking(true)?;
    }
    eventually("a connection gets 503", || {
        let mut buffer = [0; 4096];
        let responses = held.iter_mut().filter_map(|stream| {
            let length = stream.read(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(buffer.get(..length)?).into_owned())
        });
        let found = { responses }.find(|response| response.starts_with("HTTP/1.1 503 "));
        told = found.unwrap_or_default();
        Ok(!told.is_empty())
    })?;
    ensure!(told.contains("\r\nRetry-After: 5\r\n"), "{told}");
    ensure!(told.contains("[api]max_request_memory"), "{told}");
    let script = answer(&server, &boot_request())?;
    ensure!(script.contains("#!ipxe\n"), "{script}");
    drop(held);
    // All of it is there again.
    let drive = json!({ "target": "active", "configdrive": "x".repeat(900_000) });
    eventually("a large body is read", || {
        let answer = client.put(&format!("/v1/nodes/{uuid}/states/provision"), &drive)?;
        // 400: the node is only enrolled.
        Ok(answer.status == 400)
    })
}

#[test]
fn budget_smaller_than_one_body_is_refused() -> Result<()> {
    let output = Command::new(binary())
        .args(["config", "check"])
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("IRONPXE_API__MAX_REQUEST_MEMORY", "100000000")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "{said}");
    ensure!(
        said.contains(
            "100000000 is less than three times [api]max_json_body_size_provision (67108864)"
        ),
        "{said}"
    );
    Ok(())
}
