//! `docs/with-passwords.md`, followed with the real client.

use std::fs;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use ironpxe_testkit::server::{Server, ServerOptions};
use tempfile::TempDir;

use super::{SECONDS, venv};

/// The bcrypt hash of `correct horse`, as `htpasswd -nbB -C 4` prints it.
const LINE: &str = "admin:$2b$04$E1ocTMW5Glo/1tZHKAajxOBRFcdB5xX/wR21iQTiaM4E8Dwe/DLK6\n";

fn baremetal(server: &Server, password: &str, args: &[&str]) -> Result<Output> {
    let venv = venv()?;
    Command::new("timeout")
        .args(["--kill-after=5", SECONDS])
        .arg(venv.join("bin/baremetal"))
        .args(args)
        .env_clear()
        .env("HOME", &venv)
        .env("LC_ALL", "C.UTF-8")
        .env("OS_AUTH_TYPE", "http_basic")
        .env("OS_ENDPOINT", server.base_url())
        .env("OS_USERNAME", "admin")
        .env("OS_PASSWORD", password)
        .output()
        .context("cannot run baremetal")
}

#[test]
fn cli_authenticates_with_http_basic() -> Result<()> {
    let folder = TempDir::new()?;
    let file = folder.path().join("htpasswd");
    fs::write(&file, LINE)?;
    let options = ServerOptions::default()
        .set("IRONPXE_DEFAULT__AUTH_STRATEGY", "http_basic")
        .set(
            "IRONPXE_DEFAULT__HTTP_BASIC_AUTH_USER_FILE",
            file.display().to_string(),
        );
    let server = crate::app::start(&options)?;
    let create = [
        "node",
        "create",
        "--driver",
        "fake-hardware",
        "--name",
        "n1",
    ];
    let refused = baremetal(&server, "wrong horse", &create)?;
    let words = String::from_utf8_lossy(&refused.stderr);
    ensure!(
        !refused.status.success() && words.contains("401"),
        "{words}"
    );
    for args in [&create[..], &["node", "show", "n1"]] {
        let output = baremetal(&server, "correct horse", args)?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{args:?}: {words}");
    }
    // One line for the change; none for what was read, or refused before it was known who asked.
    let audit = server.log_with("audit");
    ensure!(audit.len() == 1, "{audit:?}");
    for part in [
        "user=\"admin\"",
        "method=POST",
        "path=\"/v1/nodes\"",
        "outcome=\"allowed\"",
        "status=201",
    ] {
        ensure!(audit[0].contains(part), "{part}: {}", audit[0]);
    }
    for secret in ["correct horse", "wrong horse", "Basic "] {
        ensure!(server.log_with(secret).is_empty(), "{secret} is in the log");
    }
    Ok(())
}
