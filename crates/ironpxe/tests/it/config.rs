//! `ironpxe config`, and what `serve` says about a configuration it cannot use.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};

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
        said.starts_with("ironpxe: configuration: my.toml:2: [api]prot: no such key"),
        "{said}"
    );
    let said = refused("[api]\n\nport = \"7000\"\n")?;
    assert!(
        said.starts_with("ironpxe: configuration: my.toml:3: [api]port: invalid type"),
        "{said}"
    );
    let said = refused("[api]\n\n\nmax_limit = 0\n")?;
    assert!(
        said.starts_with("ironpxe: configuration: my.toml:4: [api]max_limit: 0 is not between 1"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_missing_file_is_named() -> Result<()> {
    let (code, _, said) = run(&mut ironpxe(&["serve", "--config", "/nonexistent/my.toml"]))?;
    assert_eq!(code, Some(64));
    assert!(
        said.contains("cannot read /nonexistent/my.toml: No such file"),
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
        said.contains("unknown hardware type \"warp-drive\""),
        "{said}"
    );
    assert_eq!(said.matches("warp-drive").count(), 1, "{said}");
    Ok(())
}

/// A configuration that cannot be used: flags, the file, and what is said besides its name.
struct Wrong {
    flags: &'static [&'static str],
    file: &'static str,
    says: &'static str,
}

const fn wrong(file: &'static str, says: &'static str) -> Wrong {
    let flags = &[];
    Wrong { flags, file, says }
}

const fn of_role(flags: &'static [&'static str], file: &'static str, says: &'static str) -> Wrong {
    Wrong { flags, file, says }
}

const CONDUCTOR: &[&str] = &["--role", "conductor"];
const API: &[&str] = &["--role", "api"];

/// What either command finds by the text alone, and what takes files or what this release has.
const WRONG: &[Wrong] = &[
    wrong("[api", "my.toml:1: "),
    wrong("[DEFAULT]\nhost = me\n", "my.toml:2: "),
    wrong("[api]\nprot = 1\n", "my.toml:2: [api]prot: no such key"),
    wrong(
        "[api]\npublic_endpoint = \"http://2001:db8::139:6180\"\n",
        "needs brackets",
    ),
    wrong(
        "[api]\npublic_endpoint = \"http://0.0.0.0:6385\"\n",
        "not the address of a host",
    ),
    wrong(
        "[api]\npublic_endpoint = \"http://h:0\"\n",
        "from 1 to 65535",
    ),
    wrong(
        "[deploy]\nhttp_url = \"http://u:p@h\"\n",
        "my.toml:2: [deploy]http_url: ",
    ),
    wrong(
        "[conductor]\ndeploy_kernel = \"http://h/k\"\n",
        "my.toml:2: [conductor]deploy_kernel: this needs [conductor]deploy_ramdisk",
    ),
    wrong(
        "[conductor]\ndeploy_kernel_by_arch = { aarch64 = \"http://h/k\" }\n",
        "[conductor]deploy_kernel_by_arch.aarch64: this needs",
    ),
    of_role(
        &["--listen", "0.0.0.0:0", "--allow-unauthenticated"],
        "",
        "--listen: [api]host_ip: 0.0.0.0 is a wildcard address",
    ),
    of_role(
        &["--listen", "[::]:0", "--allow-unauthenticated"],
        "",
        "--listen: [api]host_ip: :: is a wildcard address",
    ),
    of_role(
        &["--listen", "192.0.2.1:0", "--allow-unauthenticated"],
        "[api]\npublic_endpoint = \"http://127.0.0.1:6385\"\n",
        "my.toml:2: [api]public_endpoint: with \"http://127.0.0.1:6385\" each machine",
    ),
    of_role(&["--listen", "192.0.2.1:0"], "", "--allow-unauthenticated"),
    wrong(
        "[DEFAULT]\n\nenabled_hardware_types = [\"ipmi\"]\n",
        "my.toml:3: unknown hardware type \"ipmi\"",
    ),
    wrong(
        "[DEFAULT]\ndefault_deploy_interface = \"warp\"\n",
        "my.toml:2: fake-hardware does not support [DEFAULT]default_deploy_interface \"warp\"",
    ),
    wrong(
        "[anaconda]\ndefault_ks_template = \"none.ks\"\n",
        "my.toml:2: [anaconda]default_ks_template: none.ks cannot be read: No such file",
    ),
    // An API answers installers.
    of_role(
        API,
        "[anaconda]\ndefault_ks_template = \"none.ks\"\n",
        "my.toml:2: [anaconda]default_ks_template: none.ks cannot be read: No such file",
    ),
    wrong(
        "[anaconda]\ndefault_ks_template = \"broken.ks\"\n",
        "my.toml:2: [anaconda]default_ks_template: ",
    ),
    wrong(
        "[pxe]\nipxe_config_template = \"none.ipxe\"\n",
        "my.toml:2: [pxe]ipxe_config_template: cannot read none.ipxe",
    ),
    wrong(
        "[pxe]\nipxe_config_template_by_arch = { arm = \"broken.ks\" }\n",
        "my.toml:2: [pxe]ipxe_config_template_by_arch.arm: ",
    ),
    wrong(
        "[images]\ncafile = \"none.pem\"\n",
        "my.toml:2: [images]cafile: cannot read certificates from none.pem",
    ),
    wrong(
        "[images]\ncafile = \"broken.ks\"\n",
        "my.toml:2: [images]cafile: cannot read certificates from broken.ks",
    ),
    wrong(
        "[glance]\nauth_type = \"none\"\nendpoint_override = \"http://g\"\ncafile = \"none.pem\"\n",
        "my.toml:4: [glance]cafile: ",
    ),
    wrong(
        "[neutron]\nauth_type = \"none\"\nendpoint_override = \"http://g\"\ncafile = \"none.pem\"\n",
        "my.toml:4: [neutron]cafile: ",
    ),
    of_role(
        CONDUCTOR,
        "[json_rpc]\nauth_strategy = \"http_basic\"\n",
        "my.toml:2: [json_rpc]auth_strategy: ",
    ),
    of_role(
        CONDUCTOR,
        "[json_rpc]\nauth_strategy = \"http_basic\"\nhttp_basic_auth_user_file = \"none\"\n",
        "my.toml:3: [json_rpc]http_basic_auth_user_file: cannot read the users of none",
    ),
    of_role(
        CONDUCTOR,
        "[json_rpc]\nauth_strategy = \"http_basic\"\nhttp_basic_auth_user_file = \"broken.ks\"\n",
        "my.toml:3: [json_rpc]http_basic_auth_user_file: broken.ks, line 1",
    ),
    of_role(
        CONDUCTOR,
        "[json_rpc]\nuse_ssl = true\ncert_file = \"none.pem\"\nkey_file = \"none.key\"\n",
        "my.toml:3: [json_rpc]cert_file: cannot read certificates from none.pem",
    ),
    of_role(
        CONDUCTOR,
        "[DEFAULT]\nenabled_hardware_types = [\"ipmi\"]\n",
        "my.toml:2: [DEFAULT]enabled_hardware_types names \"ipmi\"",
    ),
    of_role(
        CONDUCTOR,
        "[json_rpc]\nhost_ip = \"192.0.2.1\"\n",
        "my.toml:2: [json_rpc]host_ip: clients are not authenticated",
    ),
    of_role(
        API,
        "[json_rpc]\nauth_strategy = \"http_basic\"\n",
        "my.toml:2: [json_rpc]auth_strategy: ",
    ),
    of_role(
        API,
        "[json_rpc]\nclient_use_ssl = true\ncafile = \"none.pem\"\n",
        "my.toml:3: [json_rpc]cafile: cannot read certificates from none.pem",
    ),
];

/// A folder with `my.toml`, and a file that is none of what is looked for.
fn folder_with(file: &str) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("my.toml"), file)?;
    std::fs::write(folder.path().join("broken.ks"), "{% if %}\n")?;
    Ok(folder)
}

/// A configuration is refused by both, with the same words and with exit 64, before anything is
/// bound or written.
#[test]
fn check_refuses_what_serve_refuses_with_the_same_words() -> Result<()> {
    for Wrong { flags, file, says } in WRONG {
        let folder = folder_with(file)?;
        let in_folder = |verb: &[&str]| {
            run(ironpxe(verb)
                .args(["--config", "my.toml", "--state-dir", "state"])
                .args(*flags)
                .current_dir(folder.path()))
        };
        let (code, stdout, said) = in_folder(&["config", "check"])?;
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{file}: {said}");
        assert!(said.contains(says), "{file}: {said}");
        assert_eq!(in_folder(&["serve"])?, (code, stdout, said), "{file}");
        assert!(!folder.path().join("state").exists(), "{file}");
    }
    // The log's filter is a part of it, though not of the file.
    let with_filter = |verb: &[&str]| run(ironpxe(verb).env("IRONPXE_LOG", "x=nonsense"));
    let (code, stdout, said) = with_filter(&["config", "check"])?;
    assert_eq!((code, stdout.as_str()), (Some(64), ""), "{said}");
    assert!(said.contains("IRONPXE_LOG"), "{said}");
    assert_eq!(with_filter(&["serve"])?, (code, stdout, said));
    Ok(())
}

/// What concerns another role's process is no reason to refuse this one's, by neither of them.
#[test]
fn serve_starts_with_what_check_calls_good() -> Result<()> {
    let basic = "[json_rpc]\nauth_strategy = \"http_basic\"\n";
    let types = "[DEFAULT]\nenabled_hardware_types = [\"ipmi\"]\n";
    for (flags, file) in [
        (&[][..], ""),
        (&[], basic),
        (API, types),
        (CONDUCTOR, ""),
        (
            &[],
            "[api]\npublic_endpoint = \"http://192.0.2.1:6385/v1\"\n",
        ),
        (
            &["--allow-unauthenticated"],
            "[api]\npublic_endpoint = \"http://h\"\n",
        ),
    ] {
        let folder = folder_with(file)?;
        let command = |verb: &[&str]| {
            let mut command = ironpxe(verb);
            command
                .args(["--config", "my.toml", "--state-dir", "state"])
                .args(["--listen", "127.0.0.1:0"])
                .args(flags)
                .current_dir(folder.path());
            command
        };
        let (code, stdout, said) = run(&mut command(&["config", "check"]))?;
        assert_eq!((code, said.as_str()), (Some(0), ""), "{file}: {stdout}");
        assert!(stdout.ends_with("The configuration is good.\n"), "{stdout}");
        let mut serving = command(&["serve"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = serving.stderr.take().context("no log")?;
        let listens = BufReader::new(log)
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("listening on http://"));
        serving.kill()?;
        serving.wait()?;
        assert!(listens, "{flags:?} {file}");
    }
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
