//! `ironpxe config`, and what `serve` says about a configuration it cannot use.

use std::process::{Command, Output};

use anyhow::Result;

fn ironpxe(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ironpxe"));
    command
        .args(args)
        .env_clear()
        .env("HOME", "/nonexistent/home");
    command
}

fn run(command: &mut Command) -> Result<(Option<i32>, String, String)> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output()?;
    Ok((
        status.code(),
        String::from_utf8(stdout)?,
        String::from_utf8(stderr)?,
    ))
}

#[test]
fn the_sample_is_a_good_configuration() -> Result<()> {
    let (code, sample, stderr) = run(&mut ironpxe(&["config", "sample"]))?;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let kept = include_str!("../../../../packaging/ironpxe.toml");
    assert_eq!(
        sample, kept,
        "run: ironpxe config sample > packaging/ironpxe.toml"
    );
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ironpxe.toml");
    std::fs::write(&file, sample)?;
    let (code, stdout, stderr) = run(ironpxe(&["config", "check", "--config"]).arg(&file))?;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout, "The configuration is good.\n");
    Ok(())
}

#[test]
fn check_shows_who_set_what() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("my.toml"),
        "[api]\nport = 7000\nmax_limit = 5\n",
    )?;
    let (code, stdout, stderr) = run(ironpxe(&["config", "check", "--config", "my.toml"])
        .current_dir(folder.path())
        .env("IRONPXE_API__PORT", "7001"))?;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(
        stdout,
        "[api]port = 7001  # IRONPXE_API__PORT\n\
         [api]max_limit = 5  # my.toml:3\n\
         The configuration is good.\n"
    );
    Ok(())
}

/// Both commands say the same, and exit with 64.
fn refused(text: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("my.toml"), text)?;
    let in_folder = |args: &[&str]| {
        run(ironpxe(args)
            .args(["--config", "my.toml"])
            .current_dir(folder.path()))
    };
    let (code, stdout, said) = in_folder(&["config", "check"])?;
    assert_eq!((code, stdout.as_str()), (Some(64), ""), "{said}");
    let serve = in_folder(&["serve", "--state-dir", "state"])?;
    assert_eq!(serve, (code, stdout, said.clone()));
    assert!(!folder.path().join("state").exists());
    Ok(said)
}

#[test]
fn an_unknown_key_a_wrong_type_and_a_bad_value_are_shown_with_file_and_line() -> Result<()> {
    let said = refused("[api]\nprot = 7000\n")?;
    assert!(
        said.starts_with("ironpxe: configuration: my.toml:2: [api]prot: there is no such key"),
        "{said}"
    );
    let said = refused("[api]\n\nport = \"7000\"\n")?;
    assert!(
        said.starts_with("ironpxe: configuration: my.toml:3: [api]port: invalid type"),
        "{said}"
    );
    let said = refused("[api]\n\n\nmax_limit = 0\n")?;
    assert!(
        said.starts_with("ironpxe: configuration: my.toml:4: [api]max_limit: 0 is not from 1"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_missing_file_is_named() -> Result<()> {
    let (code, _, said) = run(&mut ironpxe(&["serve", "--config", "/nonexistent/my.toml"]))?;
    assert_eq!(code, Some(64));
    assert!(
        said.contains("/nonexistent/my.toml cannot be read: No such file"),
        "{said}"
    );
    Ok(())
}

#[test]
fn hardware_types_that_there_are_not_are_refused() -> Result<()> {
    let (code, _, said) = run(ironpxe(&["serve", "--listen", "127.0.0.1:0"])
        .env("IRONPXE_DEFAULT__ENABLED_HARDWARE_TYPES", "warp-drive"))?;
    assert_eq!(code, Some(64));
    assert!(
        said.contains("[DEFAULT]enabled_hardware_types names \"warp-drive\""),
        "{said}"
    );
    assert_eq!(said.matches("warp-drive").count(), 1, "{said}");
    Ok(())
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() -> Result<()> {
    for args in [
        &["serve", "--nonsense"][..],
        &["serve", "--listen", "nowhere"],
        &["dance"],
        &[],
    ] {
        let (code, stdout, said) = run(&mut ironpxe(args))?;
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{said}");
    }
    let (code, stdout, _) = run(&mut ironpxe(&["--version"]))?;
    assert_eq!(
        (code, stdout),
        (Some(0), format!("ironpxe {}\n", env!("CARGO_PKG_VERSION")))
    );
    Ok(())
}
