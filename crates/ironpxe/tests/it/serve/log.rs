//! A log whose reader stalls: requests are answered, and the process ends on SIGTERM.

use std::os::fd::AsFd;

use super::*;

/// More than the pipe (64 KiB), the queue (3 MiB for what is no warning) and the buffer that is
/// being written can hold.
const LINES: usize = 5_000;

#[test]
fn stalled_log_reader_delays_no_request_and_no_shutdown() -> Result<()> {
    let home = tempfile::tempdir()?;
    let config = home.path().join("ironpxe.toml");
    std::fs::write(&config, "[DEFAULT]\ndebug = true\n")?;
    let config = config.display().to_string();
    let mut server = Bare::start(
        home.path(),
        &["--listen", "127.0.0.1:0", "--config", &config],
    )?;
    let address = server.address()?;
    // At debug each request is a line with its path.
    let path = format!("/v1/nodes/{}", "x".repeat(1_500));
    let mut client = TcpStream::connect(&address)?;
    for _ in 0..LINES {
        let answer = get(&mut client, &path)?;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    for path in ["/healthz", "/readyz", "/v1/nodes", "/boot.ipxe"] {
        let answer = get(&mut TcpStream::connect(&address)?, path)?;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n"),
            "{path}: {answer}"
        );
    }

    // The reader goes on, and is told how many lines are missing.
    let stderr = server.0.stderr.as_mut().context("no stderr")?;
    let mut reader = BufReader::new(std::fs::File::from(stderr.as_fd().try_clone_to_owned()?));
    let mut line = String::new();
    let mut read = 0;
    while !line.contains("log lines are missing here lines=") {
        line.clear();
        ensure!(reader.read_line(&mut line)? > 0, "it has ended");
        read += usize::from(line.contains("request completed"));
    }
    let missing = line.split("lines=").nth(1).unwrap_or_default();
    let missing: usize = missing.split(' ').next().unwrap_or_default().parse()?;
    assert!(
        missing > 0 && read + missing >= LINES,
        "{read} read, {line}"
    );

    // And it stalls again.
    for _ in 0..200 {
        get(&mut client, &path)?;
    }
    server.kill("-TERM")?;
    assert_eq!(server.wait()?.code(), Some(0));
    Ok(())
}

/// Requests with MAC addresses that no port has cost no authentication, so they must not fill the log.
#[test]
fn requests_of_unknown_machines_are_summarized() -> Result<()> {
    const REQUESTS: usize = 400;
    let server = app::start(&ServerOptions::default())?;
    let mut client = TcpStream::connect(server.base_url().trim_start_matches("http://"))?;
    for number in 0..REQUESTS {
        let mac = format!("52-54-00-bb-{:02x}-{:02x}", number / 256, number % 256);
        let answer = get(&mut client, &format!("/v1/boot/{mac}/boot.ipxe"))?;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    eventually("every request is counted", || {
        let own = server.log_with("no port has this address").len();
        let sums = server.log_with("further boot requests of unknown machines");
        let summed: usize = sums
            .iter()
            .filter_map(|line| {
                line.split("requests=")
                    .nth(1)?
                    .split(' ')
                    .next()?
                    .parse::<usize>()
                    .ok()
            })
            .sum();
        if own + summed < REQUESTS {
            return Ok(false);
        }
        assert_eq!(own + summed, REQUESTS, "{sums:#?}");
        // Five in each of the intervals that are summed up.
        assert!(own <= 5 * (sums.len() + 1), "{own} lines, {sums:#?}");
        assert!(sums.iter().all(|line| line.len() < 1000), "{sums:#?}");
        Ok(true)
    })
}
