//! Two processes under one conductor's name: the second one does not start, and nothing happens to
//! the work of the first.

use ironpxe_testkit::postgres::Postgres;

use super::*;

fn options(state: &Path, host: &str) -> ServerOptions {
    let options = ServerOptions::default().state_dir(state);
    options
        .set("IRONPXE_DEFAULT__HOST", host)
        .set("IRONPXE_CONDUCTOR__HEARTBEAT_INTERVAL", "1")
}

fn is_ready(server: &Server) -> Result<()> {
    let client = Ironic::new(server.base_url())?;
    client.get("/readyz")?.expect_status(200).map(drop)
}

#[test]
fn second_process_with_the_same_name_does_not_start() -> Result<()> {
    let state = tempfile::tempdir()?;
    let mut first = app::start(&options(state.path(), "vm"))?;
    let said = app::start_refused(&options(state.path(), "vm"))?;
    for words in [
        "[DEFAULT]host \"vm\" is already used by a running conductor".to_owned(),
        format!("process {}", first.id()),
        "stop it, or set a different name".to_owned(),
    ] {
        assert!(said.contains(&words), "{said}");
    }
    is_ready(&first)?;
    assert_eq!(first.log_with("another process"), [""; 0]);
    // Under another name it may.
    let other = app::start(&options(state.path(), "vm-2"))?;
    is_ready(&other)?;
    // After a power cut, the next one starts at once, though the heartbeat is fresh.
    first.kill()?;
    let again = app::start(&options(state.path(), "vm"))?;
    assert_eq!(again.log_with("waiting up to"), [""; 0]);
    is_ready(&again)
}

/// On several hosts, which no file is common to, heartbeats say who lives.
#[test]
fn second_process_on_another_host_does_not_start() -> Result<()> {
    let Some(postgres) = Postgres::shared() else {
        return Ok(());
    };
    let url = postgres.url(&postgres.create_database(None)?);
    let upgrade = Command::new(binary())
        .args(["db", "upgrade"])
        .env("IRONPXE_DATABASE__CONNECTION", &url)
        .output()?;
    ensure!(upgrade.status.success(), "{upgrade:?}");
    let (here, there) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let options = |state: &Path| options(state, "vm").database(url.as_str());
    let mut first = app::start(&options(here.path()))?;
    let said = app::start_refused(&options(there.path()))?;
    assert!(
        said.contains("running conductor: a conductor that writes heartbeats into this database"),
        "{said}"
    );
    is_ready(&first)?;
    first.kill()?;
    // Here it is known that the run was this host's, and is gone. Elsewhere that shows in its silence.
    let mut again = app::start(&options(here.path()))?;
    assert_eq!(again.log_with("waiting up to"), [""; 0]);
    is_ready(&again)?;
    again.kill()?;
    let moved = app::start(&options(there.path()))?;
    assert_eq!(moved.log_with("waiting up to").len(), 1);
    is_ready(&moved)
}
