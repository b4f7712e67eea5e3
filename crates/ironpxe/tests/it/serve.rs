//! `ironpxe serve`: start, listening addresses, shutdown.

mod disk;
mod log;
mod private;
mod second_process;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::server::{Server, ServerOptions};

use crate::app::{self, TIMEOUT, binary, eventually};

/// A server of which nothing is given but a home.
struct Bare(Child);

impl Bare {
    fn start(home: &Path, args: &[&str]) -> Result<Self> {
        Self::start_with(home, args, &[])
    }

    fn start_with(home: &Path, args: &[&str], variables: &[(&str, &str)]) -> Result<Self> {
        let child = Command::new(binary())
            .arg("serve")
            .args(args)
            .env_clear()
            .env("HOME", home)
            // Where root's state goes does not depend on the home.
            .env("XDG_STATE_HOME", home.join(".local/state"))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    /// The first line of the log that says where it listens.
    fn address(&mut self) -> Result<String> {
        let stderr = self.0.stderr.as_mut().context("no stderr")?;
        for line in BufReader::new(stderr).lines() {
            if let Some((_, rest)) = line?.split_once("listening on http://") {
                return Ok(rest
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned());
            }
        }
        anyhow::bail!("it ended without listening")
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        let mut status = None;
        eventually("it has ended", || {
            status = self.0.try_wait()?;
            Ok(status.is_some())
        })?;
        status.context("no status")
    }

    /// The rest of the log of a server that has ended.
    fn said(&mut self) -> Result<String> {
        let mut said = String::new();
        let stderr = self.0.stderr.as_mut().context("no stderr")?;
        stderr.read_to_string(&mut said)?;
        Ok(said)
    }

    fn kill(&self, signal: &str) -> Result<()> {
        let id = self.0.id().to_string();
        ensure!(Command::new("kill").args([signal, &id]).status()?.success());
        Ok(())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One request on a connection that stays open.
fn get(stream: &mut TcpStream, path: &str) -> Result<String> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())?;
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer)?;
    let answer = buffer.get(..length).unwrap_or_default();
    Ok(String::from_utf8_lossy(answer).into_owned())
}

#[test]
fn serve_starts_without_configuration() -> Result<()> {
    // But for the port: the default one may be in use on this host.
    let home = tempfile::tempdir()?;
    let mut server = Bare::start(home.path(), &["--listen", "127.0.0.1:0"])?;
    let address = server.address()?;
    let answer = get(&mut TcpStream::connect(&address)?, "/")?;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        home.path()
            .join(".local/state/ironpxe/ironpxe.sqlite")
            .is_file()
    );

    server.kill("-TERM")?;
    assert_eq!(server.wait()?.code(), Some(0));
    let mut output = String::new();
    server
        .0
        .stdout
        .as_mut()
        .context("no stdout")?
        .read_to_string(&mut output)?;
    assert_eq!(output, "");
    Ok(())
}

#[test]
fn open_connection_does_not_delay_shutdown() -> Result<()> {
    let home = tempfile::tempdir()?;
    for signal in ["-TERM", "-INT"] {
        let mut server = Bare::start(home.path(), &["--listen", "127.0.0.1:0"])?;
        let address = server.address()?;
        let mut idle = TcpStream::connect(&address)?;
        get(&mut idle, "/v1/nodes")?;
        let _silent = TcpStream::connect(&address)?;
        server.kill(signal)?;
        assert_eq!(server.wait()?.code(), Some(0), "{signal}");
        let said = server.said()?;
        assert!(!said.contains("cut off"), "{said}");
    }
    Ok(())
}

#[test]
fn second_signal_ends_the_process_immediately() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut server = Bare::start(home.path(), &["--listen", "127.0.0.1:0"])?;
    // A request whose body never comes would be waited for.
    let address = server.address()?;
    let mut busy = TcpStream::connect(&address)?;
    busy.set_read_timeout(Some(TIMEOUT))?;
    busy.write_all(
        b"POST /v1/nodes HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
          Expect: 100-continue\r\nContent-Length: 100\r\n\r\n",
    )?;
    let mut begun = [0; 21];
    busy.read_exact(&mut begun)?;
    ensure!(&begun == b"HTTP/1.1 100 Continue", "{begun:?}");
    server.kill("-TERM")?;
    eventually("it listens no more", || {
        Ok(TcpStream::connect(&address).is_err())
    })?;
    ensure!(
        server.0.try_wait()?.is_none(),
        "it did not wait for the request"
    );
    server.kill("-TERM")?;
    let status = server.wait()?;
    assert_eq!((status.code(), status.signal()), (Some(130), None));
    Ok(())
}

#[test]
fn refuses_other_hosts_without_allow_unauthenticated() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut server = Bare::start(home.path(), &["--listen", "0.0.0.0:0"])?;
    assert_eq!(server.wait()?.code(), Some(64));
    let said = server.said()?;
    assert!(said.contains("--listen: [api]host_ip"), "{said}");
    assert!(
        said.contains("everyone with network access could control every machine"),
        "{said}"
    );
    assert!(
        said.contains("[api]allow_unauthenticated_access = true"),
        "{said}"
    );
    assert!(said.contains("--allow-unauthenticated"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");

    // Machines must be told one address.
    let everywhere = ["--listen", "0.0.0.0:0", "--allow-unauthenticated"];
    let mut server = Bare::start(home.path(), &everywhere)?;
    assert_eq!(server.wait()?.code(), Some(64));
    let said = server.said()?;
    assert!(said.contains("set [api]public_endpoint"), "{said}");

    let endpoint = ("IRONPXE_API__PUBLIC_ENDPOINT", "http://192.0.2.1:6385");
    let mut server = Bare::start_with(home.path(), &everywhere, &[endpoint])?;
    assert!(server.address()?.starts_with("0.0.0.0:"));
    Ok(())
}

#[test]
fn used_port_is_named() -> Result<()> {
    let home = tempfile::tempdir()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let mut server = Bare::start(home.path(), &["--listen", &address])?;
    assert_eq!(server.wait()?.code(), Some(1));
    let said = server.said()?;
    assert!(
        said.contains(&format!("cannot listen on {address}")),
        "{said}"
    );
    assert!(said.contains("Address already in use"), "{said}");
    Ok(())
}

#[test]
fn conductor_is_alive_only_while_the_process_runs() -> Result<()> {
    let state = tempfile::tempdir()?;
    let options = |host: &str| {
        ServerOptions::default()
            .state_dir(state.path())
            .set("IRONPXE_DEFAULT__HOST", host)
    };
    let mut first = app::start(&options("first"))?;
    let alive = |server: &Server, host: &str| -> Result<bool> {
        let client = Ironic::new(server.base_url())?;
        let conductor = client
            .get(&format!("/v1/conductors/{host}"))?
            .expect_status(200)?;
        conductor["alive"]
            .as_bool()
            .context("neither alive nor dead")
    };
    assert!(alive(&first, "first")?);
    ensure!(first.terminate()?.success());
    let second = app::start(&options("second"))?;
    assert!(alive(&second, "second")?);
    assert!(!alive(&second, "first")?);
    Ok(())
}

/// A load balancer is told before the last request is refused.
#[test]
fn readyz_fails_before_the_shutdown_begins() -> Result<()> {
    let home = tempfile::tempdir()?;
    let config = home.path().join("ironpxe.toml");
    std::fs::write(&config, "[api]\nshutdown_delay = 600\n")?;
    let config = config.display().to_string();
    let args = ["--listen", "127.0.0.1:0", "--config", &config];
    let mut server = Bare::start(home.path(), &args)?;
    let mut client = TcpStream::connect(server.address()?)?;
    let ready = get(&mut client, "/readyz")?;
    assert!(ready.starts_with("HTTP/1.1 200 OK\r\n"), "{ready}");

    server.kill("-TERM")?;
    let mut told = String::new();
    eventually("it is not ready any more", || {
        told = get(&mut client, "/readyz")?;
        Ok(told.starts_with("HTTP/1.1 503 "))
    })?;
    assert!(told.contains("this service is stopping"), "{told}");
    assert!(told.contains("\r\nRetry-After: 1\r\n"), "{told}");
    for path in ["/healthz", "/v1/nodes", "/boot.ipxe"] {
        let answer = get(&mut client, path)?;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n"),
            "{path}: {answer}"
        );
    }
    server.kill("-TERM")?;
    assert_eq!(server.wait()?.code(), Some(130));
    Ok(())
}

/// A template that no installer could use is found at the start; the built-in one is good for a
/// beginning.
#[test]
fn kickstart_template_is_validated_at_start() -> Result<()> {
    let home = tempfile::tempdir()?;
    let built_in = Command::new(binary())
        .args(["script", "kickstart"])
        .output()?;
    ensure!(built_in.status.success(), "{built_in:?}");
    let template = home.path().join("mine.cfg");
    let config = home.path().join("ironpxe.toml");
    let config_name = config.display().to_string();
    let args = ["--config", &config_name, "--listen", "127.0.0.1:0"];
    let configure = |scheme: &str| {
        let path = template.display();
        let text = format!("[anaconda]\ndefault_ks_template = \"{scheme}{path}\"\n");
        std::fs::write(&config, text)
    };
    configure("")?;
    for (text, said) in [
        (None, "cannot be read"),
        (Some("{% if %}"), "mine.cfg: line 1"),
        (Some("reboot\n"), "does not report"),
    ] {
        if let Some(text) = text {
            std::fs::write(&template, text)?;
        }
        let mut server = Bare::start(home.path(), &args)?;
        ensure!(server.wait()?.code() == Some(64), "{said}");
        let words = server.said()?;
        ensure!(
            words.contains(said) && words.contains("[anaconda]default_ks_template"),
            "{words}"
        );
    }
    // As a path, and as the URL of a file that Ironic's own configuration has.
    std::fs::write(&template, &built_in.stdout)?;
    for scheme in ["", "file://"] {
        configure(scheme)?;
        let mut server = Bare::start(home.path(), &args)?;
        server.address()?;
        server.kill("-TERM")?;
        server.wait()?;
    }
    Ok(())
}
