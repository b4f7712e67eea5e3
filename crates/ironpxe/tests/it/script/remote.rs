//! `ironpxe script` against a running service, and against what is none.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use super::*;

/// Answers one connection with these bytes, after a request has come whole, and gives the request.
/// Without an answer it keeps the connection until the client goes.
fn answer(bytes: Option<Vec<u8>>) -> Result<(String, JoinHandle<Result<String>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !request.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut buffer)?;
            ensure!(read > 0, "the client went");
            request.extend_from_slice(buffer.get(..read).context("too much")?);
        }
        match bytes {
            // A client that has read enough may be gone.
            Some(bytes) => drop(stream.write_all(&bytes)),
            None => while stream.read(&mut buffer).is_ok_and(|read| read > 0) {},
        }
        Ok(String::from_utf8(request)?)
    });
    Ok((url, answering))
}

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

#[test]
fn service_and_its_database_give_the_same_output() -> Result<()> {
    let site = ScriptFixture::start()?;
    let url = site.server.base_url().to_owned();
    let with_v1 = format!("{url}/v1/");
    let same = |question: &[&str]| -> Result<()> {
        let here = site.prints(question)?;
        let by_flag = script(&[question, &["--api", url.as_str()]].concat())?;
        let variables = [("OS_ENDPOINT", with_v1.as_str()), ("OS_AUTH_TYPE", "none")];
        let by_variable = script_in(&variables, question)?;
        for said in [by_flag, by_variable] {
            let said = (said.code, said.err.as_str(), said.out);
            assert_eq!(said, (Some(0), "", here.clone()), "{question:?}");
        }
        Ok(())
    };
    let uuid = site.node.clone();
    for machine in ["rack-1", &uuid, MAC, "52-54-00-AA-00-01", "525400aa0001"] {
        for command in ["show", "explain"] {
            same(&[command, machine])?;
            same(&[command, machine, "--state", "wait call-back"])?;
            same(&[command, machine, "--arch", "aarch64", "--firmware", "uefi"])?;
        }
    }
    let mut command = vec!["explain", "rack-2"];
    for unknown in [
        "rack-2",
        "52:54:00:aa:00:02",
        "525400aa0002",
        "11111111-2222-4333-8444-555555555555",
    ] {
        command.truncate(1);
        command.push(unknown);
        let here = site.script(&command)?;
        let there = script(&[&command[..], &["--api", url.as_str()]].concat())?;
        let refused = format!("ironpxe: {url} refused (404): ");
        let text = there.err.strip_prefix(&refused).context("another prefix")?;
        assert_eq!(Some(text), here.err.strip_prefix("ironpxe: "));
        assert_eq!((here.code, there.code), (Some(1), Some(1)));
    }
    // A name comes before an address.
    let named = json!({"driver": "fake-hardware", "name": "525400aa0001"});
    site.ironic.create_node(&named)?;
    same(&["explain", "525400aa0001"])?;
    let said = site.prints(&["explain", "525400aa0001"])?;
    assert!(!said.contains(&uuid), "{said}");
    Ok(())
}

#[test]
fn command_line_overrides_os_endpoint() -> Result<()> {
    let site = ScriptFixture::start()?;
    let unused = format!("http://127.0.0.1:{}", Server::free_port()?);
    let wrong = [("OS_ENDPOINT", unused.as_str())];
    let folder = site.server.state_dir().to_str().context("odd folder")?;
    let url = site.server.base_url();
    for explicit in [["--state-dir", folder], ["--api", url]] {
        let said = script_in(&wrong, &[&["show", MAC][..], &explicit].concat())?;
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    }
    let said = script_in(&wrong, &["show", MAC])?;
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains(&unused), "{}", said.err);
    let said = script_in(&[("XDG_STATE_HOME", "/nonexistent/state")], &["show", MAC])?;
    assert!(said.err.contains("/nonexistent/state/"), "{}", said.err);
    for (option, value) in [
        ("--state-dir", folder),
        ("--config", "x.toml"),
        ("--listen", "127.0.0.1:1"),
    ] {
        let said = script(&["show", MAC, "--api", url, option, value])?;
        assert_eq!(said.code, Some(64));
        assert!(said.err.contains("cannot be used with"), "{}", said.err);
    }
    Ok(())
}

#[test]
fn credentials_are_sent_when_configured() -> Result<()> {
    let variables = [
        ("OS_AUTH_TYPE", "http_basic"),
        ("OS_USERNAME", "me"),
        ("OS_PASSWORD", "hush"),
    ];
    let unauthorized = || http("401 Unauthorized", "", r#"{"error": {"code": 401}}"#);
    for (environment, sent, words) in [
        // base64 of me:hush
        (&variables[..], true, "rejected the credentials (401)"),
        (
            &[],
            false,
            "requires authentication (401): set OS_AUTH_TYPE=http_basic",
        ),
    ] {
        let (url, answering) = answer(Some(unauthorized()))?;
        let said = script_in(environment, &["show", "rack-1", "--api", &url])?;
        let request = answering.join().expect("the service fell")?.to_lowercase();
        let header = "authorization: basic bwu6ahvzaa==\r\n";
        assert_eq!(request.contains(header), sent, "{request}");
        assert_eq!(said.code, Some(1));
        assert!(said.err.contains(words), "{}", said.err);
        assert!(!said.err.contains("hush"), "{}", said.err);
    }
    let other = [("OS_AUTH_TYPE", "password")];
    let said = script_in(&other, &["show", "rack-1", "--api", "http://127.0.0.1:1"])?;
    assert_eq!(said.code, Some(64));
    assert!(
        said.err.contains("OS_AUTH_TYPE is \"password\""),
        "{}",
        said.err
    );
    Ok(())
}

/// Whatever is at the other end: one line that says what, and no script.
#[test]
fn every_failure_is_reported_in_one_line() -> Result<()> {
    let site = ScriptFixture::start()?;
    let fails = |url: &str, machine: &str, code, words: &str| -> Result<()> {
        let said = script(&["show", machine, "--api", url])?;
        assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{words}");
        assert!(said.err.contains(words), "{words}: {}", said.err);
        assert!(said.err.starts_with("ironpxe: "), "{}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
        Ok(())
    };
    let url = site.server.base_url();
    let unknown = "(404): no node has the UUID or name \"rack-2\", and no port has this address";
    fails(url, "rack-2", 1, unknown)?;
    fails(
        url,
        "a/b",
        64,
        "rejected the request: Expected UUID or name",
    )?;
    let unused = format!("http://127.0.0.1:{}", Server::free_port()?);
    fails(
        &unused,
        "rack-1",
        1,
        &format!("cannot reach {unused}: Connection refused"),
    )?;
    fails("https://127.0.0.1:1", "rack-1", 64, "does not speak https")?;
    fails("rack-1:6385", "rack-1", 64, "expected a URL")?;

    let router =
        r#"{"error_message":"{\"code\":404,\"title\":\"Not Found\",\"description\":\"\"}"}"#;
    let busy = r#"{"error_message":"{\"faultstring\":\"The database is\\nnot available\"}"}"#;
    let place = "Location: https://other.example/\r\n";
    let endless = http("200 OK", "", &" ".repeat(5 << 20));
    for (bytes, words) in [
        (
            http("200 OK", "", "<html>Welcome</html>"),
            "is not ironpxe's",
        ),
        (http("200 OK", "", "{}"), "is not a preview: missing field"),
        (
            http("404 Not Found", "", router),
            "it is 404 Not Found without a reason",
        ),
        (
            http("301 Moved Permanently", place, ""),
            "it is 301 Moved Permanently",
        ),
        (
            http("503 Service Unavailable", "", busy),
            "(503): The database is not available",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "is not ironpxe's"),
        (
            http("200 OK", "Content-Encoding: gzip\r\n", "{"),
            "is not ironpxe's",
        ),
        (Vec::new(), "is not ironpxe's"),
        (endless, "it is too large"),
    ] {
        let (url, answering) = answer(Some(bytes))?;
        fails(&url, "rack-1", 1, words)?;
        answering.join().expect("the service fell")?;
    }
    let (url, answering) = answer(None)?;
    fails(&url, "rack-1", 1, "did not respond within 10 s")?;
    answering.join().expect("the service fell")?;
    Ok(())
}
