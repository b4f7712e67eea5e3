//! Files of the service that others may read.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn files_readable_by_others_are_reported_and_made_private() -> Result<()> {
    let home = tempfile::tempdir()?;
    let state = home.path().join("state");
    let connection = format!("sqlite://{}", state.join("ironpxe.sqlite").display());
    let options = ServerOptions::default()
        .state_dir(&state)
        .database(connection);
    let mut server = app::start(&options)?;
    ensure!(server.terminate()?.success());

    let file = state.join("ironpxe.sqlite");
    let chmod =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    let mode =
        |path: &Path| -> Result<u32> { Ok(std::fs::metadata(path)?.permissions().mode() & 0o7777) };
    let notes = || -> Result<String> {
        let check = Command::new(binary())
            .args(["config", "check"])
            .env_clear()
            .env("IRONPXE_DEFAULT__STATE_PATH", &state)
            .output()?;
        ensure!(check.status.success(), "{check:?}");
        let said = String::from_utf8(check.stdout)?;
        Ok(said
            .lines()
            .filter(|line| line.starts_with("Note: "))
            .collect())
    };
    assert_eq!(notes()?, "");
    chmod(&file, 0o644)?;
    chmod(&state, 0o755)?;
    let said = notes()?;
    for words in [
        "ironpxe.sqlite is readable by other users (mode 644)",
        "is accessible to other users (mode 755)",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let server = app::start(&options)?;
    for words in [
        "was readable by other users (mode 644)",
        "was accessible to other users (mode 755)",
    ] {
        server.wait_for_log(words, TIMEOUT)?;
    }
    assert_eq!((mode(&file)?, mode(&state)?), (0o600, 0o700));
    assert_eq!(notes()?, "");
    Ok(())
}
